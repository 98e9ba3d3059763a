"""Replay joins recorded files, refuses bad rows with their number, and derives the steps to trade in."""

import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct import formats
from lct.domain.bars import Bars
from lct.domain.instruments import Kind
from lct.errors import ConfigError, DataError, NotFound
from plugins.feeds.replay import Replay, amount_lot, price_tick

START = 1_704_067_200_000_000_000
STEP = 300_000_000_000
DATA = Path(os.environ.get("LCT_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "ohlcv"

recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded market data at {DATA}; set LCT_DATA to it")


def some(first: int, count: int, price: float = 100.0) -> Bars:
    opens = START + STEP * np.arange(first, first + count)
    flat = np.full(count, price)
    return Bars.of(opens, flat, flat + 0.25, flat - 0.25, flat, np.ones(count))


def feed(folder: Path, **settings: object) -> Replay:
    return Replay(Replay.Config(path=str(folder), **settings))


def put(folder: Path, name: str, bars: Bars) -> None:
    formats.write(folder / name, bars)


def test_several_files_of_a_symbol_are_one_series_in_order_of_time(tmp_path):
    put(tmp_path, "A_B-5m-a.parquet", some(10, 5))
    put(tmp_path, "A_B-5m-b.csv", some(0, 5))

    replay = feed(tmp_path)

    assert replay.tape().bars("A/B").open_ns.tolist() == [START + STEP * n for n in (0, 1, 2, 3, 4, 10, 11, 12, 13, 14)]
    assert replay.refused() == {}


def test_overlaps_that_agree_are_dropped_and_those_that_differ_are_counted(tmp_path):
    put(tmp_path, "A_B-5m-a.parquet", some(0, 6))
    put(tmp_path, "A_B-5m-b.parquet", some(4, 6, 101.0))
    put(tmp_path, "A_B-5m-c.parquet", some(8, 4, 101.0))

    replay = feed(tmp_path)

    assert len(replay.tape()) == 12
    assert replay.tape().bars("A/B").close.tolist() == [100.0] * 6 + [101.0] * 6
    assert replay.refused() == {"A/B": {"conflicting_duplicate": 2}}


def test_bad_rows_are_refused_by_reason_and_the_rest_is_played(tmp_path):
    bars = some(0, 6)
    bars.high[1] = 1.0
    bars.close[2] = np.nan
    bars.open_ns[3] += 1_000_000
    bars.low[4] = 0.0
    put(tmp_path, "A_B-5m.parquet", bars)

    replay = feed(tmp_path)

    assert len(replay.tape()) == 2
    assert replay.refused() == {"A/B": {"not_finite": 1, "not_positive": 1, "high_below_low": 1, "off_grid": 1}}


def test_the_period_begins_with_its_first_open_and_ends_before_its_last(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 10))

    tape = feed(tmp_path, from_ns=START + 2 * STEP, to_ns=START + 5 * STEP).tape()

    assert tape.times.tolist() == [START + STEP * n for n in (2, 3, 4)]


def test_an_empty_period_says_what_the_files_cover(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 10))

    with pytest.raises(DataError, match="the files cover 2024-01-01T00:00:00Z to 2024-01-01T00:45:00Z"):
        feed(tmp_path, from_ns=START + 20 * STEP).tape()


def test_a_symbol_that_was_asked_for_is_not_left_out_in_silence(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 10))
    put(tmp_path, "C_B-5m.parquet", some(20, 10))
    period = {"from_ns": START, "to_ns": START + 10 * STEP}

    assert feed(tmp_path, **period).tape().symbols == ("A/B",)
    with pytest.raises(DataError, match="no sound bars of C/B in the period asked for; the files cover"):
        feed(tmp_path, symbols=("A/B", "C/B"), **period).tape()


def test_one_bar_is_enough(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 1))

    assert feed(tmp_path).tape().bars_total == 1


def test_one_file_can_be_named_itself(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 3))
    put(tmp_path, "recording.parquet", some(0, 3))

    assert feed(tmp_path / "A_B-5m.parquet").tape().symbols == ("A/B",)
    assert feed(tmp_path / "recording.parquet", symbols=("C/D",)).tape().symbols == ("C/D",)
    with pytest.raises(ConfigError, match="its name tells no symbol"):
        feed(tmp_path / "recording.parquet").tape()
    with pytest.raises(ConfigError, match="holds 5m bars of A/B"):
        feed(tmp_path / "A_B-5m.parquet", timeframe="1h").tape()


