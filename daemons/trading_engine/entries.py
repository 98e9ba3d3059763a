"""Entries: how much a book may enter a market with, or why not at all, and what is asked of execution."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from daemons.trading_engine.holdings import Config, Holding
from lct.domain.exits import ExitPolicy, protection
from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger
from lct.domain.marks import Marks, equity
from lct.domain.money import ONE, ZERO
from lct.domain.orders import OrderType, Side
from lct.domain.sizing import amount_for_risk
from lct.messages.execution import Propose
from lct.messages.trading_engine import Proposed

PROPOSAL_NS = 2_000_000_000
"""How long a proposal is good for."""


def request_of(proposed: Proposed, facts: int, policy: ExitPolicy) -> Propose:
    """Return what is asked of execution for what was decided; `facts` is its last word on the book and symbol."""
    exits = proposed.exits
    return Propose(
        proposed.intent_id,
        proposed.book,
        proposed.symbol,
        proposed.side,
        OrderType.MARKET,
        proposed.amount,
        proposed.md_seq,
        facts,
        proposed.time_ns + PROPOSAL_NS,
        reduce_only=exits,
        stop_loss=None if exits else policy.stop_loss,
        take_profit=None if exits else policy.take_profit,
        reason=proposed.reason,
    )


def entry_size(
    instrument: Instrument,
    side: Side,
    holdings: Collection[Holding],
    ledger: Ledger,
    marks: Marks,
    instruments: Mapping[str, Instrument],
    config: Config,
    cost_rate: Decimal,
) -> tuple[Decimal, str | None]:
    """Return how much to trade, or why nothing; unresolved entries count as positions and as cash that is gone."""
    dust = {(h.book, h.instrument.symbol): h.dust for h in holdings if h.dust}
    open_now = sum(1 for at, p in ledger.positions.items() if p.amount and p.amount != dust.get(at))
    entering = [h.unresolved for h in holdings if h.unresolved is not None and not h.unresolved.exits]
    if open_now + len(entering) >= config.max_open_positions:
        return ZERO, "max_open_positions"
    promised = sum((proposed.notional for proposed in entering), ZERO) * (ONE + cost_rate)
    cash_free = ledger.total(instrument.quote) - promised
    if cash_free <= instrument.min_notional:
        return ZERO, "cash"
    worth = equity(ledger, marks, instruments)
    price = marks.price(instrument)
    if worth is None or price is None:
        return ZERO, "no mark"
    stop, _ = protection(side, price, config.exits, instrument)
    amount = amount_for_risk(
        worth,
        config.max_risk_per_trade,
        price,
        stop if stop is not None else ZERO,
        instrument,
        worth * config.max_position_share,
        cash_free,
        cost_rate,
    )
    paid = price * (ONE + cost_rate)
    least = config.min_cash_share * config.max_position_share * worth
    if (amount + instrument.lot) * paid > cash_free and amount * price < least:
        return ZERO, "cash"
    if not amount or (stop is not None and instrument.objection(amount, stop) is not None):
        return ZERO, "below the venue's minimum, at the stop if not now"
    return amount, None
