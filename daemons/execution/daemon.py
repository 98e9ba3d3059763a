"""The execution daemon: hears proposals and the venue, decides, and says what became of orders."""

from collections.abc import Generator, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from daemons.execution.gate import Gate
from daemons.execution.state import Book, Leg
from lct.daemon import Daemon, Do, Said, Saying, answers, on
from lct.domain.bars import DAY_NS
from lct.domain.exits import ExitPolicy, protection
from lct.domain.instruments import Instrument
from lct.domain.marks import LOOK_BACK, Marks, equity
from lct.domain.money import ZERO, Money
from lct.domain.orders import Order, OrderType, Side, State, client_order_id
from lct.domain.risk import Limits, verdict
from lct.messages.base import Event
from lct.messages.exchange import Account, Cancel, Cancelled, Look, Place, Placed, PlaceRefused, Traded
from lct.messages.execution import (
    DayStarted,
    Deposited,
    Filled,
    GetOrders,
    OrderIntended,
    OrderMoved,
    Orders,
    ProposalDenied,
    Propose,
    Unprotected,
    Verdict,
)
from lct.messages.market_data import BarsClosed

PORT = "exchange"


class SimulatedLimits(Limits, frozen=True, forbid_unknown_fields=True):
    """The hard limits where nothing is at stake: the same, with other defaults."""

    max_order_notional: Annotated[Money | None, Meta(description="largest order, in quote")] = None
    max_position_notional: Annotated[
        Money | None, Meta(description="largest position in one symbol over all books, live orders filled, in quote")
    ] = None
    max_open_orders: Annotated[int, Meta(ge=0, description="orders live at once, protection apart")] = 1_000
    max_orders_per_minute: Annotated[int, Meta(ge=0, description="orders sent in any 60 seconds, protection apart")] = (
        10_000
    )
    max_daily_loss: Annotated[
        Money | None, Meta(description="loss since 00:00 UTC, as a fraction of the equity then")
    ] = None
    max_drawdown: Annotated[
        Money | None, Meta(description="fall from the highest equity that a UTC day began with, as a fraction of it")
    ] = None


