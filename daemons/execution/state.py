"""The state of execution: a fold of its own durable events into orders, ledger, verdicts, standing and facts."""

from collections import OrderedDict
from decimal import Decimal

import msgspec

from daemons.execution.rates import Rates
from lct.domain.bars import DAY_NS
from lct.domain.ledger import Ledger, deposit, funding
from lct.domain.money import ZERO
from lct.domain.orders import TERMINAL, Order, State
from lct.domain.risk import Standing, worse
from lct.messages.base import Event
from lct.messages.execution import (
    Adopted,
    DayStarted,
    Decided,
    Deposited,
    Difference,
    Filled,
    FundingPaid,
    MismatchFound,
    OrderIntended,
    OrderMoved,
    ProposalDenied,
    StandingSet,
    Verdict,
)

VERDICTS_MAX = 10_000
TRADES_MAX = 100_000
TRANSFERS_MAX = 10_000
OVER_MAX = 10_000
"""Orders that are over and whose late fills are still known for ours; it is as many as may be over in a busy day."""

Trade = tuple[str, Decimal, Decimal, Decimal]
"""What of a trade must not differ when it is told again: the order, amount, price and fee."""


KINDS = (
    Adopted,
    DayStarted,
    Decided,
    Deposited,
    Filled,
    FundingPaid,
    MismatchFound,
    OrderIntended,
    OrderMoved,
    ProposalDenied,
    StandingSet,
)
"""All that execution journals."""


