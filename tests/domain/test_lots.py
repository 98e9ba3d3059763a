"""Lots: first in, first out, and in sum the same as average cost."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lct.domain.lots import Lots
from lct.domain.money import ZERO, use_money_context
from lct.domain.orders import Side
from lct.domain.positions import Position

FILLS = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.decimals("0.01", "100", places=2),
        st.decimals("0.01", "1000", places=2),
        st.decimals("-1", "5", places=4),
    ),
    max_size=25,
)


def played(fills):
    use_money_context()
    lots, realised = Lots(), []
    for n, (side, amount, price, fee) in enumerate(fills):
        realised += lots.fill(side, amount, price, fee, n)
    return lots, realised


def test_the_oldest_goes_first_and_in_part():
    lots, realised = played(
        [
            (Side.BUY, Decimal(2), Decimal(10), Decimal("0.2")),
            (Side.BUY, Decimal(1), Decimal(20), Decimal("0.1")),
            (Side.SELL, Decimal("2.5"), Decimal(30), Decimal("0.5")),
        ]
    )

    assert [(r.opened_ns, r.amount, r.profit, r.fees) for r in realised] == [
        (0, Decimal(2), Decimal(40), Decimal("0.6")),
        (1, Decimal("0.5"), Decimal(5), Decimal("0.15")),
    ]
    assert [(lot.amount, lot.price, lot.fee) for lot in lots.open] == [(Decimal("0.5"), Decimal(20), Decimal("0.05"))]


def test_a_sale_of_more_than_is_held_turns_the_position():
    lots, realised = played([(Side.BUY, Decimal(1), Decimal(10), ZERO), (Side.SELL, Decimal(3), Decimal(12), ZERO)])

    assert [r.profit for r in realised] == [2]
    assert (lots.amount, lots.unrealised(Decimal(11))) == (-2, 2)


@given(FILLS, st.decimals("0.01", "1000", places=2))
def test_amounts_fees_and_profit_add_up_to_those_of_average_cost(fills, mark):
    lots, realised = played(fills)
    position = Position()
    for n, (side, amount, price, fee) in enumerate(fills):
        position, _ = position.after(side, amount, price, fee, n)

    assert lots.amount == position.amount
    assert sum((r.fees for r in realised), ZERO) + sum((lot.fee for lot in lots.open), ZERO) == sum(
        (fee for *_, fee in fills), ZERO
    )
    whole = sum((r.profit for r in realised), ZERO) + lots.unrealised(mark)
    assert abs(whole - (position.realized + position.unrealized(mark))) < Decimal("1E-15")


@given(FILLS)
def test_nothing_open_is_of_two_sides_and_nothing_is_empty(fills):
    lots, realised = played(fills)

    assert len({lot.side for lot in lots.open}) <= 1
    assert all(part.amount > ZERO for part in [*lots.open, *realised])
