"""Opinions: the scores and regimes of bars, each from its anchor window (see lct.domain.anchor).

There are two ways that say the same: `Heard` computes them from the bars heard so far, bar by bar, and `Recorded`
computes a whole segment of blocks at once from recorded bars, and then looks each bar up.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lct.clock import rfc3339
from lct.domain.anchor import BLOCKS_NEEDED, Grid, Span
from lct.domain.bars import Bars, Floats
from lct.domain.regimes import REGIMES, UNKNOWN, regimes
from lct.errors import DataError, LctError
from lct.messages.market_data import BarsClosed
from lct.ports.feed import BarSource
from lct.ports.strategy import Strategy

Columns = list[tuple[str, list[float | None]]]
"""Each strategy's name and its scores."""
Labels = tuple[str | None, ...]
LABELS: Labels = (*REGIMES, None)
"""A regime by its code; the code -1 picks None, which means that there is no bar."""
SCATTER = 2_654_435_761
"""Multiplier of Knuth's multiplicative hash: spreads neighbouring block indices over the places of a block."""

SEGMENT_BARS_MIN = 512
"""Recorded bars are scored in pieces of at least this many slots, so that the work around a block is shared."""


class LooksAhead(LctError):
    """A strategy's score of a bar changes when later bars are known: no backtest of it means anything."""


class StrategyFailed(LctError):
    """A strategy raised an error of its own."""


class UnsoundScores(LctError):
    """A strategy gave scores of the wrong length or outside [-1, 1]."""


class Judge(NamedTuple):
    """A strategy on its own anchor grid."""

    strategy: Strategy
    grid: Grid

    def scores(self, symbol: str, series: Bars, span: Span) -> Floats:
        """Return the scores of the positions scored..end-1; UnsoundScores where they cannot be scores."""
        window = series[span.first : span.end].frozen()
        try:
            scores: Any = self.strategy.scores(window)  # a stranger's code: what it promises is checked
        except (Exception, SystemExit) as error:
            opened = rfc3339(int(series.open_ns[span.end - 1]))
            what = f"{type(error).__name__}: {error}"
            raise StrategyFailed(f"strategy {self.strategy.name} failed on {symbol} at {opened}: {what}") from error
        if not isinstance(scores, np.ndarray) or scores.dtype != np.float64 or scores.shape != (len(window),):
            gave = f"{scores.dtype}{list(scores.shape)}" if isinstance(scores, np.ndarray) else type(scores).__name__
            msg = f"strategy {self.strategy.name} gave {gave} for {len(window)} bars; it owes one float64 per bar"
            raise UnsoundScores(msg)
        found: Floats = scores[span.scored - span.first :]
        outside = np.abs(found) > 1.0
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            opened = rfc3339(int(series.open_ns[span.scored + at]))
            msg = (
                f"strategy {self.strategy.name} scored {symbol} {float(found[at])} on the bar of {opened}; "
                "a score is within [-1, 1], or NaN for none"
            )
            raise UnsoundScores(msg)
        return found

    def guard(self, symbol: str, series: Bars, span: Span, block: int, scores: Floats) -> None:
        """Score one prefix of the block again, chosen by the block's index; LooksAhead where a bit differs."""
        inner = span.end - span.scored - 1
        if inner < 1:
            return
        known = 1 + (block * SCATTER >> 8) % inner
        alone = self.scores(symbol, series, span._replace(end=span.scored + known))
        if alone.tobytes() == scores[:known].tobytes():
            return
        same = (alone.view(np.int64) == scores[:known].view(np.int64)) | (np.isnan(alone) & np.isnan(scores[:known]))
        if not same.all():
            at = span.scored + int(np.flatnonzero(~same)[0])
            msg = (
                f"strategy {self.strategy.name} looks ahead: its score of {symbol} on the bar of "
                f"{rfc3339(int(series.open_ns[at]))} changes once later bars are known"
            )
            raise LooksAhead(msg)


class Opinions(Protocol):
    """Where the scores and regimes of heard bars come from."""

    reheard_bars: int
    """How many timestamps a new life must hear again to go on as the old one would have."""

    def at(self, bars: BarsClosed) -> tuple[Columns, Labels]:
        """Return each strategy's name and scores, and the symbols' labels, in the order of `bars.symbols`.

        Labels that are the same object as last time have not changed, and are of the same symbols and block.
        """
        ...

    def ahead(self, stretch: Sequence[BarsClosed]) -> list[tuple[Columns, Labels]]:
        """Return what `at` would of bars to come, of as many of them as is known already."""
        ...


