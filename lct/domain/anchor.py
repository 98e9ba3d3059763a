"""The anchor grid: where the window of a strategy starts, the same in a backtest, live and after a restart.

Recursive indicators (an EMA, an ADX) depend on where their input starts. If a backtest started them at the first bar of
the data and a live house at its own start, the two would differ. So windows start on a grid in time:

* A block has B slots of the timeframe, B being the smallest power of two >= max(64, warmup).
* The block of a bar is (open_ns // timeframe_ns) // B. Powers of two nest: a border of a large block is one of a small.
* The scores of the bars of block k are computed on the window that starts where block k - 1 starts.
* A bar of block k may have a score when both hold:
  1. block k - 1 is whole: the series has a bar that opens in block k - 2 or at the very start of block k - 1;
  2. at least `warmup` bars of the window come before it.

The first condition says that the series had begun when block k - 1 began. It looks back three blocks at most, so that a
restart finds the same answer from a bounded piece of history; a gap that swallows a whole block lets the series begin
anew. The second counts bars and not slots: a gap delays scores until the window is filled again, and never silences a
strategy for longer than that, unless fewer than warmup / (2 B) of the bars exist at all.
On data without gaps the first score stands on the first bar of the first block after one whole block.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lct.domain.bars import Bars, Floats, Times

BLOCK_BARS_MIN = 64
BLOCKS_NEEDED = 3
"""Blocks of bars that decide a score: its own, the one before, and the one that shows that this one is whole."""


class Span(NamedTuple):
    """Positions in a series: the window is [first, end), the block [begin, end), scores may stand in [scored, end)."""

    first: int
    begin: int
    scored: int
    end: int


class Grid(NamedTuple):
    """The anchor grid of one timeframe (`step_ns`) and one `warmup` in bars; make it with `grid_of`."""

    step_ns: int
    warmup: int
    block_bars: int

    @property
    def block_ns(self) -> int:
        """Return the length of a block in nanoseconds."""
        return self.step_ns * self.block_bars

    def block_of(self, open_ns: int) -> int:
        """Return the index of the block that a bar opens in."""
        return open_ns // self.block_ns

    def start_ns(self, block: int) -> int:
        """Return the open of the first slot of a block."""
        return block * self.block_ns

    def span(self, times: Times, block: int) -> Span:
        """Return where the bars of a block and of its window stand in `times`.

        `times` are the opens (int64, ascending) of a series from its recorded beginning, or of any piece of it that
        holds all bars from the start of block - 2 on: both give the same bars.
        """
        start = block * self.block_ns
        edges = (start - 2 * self.block_ns, start - self.block_ns, start, start + self.block_ns)
        early, first, begin, end = times.searchsorted(np.array(edges)).tolist()
        at_the_start = first < end and int(times[first]) == edges[1]
        if early == first and not at_the_start:
            return Span(first, begin, end, end)
        return Span(first, begin, min(max(begin, first + self.warmup), end), end)

    def blocks(self, times: Times) -> Iterator[int]:
        """Yield the indices of the blocks that hold bars, ascending."""
        yield from np.unique(times // self.block_ns).tolist()


def block_bars(warmup: int) -> int:
    """Return B: the smallest power of two >= max(64, warmup); ValueError for a negative warmup."""
    if warmup < 0:
        msg = f"a warmup of {warmup} bars; it cannot be negative"
        raise ValueError(msg)
    return 1 << (max(BLOCK_BARS_MIN, warmup) - 1).bit_length()


def grid_of(step_ns: int, warmup: int) -> Grid:
    """Return the grid of a timeframe of `step_ns` for something that needs `warmup` bars; ValueError where negative."""
    return Grid(step_ns, warmup, block_bars(warmup))


def anchored(grid: Grid, bars: Bars, scores: Callable[[Bars], Floats]) -> Floats:
    """Return the scores of all bars of a series on the grid: what a live house says, computed at once.

    `scores` gives one float64 per bar of a window. The result has the length of `bars`, NaN without a score.
    """
    found = np.full(len(bars), np.nan)
    for block in grid.blocks(bars.open_ns):
        span = grid.span(bars.open_ns, block)
        if span.scored < span.end:
            window = scores(bars[span.first : span.end])
            found[span.scored : span.end] = window[span.scored - span.first :]
    return found
