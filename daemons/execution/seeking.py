"""Seeking: what became of an order whose fate is not known, by evidence and never by a guess."""

from collections.abc import Iterator

import msgspec

from daemons.execution.desk import SELF, Desk, alert, cancel, there
from daemons.execution.guards import Guards
from daemons.execution.state import Leg
from lct.daemon import Later, Never, Said
from lct.domain.orders import State
from lct.domain.risk import Standing
from lct.messages.exchange import Sought, VenueOrder
from lct.messages.execution import SweepDue

SECOND_NS = 1_000_000_000
BACKOFF_NS = tuple(int(seconds * SECOND_NS) for seconds in (0.5, 1, 2, 4, 8, 15, 30, 60))
"""How long after one sweep the next one is, by how many there were; the last for all that follow."""
SETTLED_NS = 2 * SECOND_NS
"""How long, once silence begins to prove something."""
ALERT_NS = 120 * SECOND_NS
"""How long an order's fate may be unknown before a person has to know."""

OVER = {"canceled": State.CANCELED, "expired": State.EXPIRED, "rejected": State.CANCELED}
SOUGHT = frozenset({State.UNKNOWN, State.CANCELING, State.CANCEL_UNKNOWN, State.OPEN, State.PARTIAL})


class Sweep(msgspec.Struct):
    """The search for one order so far (of this life): sweeps, those in a row that count as proof, when it began."""

    began_ns: int
    asked_ns: int
    count: int = 0
    negatives: int = 0
    alerted: bool = False


