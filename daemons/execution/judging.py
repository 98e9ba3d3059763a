"""Judging: whether a proposal becomes an order, by what is known and by the hard limits."""

from collections import Counter
from collections.abc import Generator, Iterator

from daemons.execution.comparing import Comparing
from daemons.execution.desk import ON_THE_WAY, SELF, Desk, place
from daemons.execution.guards import Guards
from daemons.execution.state import Leg
from lct.daemon import Said
from lct.domain.orders import Order, State
from lct.domain.risk import Standing, verdict
from lct.messages.execution import OrderIntended, ProposalDenied, Propose, Verdict

LOSSES = ("max_daily_loss", "max_drawdown")
"""Limits that let nothing new in until the day is over, or a person resumes."""


class Judging:
    """Judges each intent once; what is denied is counted by the name of the limit."""

    def __init__(self, desk: Desk, guards: Guards, comparing: Comparing) -> None:
        """Work on a desk."""
        self.desk = desk
        self.guards = guards
        self.comparing = comparing
        self.denials: Counter[str] = Counter()

    def judge(self, proposal: Propose, now_ns: int) -> Generator[Said, None, Verdict]:
        """Approve or deny a proposal by the hard limits, journal the intent, and send it."""
        known = self.desk.book.verdicts.get(proposal.intent_id)
        if known is not None:
            return known
        guards = self.desk.book.guards(proposal.book, proposal.symbol) if proposal.reduce_only else []
        way = self.guards.in_the_way(proposal.book, proposal.symbol, proposal.amount) if guards else []
        order = self._order(proposal, State.PROPOSED if way else State.SENDING, now_ns)
        stale = self._staleness(proposal, now_ns, guards)
        reason = stale or self._denial(proposal, order, now_ns)
        if reason is not None:
            yield from self._deny(proposal, reason, now_ns, stale=stale is not None)
            return self.desk.book.verdicts[proposal.intent_id]
        yield OrderIntended(
            self.desk.next_seq, order, "order", proposal.md_seq, proposal.stop_loss, proposal.take_profit
        )
        if not way:
            yield place(order, now_ns)
        else:
            yield from self.guards.take_away(way, f"replaced by {proposal.reason}", now_ns)
            self.guards.look(order.book, order.symbol, now_ns)
        return self.desk.book.verdicts[proposal.intent_id]

    def _deny(self, proposal: Propose, reason: str, now_ns: int, *, stale: bool) -> Iterator[Said]:
        name = reason.partition(":")[0]
        self.denials[name] += 1
        yield ProposalDenied(
            self.desk.next_seq, now_ns, proposal.intent_id, proposal.book, proposal.symbol, reason, stale
        )
        if name in LOSSES and self.desk.book.house.standing is Standing.ACTIVE:
            yield self.desk.set(Standing.REDUCING, None, reason, SELF, now_ns)

    def _staleness(self, proposal: Propose, now_ns: int, guards: list[Leg]) -> str | None:
        """Say what the proposer had not heard yet, or what is not known yet; it may propose again."""
        if now_ns > proposal.expires_at_ns:
            return "expired: the proposal came too late"
        known = self.desk.book.facts.get((proposal.book, proposal.symbol), 0)
        if proposal.facts < known:
            return f"facts: the proposal rests on {proposal.facts}, but {known} is known"
        if proposal.md_seq < self.desk.md_seq:
            return f"md_seq: the proposal rests on bars {proposal.md_seq}, but {self.desk.md_seq} have closed"
        if any(guard.order.state in ON_THE_WAY for guard in guards):
            return "protection: it is on its way to the venue"
        if not self.comparing.is_ready:
            return "recovery: the account has not been compared with the venue yet"
        if self.comparing.suspected and not proposal.reduce_only:
            return f"comparison: {self.comparing.suspected[0].name} differs, and is looked at again"
        if self.desk.book.unknown and not proposal.reduce_only:
            for leg in self.desk.book.unknown.values():
                if leg.order.symbol == proposal.symbol:
                    return f"unknown: nobody knows what became of {leg.order.client_order_id}"
        return None

    def _denial(self, proposal: Propose, order: Order, now_ns: int) -> str | None:
        instrument = self.desk.instruments.get(proposal.symbol)
        if instrument is None:
            return f"symbol: {proposal.symbol} is not in the universe of this house"
        heard_ns = self.desk.marks.heard_ns(proposal.symbol)
        age = 0 if heard_ns is None else (now_ns - heard_ns) // self.desk.step_ns
        exposure = self.desk.gate.exposure(proposal, instrument, now_ns, max(0, age))
        if exposure is None:
            return "equity: not known, for a position or an order has no mark"
        return verdict(order, exposure, self.desk.limits)

    def _order(self, proposal: Propose, state: State, now_ns: int) -> Order:
        return Order(
            client_order_id=self.desk.identity.order_id(proposal.intent_id, "order"),
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
