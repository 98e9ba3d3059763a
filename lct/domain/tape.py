"""A tape: recorded bars of several symbols on one timeline, as a feed and a paper venue read them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lct.domain.bars import Bars, Times, timeframe_ns

UNIVERSES_MAX = 1_000
"""Sets of symbols with a bar at one time that are remembered."""


class Row(NamedTuple):
    """All bars of one timestamp, in columns; symbols without a bar there are not in it."""

    open_ns: int
    symbols: tuple[str, ...]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class Tape:
    """Sound bars of several symbols (sorted by name) and the union of their times."""

    def __init__(self, timeframe: str, series: Mapping[str, Bars]) -> None:
        """Join series of sound bars of one timeframe; ValueError for an unknown timeframe."""
        self.timeframe = timeframe
        self.step_ns = timeframe_ns(timeframe)
        self.symbols = tuple(sorted(series))
        self._series = {symbol: series[symbol].frozen() for symbol in self.symbols}
        columns = [bars.open_ns for bars in self._series.values()]
        self._universes: dict[bytes, tuple[str, ...]] = {}
        self.times: Times = np.unique(np.concatenate(columns)) if columns else np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of timestamps."""
        return len(self.times)

    @property
    def bars_total(self) -> int:
        """Return the number of bars over all symbols."""
        return sum(len(bars) for bars in self._series.values())

    def bars(self, symbol: str) -> Bars:
        """Return all bars of one symbol; KeyError for a symbol that is not on the tape."""
        return self._series[symbol]

    def first_from(self, symbol: str, from_ns: int) -> int:
        """Return the index of the first bar of a symbol that opens at `from_ns` or later; their number if none does.

        Where no bar is missing that follows from the first one, and no search through a year of memory is needed.
        """
        times = self._series[symbol].open_ns
        at = -((int(times[0]) - from_ns) // self.step_ns) if len(times) else 0
        if 0 < at < len(times) and times[at - 1] < from_ns <= times[at]:
            return at
        return int(times.searchsorted(from_ns))

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the timestamps first..last-1, as Python lists (cheaper to read one by one)."""
        return list(map(Row._make, self.cells(first, last)))

    def cells(self, first: int, last: int) -> Iterable[tuple[Any, ...]]:
        """Return the rows as plain tuples, for who makes something else of them at once."""
        times = self.times[first:last]
        if not len(times):
            return ()
        present = np.zeros((len(times), len(self.symbols)), dtype=np.bool_)
        table = np.empty((5, len(times), len(self.symbols)))
        for column, bars in enumerate(self._series.values()):
            part = bars.between(int(times[0]), int(times[-1]) + 1)
            at = np.searchsorted(times, part.open_ns)
            present[at, column] = True
            for field, values in enumerate((part.open, part.high, part.low, part.close, part.volume)):
                table[field, at, column] = values
        if present.all():
            return zip(times.tolist(), [self.symbols] * len(times), *table.tolist(), strict=True)
        return [self._sparse(t, present[i], table[:, i]) for i, t in enumerate(times.tolist())]

    def _sparse(self, open_ns: int, present: np.ndarray, table: np.ndarray) -> Row:
        return Row(open_ns, self._present(present), *(table[:, present].tolist()))

    def _present(self, present: np.ndarray) -> tuple[str, ...]:
        """Return the symbols that are present; one object for the same symbols, which readers tell by identity."""
        key = present.tobytes()
        found = self._universes.get(key)
        if found is None:
            symbols = tuple(s for s, here in zip(self.symbols, present, strict=True) if here)
            found = self.symbols if len(symbols) == len(self.symbols) else symbols
            if len(self._universes) < UNIVERSES_MAX:
                self._universes[key] = found
        return found
