"""The execution daemon: hears proposals and the venue, decides, and says what became of orders."""

from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from decimal import Decimal

from daemons.execution.comparing import Comparing
from daemons.execution.desk import ON_THE_WAY, SELF, Desk, Identity, alert, cancel, place, there
from daemons.execution.guards import Guards
from daemons.execution.judging import Judging
from daemons.execution.operating import Doing, Operating
from daemons.execution.outside import Outside
from daemons.execution.seeking import Seeking
from daemons.execution.state import Leg
from lct.daemon import Daemon, Said, Saying, Words, answers, on
from lct.domain.bars import DAY_NS, MINUTE_NS
from lct.domain.instruments import Instrument
from lct.domain.marks import LOOK_BACK, equity
from lct.domain.money import ZERO
from lct.domain.orders import Order, Overfilled, State, fill_contradicts
from lct.domain.risk import Limits, Standing
from lct.domain.venues import Terms
from lct.messages.base import Event
from lct.messages.exchange import (
    Account,
    Cancelled,
    CancelUnclear,
    Disturbed,
    Funded,
    HaltOrdered,
    Placed,
    PlaceRefused,
    PlaceUnclear,
    Sought,
    Traded,
    Transferred,
)
from lct.messages.execution import (
    Adopt,
    CancelOrder,
    CompareDue,
    DayStarted,
    ExecutionStatus,
    Explain,
    Filled,
    Flatten,
    GetExecutionStatus,
    GetOrders,
    Halt,
    Orders,
    Propose,
    ProtectionDue,
    Reconcile,
    Resolve,
    Resume,
    SweepDue,
    Verdict,
)
from lct.messages.market_data import BarsClosed, last_of_each_universe, time_of

