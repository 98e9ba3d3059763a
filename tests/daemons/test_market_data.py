"""Market data: it announces what can be a bar, counts what cannot, and never invents one."""

import math

import pytest

from daemons.market_data import MarketData
from lct.messages.feed import Rows, RowsRefused
from lct.messages.market_data import BarsClosed, BarsRefused, DataQuality, GetDataQuality

STEP = 60_000_000_000
GOOD = (100.0, 101.0, 99.0, 100.5, 5.0)


def rows(number, open_ns, **bars):
    """Return the rows of one timestamp; each bar is (open, high, low, close, volume)."""
    columns = [list(column) for column in zip(*bars.values(), strict=True)] or [[], [], [], [], []]
    return Rows(number, "1m", open_ns, tuple(bars), *columns)


def closed(number, open_ns, **bars):
    told = rows(number, open_ns, **bars)
    return BarsClosed(
        number, open_ns + STEP, open_ns, "1m", told.symbols, told.open, told.high, told.low, told.close, told.volume
    )


def test_sound_rows_become_the_bars_of_their_close():
    daemon = MarketData()

    assert list(daemon.announce(rows(1, 0, A=GOOD, B=GOOD), STEP)) == [closed(1, 0, A=GOOD, B=GOOD)]
    assert daemon.report(GetDataQuality(), STEP) == DataQuality({})


UNSOUND = {
    "nan": (math.nan, 101.0, 99.0, 100.0, 1.0),
    "infinite": (100.0, math.inf, 99.0, 100.0, 1.0),
    "zero": (100.0, 101.0, 0.0, 100.0, 1.0),
    "negative": (-1.0, 101.0, -2.0, 100.0, 1.0),
    "high below low": (100.0, 99.0, 101.0, 100.0, 1.0),
    "close outside": (100.0, 101.0, 99.0, 102.0, 1.0),
    "volume below zero": (100.0, 101.0, 99.0, 100.0, -1.0),
    "volume is no number": (100.0, 101.0, 99.0, 100.0, math.nan),
    "beyond all prices": (1e16, 1e16, 1e16, 1e16, 1.0),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_an_unsound_row_is_refused_and_its_neighbours_are_announced(what):
    daemon = MarketData()

    told = list(daemon.announce(rows(1, 0, A=GOOD, B=UNSOUND[what], C=GOOD), STEP))

    assert told == [BarsRefused("B", {"unsound": 1}), closed(1, 0, A=GOOD, C=GOOD)]
    assert daemon.report(GetDataQuality(), STEP) == DataQuality({"B": {"unsound": 1}})


def test_a_timestamp_without_a_sound_row_still_counts_so_that_md_seq_has_no_gap():
    daemon = MarketData()

    told = list(daemon.announce(rows(1, 0, A=UNSOUND["nan"]), STEP))

    assert told == [BarsRefused("A", {"unsound": 1}), closed(1, 0)]


def test_rows_off_the_grid_are_refused():
    daemon = MarketData()

    assert list(daemon.announce(rows(1, 7, A=GOOD), STEP)) == [BarsRefused("A", {"off_grid": 1})]


@pytest.mark.parametrize("open_ns", [0, STEP])
def test_rows_that_go_backwards_or_repeat_are_refused(open_ns):
    daemon = MarketData()
    list(daemon.announce(rows(1, STEP, A=GOOD), 2 * STEP))

    told = list(daemon.announce(rows(2, open_ns, A=GOOD, B=GOOD), 2 * STEP))

    assert told == [BarsRefused("A", {"time_backwards": 1}), BarsRefused("B", {"time_backwards": 1})]


def test_a_refused_time_does_not_hold_up_those_after_it():
    daemon = MarketData()
    list(daemon.announce(rows(1, 5 * STEP + 1, A=GOOD), STEP))
    list(daemon.announce(rows(2, 9 * STEP, A=UNSOUND["nan"]), STEP))

    assert list(daemon.announce(rows(3, STEP, A=GOOD), 2 * STEP)) == [closed(3, STEP, A=GOOD)]


def test_a_gap_is_not_filled():
    daemon = MarketData()
    list(daemon.announce(rows(1, 0, A=GOOD, B=GOOD), STEP))

    assert list(daemon.announce(rows(2, 60 * STEP, B=GOOD), 61 * STEP)) == [closed(2, 60 * STEP, B=GOOD)]


def test_what_the_feed_refused_is_counted_and_passed_on():
    daemon = MarketData()
    list(daemon.announce(rows(1, 0, A=UNSOUND["nan"]), STEP))

    assert list(daemon.count(RowsRefused("A", {"off_grid": 2, "unsound": 1}), STEP)) == [
        BarsRefused("A", {"off_grid": 2, "unsound": 1})
    ]
    assert daemon.report(GetDataQuality(), STEP) == DataQuality({"A": {"unsound": 2, "off_grid": 2}})