@pytest.mark.parametrize(
    ("settings", "error", "wanted"),
    [
        ({"timeframe": "5x"}, ConfigError, "not a timeframe"),
        ({"from_ns": START, "to_ns": START}, ConfigError, "the period ends"),
        ({"symbols": ("A/C",)}, NotFound, "no symbol 'A/C'"),
        ({"timeframe": "1h"}, NotFound, "no timeframe '1h'"),
        ({"ticks": {"A/C": Decimal(1)}}, ConfigError, "ticks: 'A/C' is not replayed; did you mean 'A/B'"),
        ({"lots": {"A/B": Decimal(0)}}, ConfigError, "must be above 0"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path, settings, error, wanted):
    put(tmp_path, "A_B-5m.parquet", some(0, 3))

    with pytest.raises(error, match=wanted):
        feed(tmp_path, **settings).tape()


def test_steps_follow_from_the_bars_unless_they_are_given(tmp_path):
    put(tmp_path, "A_B-5m.parquet", some(0, 3))

    (derived,) = feed(tmp_path, venue="v", account="a").instruments()
    (given_,) = feed(tmp_path, ticks={"A/B": Decimal("0.5")}, lots={"A/B": Decimal("0.1")}).instruments()

    assert (derived.tick, derived.lot, derived.min_notional) == (Decimal("0.01"), Decimal("0.000001"), Decimal(5))
    assert (derived.venue, derived.account, derived.base, derived.quote, derived.kind) == (
        "v",
        "a",
        "A",
        "B",
        Kind.SPOT,
    )
    assert (given_.tick, given_.lot, given_.min_amount) == (Decimal("0.5"), Decimal("0.1"), Decimal("0.1"))


def test_a_symbol_with_a_settlement_is_a_perpetual(tmp_path):
    put(tmp_path, "A_B_B-5m.parquet", some(0, 3))

    (instrument,) = feed(tmp_path).instruments()

    assert (instrument.symbol, instrument.kind, instrument.settle) == ("A/B:B", Kind.PERPETUAL, "B")


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20), st.integers(0, 8))
def test_the_tick_is_what_the_written_prices_show(numbers, digits):
    written = [Decimal(number).scaleb(-digits) for number in numbers]
    prices = [float(price) for price in written]
    needed = max(max(0, -int(price.normalize().as_tuple().exponent)) for price in written)

    tick = price_tick(Bars.of(range(len(prices)), prices, prices, prices, prices, prices))

    assert tick == Decimal(1).scaleb(-needed)


def test_prices_finer_than_twelve_digits_get_the_finest_tick():
    third = [1 / 3]

    assert price_tick(Bars.of([0], third, third, third, third, third)) == Decimal("1e-12")


@pytest.mark.parametrize(
    ("price", "lot"),
    [(70_000.0, "1e-8"), (100.0, "0.00001"), (0.5, "0.001"), (1e-5, "1"), (0.001, "1"), (1.0, "0.001")],
)
def test_a_lot_is_worth_a_thousandth_of_a_quote_or_less(price, lot):
    assert amount_lot(Bars.of([0], [price], [price], [price], [price], [1.0])) == Decimal(lot)


@pytest.mark.data
@recorded
def test_recorded_half_years_are_sound_and_their_ticks_are_the_venues():
    replay = feed(
        DATA / "binance", symbols=("BTC/USDT", "PEPE/USDT", "BCH/USDT"), from_ns=START, to_ns=START + 182 * 288 * STEP
    )

    tape, instruments = replay.tape(), replay.instruments()

    assert tape.bars_total == 3 * 52_416
    assert replay.refused() == {}
    assert {i.symbol: i.tick for i in instruments} == {
        "BCH/USDT": Decimal("0.1"),
        "BTC/USDT": Decimal("0.01"),
        "PEPE/USDT": Decimal("1e-8"),
    }


@pytest.mark.data
@recorded
def test_a_recorded_first_bar_of_a_listing_keeps_its_wild_wick():
    replay = feed(DATA / "binance", timeframe="1h", symbols=("AVAX/USDT", "BNB/USDT"))
    tape = replay.tape()

    wicks = [tape.bars(symbol).high / tape.bars(symbol).low for symbol in tape.symbols]

    assert replay.refused() == {}
    assert [int(wick.argmax()) for wick in wicks] == [0, 0]
    assert [float(wick[0]) > 3.5 for wick in wicks] == [True, True]


@pytest.mark.data
@recorded
def test_recorded_outages_are_the_same_hours_in_every_pair():
    replay = feed(DATA / "binance", timeframe="1h")
    tape = replay.tape()

    hour = 3_600_000_000_000
    gaps = np.flatnonzero(np.diff(tape.times) > hour)

    assert replay.refused() == {}
    assert int(np.diff(tape.times).max()) // hour == 34, "33 hours without a bar in February 2018"
    for symbol in tape.symbols:
        opens = tape.bars(symbol).open_ns
        inside = [int(tape.times[g]) for g in gaps if opens[0] <= tape.times[g] < opens[-1]]
        assert set(inside) <= set(opens[:-1][np.diff(opens) > hour].tolist())


@pytest.mark.data
@recorded
def test_recorded_minutes_without_trades_are_absent():
    tape = feed(DATA / "bitfinex", timeframe="1m").tape()

    minutes = int(tape.times[-1] - tape.times[0]) // 60_000_000_000 + 1

    assert minutes - len(tape) == 8_612