OWN = Terms(idempotent_forever=True, visibility_lag_ns=0)
"""What a venue of our own keeps to."""


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
        terms: Terms = OWN,
        cost_rate: Decimal = ZERO,
        orders_kept: int = 1_000,
        compares_every_ns: int | None = None,
    ) -> None:
        """Take finished parts.

        `terms` are the venue's, `cost_rate` is the fraction of a notional that fees and slippage may take at worst,
        `orders_kept` how many orders that are over are listed. With `compares_every_ns` the account is compared with
        the venue's at the start, before anything is sent, and again and again; without, the venue is a part of us.
        """
        self.desk = Desk(identity, instruments, limits, terms, cost_rate)
        self.book = self.desk.book
        self.marks = self.desk.marks
        self.orders_kept = orders_kept
        self.guards = Guards(self.desk)
        self.seeking = Seeking(self.desk, self.guards)
        self.comparing = Comparing(self.desk, self.seeking, compares_every_ns)
        self.operating = Operating(self.desk, self.guards, self.seeking, self.comparing)
        self.outside = Outside(self.desk, self.operating)
        self.judging = Judging(self.desk, self.guards, self.comparing)

    def apply(self, event: Event) -> None:
        """Fold one durable event into the book."""
        self.book.apply(event)

    def rehears_since(self, md_seq: int) -> int:
        """Need the last mark of every symbol, however long ago that of a live order or a position was."""
        oldest = self.book.needs_bars_from()
        return max(0, min(md_seq - LOOK_BACK, md_seq if oldest is None else oldest - 1))

    def recovered(self, now_ns: int) -> Iterator[Said]:
        """Read the account; find out what became of all that was under way.

        A venue that takes the same order twice without harm is given it again; elsewhere it is UNKNOWN until found.
        """
        if not self.book.deposited or self.comparing.every_ns is not None:
            yield from self.comparing.look(now_ns)
        for leg in list(self.book.legs.values()):
            state = leg.order.state
            if state is State.SENDING and self.desk.terms.idempotent_forever:
                yield place(leg.order, leg.order.updated_ns)
            elif state is State.SENDING:
                yield from self.seeking.lose(leg, "the house ended before the reply", now_ns)
            elif state is State.CANCELING:
                yield cancel(leg.order)
            elif state in (State.UNKNOWN, State.CANCEL_UNKNOWN):
                yield from self.seeking.begin(leg, now_ns)

    # -- proposals ----------------------------------------------------------------------------------------------

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Saying:
        """Keep the marks, and the equity with which a UTC day starts."""
        self.desk.md_seq = bars.md_seq
        self.desk.step_ns = bars.time_ns - bars.open_ns
        self.marks.hear(bars.symbols, bars.close, bars.time_ns)
        if bars.time_ns >= self.book.next_day_ns and self.book.deposited:
            return self._start_day(bars.time_ns, now_ns)
        return None

    def silent_for(self, heard: Sequence[Words]) -> int:
        """Bars within a day are heard in silence."""
        ends_ns = self.book.next_day_ns
        if not self.book.deposited or time_of(heard[-1]) < ends_ns:
            return len(heard)
        return bisect_left(heard, ends_ns, key=time_of)

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Keep the marks."""
        for bars in last_of_each_universe(heard):
            self.mark(bars, bars.time_ns)

    def _start_day(self, time_ns: int, now_ns: int) -> Iterator[Said]:
        worth = equity(self.book.ledger, self.marks, self.desk.instruments)
        if worth is not None:
            peak = worth if self.book.peak is None else max(self.book.peak, worth)
            yield DayStarted(self.desk.next_seq, time_ns - time_ns % DAY_NS, worth, peak)
            house = self.book.house
            if house.by == SELF and house.reason.startswith("max_daily_loss"):
                yield self.desk.set(Standing.ACTIVE, None, "a new day", SELF, now_ns)

    @answers(Propose)
    def judge(self, proposal: Propose, now_ns: int) -> Generator[Said, None, Verdict]:
        """Approve or deny a proposal by the hard limits, journal the intent, and send it."""
        return self.judging.judge(proposal, now_ns)

    # -- the venue ----------------------------------------------------------------------------------------------

    @on(Placed)
    def acknowledge(self, placed: Placed, now_ns: int) -> Iterator[Said]:
        """The venue has the order; one that came after trading was halted goes at once."""
        leg = self.book.legs.get(placed.client_order_id)
        if leg is None or leg.order.state not in ON_THE_WAY:
            return
        yield self.desk.moved(leg, State.OPEN, placed.time_ns, venue_order_id=placed.venue_order_id)
        order = leg.order
        if leg.protective:
            self.guards.stands(order)
            self.guards.look(order.book, order.symbol, now_ns)
        elif not order.reduce_only and self.book.standing(order.symbol).standing is Standing.HALTED:
            yield self.desk.moved(leg, State.CANCELING, now_ns, "trading is halted")
            yield cancel(order)

    @on(PlaceRefused)
    def reject(self, refused: PlaceRefused, now_ns: int) -> Iterator[Said]:
        """The venue proved that it never had the order."""
        leg = self.book.legs.get(refused.client_order_id)
        if leg is None or leg.order.state not in ON_THE_WAY:
            return
        state = State.REJECTED if leg.order.state is State.SENDING else State.ABSENT
        yield from self.guards.over(leg, state, refused.time_ns, refused.reason, now_ns)
        limit = self.desk.limits.max_rejects_per_minute
        if limit is not None and self.book.rates.rejected_since(now_ns - MINUTE_NS) > limit:
            text = f"max_rejects_per_minute: the venue refused more than {limit} orders within a minute"
            yield from self.operating.close_gate(text, SELF, now_ns)

    @on(PlaceUnclear)
    def doubt(self, unclear: PlaceUnclear, now_ns: int) -> Saying:
        """Nobody knows whether the venue has the order."""
        leg = self.book.legs.get(unclear.client_order_id)
        if leg is None or leg.order.state is not State.SENDING:
            return None
        return self.seeking.lose(leg, unclear.reason, now_ns)

    @on(Traded)
    def fill(self, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Book a trade once, whatever we thought of its order; protect what it opened, let a waiting exit go on."""
        seen = self.book.trades_seen.get((traded.symbol, traded.trade_id))
        if seen is not None:
            if seen != (traded.client_order_id, traded.amount, traded.price, traded.fee):
                text = f"trade {traded.trade_id} of {traded.symbol} was told twice, and not the same"
                yield alert("mismatch", text, now_ns, symbol=traded.symbol)
                yield from self.operating.close_gate(text, SELF, now_ns)
            return
        late = self.book.over.get(traded.client_order_id)
        leg = late or self.book.legs.get(traded.client_order_id)
        if leg is None:
            yield from self.outside.traded(traded, now_ns)
            return
        before = leg.order
        try:
            after = before.after_fill(traded.amount, traded.price, traded.fee, traded.time_ns)
        except Overfilled as error:
            yield from self.operating.freeze(before.symbol, str(error), now_ns)
            return
        yield self._filled(leg, traded, after.state)
        if late is not None:
            yield from self._late(before, now_ns)
        yield from self._follow(leg, traded, now_ns)
        factor = self.desk.limits.runaway_factor
        if factor is not None and self.book.rates.is_running_away(factor, now_ns):
            text = f"runaway_factor: more than {factor} times as many fills as in a minute of the hour before"
            yield from self.operating.close_gate(text, SELF, now_ns)

    def _filled(self, leg: Leg, traded: Traded, state: State) -> Filled:
        order = leg.order
        return Filled(
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
            state,
            leg.md_seq,
            leg.protective,
        )

    def _late(self, before: Order, now_ns: int) -> Iterator[Said]:
        """Tell of a fill of an order that was over; where we held that it never was, our proof was wrong."""
        text = f"a fill came for an order that was {before.state.value}"
        yield alert("late_fill", text, now_ns, before)
        if fill_contradicts(before.state):
            yield from self.operating.close_gate(f"{text}: {before.client_order_id}", SELF, now_ns)

    def _follow(self, leg: Leg, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Say what a fill asks for: protection, or that of the rest once an exit is over."""
        order = leg.order
        if leg.protective:
            yield from self.guards.release(order.book, order.symbol, now_ns)
        elif order.reduce_only:
            yield from self.guards.protect_again(order, now_ns)
        elif leg.stop_loss is not None or leg.take_profit is not None:
            self.guards.wants(order.book, order.symbol)
            yield from self.guards.protect(leg, traded, now_ns)
        self.guards.look(order.book, order.symbol, now_ns)

    @on(Cancelled)
    def cancel(self, cancelled: Cancelled, now_ns: int) -> Iterator[Said]:
        """The order is dead at the venue: over once all its fills are known, for the last may be on their way."""
        leg = self.book.legs.get(cancelled.client_order_id)
        if leg is None:
            return
        if leg.order.state in ON_THE_WAY:
            yield self.desk.moved(leg, there(leg.order), now_ns)
        if cancelled.filled == leg.order.filled:
            yield from self.guards.over(leg, State.CANCELED, cancelled.time_ns, cancelled.reason, now_ns)
            return
        if leg.order.state is State.CANCELING:
            yield self.desk.moved(leg, State.CANCEL_UNKNOWN, now_ns, "fills up to the cancel are missing")
        yield from self.seeking.begin(leg, now_ns)

    @on(CancelUnclear)
    def doubt_cancel(self, unclear: CancelUnclear, now_ns: int) -> Iterator[Said]:
        """Nobody knows whether the cancel took effect: look, and cancel again what is still open."""
        leg = self.book.legs.get(unclear.client_order_id)
        if leg is not None and leg.order.state is State.CANCELING:
            yield self.desk.moved(leg, State.CANCEL_UNKNOWN, now_ns, unclear.reason)
            yield from self.seeking.begin(leg, now_ns)

    @on(Sought)
    def hear_sweep(self, sought: Sought, now_ns: int) -> Iterator[Said]:
        """Take what a sweep for an order found; where all are silent, the balances have the last word."""
        yield from self.seeking.sought(sought, now_ns)
        leg = self.book.legs.get(sought.client_order_id)
        if leg is not None and self.seeking.is_silent(sought.client_order_id):
            yield from self.comparing.look(now_ns)

    @on(Account)
    def compare(self, account: Account, now_ns: int) -> Iterator[Said]:
        """Compare the venue's account with the journal's, and see that nothing stands without its stop."""
        yield from self.comparing.hear(account, now_ns)
        if self.comparing.every_ns is not None:
            yield from self.guards.mend(now_ns)

    @on(Disturbed)
    def compare_anew(self, disturbed: Disturbed, now_ns: int) -> Saying:
        """Compare after the line to the venue was broken."""
        return self.comparing.look(now_ns)

    @on(Transferred)
    def hear_transfer(self, transferred: Transferred, now_ns: int) -> Saying:
        """Book what came from outside."""
        return self.outside.transferred(transferred, now_ns)

    @on(Funded)
    def hear_funding(self, funded: Funded, now_ns: int) -> Saying:
        """Book funding."""
        return self.outside.funded(funded, now_ns)

    # -- timers -------------------------------------------------------------------------------------------------

    @on(SweepDue)
    def look_again(self, due: SweepDue, now_ns: int) -> Saying:
        """Look for an order again."""
        return self.seeking.due(due, now_ns)

    @on(CompareDue)
    def compare_again(self, due: CompareDue, now_ns: int) -> Saying:
        """Compare again."""
        return self.comparing.look(now_ns)

    @on(ProtectionDue)
    def protect_again(self, due: ProtectionDue, now_ns: int) -> Saying:
        """Place what is missing of a position's protection."""
        return self.guards.retry(due, now_ns)

    # -- what it is asked ---------------------------------------------------------------------------------------

    @on(HaltOrdered)
    def obey_switch(self, ordered: HaltOrdered, now_ns: int) -> Iterator[Said]:
        """Halt: somebody pulled the switch outside of the bus."""
        yield from self.operating.halt(Halt(ordered.reason, ordered.by), now_ns)

    @answers(Halt)
    def halt(self, request: Halt, now_ns: int) -> Doing:
        """Let nothing through any more."""
        return self.operating.halt(request, now_ns)

    @answers(Flatten)
    def flatten(self, request: Flatten, now_ns: int) -> Doing:
        """Close positions."""
        return self.operating.flatten(request, now_ns)

    @answers(Resume)
    def resume(self, request: Resume, now_ns: int) -> Doing:
        """Let everything through again."""
        return self.operating.resume(request, now_ns)

    @answers(CancelOrder)
    def cancel_order(self, request: CancelOrder, now_ns: int) -> Doing:
        """Cancel one order, or all."""
        return self.operating.cancel_order(request, now_ns)

    @answers(Resolve)
    def resolve(self, request: Resolve, now_ns: int) -> Doing:
        """Take a person's word for an order of unknown fate."""
        return self.operating.resolve(request, now_ns)

    @answers(Explain)
    def explain(self, request: Explain, now_ns: int) -> Doing:
        """Take a person's word for a difference."""
        return self.operating.explain(request, now_ns)

    @answers(Adopt)
    def adopt(self, request: Adopt, now_ns: int) -> Doing:
        """Give a book what belongs to none."""
        return self.operating.adopt(request, now_ns)

    @answers(Reconcile)
    def reconcile(self, request: Reconcile, now_ns: int) -> Doing:
        """Compare now."""
        return self.operating.reconcile(request, now_ns)

    @answers(GetExecutionStatus)
    def stand(self, request: GetExecutionStatus, now_ns: int) -> ExecutionStatus:
        """Tell how execution stands."""
        return self.operating.status(self.judging.denials, now_ns)

    @answers(GetOrders)
    def report(self, request: GetOrders, now_ns: int) -> Orders:
        """Tell the live orders, and of those that are over the newest."""
        over = list(self.book.over.values())
        live = sorted((leg.order for leg in self.book.legs.values()), key=lambda order: order.created_ns)
        return Orders([*(leg.order for leg in over[max(0, len(over) - self.orders_kept) :]), *live])