class Seeking:
    """Decides what each sweep proves. UNKNOWN stays until something does."""

    def __init__(self, desk: Desk, guards: Guards) -> None:
        """Work on a desk."""
        self.desk = desk
        self.guards = guards
        self.sweeps: dict[str, Sweep] = {}

    def begin(self, leg: Leg, now_ns: int) -> Iterator[Said]:
        """Look for an order now, unless that is under way."""
        key = leg.order.client_order_id
        if key not in self.sweeps:
            self.sweeps[key] = Sweep(now_ns, now_ns)
            yield from self._look(key, leg, now_ns)

    def _look(self, key: str, leg: Leg, now_ns: int) -> Iterator[Said]:
        """Look for an order; again where no answer comes."""
        yield self.desk.find(leg.order)
        yield Later(f"sweep:{key}", now_ns + BACKOFF_NS[-1], SweepDue(key))

    def lose(self, leg: Leg, reason: str, now_ns: int) -> Iterator[Said]:
        """Say that nobody knows whether the venue has an order, and look for it."""
        yield self.desk.moved(leg, State.UNKNOWN, now_ns, reason)
        yield from self.begin(leg, now_ns)
        limit = self.desk.limits.max_unknown
        if len(self.desk.book.unknown) > limit and self.desk.book.house.standing is not Standing.HALTED:
            text = f"max_unknown: {len(self.desk.book.unknown)} orders of unknown fate, more than {limit}"
            yield self.desk.set(Standing.HALTED, None, text, SELF, now_ns)
            yield alert("halted", text, now_ns)

    def due(self, due: SweepDue, now_ns: int) -> Iterator[Said]:
        """Look again, if it still matters."""
        leg = self.desk.book.legs.get(due.client_order_id)
        sweep = self.sweeps.get(due.client_order_id)
        if leg is None or sweep is None:
            self.sweeps.pop(due.client_order_id, None)
            return
        sweep.asked_ns = now_ns
        yield from self._look(due.client_order_id, leg, now_ns)

    def sought(self, sought: Sought, now_ns: int) -> Iterator[Said]:
        """Take what a sweep found."""
        leg = self.desk.book.legs.get(sought.client_order_id)
        if leg is None or leg.order.state not in SOUGHT:
            self.sweeps.pop(sought.client_order_id, None)
            return
        sweep = self.sweeps.setdefault(sought.client_order_id, Sweep(now_ns, now_ns))
        if sought.order is not None:
            yield from self.found(leg, sought.order, now_ns)
            return
        sweep.count += 1
        terms = self.desk.terms
        if not sought.is_proven or len(set(sought.endpoints)) < terms.endpoints_min:
            sweep.negatives = 0
        elif sweep.asked_ns > terms.settled_ns(leg.order.updated_ns):
            sweep.negatives += 1
        yield from self._again(leg, sweep, now_ns)

    def found(self, leg: Leg, theirs: VenueOrder, now_ns: int) -> Iterator[Said]:
        """Believe the venue's order where it is ours, and its end where all fills up to it are known."""
        order = leg.order
        key = order.client_order_id
        if (theirs.symbol, theirs.side, theirs.amount) != (order.symbol, order.side, order.amount):
            text = f"the venue has another order under the id {key}"
            if self.desk.book.standing(order.symbol).standing is not Standing.HALTED:
                yield self.desk.set(Standing.HALTED, order.symbol, text, SELF, now_ns)
            yield alert("mismatch", text, now_ns, order)
            return
        if order.state is State.UNKNOWN:
            yield self.desk.moved(leg, there(order), now_ns, "found", theirs.venue_order_id)
            self.guards.look(order.book, order.symbol, now_ns)
            if self._must_go(leg):
                yield self.desk.moved(leg, State.CANCELING, now_ns, "trading is halted")
                yield cancel(order)
        if theirs.status == "open" and theirs.filled <= order.filled:
            yield from self._forget(key)
            if leg.order.state is State.CANCEL_UNKNOWN:
                yield self.desk.moved(leg, State.CANCELING, now_ns, "still open; cancelled again")
                yield cancel(order)
        elif theirs.status in OVER and theirs.filled == order.filled:
            yield from self._forget(key)
            yield from self.guards.over(leg, OVER[theirs.status], now_ns, f"the venue says {theirs.status}", now_ns)
        else:  # fills are missing: what is cumulative is a hint, each fill a fact, and they come with a sweep
            yield from self._again(leg, self.sweeps.setdefault(key, Sweep(now_ns, now_ns)), now_ns)

    def _must_go(self, leg: Leg) -> bool:
        order = leg.order
        halted = self.desk.book.standing(order.symbol).standing is Standing.HALTED
        return halted and not leg.protective and not order.reduce_only

    def _again(self, leg: Leg, sweep: Sweep, now_ns: int) -> Iterator[Said]:
        order = leg.order
        settles_ns = self.desk.terms.settled_ns(order.updated_ns)
        wait_ns = BACKOFF_NS[min(sweep.count, len(BACKOFF_NS) - 1)]
        if order.state is State.UNKNOWN and sweep.negatives < self.desk.terms.sweeps_min:
            # not long after silence begins to prove something; before that less and less often
            wait_ns = SETTLED_NS if now_ns > settles_ns else min(wait_ns, settles_ns + 1 - now_ns)
        if now_ns - sweep.began_ns >= ALERT_NS and not sweep.alerted:
            sweep.alerted = True
            text = f"the fate of the order is unknown for {(now_ns - sweep.began_ns) // SECOND_NS} s"
            yield alert("unknown_order", f"{text}; `lct execution resolve {order.client_order_id}`", now_ns, order)
        yield Later(f"sweep:{order.client_order_id}", now_ns + wait_ns, SweepDue(order.client_order_id))

    def _forget(self, key: str) -> Iterator[Said]:
        if self.sweeps.pop(key, None) is not None:
            yield Never(f"sweep:{key}")

    def is_silent(self, key: str) -> bool:
        """Whether all looking says that the venue never had an order; the balances have the last word."""
        sweep = self.sweeps.get(key)
        return sweep is not None and sweep.negatives >= self.desk.terms.sweeps_min

    def absent(self, leg: Leg, now_ns: int) -> Iterator[Said]:
        """Call an order absent: every way of looking was silent, and no balance moved."""
        sweep = self.sweeps[leg.order.client_order_id]
        yield from self._forget(leg.order.client_order_id)
        text = f"absent: {sweep.negatives} sweeps in a row found nothing, and no balance moved"
        yield from self.guards.over(leg, State.ABSENT, now_ns, text, now_ns)
