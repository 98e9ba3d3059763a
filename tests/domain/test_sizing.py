"""Sizing: the stop never costs more than was agreed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.instruments import Instrument
from lct.domain.money import use_money_context
from lct.domain.sizing import amount_for_risk, loss_per_unit


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def d(text: str) -> Decimal:
    return Decimal(text)


def an_instrument(lot: str = "0.001", min_amount: str = "0", min_notional: str = "0") -> Instrument:
    return Instrument("paper", "main", "BTC/USDT", "BTC", "USDT", d("0.01"), d(lot), d(min_amount), d(min_notional))


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-places))


def test_the_risk_is_spent_on_the_distance_to_the_stop() -> None:
    amount = amount_for_risk(d("10000"), d("0.01"), d("100"), d("95"), an_instrument(), d("9000"), d("9000"), d("0"))

    assert amount == 20


def test_costs_make_it_smaller() -> None:
    assert loss_per_unit(d("100"), d("95"), d("0.001")) == d("5.195")
    amount = amount_for_risk(
        d("10000"), d("0.01"), d("100"), d("95"), an_instrument(), d("9000"), d("9000"), d("0.001")
    )

    assert amount == d("19.249")


def test_the_notional_and_the_cash_are_caps() -> None:
    args = d("10000"), d("0.01"), d("100"), d("95"), an_instrument()

    assert amount_for_risk(*args, d("500"), d("9000"), d("0")) == 5
    assert amount_for_risk(*args, d("9000"), d("101"), d("0.01")) == 1


@pytest.mark.parametrize(
    ("equity", "notional_max", "cash_free"),
    [("0", "1", "1"), ("-5", "1000", "1000"), ("1000", "0", "1000"), ("1000", "1000", "-1")],
)
def test_nothing_is_bought_with_nothing(equity: str, notional_max: str, cash_free: str) -> None:
    amount = amount_for_risk(
        d(equity), d("0.01"), d("100"), d("95"), an_instrument(), d(notional_max), d(cash_free), d("0")
    )

    assert amount == 0


@pytest.mark.parametrize("minimum", [{"min_amount": "21"}, {"min_notional": "2001"}])
def test_below_the_minimum_of_the_venue_there_is_no_order(minimum: dict[str, str]) -> None:
    amount = amount_for_risk(
        d("10000"), d("0.01"), d("100"), d("95"), an_instrument(**minimum), d("9000"), d("9000"), d("0")
    )

    assert amount == 0


def test_a_quotient_rounded_up_does_not_reach_the_next_lot() -> None:
    # 10 less one in its 38th digit, divided by 5, is 2 to 38 digits
    budget = d("9.9999999999999999999999999999999999999")

    amount = amount_for_risk(budget, d("1"), d("10"), d("5"), an_instrument(lot="1"), d("99"), d("99"), d("0"))

    assert amount == 1


@given(
    equity=decimals(-(10**6), 10**14, 4),
    risk=decimals(0, 10**4, 4),
    entry=decimals(1, 10**8, 2),
    stop=decimals(1, 10**8, 2),
    lot=st.sampled_from(["1", "0.25", "0.001", "0.00000001"]),
    notional_max=decimals(0, 10**9, 2),
    cash_free=decimals(-(10**3), 10**9, 2),
    cost_rate=decimals(0, 10**3, 5),
)
def test_the_loss_at_the_stop_never_exceeds_the_risk_nor_the_order_its_caps(
    equity: Decimal,
    risk: Decimal,
    entry: Decimal,
    stop: Decimal,
    lot: str,
    notional_max: Decimal,
    cash_free: Decimal,
    cost_rate: Decimal,
) -> None:
    amount = amount_for_risk(equity, risk, entry, stop, an_instrument(lot), notional_max, cash_free, cost_rate)

    assert amount >= 0
    assert amount % d(lot) == 0
    loss = amount * (abs(entry - stop) + cost_rate * (entry + stop))
    assert loss <= max(equity * risk, d("0"))
    assert amount * entry <= notional_max
    assert amount * entry * (1 + cost_rate) <= max(cash_free, d("0"))
