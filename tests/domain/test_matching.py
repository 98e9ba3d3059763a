"""Matching: what the paper venue makes of one bar."""

from decimal import Decimal
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.instruments import Instrument
from lct.domain.matching import (
    Costs,
    bracket_outcome,
    fee,
    fill_amount,
    limit_fill_price,
    limit_touched,
    market_price,
    stop_fill_price,
    stop_touched,
)
from lct.domain.money import use_money_context
from lct.domain.orders import Side


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def d(text: str) -> Decimal:
    return Decimal(text)


BUY, SELL = Side.BUY, Side.SELL
INSTRUMENT = Instrument("paper", "main", "BTC/USDT", "BTC", "USDT", d("0.01"), d("0.001"))
COSTS = Costs(fee_rate=d("0.001"), spread_bps=d("4"), slippage_bps=d("3"), participation_max=d("0.1"))
TICKS = st.integers(1, 10**10).map(lambda n: n * INSTRUMENT.tick)


def test_a_market_order_pays_half_the_spread_and_the_slippage() -> None:
    assert market_price(d("100.00"), BUY, COSTS, INSTRUMENT) == d("100.05")
    assert market_price(d("100.00"), SELL, COSTS, INSTRUMENT) == d("99.95")


@given(open_price=TICKS, side=st.sampled_from(list(Side)))
def test_a_market_price_is_on_the_tick_and_never_better_than_the_open(open_price: Decimal, side: Side) -> None:
    price = market_price(open_price, side, COSTS, INSTRUMENT)

    assert price >= INSTRUMENT.tick
    assert price % INSTRUMENT.tick == 0
    assert (price - open_price) * side.sign >= 0 or open_price == INSTRUMENT.tick


def test_a_bar_fills_a_share_of_its_volume_on_the_lot() -> None:
    assert fill_amount(d("5"), 100.0, COSTS, INSTRUMENT) == 5
    assert fill_amount(d("50"), 100.0, COSTS, INSTRUMENT) == 10
    assert fill_amount(d("50"), 0.12345, COSTS, INSTRUMENT) == d("0.012")


@pytest.mark.parametrize("volume", [0.0, -1.0, nan, 0.009])
def test_a_bar_without_volume_fills_nothing(volume: float) -> None:
    assert fill_amount(d("5"), volume, COSTS, INSTRUMENT) == 0


@pytest.mark.parametrize("volume", [1e30, inf])
def test_a_volume_beyond_measure_fills_what_remains(volume: float) -> None:
    assert fill_amount(d("5"), volume, COSTS, INSTRUMENT) == 5


@given(lots=st.integers(1, 10**9), volume=st.floats(0, 1e12))
def test_a_fill_is_on_the_lot_and_never_more_than_remains(lots: int, volume: float) -> None:
    remaining = lots * INSTRUMENT.lot

    amount = fill_amount(remaining, volume, COSTS, INSTRUMENT)

    assert 0 <= amount <= remaining
    assert amount % INSTRUMENT.lot == 0


def test_a_stop_fills_at_its_price_or_at_the_open_that_gapped_through_it() -> None:
    assert stop_fill_price(SELL, d("95"), d("100"), COSTS, INSTRUMENT) == market_price(d("95"), SELL, COSTS, INSTRUMENT)
    assert stop_fill_price(SELL, d("95"), d("90"), COSTS, INSTRUMENT) == market_price(d("90"), SELL, COSTS, INSTRUMENT)
    assert stop_fill_price(BUY, d("105"), d("100"), COSTS, INSTRUMENT) == market_price(d("105"), BUY, COSTS, INSTRUMENT)
    assert stop_fill_price(BUY, d("105"), d("110"), COSTS, INSTRUMENT) == market_price(d("110"), BUY, COSTS, INSTRUMENT)


def test_a_limit_fills_at_its_price_or_better() -> None:
    assert limit_fill_price(BUY, d("95"), d("100")) == 95
    assert limit_fill_price(BUY, d("95"), d("90")) == 90
    assert limit_fill_price(SELL, d("105"), d("100")) == 105
    assert limit_fill_price(SELL, d("105"), d("110")) == 110


def test_a_price_that_the_bar_just_reaches_is_touched() -> None:
    assert stop_touched(SELL, d("94.99"), 101.0, 94.99)
    assert not stop_touched(SELL, d("94.98"), 101.0, 94.99)
    assert stop_touched(BUY, d("101"), 101.0, 94.99)
    assert not stop_touched(BUY, d("101.01"), 101.0, 94.99)
    assert limit_touched(BUY, d("94.99"), 101.0, 94.99)
    assert not limit_touched(BUY, d("94.98"), 101.0, 94.99)
    assert limit_touched(SELL, d("101"), 101.0, 94.99)
    assert not limit_touched(SELL, d("101.01"), 101.0, 94.99)


@pytest.mark.parametrize(
    ("side", "stop", "take", "bar", "expected"),
    [
        (SELL, "95", "105", (100.0, 104.0, 96.0), None),
        (SELL, "95", "105", (100.0, 104.0, 94.0), "stop"),
        (SELL, "95", "105", (100.0, 106.0, 96.0), "take_profit"),
        (SELL, "95", "105", (100.0, 106.0, 94.0), "stop"),
        (SELL, "95", "105", (106.0, 107.0, 94.0), "take_profit"),
        (SELL, "95", "105", (94.0, 106.0, 93.0), "stop"),
        (SELL, None, "105", (100.0, 106.0, 1.0), "take_profit"),
        (SELL, "95", None, (100.0, 106.0, 96.0), None),
        (SELL, None, None, (100.0, 106.0, 94.0), None),
        (BUY, "105", "95", (100.0, 106.0, 96.0), "stop"),
        (BUY, "105", "95", (100.0, 104.0, 94.0), "take_profit"),
        (BUY, "105", "95", (100.0, 106.0, 94.0), "stop"),
        (BUY, "105", "95", (94.0, 106.0, 93.0), "take_profit"),
    ],
)
def test_a_bracket_takes_what_the_open_proves_and_else_the_worst(
    side: Side, stop: str | None, take: str | None, bar: tuple[float, float, float], expected: str | None
) -> None:
    stop_price, take_profit_price = stop and d(stop), take and d(take)

    assert bracket_outcome(side, stop_price or None, take_profit_price or None, *bar) == expected


def test_a_fee_is_rounded_up() -> None:
    assert fee(d("33.333333"), d("0.001")) == d("0.03333334")
    assert fee(d("33.333333"), d("0.001"), d("0.01")) == d("0.04")
    assert fee(d("100"), d("0")) == 0


@pytest.mark.parametrize("name", ["fee_rate", "spread_bps", "slippage_bps", "participation_max"])
@pytest.mark.parametrize("bad", ["-0.1", "NaN", "Infinity"])
def test_costs_are_numbers_and_not_below_zero(name: str, bad: str) -> None:
    with pytest.raises(ValueError, match=name):
        Costs(**{name: d(bad)})


@pytest.mark.parametrize("bad", [{"participation_max": "1.1"}, {"fee_rate": "1"}, {"slippage_bps": "10000"}])
def test_costs_do_not_take_everything(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="whole"):
        Costs(**{name: d(value) for name, value in bad.items()})
