"""Operating: what a person may order of execution: halt, flatten, resume, cancel, and deciding what evidence cannot."""

from collections.abc import Generator, Iterator

from daemons.execution.comparing import Comparing
from daemons.execution.desk import SELF, Desk, alert, cancel, place, there
from daemons.execution.guards import Guards
from daemons.execution.rates import SECOND_NS
from daemons.execution.seeking import Seeking
from daemons.execution.state import Leg
from lct.daemon import Said
from lct.domain.ledger import DEPOSITS
from lct.domain.money import ZERO, plain
from lct.domain.orders import Order, OrderType, Side, State
from lct.domain.positions import Position
from lct.domain.risk import Standing
from lct.messages.execution import (
    Adopt,
    Adopted,
    CancelOrder,
    Decided,
    Deposited,
    Difference,
    Done,
    ExecutionStatus,
    Explain,
    Flatten,
    Halt,
    OrderIntended,
    Reconcile,
    Resolve,
    Resume,
)

Doing = Generator[Said, None, Done]
OPEN = (State.OPEN, State.PARTIAL)


class Operating:
    """Carries out what is asked, or says why not; each step is journaled before it is done."""

    def __init__(self, desk: Desk, guards: Guards, seeking: Seeking, comparing: Comparing) -> None:
        """Work on a desk."""
        self.desk = desk
        self.guards = guards
        self.seeking = seeking
        self.comparing = comparing

    # -- the gate -----------------------------------------------------------------------------------------------

    def halt(self, request: Halt, now_ns: int) -> Doing:
        """Close the gate first, then cancel what is open; positions keep their stops."""
        changed = yield from self.close_gate(request.reason, request.by, now_ns)
        cancelled = yield from self._cancel_all("trading is halted", now_ns)
        words = f"halted; {cancelled} orders are being cancelled, protection stands"
        if request.flatten:
            words += "; " + (yield from self._flatten(None, None, now_ns))
        return self._done(words, changed=changed)

    def close_gate(self, reason: str, by: str, now_ns: int) -> Generator[Said, None, bool]:
        """Halt the house, unless it is; return whether that changed anything."""
        if self.desk.book.house.standing is Standing.HALTED:
            return False
        text = reason or "halted"
        yield self.desk.set(Standing.HALTED, None, text, by, now_ns)
        yield alert("halted", text, now_ns)
        return True

    def freeze(self, symbol: str, reason: str, now_ns: int) -> Iterator[Said]:
        """Halt one symbol, unless it is."""
        if self.desk.book.standing(symbol).standing is not Standing.HALTED:
            yield self.desk.set(Standing.HALTED, symbol, reason, SELF, now_ns)
        yield alert("mismatch", reason, now_ns, symbol=symbol)

    def flatten(self, request: Flatten, now_ns: int) -> Doing:
        """Let nothing new in, and close positions at the market."""
        changed = self.desk.book.house.standing is Standing.ACTIVE
        if changed:
            yield self.desk.set(Standing.REDUCING, None, request.reason or "flattened", request.by, now_ns)
        words = yield from self._flatten(request.symbol, request.book, now_ns)
        return self._done(words, changed=changed)

    def resume(self, request: Resume, now_ns: int) -> Doing:
        """Open the gate again, where the accounts agree."""
        book = self.desk.book
        if book.differences:
            return self._done(f"the accounts do not agree: {_in_words(book.differences)}", changed=False)
        if not self.comparing.is_ready:
            return self._done("the account has not been compared with the venue yet", changed=False)
        symbols = [request.symbol] if request.symbol is not None else sorted(book.frozen)
        opened: list[str] = []
        for symbol in symbols:
            if symbol in book.frozen:
                yield self.desk.set(Standing.ACTIVE, symbol, request.reason, request.by, now_ns)
                opened.append(symbol)
        if request.symbol is None and book.house.standing is not Standing.ACTIVE:
            yield self.desk.set(Standing.ACTIVE, None, request.reason, request.by, now_ns)
            opened.append("the house")
        return self._done(f"trades again: {', '.join(opened)}" if opened else "nothing was held", changed=bool(opened))

    # -- orders -------------------------------------------------------------------------------------------------

    def cancel_order(self, request: CancelOrder, now_ns: int) -> Doing:
        """Cancel one order, or all but protection."""
        key = request.client_order_id
        if key is None:
            cancelled = yield from self._cancel_all(request.reason or "cancelled by hand", now_ns)
            return self._done(f"{cancelled} orders are being cancelled", changed=cancelled > 0)
        leg = self.desk.book.legs.get(key)
        if leg is None:
            known = self.desk.book.over.get(key)
            words = "no such order" if known is None else f"it is over: {known.order.state.value}"
            return self._done(words, changed=False)
        if leg.order.state not in OPEN:
            return self._done(f"it is {leg.order.state.value}; only what is open can be cancelled", changed=False)
        yield from self._cancel(leg, request.reason or "cancelled by hand", now_ns)
        return self._done("it is being cancelled", changed=True)

    def _cancel(self, leg: Leg, reason: str, now_ns: int) -> Iterator[Said]:
        yield self.desk.moved(leg, State.CANCELING, now_ns, reason)
        yield cancel(leg.order)
        self.guards.look(leg.order.book, leg.order.symbol, now_ns)

    def _cancel_all(
        self, reason: str, now_ns: int, symbol: str | None = None, book: str | None = None
    ) -> Generator[Said, None, int]:
        cancelled = 0
        for leg in list(self.desk.book.legs.values()):
            order = leg.order
            is_meant = symbol in (None, order.symbol) and book in (None, order.book)
            if is_meant and order.state in OPEN and not leg.protective and not order.reduce_only:
                yield from self._cancel(leg, reason, now_ns)
                cancelled += 1
        return cancelled

    def _flatten(self, symbol: str | None, book: str | None, now_ns: int) -> Generator[Said, None, str]:
        cancelled = yield from self._cancel_all("flattened", now_ns, symbol, book)
        left: list[str] = []
        closing = 0
        for (owner, name), position in sorted(self.desk.book.ledger.positions.items()):
            if position.amount and symbol in (None, name) and book in (None, owner):
                objection = yield from self._close(owner, name, position, now_ns)
                closing += objection is None
                if objection is not None:
                    left.append(f"{owner} {name}: {objection}")
        words = f"{closing} positions are being closed, {cancelled} orders cancelled"
        return f"{words}; left: {'; '.join(left)}" if left else words

    def _close(self, book: str, symbol: str, position: Position, now_ns: int) -> Generator[Said, None, str | None]:
        """Close one position at the market; return why not, where it cannot be."""
        desk = self.desk
        instrument = desk.instruments[symbol]
        legs = desk.book.at(book, symbol)
        exits = sum((x.order.remaining for x in legs if x.order.reduce_only and not x.protective), ZERO)
        amount = instrument.amount_down(abs(position.amount) - exits)
        if exits and amount <= ZERO:
            return None  # what closes it is under way
        mark = desk.marks.price(instrument)
        if mark is None:
            return "it has no mark price"
        objection = instrument.objection(amount, mark)
        if objection is not None:
            return objection
        if any(leg.protective and leg.order.state in (State.SENDING, State.UNKNOWN) for leg in legs):
            return "its stop is on the way to the venue; flatten again"
        guards = self.guards.in_the_way(book, symbol, amount)
        intent_id = f"flatten.{desk.next_seq}"
        order = Order(
            client_order_id=desk.identity.order_id(intent_id, "order"),
            intent_id=intent_id,
            book=book,
            symbol=symbol,
            side=Side.SELL if position.amount > ZERO else Side.BUY,
            type=OrderType.MARKET,
            amount=amount,
            reduce_only=True,
            state=State.PROPOSED if guards else State.SENDING,
            created_ns=now_ns,
            updated_ns=now_ns,
            reason="flatten",
        )
        yield OrderIntended(desk.next_seq, order, "order", desk.md_seq)
        if guards:
            yield from self.guards.take_away(guards, "replaced by flatten", now_ns)
        else:
            yield place(order, now_ns)
        self.guards.look(book, symbol, now_ns)
        return None

    # -- what evidence cannot decide ----------------------------------------------------------------------------

    def resolve(self, request: Resolve, now_ns: int) -> Doing:
        """Take a person's word for what became of an order."""
        leg = self.desk.book.legs.get(request.client_order_id)
        if request.verdict not in (State.ABSENT, State.CANCELED):
            return self._done("an order can be said to be absent, or canceled with the fills we know", changed=False)
        states = (State.UNKNOWN,) if request.verdict is State.ABSENT else (State.UNKNOWN, State.CANCEL_UNKNOWN)
        if leg is None or leg.order.state not in states:
            state = "no live order" if leg is None else leg.order.state.value
            return self._done(f"it is {state}; nothing is to be decided", changed=False)
        order = leg.order
        settles_ns = self.desk.terms.settled_ns(order.updated_ns)
        if order.state is State.UNKNOWN and now_ns <= settles_ns:
            seconds = (settles_ns - now_ns) // SECOND_NS + 1
            words = f"its request may still arrive, or not show yet, for another {seconds} s; ask the venue after that"
            return self._done(words, changed=False)
        yield self._decided(order.client_order_id, request.verdict.value, request, now_ns)
        self.seeking.sweeps.pop(order.client_order_id, None)
        if order.state is State.UNKNOWN and request.verdict is State.CANCELED:
            yield self.desk.moved(leg, there(order), now_ns, "found by a person")
        yield from self.guards.over(leg, request.verdict, now_ns, f"resolved by {request.by or 'a person'}", now_ns)
        return self._done(f"it is {request.verdict.value}", changed=True)

    def explain(self, request: Explain, now_ns: int) -> Doing:
        """Book a difference of balances as the transfer that a person says it was, if it is exactly that."""
        found = next((x for x in self.desk.book.differences if x.kind == "balance" and x.name == request.asset), None)
        if found is None:
            return self._done(f"the last comparison has no difference of {request.asset}", changed=False)
        wanted = f"{found.theirs} at the venue, {found.ours} in the journal"
        ledger = self.desk.book.ledger
        if plain(ledger.total(request.asset) + request.amount) != found.theirs:
            return self._done(f"{plain(request.amount)} does not explain it: {wanted}", changed=False)
        yield self._decided(request.asset, plain(request.amount), request, now_ns)
        transfer_id = f"operator:{self.desk.next_seq}"
        yield Deposited(self.desk.next_seq, now_ns, request.asset, request.amount, transfer_id)
        yield from self.comparing.look(now_ns)
        return self._done(f"{plain(request.amount)} {request.asset} booked as a transfer; compared anew", changed=True)

    def _decided(self, about: str, verdict: str, request: Resolve | Explain, now_ns: int) -> Decided:
        return Decided(self.desk.next_seq, now_ns, about, verdict, request.reason, request.by)

    def adopt(self, request: Adopt, now_ns: int) -> Doing:
        """Give a book what lies in the account and belongs to none."""
        instrument = self.desk.instruments.get(request.symbol)
        if instrument is None:
            return self._done(f"{request.symbol} is not in the universe of this house", changed=False)
        free = self.desk.book.ledger.balance(DEPOSITS, instrument.base)
        if not ZERO < request.amount <= free or request.price <= ZERO:
            words = f"{plain(free)} {instrument.base} lie unassigned; amount and price must be positive, and no more"
            return self._done(words, changed=False)
        yield Adopted(
            self.desk.next_seq, now_ns, request.book, request.symbol, request.amount, request.price, request.by
        )
        return self._done(f"{plain(request.amount)} {instrument.base} belong to {request.book} now", changed=True)

    def reconcile(self, request: Reconcile, now_ns: int) -> Doing:
        """Compare now."""
        yield from self.comparing.look(now_ns)
        return self._done("the account is being read", changed=False)

    # -- how it stands ------------------------------------------------------------------------------------------

    def _done(self, words: str, *, changed: bool) -> Done:
        return Done(self.desk.book.house.standing, changed, words)

    def status(self, denials: dict[str, int], now_ns: int) -> ExecutionStatus:
        """Tell how execution stands."""
        book = self.desk.book
        return ExecutionStatus(
            now_ns,
            book.house.standing,
            book.house.reason,
            book.house.by,
            {symbol: f"{one.standing.value}: {one.reason}" for symbol, one in sorted(book.frozen.items())},
            self.comparing.is_ready,
            self.comparing.compared_ns,
            book.differences,
            tuple(book.unknown),
            tuple(order.venue_order_id for order in self.desk.gate.foreign),
            self.guards.unprotected_ns(now_ns),
            dict(sorted(denials.items())),
        )


def _in_words(differences: tuple[Difference, ...]) -> str:
    return "; ".join(f"{one.kind} {one.name}: ours {one.ours}, theirs {one.theirs}" for one in differences[:3])
