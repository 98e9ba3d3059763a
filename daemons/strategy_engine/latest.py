"""Latest: the last score that each strategy gave each symbol."""

from collections.abc import Mapping

from daemons.strategy_engine.opinions import Columns
from lct.domain.regimes import UNKNOWN
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Signal

Score = tuple[float | None, int, int]
"""A score, and the `md_seq` and close of the bar that it is of."""


class Latest:
    """Keeps the scores of the last bars as they came, and of symbols that those have not, the ones before."""

    def __init__(self) -> None:
        """Start before the first bar."""
        self._bars: BarsClosed | None = None
        self._columns: Columns = []
        self._earlier: dict[tuple[str, str], Score] = {}

    def hear(self, bars: BarsClosed, columns: Columns) -> None:
        """Take the scores of the next bars."""
        before = self._bars
        if before is not None and before.symbols is not bars.symbols and before.symbols != bars.symbols:
            self._earlier |= self._scores()
        self._bars, self._columns = bars, columns

    def signals(self, strategy: str | None, limit: int, regimes: Mapping[str, str]) -> list[Signal]:
        """Return at most `limit` scores, of one strategy or of all, the most decided first; `regimes` is by symbol."""
        found = [
            Signal(name, symbol, score, regimes.get(symbol, UNKNOWN), md_seq, time_ns)
            for (name, symbol), (score, md_seq, time_ns) in {**self._earlier, **self._scores()}.items()
            if strategy in (None, name)
        ]
        return sorted(found, key=lambda s: (1.0 if s.score is None else -abs(s.score), s.strategy, s.symbol))[:limit]

    def _scores(self) -> dict[tuple[str, str], Score]:
        bars = self._bars
        if bars is None:
            return {}
        return {
            (name, symbol): (score, bars.md_seq, bars.time_ns)
            for name, scores in self._columns
            for symbol, score in zip(bars.symbols, scores, strict=True)
        }
