"""Market data: it announces what can be a bar, counts what cannot, and never invents one."""

import math

import pytest

from daemons.market_data import Config, MarketData
from lct.messages.base import Codec, RequestRefused, encode
from lct.messages.feed import Rows, RowsRefused
from lct.messages.market_data import (
    BARS_ASKED_MAX,
    BarsClosed,
    BarsRefused,
    DataQuality,
    GetBars,
    GetDataQuality,
    GetSymbols,
    GetTicker,
    History,
    SymbolLine,
    Symbols,
    Ticker,
)

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


# -- what it answers ------------------------------------------------------------------------------------------------


def bar(n):
    """Return the n-th of a rising market's bars."""
    return (100.0 + n, 102.0 + n, 99.0 + n, 101.0 + n, 1.0)


def risen(n, kept=1_440):
    """Return what heard n timestamps of A, every second one with B."""
    daemon = MarketData(Config(bars_kept=kept))
    for i in range(n):
        told = {"A": bar(i), "B": bar(i)} if i % 2 == 0 else {"A": bar(i)}
        list(daemon.announce(rows(i + 1, i * STEP, **told), (i + 1) * STEP))
    return daemon


def test_symbols_are_those_of_which_a_bar_is_kept():
    assert MarketData().symbols(GetSymbols(), 0) == Symbols("", [])
    assert risen(4).symbols(GetSymbols(), 0) == Symbols(
        "1m", [SymbolLine("A", 4, 104.0, 4 * STEP), SymbolLine("B", 2, 103.0, 3 * STEP)]
    )


def test_the_last_bars_of_a_symbol_are_told_oldest_first():
    found = risen(5).bars(GetBars("B", limit=2), 0)

    first, second = bar(2), bar(4)
    assert found == History("B", "1m", [2 * STEP, 4 * STEP], *map(list, zip(first, second, strict=True)))


@pytest.mark.parametrize("timeframe", [None, "1m"])
def test_no_more_bars_are_kept_than_configured(timeframe):
    found = risen(9, kept=3).bars(GetBars("A", timeframe), 0)

    assert found.open_ns == [6 * STEP, 7 * STEP, 8 * STEP]


@pytest.mark.parametrize("request_", [GetBars("AA"), GetTicker("AA"), GetBars("A", "5m")])
def test_a_name_that_is_not_there_is_refused_with_those_that_are(request_):
    daemon = risen(2)

    found = (daemon.bars if isinstance(request_, GetBars) else daemon.ticker)(request_, 0)

    assert isinstance(found, RequestRefused)
    assert found.is_missing
    assert "'A'" in found.reason or "there are 1m" in found.reason


def test_before_the_first_bar_every_symbol_is_missing():
    assert MarketData().bars(GetBars("A"), 0) == RequestRefused("no bars of 'A'; known: none", is_missing=True)


def test_a_ticker_is_the_way_to_the_last_close():
    found = risen(11).ticker(GetTicker("A"), 0)

    assert found == Ticker("A", 11 * STEP, 111.0, 100.0, 112.0, 99.0, 11.0, 111.0 / 100.0 - 1.0, 11, "1m")


def test_a_ticker_looks_back_a_day_however_much_is_kept():
    found = risen(2_000, kept=2_000).ticker(GetTicker("A"), 0)

    assert (found.bars, found.open, found.last) == (1_440, 660.0, 2_100.0)


def test_a_new_life_hears_again_what_it_keeps_and_refuses_a_time_that_was_there():
    assert MarketData(Config(bars_kept=3)).rehears_since(10) == 7
    assert MarketData().rehears_since(10) == 0

    fresh = MarketData(Config(bars_kept=1))
    list(fresh.announce(rows(10, 9 * STEP, A=GOOD), 0))

    assert list(fresh.announce(rows(11, 9 * STEP, A=GOOD), 0)) == [BarsRefused("A", {"time_backwards": 1})]


@pytest.mark.parametrize("limit", [0, -1, BARS_ASKED_MAX + 1, True, 1.5, "5"])
def test_a_limit_outside_of_its_bounds_does_not_come_in(limit):
    with pytest.raises(ValueError, match="limit"):
        Codec((GetBars,)).decode(encode(GetBars("A", limit=limit)))
