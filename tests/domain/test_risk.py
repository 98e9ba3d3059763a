"""Risk: nothing unknown passes, every limit denies, and a lower limit never lets more through."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lct.domain.instruments import Instrument, Kind
from lct.domain.money import use_money_context
from lct.domain.orders import Order, OrderType, Side
from lct.domain.risk import Exposure, Limits, verdict


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def d(text: str) -> Decimal:
    return Decimal(text)


SPOT = Instrument("paper", "main", "BTC/USDT", "BTC", "USDT", d("0.01"), d("0.001"), d("0.01"), d("5"))
PERPETUAL = replace(SPOT, kind=Kind.PERPETUAL)
LIMITS = Limits(max_order_notional=d("1000"), max_position_notional=d("2000"))
KNOWN = Exposure(
    instrument=SPOT,
    equity=d("10000"),
    cash_free=d("9000"),
    reference_price=d("100"),
    equity_day_start=d("10000"),
    equity_peak=d("10000"),
)
HOLDING = replace(KNOWN, book_amount=d("5"), symbol_amount=d("5"), gross=d("500"))
ORDER = Order(
    client_order_id="c1",
    intent_id="i1",
    book="fused",
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.MARKET,
    amount=d("2"),
    created_ns=1,
    updated_ns=1,
)
EXIT = replace(ORDER, side=Side.SELL, reduce_only=True)
UNSOUND = ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity"]


def test_an_order_within_all_limits_is_approved() -> None:
    assert verdict(ORDER, KNOWN, LIMITS) is None
    assert verdict(EXIT, HOLDING, LIMITS) is None


@pytest.mark.parametrize(
    ("name", "order", "known"),
    [
        ("max_order_notional", {"amount": d("10.001")}, {}),
        ("max_position_notional", {"amount": d("6")}, {"symbol_amount": d("15")}),
        ("max_position_notional", {"amount": d("6")}, {"symbol_amount": d("10"), "live_buys": d("5")}),
        ("max_gross_exposure", {}, {"gross": d("9801")}),
        ("max_open_orders", {}, {"open_orders": 20}),
        ("max_orders_per_minute", {}, {"orders_last_minute": 60}),
        ("price_collar", {"type": OrderType.LIMIT, "price": d("110.01")}, {}),
        ("price_collar", {"type": OrderType.LIMIT, "price": d("89.99")}, {}),
        ("max_daily_loss", {}, {"equity": d("9500")}),
        ("max_daily_loss", {}, {"equity_day_start": None}),
        ("max_drawdown", {}, {"equity_peak": d("12500")}),
        ("max_drawdown", {}, {"equity_peak": d("NaN")}),
        ("min_price", {"amount": d("6")}, {"reference_price": d("0.99")}),
        ("allow_short", {"side": Side.SELL}, {}),
        ("allow_short", {"side": Side.SELL}, {"book_amount": d("3"), "book_live_sells": d("2")}),
        ("allow_short", {"side": Side.SELL}, {"book_amount": d("3"), "book_exits": d("2")}),
        ("cash_free", {}, {"cash_free": d("199.99")}),
        ("cash_free", {}, {"cash_free": d("200"), "cost_rate": d("0.001")}),
        ("equity", {}, {"equity": d("0")}),
        ("equity", {}, {"equity": d("-1")}),
        ("live_intent", {}, {"has_live_intent": True}),
        ("reference_price", {}, {"reference_price": None}),
        ("reference_price", {}, {"reference_price": d("0")}),
        ("instrument", {"amount": d("0.0005")}, {}),
        ("instrument", {"amount": d("0.005")}, {}),
        ("instrument", {"amount": d("0.04")}, {}),
        ("price", {"type": OrderType.LIMIT}, {}),
        ("price", {"type": OrderType.LIMIT, "price": d("100.001")}, {}),
        ("stop_price", {"type": OrderType.STOP}, {}),
        ("bracket", {"type": OrderType.BRACKET, "stop_price": d("90")}, {}),
        ("bracket", {"type": OrderType.BRACKET, "reduce_only": True}, {}),
    ],
)
def test_each_limit_has_an_order_that_it_denies(name: str, order: dict[str, Any], known: dict[str, Any]) -> None:
    limits = replace(LIMITS, min_price=d("1"))

    reason = verdict(replace(ORDER, **order), replace(KNOWN, **known), limits)

    assert reason is not None
    assert reason.startswith(f"{name}:")


@pytest.mark.parametrize("bad", [*UNSOUND, "0", "-1"])
@pytest.mark.parametrize("name", ["amount", "price", "stop_price", "take_profit_price"])
@pytest.mark.parametrize("order", [ORDER, EXIT])
def test_an_order_with_a_number_that_is_none_is_denied(order: Order, name: str, bad: str) -> None:
    assert verdict(replace(order, **{name: d(bad)}), HOLDING, LIMITS) is not None


NUMBERS = [name for name in Exposure.__struct_fields__ if isinstance(getattr(KNOWN, name), Decimal)]


@pytest.mark.parametrize("bad", UNSOUND)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_the_gate_knows_must_be_numbers(name: str, bad: str) -> None:
    assert verdict(ORDER, replace(KNOWN, **{name: d(bad)}), LIMITS) is not None


@pytest.mark.parametrize("name", ["live_buys", "live_sells", "book_live_sells", "book_exits", "gross", "cost_rate"])
def test_what_cannot_be_negative_makes_no_room(name: str) -> None:
    assert str(verdict(EXIT, replace(HOLDING, **{name: d("-1")}), LIMITS)).startswith(f"{name}:")


@pytest.mark.parametrize("bad", [1.0, float("nan"), 1, "1", None])
def test_an_amount_that_is_no_decimal_is_denied(bad: Any) -> None:
    assert verdict(replace(ORDER, amount=bad), KNOWN, LIMITS) is not None


@pytest.mark.parametrize("bad", [*UNSOUND, "-0.1"])
@pytest.mark.parametrize("name", ["max_order_notional", "max_gross_exposure", "price_collar", "max_drawdown"])
def test_a_limit_is_a_number_and_not_below_zero(name: str, bad: str) -> None:
    with pytest.raises(ValueError):
        Limits(**{name: d(bad)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "known"),
    [
        ({}, {"book_amount": d("0")}),
        ({}, {"book_amount": d("-5")}),
        ({"side": Side.BUY}, {}),
        ({"amount": d("5.001")}, {}),
        ({}, {"book_exits": d("3.001")}),
    ],
)
def test_a_reduce_only_order_really_reduces_in_the_worst_case(order: dict[str, Any], known: dict[str, Any]) -> None:
    reason = verdict(replace(EXIT, **order), replace(HOLDING, **known), LIMITS)

    assert reason is not None
    assert reason.startswith("reduce_only:")


def test_no_limit_keeps_us_in_a_position() -> None:
    worst = replace(
        HOLDING, equity=d("-100"), cash_free=d("-50"), open_orders=99, orders_last_minute=999, has_live_intent=True
    )
    nothing = Limits(
        max_order_notional=d("0"),
        max_position_notional=d("0"),
        max_gross_exposure=d("0"),
        max_open_orders=0,
        max_orders_per_minute=0,
        max_daily_loss=d("0"),
        max_drawdown=d("0"),
    )

    assert verdict(EXIT, worst, nothing) is None


def test_selling_what_is_held_needs_no_room() -> None:
    sale = replace(EXIT, reduce_only=False)

    assert verdict(sale, replace(HOLDING, equity=d("-1"), gross=d("99999")), LIMITS) is None


def test_spot_is_never_sold_short_and_a_perpetual_only_where_allowed() -> None:
    short = replace(ORDER, side=Side.SELL)
    allowed = replace(LIMITS, allow_short=True)

    assert str(verdict(short, KNOWN, allowed)).startswith("allow_short:")
    assert str(verdict(short, replace(KNOWN, instrument=PERPETUAL), LIMITS)).startswith("allow_short:")
    assert verdict(short, replace(KNOWN, instrument=PERPETUAL), allowed) is None


def test_a_bracket_stands_on_the_right_sides() -> None:
    bracket = replace(EXIT, type=OrderType.BRACKET, stop_price=d("90"), take_profit_price=d("120"))
    short = replace(HOLDING, book_amount=d("-5"))

    assert verdict(bracket, HOLDING, LIMITS) is None
    assert verdict(replace(bracket, side=Side.BUY), short, LIMITS) is not None
    swapped = replace(bracket, stop_price=d("120"), take_profit_price=d("90"))
    assert verdict(swapped, HOLDING, LIMITS) is not None
    assert verdict(replace(swapped, side=Side.BUY), short, LIMITS) is None


def cents(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-2))


ORDERS = st.builds(
    lambda side, type_, amount, price, reduce_only: replace(
        ORDER, side=side, type=type_, amount=amount, price=price, stop_price=price, reduce_only=reduce_only
    ),
    st.sampled_from(list(Side)),
    st.sampled_from([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]),
    cents(1, 1200),
    cents(8500, 11500),
    st.booleans(),
)
EXPOSURES = st.builds(
    lambda instrument, equity, amounts, gross, counts, start: replace(
        KNOWN,
        instrument=instrument,
        equity=equity,
        book_amount=amounts[0],
        symbol_amount=amounts[0] + amounts[1],
        live_buys=abs(amounts[2]),
        live_sells=abs(amounts[3]),
        gross=gross,
        open_orders=counts[0],
        orders_last_minute=counts[1],
        equity_day_start=start,
    ),
    st.sampled_from([SPOT, PERPETUAL]),
    cents(-1000, 2_000_000),
    st.tuples(*[cents(-1500, 1500)] * 4),
    cents(0, 1_500_000),
    st.tuples(st.integers(0, 22), st.integers(0, 62)),
    cents(900_000, 1_100_000),
)
LOWERED: dict[str, st.SearchStrategy[Any]] = {
    "max_order_notional": cents(0, 100_000),
    "max_position_notional": cents(0, 200_000),
    "max_gross_exposure": cents(0, 100),
    "max_open_orders": st.integers(0, 20),
    "max_orders_per_minute": st.integers(0, 60),
    "price_collar": cents(0, 10),
    "max_daily_loss": st.integers(0, 50).map(lambda n: Decimal(n).scaleb(-3)),
    "max_drawdown": cents(0, 20),
    "allow_short": st.just(False),
}


@pytest.mark.parametrize("name", list(LOWERED))
@given(order=ORDERS, known=EXPOSURES, data=st.data())
def test_lowering_a_limit_never_turns_a_denial_into_an_approval(
    name: str, order: Order, known: Exposure, data: st.DataObject
) -> None:
    limits = replace(LIMITS, allow_short=True)
    lower = replace(limits, **{name: data.draw(LOWERED[name])})

    if verdict(order, known, limits) is not None:
        assert verdict(order, known, lower) is not None


@given(order=ORDERS, known=EXPOSURES)
def test_what_is_approved_stays_within_the_limits_when_all_live_orders_fill(order: Order, known: Exposure) -> None:
    if verdict(order, known, LIMITS) is not None:
        return

    if order.reduce_only:
        assert 0 <= abs(known.book_amount + order.side.sign * order.amount) < abs(known.book_amount)
    elif order.side is Side.BUY:
        before = known.symbol_amount + known.live_buys
        assert abs(before + order.amount) <= max(abs(before), d("20"))
    else:
        assert known.book_amount - order.amount >= 0
