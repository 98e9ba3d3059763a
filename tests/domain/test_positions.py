"""Positions: average cost as arithmetic that never loses a digit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.money import ZERO, use_money_context
from lct.domain.orders import Side
from lct.domain.positions import Closed, Position

BUY, SELL = Side.BUY, Side.SELL
Fill = tuple[Side, Decimal, Decimal, Decimal]


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-places))


AMOUNT = decimals(1, 10**10, 8)
PRICE = decimals(1, 10**11, 6)
FEE = decimals(-(10**6), 10**8, 8)
SIDE = st.sampled_from([BUY, SELL])
FILLS = st.lists(st.tuples(SIDE, AMOUNT, PRICE, FEE), max_size=25)


def folded(fills: list[Fill], start: Position | None = None) -> tuple[Position, list[Closed]]:
    position, trips = start or Position(), []
    for i, (side, amount, price, fee) in enumerate(fills):
        position, closed = position.after(side, amount, price, fee, i + 1)
        if closed is not None:
            trips.append(closed)
    return position, trips


def d(text: str) -> Decimal:
    return Decimal(text)


def test_a_position_averages_what_it_buys() -> None:
    position, trips = folded([(BUY, d("1"), d("100"), d("0.1")), (BUY, d("3"), d("104"), d("0.3"))])

    assert (position.amount, position.cost, position.average_price) == (d("4"), d("412"), d("103"))
    assert (position.realized, position.fees, position.opened_ns, position.side) == (d("0"), d("0.4"), 1, BUY)
    assert position.unrealized(d("110")) == 28
    assert trips == []


def test_a_partial_close_takes_its_share_of_the_cost() -> None:
    position, trips = folded([(BUY, d("4"), d("103"), ZERO), (SELL, d("1"), d("110"), d("0.1"))])

    assert (position.amount, position.cost, position.realized) == (d("3"), d("309"), d("7"))
    assert position.average_price == 103
    assert trips == []


def test_a_round_trip_is_told_once_with_all_its_fees() -> None:
    fills = [
        (BUY, d("1"), d("100"), d("0.1")),
        (BUY, d("1"), d("102"), d("0.1")),
        (SELL, d("0.5"), d("104"), d("0.05")),
        (SELL, d("1.5"), d("108"), d("0.15")),
    ]

    position, trips = folded(fills)

    assert trips == [Closed(BUY, d("2"), d("101"), d("107"), 1, 4, d("11.6"), d("0.4"))]
    assert position == Position(realized=d("12"), fees=d("0.4"))
    assert position.average_price is None
    assert position.side is None


def test_a_short_earns_when_the_price_falls() -> None:
    position, trips = folded([(SELL, d("2"), d("100"), ZERO), (BUY, d("1"), d("90"), ZERO)])

    assert (position.amount, position.cost, position.realized, position.side) == (d("-1"), d("-100"), d("10"), SELL)
    assert position.unrealized(d("80")) == 20
    assert trips == []


def test_a_reversal_closes_all_and_opens_the_rest_at_its_price() -> None:
    position, trips = folded([(BUY, d("1"), d("100"), d("0.2")), (SELL, d("4"), d("110"), d("0.4"))])

    assert trips == [Closed(BUY, d("1"), d("100"), d("110"), 1, 2, d("9.7"), d("0.3"))]
    assert (position.amount, position.cost, position.realized) == (d("-3"), d("-330"), d("10"))
    assert (position.opened_ns, position.entry_amount, position.trip_fees) == (2, d("3"), d("0.3"))
    assert position.fees == d("0.6")


@pytest.mark.parametrize(("amount", "price"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_a_fill_of_nothing_or_for_nothing_is_a_bug(amount: str, price: str) -> None:
    with pytest.raises(AssertionError):
        Position().after(BUY, d(amount), d(price), ZERO, 1)


@given(fills=FILLS, mark=PRICE)
def test_realized_and_unrealized_less_fees_are_cash_and_holdings(fills: list[Fill], mark: Decimal) -> None:
    position, _ = folded(fills)

    cash = sum((-side.sign * amount * price - fee for side, amount, price, fee in fills), ZERO)
    held = sum((side.sign * amount for side, amount, _, _ in fills), ZERO)
    assert position.amount == held
    assert position.realized - position.cost - position.fees == cash
    assert position.realized + position.unrealized(mark) - position.fees == cash + held * mark


@given(fills=FILLS)
def test_cost_and_amount_have_one_sign_and_a_flat_position_carries_nothing(fills: list[Fill]) -> None:
    position, _ = folded(fills)

    if position.amount:
        assert position.amount * position.cost > 0
    else:
        assert position == Position(realized=position.realized, fees=position.fees)


@given(fills=FILLS)
def test_the_profits_of_the_round_trips_are_what_was_realized(fills: list[Fill]) -> None:
    position, trips = folded(fills)
    if position.amount:
        side = BUY if position.amount < 0 else SELL
        position, closed = position.after(side, abs(position.amount), d("50"), d("0.01"), 99)
        assert closed is not None
        trips.append(closed)

    assert sum((trip.profit for trip in trips), ZERO) == position.realized - position.fees
    assert sum((trip.fees for trip in trips), ZERO) == position.fees
    assert all(trip.opened_ns <= trip.closed_ns and trip.amount > 0 for trip in trips)


@given(fills=FILLS, side=SIDE, parts=st.lists(AMOUNT, min_size=2, max_size=6), price=PRICE, data=st.data())
def test_a_fill_in_parts_is_one_fill(
    fills: list[Fill], side: Side, parts: list[Decimal], price: Decimal, data: st.DataObject
) -> None:
    start, _ = folded(fills)
    fee = d("0.008")

    whole, one = start.after(side, sum(parts, ZERO), price, fee * len(parts), 100)
    split, two = folded([(side, part, price, fee) for part in data.draw(st.permutations(parts))], start)

    assert (split.amount, split.fees) == (whole.amount, whole.fees)
    assert split.realized - split.cost == whole.realized - whole.cost
    # shares of a cost are cut on a grid of 1e-20, once per part
    assert abs(split.realized - whole.realized) <= len(parts) * d("1E-20")
    assert [(t.side, t.amount, t.entry_average) for t in two] == (
        [(one.side, one.amount, one.entry_average)] if one else []
    )


@given(fills=st.lists(st.tuples(AMOUNT, PRICE, FEE), min_size=1, max_size=8), side=SIDE, data=st.data())
def test_the_fills_that_open_a_position_may_come_in_any_order(
    fills: list[tuple[Decimal, Decimal, Decimal]], side: Side, data: st.DataObject
) -> None:
    one, _ = folded([(side, *fill) for fill in fills])
    other, _ = folded([(side, *fill) for fill in data.draw(st.permutations(fills))])

    assert one == other


@given(entry=st.tuples(AMOUNT, PRICE), exit_=PRICE, side=SIDE)
def test_a_round_trip_on_the_other_side_earns_the_opposite(
    entry: tuple[Decimal, Decimal], exit_: Decimal, side: Side
) -> None:
    amount, price = entry

    (_, (one,)) = folded([(side, amount, price, ZERO), (side.opposite, amount, exit_, ZERO)])
    (_, (other,)) = folded([(side.opposite, amount, price, ZERO), (side, amount, exit_, ZERO)])

    assert one.profit == -other.profit