class Leg(msgspec.Struct, gc=False):
    """An order with what execution needs to look after it; `protective` says that it guards a position."""

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

    def __init__(self, *, sent_kept: int, over_kept: int = OVER_MAX) -> None:
        """Start empty; `sent_kept` bounds the times of orders that were just sent, `over_kept` those that are over."""
        self._over_kept = over_kept
        self.ledger = Ledger()
        self.seq = 0
        self.legs: dict[str, Leg] = {}
        self.live: dict[tuple[str, str], dict[str, Leg]] = {}
        self.unknown: dict[str, Leg] = {}
        self.dropped: dict[tuple[str, str], Order] = {}
        self.guarded: dict[tuple[str, str], Order] = {}
        """The last guard of each position, whatever became of it: by what prices it is protected."""
        self.over: OrderedDict[str, Leg] = OrderedDict()
        self.verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self.facts: dict[tuple[str, str], int] = {}
        self.trades_seen: dict[tuple[str, str], Trade] = {}
        self.transfers_seen: dict[str, None] = {}
        self.marked_from: dict[tuple[str, str], int] = {}
        self.rates = Rates(sent_kept)
        self.deposited = False
        self.told_ns = 0
        """The time of the last money fact: what happened before it is known."""
        self.next_day_ns = 0
        self.day_equity: Decimal | None = None
        self.peak: Decimal | None = None
        self.house = StandingSet(0, 0, Standing.ACTIVE, None, "", "")
        self.frozen: dict[str, StandingSet] = {}
        self.differences: tuple[Difference, ...] = ()

    def apply(self, event: Event) -> None:
        """Fold one durable event into what it is about."""
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
        elif type(event) is StandingSet:
            self._apply_standing(event)
        elif type(event) is MismatchFound:
            self.differences = event.differences
        else:
            self._apply_money(event)

    def _apply_money(self, event: Event) -> None:
        """Fold what moves money without an order; what a person decided is only a reason for what follows it."""
        if type(event) is Deposited:
            self.deposited = True
            self.told_ns = event.time_ns
            self._remember(event.transfer_id)
            self.ledger.post(deposit(event.asset, event.amount))
        elif type(event) is FundingPaid:
            self._remember(event.funding_id)
            self.ledger.post(funding(event.book, event.asset, event.amount))
        elif type(event) is Adopted:
            self.facts[event.book, event.symbol] = self.seq
            self.ledger.adopt(event.book, event.symbol, event.amount, event.price, event.time_ns)
        else:
            assert type(event) is Decided, f"execution cannot apply {event}"

    def _remember(self, transfer_id: str) -> None:
        if transfer_id:
            self.transfers_seen[transfer_id] = None
            if len(self.transfers_seen) > TRANSFERS_MAX:
                del self.transfers_seen[next(iter(self.transfers_seen))]

    def _apply_standing(self, event: StandingSet) -> None:
        if event.symbol is None:
            self.house = event
        elif event.standing is Standing.ACTIVE:
            self.frozen.pop(event.symbol, None)
        else:
            self.frozen[event.symbol] = event

    def _apply_intent(self, event: OrderIntended) -> None:
        order = event.order
        is_guard = event.leg != "order"
        leg = Leg(order, event.leg, event.md_seq, event.stop_loss, event.take_profit, is_guard)
        self.marked_from.setdefault((order.book, order.symbol), event.md_seq)
        self._keep(leg)
        if is_guard:
            self.guarded[order.book, order.symbol] = order
        if not leg.protective:
            self.rates.sent(order)
            self._store(Verdict(order.intent_id, True, "", order.client_order_id))

    def _keep(self, leg: Leg) -> None:
        order = leg.order
        self.legs[order.client_order_id] = leg
        self.live.setdefault((order.book, order.symbol), {})[order.client_order_id] = leg

    def _apply_move(self, event: OrderMoved) -> None:
        leg = self.legs[event.client_order_id]
        leg.order = leg.order.moved(event.state, event.time_ns, event.reason, event.venue_order_id)
        if event.state is State.UNKNOWN:
            self.unknown[event.client_order_id] = leg
        elif self.unknown:
            self.unknown.pop(event.client_order_id, None)
        if event.state in TERMINAL:
            self._retire(leg)
            if not leg.protective:
                self.facts[event.book, event.symbol] = self.seq
            if event.state is State.REJECTED:
                self.rates.rejected(event.time_ns)

    def _apply_fill(self, event: Filled) -> None:
        self.trades_seen[event.symbol, event.trade_id] = (event.client_order_id, event.amount, event.price, event.fee)
        if len(self.trades_seen) > TRADES_MAX:
            del self.trades_seen[next(iter(self.trades_seen))]
        self.facts[event.book, event.symbol] = self.seq
        self.rates.filled(event.time_ns)
        self.told_ns = event.time_ns
        leg = self.legs.get(event.client_order_id)
        was_over = leg is None
        if leg is None:
            leg = self.over[event.client_order_id]
        leg.order = leg.order.after_fill(event.amount, event.price, event.fee, event.time_ns)
        if self.unknown:
            self.unknown.pop(event.client_order_id, None)
        if leg.order.state in TERMINAL:
            if not was_over:
                self._retire(leg)
        elif was_over:
            del self.over[event.client_order_id]
            self._keep(leg)
        self.ledger.fill(
            event.book, event.symbol, event.side, event.amount, event.price, event.fee, event.fee_asset, event.time_ns
        )
        if self.guarded and not self.ledger.position(event.book, event.symbol).amount:
            self.dropped.pop((event.book, event.symbol), None)
            self.guarded.pop((event.book, event.symbol), None)
        if was_over:
            self.marked_from.setdefault((event.book, event.symbol), event.md_seq)
        self._forget_marks(event.book, event.symbol)

    def _retire(self, leg: Leg) -> None:
        order = leg.order
        del self.legs[order.client_order_id]
        del self.live[order.book, order.symbol][order.client_order_id]
        self.over[order.client_order_id] = leg
        if len(self.over) > self._over_kept:
            self.over.popitem(last=False)
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

    def standing(self, symbol: str) -> StandingSet:
        """Return what the gate lets through for a symbol, and why: the stricter of the house's and its own."""
        own = self.frozen.get(symbol)
        if own is None:
            return self.house
        return own if worse(own.standing, self.house.standing) is own.standing else self.house

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

    def protected(self, book: str, symbol: str) -> Decimal:
        """Return how much of a position stops at the venue guard: those of known fate that are not being cancelled."""
        standing = (State.OPEN, State.PARTIAL)
        return sum((leg.order.remaining for leg in self.guards(book, symbol) if leg.order.state in standing), ZERO)