class Tail:
    """The last bars of one symbol, as many as any window can need, in arrays that never grow."""

    def __init__(self, grid: Grid) -> None:
        """Take the largest grid in use."""
        self._grid = grid
        self._count = 0
        room = (BLOCKS_NEEDED + 1) * grid.block_bars
        self._times = np.empty(room, dtype=np.int64)
        self._columns = np.empty((5, room))

    def append(self, open_ns: int, row: tuple[float, ...]) -> Bars:
        """Take the next bar and return all that are kept, as views."""
        n = self._count
        assert n == 0 or open_ns > self._times[n - 1], "bars come in the order of time"
        if n == len(self._times):
            since = self._grid.start_ns(self._grid.block_of(open_ns) - BLOCKS_NEEDED + 1)
            first = int(self._times.searchsorted(since))
            n -= first
            self._times[:n] = self._times[first:].copy()
            self._columns[:, :n] = self._columns[:, first:].copy()
        self._times[n] = open_ns
        self._columns[:, n] = row
        self._count = n + 1
        return self.bars()

    def bars(self) -> Bars:
        """Return all that are kept, as views."""
        n = self._count
        return Bars(self._times[:n], *self._columns[:, :n])


class Heard:
    """Opinions from the bars heard so far: what a live house can do."""

    def __init__(self, judges: Sequence[Judge], regime_grid: Grid) -> None:
        """Take the strategies and the grid of the regimes, all of one timeframe."""
        self._judges = judges
        self._regime_grid = regime_grid
        self._largest = max([regime_grid, *(judge.grid for judge in judges)], key=lambda grid: grid.block_bars)
        self._tails: dict[str, Tail] = {}
        # the last bar of a symbol lies at most two blocks back, its label rests on two more, and one is begun
        self.reheard_bars = 5 * self._largest.block_bars

    def take(self, bars: BarsClosed) -> list[tuple[str, Bars]]:
        """Keep the bars; return the series of each symbol, which end with them."""
        found = []
        rows = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
        for symbol, row in zip(bars.symbols, rows, strict=True):
            tail = self._tails.get(symbol)
            if tail is None:
                tail = self._tails[symbol] = Tail(self._largest)
            found.append((symbol, tail.append(bars.open_ns, row)))
        return found

    def last_labels(self) -> dict[str, tuple[int, str]]:
        """Return of each symbol when its last bar opened, in ns, and its label then."""
        found = {}
        for symbol, tail in self._tails.items():
            series = tail.bars()
            open_ns = int(series.open_ns[-1])
            found[symbol] = open_ns, self._label(series, open_ns)
        return found

    def at(self, bars: BarsClosed) -> tuple[Columns, Labels]:
        """Score the newest bar of each symbol on its window."""
        columns: Columns = [(judge.strategy.name, []) for judge in self._judges]
        labels: list[str | None] = []
        for symbol, series in self.take(bars):
            for (_, column), judge in zip(columns, self._judges, strict=True):
                column.append(self._score(judge, symbol, series, bars.open_ns))
            labels.append(self._label(series, bars.open_ns))
        return columns, tuple(labels)

    def ahead(self, stretch: Sequence[BarsClosed]) -> list[tuple[Columns, Labels]]:
        """Return nothing: what is heard is scored, and no more."""
        return []

    def _score(self, judge: Judge, symbol: str, series: Bars, open_ns: int) -> float | None:
        span = judge.grid.span(series.open_ns, judge.grid.block_of(open_ns))
        if span.scored == span.end:
            return None
        score = float(judge.scores(symbol, series, span)[-1])
        return None if score != score else score  # noqa: PLR0124 - only NaN differs from itself

    def _label(self, series: Bars, open_ns: int) -> str:
        span = self._regime_grid.span(series.open_ns, self._regime_grid.block_of(open_ns))
        if span.scored == span.end:
            return UNKNOWN
        return REGIMES[int(regimes(series.close[span.first : span.end])[-1])]


