"""The gate of execution: what it knows of the account when a proposal comes, for the hard limits to judge."""

from decimal import Decimal

from daemons.execution.rates import SECOND_NS
from daemons.execution.state import Book
from lct.domain.bars import MINUTE_NS
from lct.domain.instruments import Instrument
from lct.domain.marks import Marks, appraisal
from lct.domain.money import ONE, ZERO
from lct.domain.orders import Order, OrderType, Side
from lct.domain.risk import Exposure
from lct.messages.exchange import VenueOrder
from lct.messages.execution import Propose


class Gate:
    """Reads a book and the marks; it changes neither."""

    def __init__(self, book: Book, marks: Marks, instruments: dict[str, Instrument], cost_rate: Decimal) -> None:
        """`cost_rate` is the fraction of a notional that fees and slippage may take at worst."""
        self.book = book
        self.marks = marks
        self.instruments = instruments
        self.cost_rate = cost_rate
        self.foreign: tuple[VenueOrder, ...] = ()
        """Open orders at the venue that are not ours: never touched, and counted as exposure."""

    def exposure(
        self, proposal: Propose, instrument: Instrument, now_ns: int, data_age_bars: int = 0
    ) -> Exposure | None:
        """Return what the account is exposed to, all live orders filled; None while a mark is missing."""
        book, ledger = self.book, self.book.ledger
        appraised = appraisal(ledger, self.marks, self.instruments)
        if appraised is None:
            return None
        worth, gross = appraised
        totals = _Totals(self, proposal.symbol)
        # protection and exits reserve nothing and add nothing
        adding = [leg.order for leg in book.legs.values() if not (leg.protective or leg.order.reduce_only)]
        if not (all(map(totals.add, adding)) and all(map(totals.add_foreign, self.foreign))):
            return None
        orders = [leg for leg in book.at(proposal.book, proposal.symbol) if not leg.protective]
        who = (proposal.book, proposal.symbol, proposal.side)
        standing = book.standing(proposal.symbol)
        rates = book.rates
        return Exposure(
            instrument=instrument,
            equity=worth,
            cash_free=ledger.total(instrument.quote) - totals.reserved,
            reference_price=self.marks.price(instrument),
            book_amount=ledger.position(proposal.book, proposal.symbol).amount,
            symbol_amount=ledger.held(proposal.symbol),
            live_buys=totals.buys,
            live_sells=totals.sells,
            book_live_sells=sum(
                (leg.order.remaining for leg in orders if leg.order.side is Side.SELL and not leg.order.reduce_only),
                ZERO,
            ),
            book_exits=sum((leg.order.remaining for leg in orders if leg.order.reduce_only), ZERO),
            gross=totals.gross + gross,
            cost_rate=self.cost_rate,
            open_orders=totals.open_orders,
            orders_last_minute=rates.sent_since(now_ns - MINUTE_NS),
            orders_last_second=rates.sent_since(now_ns - SECOND_NS),
            alike_last_minute=rates.alike_since(*who, now_ns - MINUTE_NS),
            repeats_within_ns=rates.repeats_within(*who, proposal.amount, proposal.price, now_ns),
            has_live_intent=bool(orders),
            standing=standing.standing,
            standing_reason=standing.reason,
            data_age_bars=data_age_bars,
            crossing_price=self._crossing(proposal),
            equity_day_start=book.day_equity,
            equity_peak=book.peak,
        )

    def _crossing(self, proposal: Propose) -> Decimal | None:
        """Return the best price of a resting order of ours in this symbol that the proposal may trade with."""
        prices = []
        for leg in self.book.legs.values():
            order = leg.order
            if order.symbol == proposal.symbol and order.side is not proposal.side:
                price = order.take_profit_price if order.type is OrderType.BRACKET else order.price
                if price is not None:
                    prices.append(price)
        return (min if proposal.side is Side.BUY else max)(prices, default=None)


class _Totals:
    """Sums over live orders, each counted as if it filled at its price, or at the mark."""

    def __init__(self, gate: Gate, symbol: str) -> None:
        self.gate = gate
        self.symbol = symbol
        self.buys = self.sells = self.gross = self.reserved = ZERO
        self.open_orders = 0

    def add(self, order: Order) -> bool:
        """Take an order of ours; False where there is no price for it."""
        self.open_orders += 1
        return self._add(order.symbol, order.side, order.remaining, order.price)

    def add_foreign(self, order: VenueOrder) -> bool:
        """Take a stranger's order; in symbols that are not ours it cannot hurt."""
        if order.symbol not in self.gate.instruments:
            return True
        return self._add(order.symbol, order.side, order.amount - order.filled, order.price)

    def _add(self, symbol: str, side: Side, remaining: Decimal, price: Decimal | None) -> bool:
        price = price or self.gate.marks.price(self.gate.instruments[symbol])
        if price is None:
            return False
        notional = remaining * price
        self.gross += notional
        if side is Side.BUY:
            self.reserved += notional * (ONE + self.gate.cost_rate)
        if symbol == self.symbol:
            if side is Side.BUY:
                self.buys += remaining
            else:
                self.sells += remaining
        return True
