"""An instrument knows its steps, and rounds against us."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.instruments import Instrument, Kind, split_symbol

BTC = Instrument(
    venue="paper",
    account="main",
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.05"),
    lot=Decimal("0.001"),
    min_amount=Decimal("0.002"),
    min_notional=Decimal(10),
)

positive = st.integers(1, 10**12).map(lambda n: Decimal(n).scaleb(-6))


@given(positive)
def test_an_amount_is_never_rounded_up(amount):
    rounded = BTC.amount_down(amount)

    assert rounded <= amount < rounded + BTC.lot
    assert rounded % BTC.lot == 0


@given(positive)
def test_a_price_is_rounded_against_us(price):
    assert BTC.price_against(price, buying=False) <= price <= BTC.price_against(price, buying=True)


@given(positive, positive)
def test_an_order_without_objection_keeps_every_filter(amount, price):
    amount = BTC.amount_down(amount)

    kept = amount >= BTC.min_amount and amount * price >= BTC.min_notional

    assert (BTC.objection(amount, price) is None) == kept


@pytest.mark.parametrize(
    ("amount", "price", "wanted"),
    [
        ("0", "100", "positive"),
        ("1", "-1", "positive"),
        ("0.0015", "50000", "multiple of the lot 0.001"),
        ("0.001", "50000", "below the minimum 0.002"),
        ("0.002", "100", "notional 0.2 is below the minimum 10"),
    ],
)
def test_an_objection_names_the_filter(amount, price, wanted):
    assert wanted in str(BTC.objection(Decimal(amount), Decimal(price)))


def test_a_symbol_splits_into_base_and_quote():
    assert split_symbol("BTC/USDT") == ("BTC", "USDT")
    assert split_symbol("ETH/USDT:USDT") == ("ETH", "USDT")
    assert BTC.kind is Kind.SPOT


@pytest.mark.parametrize("text", ["BTC", "BTC/", "/USDT", "", "BTCUSDT:USDT"])
def test_anything_else_is_no_symbol(text):
    with pytest.raises(ValueError, match="not a symbol"):
        split_symbol(text)
