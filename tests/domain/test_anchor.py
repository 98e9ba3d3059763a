"""The anchor grid: blocks, windows, and which bars may have a score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.anchor import anchored, block_bars, grid_of
from lct.domain.bars import Bars

STEP = 60_000_000_000


def bars_at(slots):
    closes = np.arange(1.0, len(slots) + 1)
    return Bars.of(np.array(slots, dtype=np.int64) * STEP, closes, closes, closes, closes, closes)


@pytest.mark.parametrize(("warmup", "expected"), [(0, 64), (26, 64), (64, 64), (65, 128), (128, 128), (200, 256)])
def test_a_block_is_the_smallest_power_of_two_that_holds_the_warmup(warmup, expected):
    assert block_bars(warmup) == expected


def test_a_negative_warmup_is_refused():
    with pytest.raises(ValueError, match="negative"):
        grid_of(STEP, -1)


def test_without_gaps_the_first_score_opens_the_first_block_after_a_whole_one():
    bars = bars_at(range(10, 400))

    scores = anchored(grid_of(STEP, 26), bars, lambda window: window.close)

    first = int(np.flatnonzero(~np.isnan(scores))[0])
    assert bars.open_ns[first] // STEP == 128
    assert not np.isnan(scores[first:]).any()


def test_a_series_that_begins_on_a_border_has_its_first_whole_block_there():
    scores = anchored(grid_of(STEP, 26), bars_at(range(64, 200)), lambda window: window.close)

    assert np.isnan(scores[:64]).all()
    assert not np.isnan(scores[64:]).any()


def test_the_window_starts_where_the_block_before_starts():
    bars = bars_at(range(640))

    span = grid_of(STEP, 26).span(bars.open_ns, 5)

    assert span == (4 * 64, 5 * 64, 5 * 64, 6 * 64)


def test_a_missing_first_bar_of_a_block_silences_nothing():
    slots = [slot for slot in range(640) if slot != 256]

    scores = anchored(grid_of(STEP, 26), bars_at(slots), lambda window: window.close)

    assert not np.isnan(scores[64:]).any()


def test_a_gap_delays_scores_until_the_window_holds_the_warmup():
    slots = [slot for slot in range(640) if not 200 <= slot < 250]  # leaves 14 of the 64 bars of block 3
    bars = bars_at(slots)

    scores = anchored(grid_of(STEP, 26), bars, lambda window: window.close)

    silent = bars.open_ns[np.isnan(scores)] // STEP
    assert silent[silent >= 64].tolist() == list(range(256, 256 + 26 - 14))


def test_a_gap_of_a_whole_block_begins_the_series_anew():
    slots = [slot for slot in range(640) if not 120 <= slot < 260]
    bars = bars_at(slots)

    scores = anchored(grid_of(STEP, 26), bars, lambda window: window.close)

    scored = bars.open_ns[~np.isnan(scores)] // STEP
    assert scored[scored >= 120].min() == 384


def test_one_missing_bar_in_each_block_does_not_silence_the_longest_warmup():
    slots = [slot for slot in range(1280) if slot % 64 != 30]

    scores = anchored(grid_of(STEP, 64), bars_at(slots), lambda window: window.close)

    assert np.mean(~np.isnan(scores[128:])) > 0.95


@given(st.sets(st.integers(0, 700), min_size=1), st.integers(0, 100), st.integers(0, 700))
def test_a_piece_of_three_blocks_gives_the_span_of_the_whole_series(slots, warmup, newest):
    grid = grid_of(STEP, warmup)
    times = np.array(sorted(slots), dtype=np.int64) * STEP
    block = grid.block_of(newest * STEP)
    cut = int(times.searchsorted(grid.start_ns(block - 2)))

    whole = grid.span(times, block)
    piece = grid.span(times[cut:], block)

    assert [p + cut for p in piece] == list(whole)


def test_an_empty_series_has_no_scores():
    assert len(anchored(grid_of(STEP, 5), bars_at([]), lambda window: window.close)) == 0
