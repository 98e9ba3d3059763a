"""Regimes: which label of each symbol was said last, and what must be said when the labels of bars come."""

from daemons.strategy_engine.opinions import Labels
from lct.clock import rfc3339
from lct.domain.anchor import Grid
from lct.domain.regimes import UNKNOWN
from lct.errors import DataError
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import RegimeChanged


class Regimes:
    """The labels that were said; before its first bar a symbol is `unknown`, and again once a whole block has none."""

    def __init__(self, grid: Grid) -> None:
        """Start before the first bar."""
        self._grid = grid
        self._known: dict[str, tuple[int, str]] = {}
        self._turn_ns = 0
        self.labels: Labels = ()

    def copy(self) -> "Regimes":
        """Return one that goes on from here by itself."""
        copied = Regimes(self._grid)
        copied._known, copied._turn_ns, copied.labels = dict(self._known), self._turn_ns, self.labels
        return copied

    def known(self) -> dict[str, str]:
        """Return the label of each symbol."""
        return {symbol: label for symbol, (_, label) in self._known.items()}

    def remember(self, bars: BarsClosed, last: dict[str, tuple[int, str]]) -> None:
        """Know the labels that were said up to some bars, by when the last bar of each symbol opened and its label."""
        block = self._grid.block_of(bars.open_ns)
        for symbol, (open_ns, label) in last.items():
            seen = self._grid.block_of(open_ns)
            if seen >= block - 1:
                self._known[symbol] = (seen, label)
        self._turn_ns = self._grid.start_ns(block + 1)

    def changes(self, bars: BarsClosed, labels: Labels) -> list[RegimeChanged]:
        """Return what must be said about regimes, and remember it; labels that are the same object say nothing new."""
        if labels is self.labels:
            return []
        block = self._grid.block_of(bars.open_ns)
        changed: list[tuple[str, str]] = []
        if bars.open_ns >= self._turn_ns:
            self._turn_ns = self._grid.start_ns(block + 1)
            gone = [symbol for symbol, (seen, _) in self._known.items() if seen < block - 1]
            changed += [(symbol, UNKNOWN) for symbol in gone if self._known.pop(symbol)[1] != UNKNOWN]
        for symbol, label in zip(bars.symbols, labels, strict=True):
            if label is None:
                msg = f"a bar of {symbol} was heard for {rfc3339(bars.open_ns)}, but none is recorded there"
                raise DataError(msg)
            _, before = self._known.get(symbol, (block, UNKNOWN))
            self._known[symbol] = (block, label)
            if label != before:
                changed.append((symbol, label))
        self.labels = labels
        return [RegimeChanged(symbol, bars.md_seq, bars.time_ns, label) for symbol, label in changed]
