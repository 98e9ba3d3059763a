"""The state of execution: a fold of its own durable events into orders, ledger, verdicts and facts."""

from collections import OrderedDict, deque
from decimal import Decimal

import msgspec

from lct.domain.bars import DAY_NS, MINUTE_NS
from lct.domain.ledger import Ledger, deposit
from lct.domain.money import ZERO
from lct.domain.orders import TERMINAL, Order, State
from lct.messages.base import Event
from lct.messages.execution import DayStarted, Deposited, Filled, OrderIntended, OrderMoved, ProposalDenied, Verdict

VERDICTS_MAX = 10_000
TRADES_MAX = 100_000


class Leg(msgspec.Struct, gc=False):
    """A live order with what execution needs to look after it; `protective` says that it guards a position."""

    order: Order
    name: str
    md_seq: int
    stop_loss: Decimal | None
    take_profit: Decimal | None
    protective: bool

    @property
    def is_going(self) -> bool:
        """Whether its cancel is under way."""
        return self.order.state in (State.CANCELING, State.CANCEL_UNKNOWN)


class Book:
    """Everything durable that execution knows; only `apply` changes it, live and in recovery alike."""

    def __init__(self, *, orders_kept: int, sent_kept: int) -> None:
        """Start empty; `orders_kept` bounds the orders that are over, `sent_kept` the times of those just sent."""
        self.ledger = Ledger()
        self.seq = 0
        self.legs: dict[str, Leg] = {}
        self.live: dict[tuple[str, str], dict[str, Leg]] = {}
        self.dropped: dict[tuple[str, str], Order] = {}
        self.over: deque[Order] = deque(maxlen=orders_kept)
        self.verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self.facts: dict[tuple[str, str], int] = {}
        self.trades_seen: dict[tuple[str, str], None] = {}
        self.marked_from: dict[tuple[str, str], int] = {}
        self.sent_ns: deque[int] = deque(maxlen=sent_kept)
        self.deposited = False
        self.next_day_ns = 0
        self.day_equity: Decimal | None = None
        self.peak: Decimal | None = None

    def apply(self, event: Event) -> None:
        """Fold one durable event into orders, ledger and verdicts."""
        self.seq += 1
        if type(event) is OrderMoved:
            self._apply_move(event)
        elif type(event) is Filled:
            self._apply_fill(event)
        elif type(event) is OrderIntended:
            self._apply_intent(event)
        elif type(event) is ProposalDenied:
            self._store(Verdict(event.intent_id, False, event.reason, None, event.stale))
        elif type(event) is DayStarted:
            self.day_equity, self.peak = event.equity, event.peak
            self.next_day_ns = event.day_ns + DAY_NS
        else:
            assert type(event) is Deposited, f"execution cannot apply {event}"
            self.deposited = True
            self.ledger.post(deposit(event.asset, event.amount))

    def _apply_intent(self, event: OrderIntended) -> None:
        order = event.order
        is_guard = event.leg != "order"
        leg = Leg(order, event.leg, event.md_seq, event.stop_loss, event.take_profit, is_guard)
        self.marked_from.setdefault((order.book, order.symbol), event.md_seq)
        self.legs[order.client_order_id] = leg
        self.live.setdefault((order.book, order.symbol), {})[order.client_order_id] = leg
        if not leg.protective:
            while self.sent_ns and self.sent_ns[0] <= order.created_ns - MINUTE_NS:
                self.sent_ns.popleft()
            self.sent_ns.append(order.created_ns)
            self._store(Verdict(order.intent_id, True, "", order.client_order_id))

    def _apply_move(self, event: OrderMoved) -> None:
        leg = self.legs[event.client_order_id]
        leg.order = leg.order.moved(event.state, event.time_ns, event.reason, event.venue_order_id)
        if event.state in TERMINAL:
            self._retire(leg)
            if not leg.protective:
                self.facts[event.book, event.symbol] = self.seq

    def _apply_fill(self, event: Filled) -> None:
        self.trades_seen[event.symbol, event.trade_id] = None
        if len(self.trades_seen) > TRADES_MAX:
            del self.trades_seen[next(iter(self.trades_seen))]
        self.facts[event.book, event.symbol] = self.seq
        leg = self.legs[event.client_order_id]
        leg.order = leg.order.after_fill(event.amount, event.price, event.fee, event.time_ns)
        if leg.order.state in TERMINAL:
            self._retire(leg)
        self.ledger.fill(
            event.book, event.symbol, event.side, event.amount, event.price, event.fee, event.fee_asset, event.time_ns
        )
        if self.dropped and not self.ledger.position(event.book, event.symbol).amount:
            self.dropped.pop((event.book, event.symbol), None)
        self._forget_marks(event.book, event.symbol)

    def _retire(self, leg: Leg) -> None:
        order = leg.order
        del self.legs[order.client_order_id]
        del self.live[order.book, order.symbol][order.client_order_id]
        self.over.append(order)
        if leg.protective and order.state is State.CANCELED:
            self.dropped[order.book, order.symbol] = order
        self._forget_marks(order.book, order.symbol)

    def _forget_marks(self, book: str, symbol: str) -> None:
        if not self.live.get((book, symbol)) and not self.ledger.position(book, symbol).amount:
            self.marked_from.pop((book, symbol), None)

    def needs_bars_from(self) -> int | None:
        """Return the `md_seq` of the oldest bars that an order or a position may still be marked by."""
        return min(self.marked_from.values(), default=None)

    def _store(self, answer: Verdict) -> None:
        self.verdicts[answer.intent_id] = answer
        if len(self.verdicts) > VERDICTS_MAX:
            self.verdicts.popitem(last=False)

    def sent_since(self, time_ns: int) -> int:
        """Return how many orders were sent after `time_ns`."""
        return sum(sent_ns > time_ns for sent_ns in self.sent_ns)

    def at(self, book: str, symbol: str) -> list[Leg]:
        """Return the live legs of one book in one symbol, oldest first."""
        return list(self.live.get((book, symbol), {}).values())

    def guards(self, book: str, symbol: str) -> list[Leg]:
        """Return the live protection of one book in one symbol."""
        return [leg for leg in self.at(book, symbol) if leg.protective]

    def leaving(self, book: str, symbol: str) -> Decimal:
        """Return how much of a position guards and exits are about to sell or buy back.

        A guard that is being cancelled gives its part to the exit that replaces it: both together count once.
        """
        guards = staying = exits = ZERO
        for leg in self.at(book, symbol):
            remaining = leg.order.remaining
            if leg.protective:
                guards += remaining
                staying += ZERO if leg.is_going else remaining
            elif leg.order.reduce_only:
                exits += remaining
        return max(guards, staying + exits)
