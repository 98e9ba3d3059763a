"""The desk: what all parts of execution work on, and the words that they have in common."""

from decimal import Decimal

import msgspec

from daemons.execution.gate import Gate
from daemons.execution.state import Book, Leg
from lct.daemon import Do
from lct.domain.bars import MINUTE_NS
from lct.domain.instruments import Instrument
from lct.domain.marks import Marks
from lct.domain.orders import Order, State, client_order_id, tag_of
from lct.domain.risk import Limits, Standing
from lct.domain.venues import Terms
from lct.messages.exchange import Cancel, Find, Place
from lct.messages.execution import Alerted, OrderMoved, StandingSet

PORT = "exchange"
SELF = "execution"
ON_THE_WAY = (State.SENDING, State.UNKNOWN)
"""Where nobody has told yet whether the venue has the order."""


class Identity(msgspec.Struct, frozen=True):
    """Whose orders these are: part of every client order id."""

    install_id: str
    venue: str
    account: str

    def order_id(self, intent_id: str, leg: str) -> str:
        """Return the client order id of one leg of an intent."""
        return client_order_id(self.install_id, self.venue, self.account, intent_id, leg, 0)

    def is_ours(self, key: str) -> bool:
        """Whether a client order id carries the tag of this installation."""
        return key.startswith(tag_of(self.install_id))


class Desk:
    """The book and what is known around it; the parts of execution read it, and only `apply` changes the book."""

    def __init__(
        self,
        identity: Identity,
        instruments: tuple[Instrument, ...],
        limits: Limits,
        terms: Terms,
        cost_rate: Decimal,
    ) -> None:
        """Take finished parts; `cost_rate` is the fraction of a notional that fees and slippage may take at worst."""
        self.identity = identity
        self.instruments = {i.symbol: i for i in instruments}
        self.limits = limits
        self.terms = terms
        self.book = Book(sent_kept=limits.max_orders_per_minute + 1)
        self.marks = Marks()
        self.gate = Gate(self.book, self.marks, self.instruments, cost_rate)
        self.md_seq = 0
        self.step_ns = MINUTE_NS

    @property
    def next_seq(self) -> int:
        """The `journal_seq` of the next durable event."""
        return self.book.seq + 1

    def moved(
        self, leg: Leg, state: State, now_ns: int, reason: str = "", venue_order_id: str | None = None
    ) -> OrderMoved:
        """Say that an order is in another state."""
        order = leg.order
        return OrderMoved(
            self.book.seq + 1,
            now_ns,
            order.client_order_id,
            order.intent_id,
            order.book,
            order.symbol,
            state,
            reason,
            venue_order_id,
            protective=leg.protective,
        )

    def set(self, standing: Standing, symbol: str | None, reason: str, by: str, now_ns: int) -> StandingSet:
        """Say what the gate lets through from now on, of the house or of one symbol."""
        return StandingSet(self.book.seq + 1, now_ns, standing, symbol, reason, by)

    def find(self, order: Order) -> Do:
        """Look an order up, from a little before it was sent."""
        since_ns = order.created_ns - self.terms.recv_window_ns - self.terms.clock_error_ns
        return Do(PORT, Find(order.client_order_id, order.symbol, since_ns))


def place(order: Order, stamp_ns: int) -> Do:
    """Send an order, stamped with a time."""
    command = Place(
        order.client_order_id,
        order.symbol,
        order.side,
        order.type,
        order.amount,
        stamp_ns,
        order.price,
        order.stop_price,
        order.take_profit_price,
        order.reduce_only,
    )
    return Do(PORT, command)


def cancel(order: Order) -> Do:
    """Cancel an order at the venue."""
    return Do(PORT, Cancel(order.client_order_id, order.symbol))


def there(order: Order) -> State:
    """Return the state of an order that the venue has, by its fills."""
    return State.PARTIAL if order.filled else State.OPEN


def alert(kind: str, text: str, now_ns: int, order: Order | None = None, symbol: str | None = None) -> Alerted:
    """Say what a person should know at once."""
    if order is None:
        return Alerted(now_ns, kind, text, symbol)
    return Alerted(now_ns, kind, text, order.symbol, order.client_order_id)