class Recorded:
    """Opinions from recorded bars, a segment of whole blocks at a time; the rest is looking up.

    It reads bars that are not heard yet, so a strategy that looks ahead would profit from it. Each block of each
    strategy is therefore guarded on one of its symbols, all symbols taking their turn.
    """

    def __init__(self, judges: Sequence[Judge], regime_grid: Grid, recorded: BarSource) -> None:
        """Take the strategies and the grid of the regimes, all of the timeframe of the recorded bars."""
        self._judges = judges
        self._regime_grid = regime_grid
        self._recorded = recorded
        self._step_ns = regime_grid.step_ns
        self._slots = max([SEGMENT_BARS_MIN, regime_grid.block_bars, *(judge.grid.block_bars for judge in judges)])
        self._series: dict[str, Bars] = {}
        self._start_ns = 0
        self._rows: dict[int, tuple[Columns, Labels]] = {}
        self._symbols: tuple[str, ...] = ()
        self._columns: dict[str, int] = {}
        # labels come from the record; only which ones have been said must be remembered, two blocks and a begun one
        self.reheard_bars = 3 * regime_grid.block_bars

    def at(self, bars: BarsClosed) -> tuple[Columns, Labels]:
        """Look the bars up, after computing their segment if they are its first."""
        if bars.symbols is self._symbols:
            row = self._rows.get(bars.open_ns)
            if row is not None:
                return row
        if not self._has(bars):
            self._turn(bars)
        columns, labels = self._rows[bars.open_ns]
        places = [self._columns[symbol] for symbol in bars.symbols]
        picked = [(name, [scores[place] for place in places]) for name, scores in columns]
        return picked, tuple([labels[place] for place in places])

    def ahead(self, stretch: Sequence[BarsClosed]) -> list[tuple[Columns, Labels]]:
        """Look up the bars to come, to the end of the segment of the first."""
        found = [self.at(stretch[0])]
        for bars in stretch[1:]:
            row = self._rows.get(bars.open_ns) if bars.symbols is self._symbols else None
            if row is None:
                if not self._has(bars):
                    break
                row = self.at(bars)
            found.append(row)
        return found

    def _has(self, bars: BarsClosed) -> bool:
        return bars.open_ns in self._rows and self._columns.keys() >= set(bars.symbols)

    def _turn(self, bars: BarsClosed) -> None:
        """Compute the segment that the bars open in."""
        length_ns = self._slots * self._step_ns
        self._start_ns = start = bars.open_ns // length_ns * length_ns
        for symbol in bars.symbols:
            if symbol not in self._series:
                self._series[symbol] = self._read(symbol)
        heard = set(bars.symbols)
        others = [s for s in self._series if s not in heard and len(self._series[s].between(start, start + length_ns))]
        self._symbols = (*bars.symbols, *others) if others else bars.symbols
        self._columns = {symbol: column for column, symbol in enumerate(self._symbols)}
        table = np.full((len(self._judges), self._slots, len(self._symbols)), np.nan)
        for judge, page in zip(self._judges, table, strict=True):
            self._fill_scores(judge, page)
        codes = np.full((self._slots, len(self._symbols)), -1, dtype=np.int8)
        self._fill_regimes(codes)
        opens = range(start, start + length_ns, self._step_ns)
        named = [
            [(judge.strategy.name, row) for row in page]
            for judge, page in zip(self._judges, _lists(table), strict=True)
        ]
        columns = map(list, zip(*named, strict=True)) if named else [[] for _ in opens]
        self._rows = dict(
            zip(opens, zip(columns, _labels(codes, self._regime_grid.block_bars), strict=True), strict=True)
        )

    def _read(self, symbol: str) -> Bars:
        try:
            return self._recorded.bars(symbol)
        except KeyError:
            msg = f"bars of {symbol} were heard, but none are recorded; replay only what is recorded"
            raise DataError(msg) from None

    def _fill_scores(self, judge: Judge, table: Floats) -> None:
        first_block = self._start_ns // judge.grid.block_ns
        for block in range(first_block, first_block + self._slots // judge.grid.block_bars):
            found: list[tuple[str, Bars, Span, Floats]] = []
            for column, symbol in enumerate(self._symbols):
                series = self._series[symbol]
                span = judge.grid.span(series.open_ns, block)
                if span.scored == span.end:
                    continue
                scores = judge.scores(symbol, series, span)
                table[self._slots_of(series, span.scored, span.end), column] = scores
                found.append((symbol, series, span, scores))
            if found:
                symbol, series, span, scores = found[block % len(found)]
                judge.guard(symbol, series, span, block, scores)

    def _fill_regimes(self, codes: npt.NDArray[np.int8]) -> None:
        grid = self._regime_grid
        first_block = self._start_ns // grid.block_ns
        alike: dict[int, list[tuple[int, Bars, Span]]] = {}
        for column, symbol in enumerate(self._symbols):
            series = self._series[symbol]
            first, end = series.open_ns.searchsorted(
                np.array([self._start_ns, self._start_ns + self._slots * self._step_ns])
            ).tolist()
            codes[self._slots_of(series, first, end), column] = REGIMES.index(UNKNOWN)
            for block in range(first_block, first_block + self._slots // grid.block_bars):
                span = grid.span(series.open_ns, block)
                if span.scored < span.end:
                    alike.setdefault(span.end - span.first, []).append((column, series, span))
        # windows of one length are labelled in one call, which costs little more than one window does
        for group in alike.values():
            labels = regimes(np.stack([series.close[span.first : span.end] for _, series, span in group]))
            for row, (column, series, span) in zip(labels, group, strict=True):
                codes[self._slots_of(series, span.scored, span.end), column] = row[span.scored - span.first :]

    def _slots_of(self, series: Bars, first: int, end: int) -> npt.NDArray[np.int64]:
        return (series.open_ns[first:end] - self._start_ns) // self._step_ns


def _lists(table: Floats) -> list[list[list[float | None]]]:
    """Return the table as lists, None for NaN."""
    silent = np.isnan(table)
    if not silent.any():
        dense: list[list[list[float | None]]] = table.tolist()
        return dense
    cells = table.astype(object)
    cells[silent] = None
    sparse: list[list[list[float | None]]] = cells.tolist()
    return sparse


def _labels(codes: npt.NDArray[np.int8], block_bars: int) -> list[Labels]:
    """Return one tuple of labels per row; neighbouring rows of one block that agree share one object."""
    differs = (codes[1:] != codes[:-1]).any(axis=1)
    differs[block_bars - 1 :: block_bars] = True
    starts = [0, *(np.flatnonzero(differs) + 1).tolist()]
    rows: list[Labels] = []
    for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
        rows += [tuple([LABELS[code] for code in codes[start].tolist()])] * (end - start)
    return rows
