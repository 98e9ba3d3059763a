"""Sizing: how much to trade so that the stop costs no more than was agreed."""

from decimal import Decimal

from lct.domain.instruments import Instrument
from lct.domain.money import ONE, ZERO


def loss_per_unit(entry_price: Decimal, stop_price: Decimal, cost_rate: Decimal) -> Decimal:
    """Return what one unit of base loses at the stop, in quote: the distance, and the costs of getting in and out.

    |entry - stop| + cost_rate * (entry + stop), cost_rate being a fraction of the notional per fill.
    """
    return abs(entry_price - stop_price) + cost_rate * (entry_price + stop_price)


def amount_for_risk(
    equity: Decimal,
    max_risk_per_trade: Decimal,
    entry_price: Decimal,
    stop_price: Decimal,
    instrument: Instrument,
    notional_max: Decimal,
    cash_free: Decimal,
    cost_rate: Decimal,
) -> Decimal:
    """Return the largest amount (base, on the lot) that risk, notional and cash all allow; zero where there is none.

    min(equity * max_risk_per_trade / loss_per_unit, notional_max / entry, cash_free / (entry * (1 + cost_rate))),
    rounded down to the lot and zero below the venue's minimums: fixed fractional sizing (R. Vince, Portfolio
    Management Formulas, 1990) with costs. All money in quote, `max_risk_per_trade` and `cost_rate` are fractions.
    """
    assert entry_price > ZERO, "an entry has a price"
    assert stop_price >= ZERO, "a stop is not below zero"
    assert cost_rate >= ZERO, "costs are not below zero"
    budget = equity * max_risk_per_trade
    if equity <= ZERO or budget <= ZERO or notional_max <= ZERO or cash_free <= ZERO:
        return ZERO
    loss = loss_per_unit(entry_price, stop_price, cost_rate)
    paid = entry_price * (ONE + cost_rate)
    most = min(notional_max / entry_price, cash_free / paid)
    if loss:
        most = min(most, budget / loss)
    amount = instrument.amount_down(most)
    # a quotient rounded up in its last digit may have reached the next lot
    if amount * loss > budget or amount * entry_price > notional_max or amount * paid > cash_free:
        amount -= instrument.lot
    return amount if instrument.objection(amount, entry_price) is None else ZERO
