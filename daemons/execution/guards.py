"""Guards: the protective stops behind positions, and the exits that wait for them to go."""

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

import msgspec

from daemons.execution.desk import Desk, alert, cancel, place
from daemons.execution.state import Leg
from lct.daemon import Later, Said
from lct.domain.exits import ExitPolicy, protection
from lct.domain.money import ZERO, Money
from lct.domain.orders import Order, OrderType, Side, State
from lct.messages.exchange import Traded
from lct.messages.execution import OrderIntended, ProtectionDue, Unprotected

RETRY_NS = 1_000_000_000
"""How soon a stop that was lost is placed anew, for it is to stand within 2 s of the fill; then twice as long each."""
RETRY_MAX_NS = 60 * RETRY_NS
RETRIES_QUIET = 3
"""After so many a person has to know."""


class Uncovered(msgspec.Struct):
    """How long positions have been without a stop that should have one (ns of message time)."""

    since: dict[tuple[str, str], int]
    total_ns: int = 0


class Guards:
    """Decides what protection is placed, taken away and given back."""

    def __init__(self, desk: Desk) -> None:
        """Work on a desk."""
        self.desk = desk
        self.uncovered = Uncovered({})
        self._wanted: set[tuple[str, str]] = set()
        self._tries: dict[tuple[str, str], int] = {}
        self._due: set[tuple[str, str]] = set()

    def protect(self, leg: Leg, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Place protection for what the book holds of the symbol and no live guard covers."""
        order = leg.order
        instrument = self.desk.instruments[order.symbol]
        policy = _policy(leg.stop_loss, leg.take_profit)
        stop, take = protection(order.side, traded.price, policy, instrument)
        yield from self._guard(order, order.side.opposite, f"stop.{traded.trade_id}", stop, take, now_ns)

    def protect_again(self, exit_: Order, now_ns: int) -> Iterator[Said]:
        """Place the protection that an exit took away once more, for what it leaves when it is over."""
        lost = self.desk.book.dropped.get((exit_.book, exit_.symbol))
        if lost is not None and exit_.client_order_id not in self.desk.book.legs:
            name = f"stop.{exit_.intent_id}"
            yield from self._guard(lost, lost.side, name, lost.stop_price, lost.take_profit_price, now_ns)

    def replace(self, lost: Leg, now_ns: int) -> Iterator[Said]:
        """Have a guard that the venue refused or never had placed anew: at once, then less and less often."""
        order = lost.order
        key = (order.book, order.symbol)
        if key in self._due:
            return
        tries = self._tries.get(key, 0)
        if tries == RETRIES_QUIET:
            yield alert("unprotected", f"its stop was lost {tries + 1} times: {order.reason}", now_ns, order)
        self._tries[key] = tries + 1
        self._due.add(key)
        wait_ns = min(RETRY_NS << min(tries, RETRIES_QUIET * 2), RETRY_MAX_NS)
        yield Later(f"protect:{order.book}:{order.symbol}", now_ns + wait_ns, ProtectionDue(*key))

    def retry(self, due: ProtectionDue, now_ns: int) -> Iterator[Said]:
        """Place what is missing of a position's protection."""
        self._due.discard((due.book, due.symbol))
        yield from self._mend((due.book, due.symbol), now_ns)

    def mend(self, now_ns: int) -> Iterator[Said]:
        """Place what is missing of any position's protection: no way of losing it may be overlooked for long."""
        for key in sorted(self.desk.book.guarded):
            if key not in self._due:
                yield from self._mend(key, now_ns)

    def _mend(self, key: tuple[str, str], now_ns: int) -> Iterator[Said]:
        last = self.desk.book.guarded.get(key)
        if last is not None:
            name = f"stop~{self.desk.next_seq}"
            yield from self._guard(last, last.side, name, last.stop_price, last.take_profit_price, now_ns)

    def _guard(
        self, source: Order, side: Side, name: str, stop: Decimal | None, take: Decimal | None, now_ns: int
    ) -> Iterator[Said]:
        """Place protection for what the book holds and nothing is about to close, if the venue takes that size."""
        desk, book, symbol = self.desk, source.book, source.symbol
        instrument = desk.instruments[symbol]
        held = abs(desk.book.ledger.position(book, symbol).amount)
        amount = instrument.amount_down(held - desk.book.leaving(book, symbol))
        price = stop or take
        if price is None or not amount:
            return
        objection = instrument.objection(amount, price)
        if objection is not None:
            yield Unprotected(book, symbol, amount, objection)
            return
        guard = Order(
            client_order_id=desk.identity.order_id(source.intent_id, name),
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
        yield OrderIntended(desk.next_seq, guard, name, desk.md_seq)
        yield place(guard, now_ns)

    def over(self, leg: Leg, state: State, time_ns: int, reason: str, now_ns: int) -> Iterator[Said]:
        """Say that an order is over, and what follows: the exit that waited goes, what an exit took away comes back.

        A guard that ends unasked leaves the position bare; it is placed anew.
        """
        order, was_wanted = leg.order, leg.protective and not leg.is_going
        yield self.desk.moved(leg, state, time_ns, reason)
        if was_wanted:
            yield Unprotected(order.book, order.symbol, order.remaining, f"the venue ended its stop: {reason}")
            yield from self.replace(leg, now_ns)
        if leg.protective:
            yield from self.release(order.book, order.symbol, now_ns)
            if not was_wanted and self._is_left(order):
                yield from self._mend((order.book, order.symbol), now_ns)
        elif order.reduce_only:
            yield from self.protect_again(leg.order, now_ns)
        self.look(order.book, order.symbol, now_ns)

    def _is_left(self, guard: Order) -> bool:
        """Whether a guard went for an exit, which may leave a part of the position."""
        return any(leg.order.reduce_only and not leg.protective for leg in self.desk.book.at(guard.book, guard.symbol))

    def stands(self, order: Order) -> None:
        """Know that a guard is there: the next that is lost is tried again from the start."""
        if self._tries:
            self._tries.pop((order.book, order.symbol), None)

    def in_the_way(self, book: str, symbol: str, amount: Decimal) -> list[Leg]:
        """Return the guards that must be gone before so much can be closed: the venue holds for them what they sell.

        Of those that stand, as few as will do: what needs not go leaves no gap.
        """
        legs = self.desk.book.at(book, symbol)
        going = [leg for leg in legs if leg.protective and leg.is_going]
        standing = sorted(
            (leg for leg in legs if leg.protective and not leg.is_going), key=lambda leg: leg.order.remaining
        )
        kept = sum((leg.order.remaining for leg in legs if leg.order.reduce_only and leg not in going), ZERO)
        missing = amount + kept - abs(self.desk.book.ledger.position(book, symbol).amount)
        while missing > ZERO and standing:
            found = next((leg for leg in standing if leg.order.remaining >= missing), standing[-1])
            standing.remove(found)
            going.append(found)
            missing -= found.order.remaining
        return going

    def take_away(self, guards: list[Leg], reason: str, now_ns: int) -> Iterator[Said]:
        """Cancel guards for the exit that replaces them."""
        for guard in guards:
            if guard.order.state in (State.OPEN, State.PARTIAL):
                yield self.desk.moved(guard, State.CANCELING, now_ns, reason)
                yield cancel(guard.order)

    def release(self, book: str, symbol: str, now_ns: int) -> Iterator[Said]:
        """Send the exit that waited for its guards to go, or deny it when there is too little left to close."""
        desk = self.desk
        legs = desk.book.at(book, symbol)
        if any(leg.protective and leg.is_going for leg in legs):
            return
        guarded = sum((leg.order.remaining for leg in legs if leg.protective), ZERO)
        for leg in [leg for leg in legs if leg.order.state is State.PROPOSED]:
            left = abs(desk.book.ledger.position(book, symbol).amount) - guarded
            if left < leg.order.amount:
                yield desk.moved(leg, State.DENIED, now_ns, f"the position is down to {left}")
                yield from self.protect_again(leg.order, now_ns)
            else:
                yield desk.moved(leg, State.SENDING, now_ns)
                yield place(leg.order, now_ns)

    # -- how long nothing stood behind a position ----------------------------------------------------------------

    def wants(self, book: str, symbol: str) -> None:
        """Count the time without a stop from now on for this position: its entry asked for one."""
        self._wanted.add((book, symbol))

    def look(self, book: str, symbol: str, now_ns: int) -> None:
        """Start or stop the count for one position, by what it is and what stands behind it."""
        key = (book, symbol)
        since = self.uncovered.since
        if key not in self._wanted and key not in since:
            return
        instrument = self.desk.instruments[symbol]
        held = abs(self.desk.book.ledger.position(book, symbol).amount)
        bare = instrument.amount_down(held - self.desk.book.protected(book, symbol)) if held else ZERO
        if key in self._wanted and bare > ZERO:
            since.setdefault(key, now_ns)
        elif key in since:
            self.uncovered.total_ns += now_ns - since.pop(key)
        if not held:
            self._wanted.discard(key)

    def unprotected_ns(self, now_ns: int) -> int:
        """Return how long positions were without their stop in this life, summed over positions."""
        return self.uncovered.total_ns + sum(now_ns - since for since in self.uncovered.since.values())


@lru_cache(maxsize=256)
def _policy(stop_loss: Money | None, take_profit: Money | None) -> ExitPolicy:
    return ExitPolicy(stop_loss=stop_loss, take_profit=take_profit)
