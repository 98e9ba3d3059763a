"""Calling: which scores lie outside of what the holdings they are of may ignore."""

from collections.abc import Callable

from daemons.trading_engine.holdings import Holding
from lct.messages.strategy_engine import Scored

Call = tuple[Holding, float | None]


class Calling:
    """Finds the holding of each score; the row of a strategy is kept as long as its symbols stay the same."""

    def __init__(self, holding: Callable[[str, str], Holding]) -> None:
        """Take what returns the holding of a book and a symbol."""
        self._holding = holding
        self._rows: dict[str, tuple[tuple[str, ...], list[Holding]]] = {}

    def of(self, scored: Scored) -> list[Call]:
        """Return the holdings that are called, with their scores."""
        return [
            (holding, score)
            for holding, score in zip(self._row(scored), scored.scores, strict=True)
            if (holding.watched if score is None else not holding.low < score < holding.high)
        ]

    def is_any(self, scored: Scored) -> bool:
        """Whether any holding is called: `of`, up to the first."""
        for holding, score in zip(self._row(scored), scored.scores, strict=True):
            if holding.watched if score is None else not holding.low < score < holding.high:
                return True
        return False

    def _row(self, scored: Scored) -> list[Holding]:
        row = self._rows.get(scored.strategy)
        if row is None or row[0] is not scored.symbols:
            row = (scored.symbols, [self._holding(scored.strategy, symbol) for symbol in scored.symbols])
            self._rows[scored.strategy] = row
        return row[1]
