"""The gate of execution: what it knows of the account when a proposal comes, for the hard limits to judge."""

from decimal import Decimal

from daemons.execution.state import Book
from lct.domain.bars import MINUTE_NS
from lct.domain.instruments import Instrument
from lct.domain.marks import Marks, equity, gross_value
from lct.domain.money import ONE, ZERO
from lct.domain.orders import Side
from lct.domain.risk import Exposure
from lct.messages.execution import Propose


class Gate:
    """Reads a book and the marks; it changes neither."""

    def __init__(self, book: Book, marks: Marks, instruments: dict[str, Instrument], cost_rate: Decimal) -> None:
        """`cost_rate` is the fraction of a notional that fees and slippage may take at worst."""
        self.book = book
        self.marks = marks
        self.instruments = instruments
        self.cost_rate = cost_rate

    def exposure(self, proposal: Propose, instrument: Instrument, now_ns: int) -> Exposure | None:
        """Return what the account is exposed to, all live orders filled; None while a mark is missing."""
        ledger = self.book.ledger
        worth = equity(ledger, self.marks, self.instruments)
        if worth is None:
            return None
        orders = [leg for leg in self.book.at(proposal.book, proposal.symbol) if not leg.protective]
        buys = sells = gross = reserved = ZERO
        open_orders = 0
        for leg in self.book.legs.values():
            order = leg.order
            if leg.protective or order.reduce_only:
                continue
            open_orders += 1
            price = order.price or self.marks.price(self.instruments[order.symbol])
            if price is None:
                return None
            notional = order.remaining * price
            gross += notional
            if order.side is Side.BUY:
                reserved += notional * (ONE + self.cost_rate)
            if order.symbol == proposal.symbol:
                buys, sells = (
                    (buys + order.remaining, sells) if order.side is Side.BUY else (buys, sells + order.remaining)
                )
        return Exposure(
            instrument=instrument,
            equity=worth,
            cash_free=ledger.total(instrument.quote) - reserved,
            reference_price=self.marks.price(instrument),
            book_amount=ledger.position(proposal.book, proposal.symbol).amount,
            symbol_amount=ledger.held(proposal.symbol),
            live_buys=buys,
            live_sells=sells,
            book_live_sells=sum(
                (leg.order.remaining for leg in orders if leg.order.side is Side.SELL and not leg.order.reduce_only),
                ZERO,
            ),
            book_exits=sum((leg.order.remaining for leg in orders if leg.order.reduce_only), ZERO),
            gross=gross + gross_value(ledger, self.marks, self.instruments),
            cost_rate=self.cost_rate,
            open_orders=open_orders,
            orders_last_minute=self.book.sent_since(now_ns - MINUTE_NS),
            has_live_intent=bool(orders),
            equity_day_start=self.book.day_equity,
            equity_peak=self.book.peak,
        )