SIMULATED = SimulatedLimits()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gate allows; the limits for real money come with the exchanges that take it."""

    simulated: Annotated[SimulatedLimits, Meta(description="hard limits of paper money in replayed time")] = SIMULATED
    orders_kept: Annotated[int, Meta(ge=0, description="orders that are over and still listed")] = 1_000
    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8006


class Identity(msgspec.Struct, frozen=True):
    """Whose orders these are: part of every client order id."""

    install_id: str
    venue: str
    account: str


class Execution(Daemon):
    """Durable, single writer of its journal; every order is in it, in state SENDING, before the venue can know it."""

    name = "execution"
    durable = True
    rehears = (BarsClosed,)

    def __init__(
        self,
        identity: Identity,
        instruments: tuple[Instrument, ...],
        limits: Limits,
        *,
        cost_rate: Decimal = ZERO,
        orders_kept: int = 1_000,
    ) -> None:
        """Take finished parts; `cost_rate` is the fraction of a notional that fees and slippage may take at worst."""
        self.identity = identity
        self.instruments = {i.symbol: i for i in instruments}
        self.limits = limits
        self.book = Book(orders_kept=orders_kept, sent_kept=limits.max_orders_per_minute + 1)
        self.marks = Marks()
        self.gate = Gate(self.book, self.marks, self.instruments, cost_rate)
        self.md_seq = 0

    def apply(self, event: Event) -> None:
        """Fold one durable event into the book."""
        self.book.apply(event)

    def rehears_since(self, md_seq: int) -> int:
        """Need the last mark of every symbol, however long ago that of a live order or a position was."""
        oldest = self.book.needs_bars_from()
        return max(0, min(md_seq - LOOK_BACK, md_seq if oldest is None else oldest - 1))

    def recovered(self, now_ns: int) -> Iterator[Said]:
        """Read the account on the first start; re-issue what was under way, which a venue of our own takes twice."""
        if not self.book.deposited:
            yield Do(PORT, Look())
        for leg in list(self.book.legs.values()):
            if leg.order.state is State.SENDING:
                yield Do(PORT, _place(leg.order, leg.order.updated_ns))
            elif leg.order.state is State.CANCELING:
                yield Do(PORT, Cancel(leg.order.client_order_id, leg.order.symbol))

    # -- what it hears ------------------------------------------------------------------------------------------

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Saying:
        """Keep the marks, and the equity with which a UTC day starts."""
        self.md_seq = bars.md_seq
        self.marks.hear(bars.symbols, bars.close)
        if bars.time_ns >= self.book.next_day_ns and self.book.deposited:
            day_ns = bars.time_ns - bars.time_ns % DAY_NS
            worth = equity(self.book.ledger, self.marks, self.instruments)
            if worth is not None:
                peak = worth if self.book.peak is None else max(self.book.peak, worth)
                return (DayStarted(self.book.seq + 1, day_ns, worth, peak),)
        return None

    @on(Account)
    def open_books(self, account: Account, now_ns: int) -> Iterator[Said]:
        """Book what the venue holds for us before the first trade as deposits."""
        if self.book.deposited:
            return
        for asset, amount in sorted(account.balances.items()):
            yield Deposited(self.book.seq + 1, now_ns, asset, amount)

    @answers(Propose)
    def judge(self, proposal: Propose, now_ns: int) -> Generator[Said, None, Verdict]:
        """Approve or deny a proposal by the hard limits, journal the intent, and send it."""
        known = self.book.verdicts.get(proposal.intent_id)
        if known is not None:
            return known
        guards = self.book.guards(proposal.book, proposal.symbol) if proposal.reduce_only else []
        order = self._order(proposal, State.PROPOSED if guards else State.SENDING, now_ns)
        stale = self._staleness(proposal, now_ns, guards)
        reason = stale or self._denial(proposal, order, now_ns)
        if reason is not None:
            yield ProposalDenied(
                self.book.seq + 1, now_ns, proposal.intent_id, proposal.book, proposal.symbol, reason, stale is not None
            )
            return self.book.verdicts[proposal.intent_id]
        yield OrderIntended(
            self.book.seq + 1, order, "order", proposal.md_seq, proposal.stop_loss, proposal.take_profit
        )
        if not guards:
            yield Do(PORT, _place(order, now_ns))
        for guard in guards:
            if guard.order.state is not State.CANCELING:
                yield self._moved(guard.order, State.CANCELING, now_ns, f"replaced by {proposal.reason}")
                yield Do(PORT, Cancel(guard.order.client_order_id, guard.order.symbol))
        return self.book.verdicts[proposal.intent_id]

    @on(Placed)
    def acknowledge(self, placed: Placed, now_ns: int) -> Saying:
        """The venue has the order."""
        leg = self.book.legs.get(placed.client_order_id)
        if leg is None or leg.order.state is not State.SENDING:
            return None
        return (self._moved(leg.order, State.OPEN, placed.time_ns, venue_order_id=placed.venue_order_id),)

    @on(PlaceRefused)
    def reject(self, refused: PlaceRefused, now_ns: int) -> Saying:
        """The venue proved that it never had the order."""
        leg = self.book.legs.get(refused.client_order_id)
        if leg is None or leg.order.state is not State.SENDING:
            return None
        return self._end(leg, State.REJECTED, refused.time_ns, refused.reason, now_ns)

    @on(Traded)
    def fill(self, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Book a trade once; protect what it opened, and let a waiting exit go on when its guard is gone."""
        if (traded.symbol, traded.trade_id) in self.book.trades_seen:
            return
        leg = self.book.legs.get(traded.client_order_id)
        if leg is None:
            is_over = any(order.client_order_id == traded.client_order_id for order in self.book.over)
            assert not is_over, f"a fill of order {traded.client_order_id}, which is over"
            return
        order = leg.order
        after = order.after_fill(traded.amount, traded.price, traded.fee, traded.time_ns)
        yield Filled(
            self.book.seq + 1,
            traded.time_ns,
            order.client_order_id,
            order.intent_id,
            traded.trade_id,
            order.book,
            order.symbol,
            order.side,
            traded.amount,
            traded.price,
            traded.fee,
            traded.fee_asset,
            after.state,
            leg.md_seq,
            leg.protective,
        )
        if leg.protective:
            yield from self._release(order.book, order.symbol, now_ns)
        elif order.reduce_only:
            yield from self._protect_again(order, now_ns)
        elif leg.stop_loss is not None or leg.take_profit is not None:
            yield from self._protect(leg, traded, now_ns)

    @on(Cancelled)
    def cancel(self, cancelled: Cancelled, now_ns: int) -> Iterator[Said]:
        """The order is dead at the venue; a waiting exit may now go."""
        leg = self.book.legs.get(cancelled.client_order_id)
        if leg is None:
            return
        order = leg.order
        assert cancelled.filled == order.filled, f"fills of {order.client_order_id} are missing"
        yield from self._end(leg, State.CANCELED, cancelled.time_ns, cancelled.reason, now_ns)
        yield from self._release(order.book, order.symbol, now_ns)

    @answers(GetOrders)
    def report(self, request: GetOrders, now_ns: int) -> Orders:
        """Tell the live orders, and those that are over and still kept."""
        live = sorted((leg.order for leg in self.book.legs.values()), key=lambda order: order.created_ns)
        return Orders([*self.book.over, *live])

    # -- decisions ----------------------------------------------------------------------------------------------

    def _staleness(self, proposal: Propose, now_ns: int, guards: list[Leg]) -> str | None:
        """Say what the proposer had not heard yet; it may propose again."""
        if now_ns > proposal.expires_at_ns:
            return "expired: the proposal came too late"
        known = self.book.facts.get((proposal.book, proposal.symbol), 0)
        if proposal.facts < known:
            return f"facts: the proposal rests on {proposal.facts}, but {known} is known"
        if proposal.md_seq < self.md_seq:
            return f"md_seq: the proposal rests on bars {proposal.md_seq}, but {self.md_seq} have closed"
        if any(guard.order.state is State.SENDING for guard in guards):
            return "protection: it is on its way to the venue"
        return None

    def _denial(self, proposal: Propose, order: Order, now_ns: int) -> str | None:
        instrument = self.instruments.get(proposal.symbol)
        if instrument is None:
            return f"symbol: {proposal.symbol} is not in the universe of this house"
        exposure = self.gate.exposure(proposal, instrument, now_ns)
        if exposure is None:
            return "equity: not known, for a position or an order has no mark"
        return verdict(order, exposure, self.limits)

    def _order(self, proposal: Propose, state: State, now_ns: int) -> Order:
        return Order(
            client_order_id=self._order_id(proposal.intent_id, "order"),
            intent_id=proposal.intent_id,
            book=proposal.book,
            symbol=proposal.symbol,
            side=proposal.side,
            type=proposal.type,
            amount=proposal.amount,
            price=proposal.price,
            reduce_only=proposal.reduce_only,
            state=state,
            created_ns=now_ns,
            updated_ns=now_ns,
            reason=proposal.reason,
        )

    def _order_id(self, intent_id: str, leg: str) -> str:
        who = self.identity
        return client_order_id(who.install_id, who.venue, who.account, intent_id, leg, 0)

    def _protect(self, leg: Leg, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Place protection for what the book holds of the symbol and no live guard covers."""
        order = leg.order
        instrument = self.instruments[order.symbol]
        policy = _policy(leg.stop_loss, leg.take_profit)
        stop, take = protection(order.side, traded.price, policy, instrument)
        yield from self._guard(order, order.side.opposite, f"stop.{traded.trade_id}", stop, take, now_ns)

    def _protect_again(self, exit_: Order, now_ns: int) -> Iterator[Said]:
        """Place the protection that an exit took away once more, for what it leaves when it is over."""
        lost = self.book.dropped.get((exit_.book, exit_.symbol))
        if lost is not None and exit_.client_order_id not in self.book.legs:
            name = f"stop.{exit_.intent_id}"
            yield from self._guard(lost, lost.side, name, lost.stop_price, lost.take_profit_price, now_ns)

    def _guard(
        self, source: Order, side: Side, name: str, stop: Decimal | None, take: Decimal | None, now_ns: int
    ) -> Iterator[Said]:
        """Place protection for what the book holds and nothing is about to close, if the venue takes that size."""
        book, symbol = source.book, source.symbol
        instrument = self.instruments[symbol]
        held = abs(self.book.ledger.position(book, symbol).amount)
        amount = instrument.amount_down(held - self.book.leaving(book, symbol))
        price = stop or take
        if price is None or not amount:
            return
        objection = instrument.objection(amount, price)
        if objection is not None:
            yield Unprotected(book, symbol, amount, objection)
            return
        guard = Order(
            client_order_id=self._order_id(source.intent_id, name),
            intent_id=source.intent_id,
            book=book,
            symbol=symbol,
            side=side,
            type=OrderType.STOP if take is None else OrderType.BRACKET,
            amount=amount,
            stop_price=stop,
            take_profit_price=take,
            reduce_only=True,
            state=State.SENDING,
            created_ns=now_ns,
            updated_ns=now_ns,
            reason="protection",
        )
        yield OrderIntended(self.book.seq + 1, guard, name, self.md_seq)
        yield Do(PORT, _place(guard, now_ns))

    def _release(self, book: str, symbol: str, now_ns: int) -> Iterator[Said]:
        """Send the exit that waited for its guards to go, or deny it when there is too little left to close."""
        legs = self.book.at(book, symbol)
        if any(leg.protective and leg.is_going for leg in legs):
            return
        guarded = sum((leg.order.remaining for leg in legs if leg.protective), ZERO)
        for leg in [leg for leg in legs if leg.order.state is State.PROPOSED]:
            left = abs(self.book.ledger.position(book, symbol).amount) - guarded
            if left < leg.order.amount:
                yield from self._end(leg, State.DENIED, now_ns, f"the position is down to {left}", now_ns)
            else:
                yield self._moved(leg.order, State.SENDING, now_ns)
                yield Do(PORT, _place(leg.order, now_ns))

    def _end(self, leg: Leg, state: State, time_ns: int, reason: str, now_ns: int) -> Iterator[Said]:
        """Say that an order is over; an exit that did not close all gives back the protection it took away."""
        order, was_wanted = leg.order, leg.protective and not leg.is_going
        yield self._moved(order, state, time_ns, reason)
        if was_wanted:
            yield Unprotected(order.book, order.symbol, order.remaining, f"the venue ended its stop: {reason}")
        if leg.order.reduce_only and not leg.protective:
            yield from self._protect_again(leg.order, now_ns)

    def _moved(
        self, order: Order, state: State, now_ns: int, reason: str = "", venue_order_id: str | None = None
    ) -> Any:
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
            protective=self.book.legs[order.client_order_id].protective,
        )


def _place(order: Order, stamp_ns: int) -> Place:
    return Place(
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


@lru_cache(maxsize=256)
def _policy(stop_loss: Money | None, take_profit: Money | None) -> ExitPolicy:
    return ExitPolicy(stop_loss=stop_loss, take_profit=take_profit)
