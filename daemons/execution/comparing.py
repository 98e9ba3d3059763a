"""Comparing: whether the venue and the journal agree, exactly; what does not is a halt with a diff, no adjustment."""

from collections.abc import Iterator

from daemons.execution.desk import PORT, SELF, Desk, alert
from daemons.execution.seeking import Seeking
from lct.daemon import Do, Later, Said
from lct.domain.instruments import split_symbol
from lct.domain.money import ZERO, plain
from lct.domain.orders import State
from lct.domain.risk import Standing, worse
from lct.messages.exchange import Account, Look, VenueOrder
from lct.messages.execution import CompareDue, Deposited, Difference, MismatchFound, Reconciled

AGAIN_NS = 1_000_000_000
"""How soon a comparison that is not even, or was not of one moment, is made once more before anybody believes it."""
REPLY_NS = 30_000_000_000
"""After how long without any reply one that was lost is taken for lost."""
OVERLAP_NS = 3_600_000_000_000
"""How far before the last known fact trades and transfers are read again."""
AT_THE_VENUE = frozenset({State.OPEN, State.PARTIAL, State.CANCELING, State.CANCEL_UNKNOWN})
IN_FLIGHT = frozenset({State.SENDING, State.UNKNOWN})


class Comparing:
    """Compares each Account with the fold. `every_ns` None asks for none: the venue is ours, and cannot differ."""

    def __init__(self, desk: Desk, seeking: Seeking, every_ns: int | None) -> None:
        """Nothing is ready to trade before the first comparison, where there are any."""
        self.desk = desk
        self.seeking = seeking
        self.every_ns = every_ns
        self.is_ready = every_ns is None
        self.compared_ns: int | None = None
        self.suspected: tuple[Difference, ...] = ()
        """Differences that are not believed yet: the venue may not have told everywhere what it knows."""
        self._suspected_ns = 0

    def look(self, now_ns: int) -> Iterator[Said]:
        """Read the account, with what happened since the last fact that is known; again where no answer comes."""
        told_ns = self.desk.book.told_ns
        yield Do(PORT, Look(max(0, told_ns - OVERLAP_NS) if self.desk.book.deposited else now_ns))
        if self.every_ns is not None:
            yield self._next(now_ns, self.every_ns)

    def open_books(self, account: Account, now_ns: int) -> Iterator[Said]:
        """Book what the venue holds for us before the first trade as deposits."""
        for asset, amount in sorted(account.balances.items()):
            yield Deposited(self.desk.next_seq, now_ns, asset, amount)

    def hear(self, account: Account, now_ns: int) -> Iterator[Said]:
        """Compare an account with the fold, and say what follows."""
        if not self.desk.book.deposited:
            yield from self.open_books(account, now_ns)
        if self.every_ns is None:
            return
        if not account.settled:
            yield self._next(now_ns, AGAIN_NS)
            return
        ours_open = {order.client_order_id: order for order in account.orders if self._is_ours(order)}
        self.desk.gate.foreign = tuple(order for order in account.orders if not self._is_ours(order))
        yield from self._resolve(account, ours_open, now_ns)
        differences = (*self._balances(account), *self._orders(ours_open))
        if differences and differences != self.desk.book.differences and not self._is_certain(differences, now_ns):
            yield self._next(now_ns, AGAIN_NS)
            return
        self.suspected = ()
        self.is_ready = True
        self.compared_ns = now_ns
        if differences != self.desk.book.differences:
            yield MismatchFound(self.desk.next_seq, now_ns, differences)
            yield from self._follow(differences, now_ns)
        foreign = tuple(order.venue_order_id for order in self.desk.gate.foreign)
        yield Reconciled(now_ns, not differences, differences, foreign)
        yield self._next(now_ns, self.every_ns)

    def _is_certain(self, differences: tuple[Difference, ...], now_ns: int) -> bool:
        """Believe a difference that stays the same for longer than the venue's ways of looking may lag behind."""
        if differences != self.suspected:
            self.suspected, self._suspected_ns = differences, now_ns
            return False
        return now_ns - self._suspected_ns >= self.desk.terms.visibility_lag_ns

    def _next(self, now_ns: int, wait_ns: int) -> Later:
        return Later("compare", now_ns + wait_ns, CompareDue())

    def _is_ours(self, order: VenueOrder) -> bool:
        return self.desk.identity.is_ours(order.client_order_id)

    def _resolve(self, account: Account, ours_open: dict[str, VenueOrder], now_ns: int) -> Iterator[Said]:
        """Take what the account says of single orders: open ones are found, missing ones sought, silent ones absent."""
        for key, leg in list(self.desk.book.legs.items()):
            theirs, state = ours_open.get(key), leg.order.state
            is_old = now_ns - leg.order.updated_ns > REPLY_NS
            if state is State.SENDING and is_old:
                yield from self.seeking.lose(leg, "no reply came", now_ns)
            elif state is State.CANCELING and is_old:
                yield self.desk.moved(leg, State.CANCEL_UNKNOWN, now_ns, "no reply came to the cancel")
                yield from self.seeking.begin(leg, now_ns)
            elif state is State.UNKNOWN and theirs is not None:
                yield from self.seeking.found(leg, theirs, now_ns)
            elif state is State.UNKNOWN and self.seeking.is_silent(key) and self._is_even(account, leg.order.symbol):
                yield from self.seeking.absent(leg, now_ns)
            elif state in AT_THE_VENUE and theirs is None:
                yield from self.seeking.begin(leg, now_ns)

    def _is_even(self, account: Account, symbol: str) -> bool:
        total = self.desk.book.ledger.total
        return all(account.balances.get(asset, ZERO) == total(asset) for asset in split_symbol(symbol))

    def _balances(self, account: Account) -> Iterator[Difference]:
        """Compare each asset; those of orders that may have moved them meanwhile wait until that is known.

        An order of which all looking says that it never was excuses nothing: then something else moved them.
        """
        ledger = self.desk.book.ledger
        moving = {
            asset
            for key, leg in self.desk.book.legs.items()
            if leg.order.state in IN_FLIGHT and not self.seeking.is_silent(key)
            for asset in split_symbol(leg.order.symbol)
        }
        for asset in sorted({*account.balances, *(asset for _, asset in ledger.balances)} - moving):
            ours, theirs = ledger.total(asset), account.balances.get(asset, ZERO)
            if ours != theirs:
                yield Difference("balance", asset, plain(ours), plain(theirs))

    def _orders(self, ours_open: dict[str, VenueOrder]) -> Iterator[Difference]:
        """Name open orders with our tag that the journal does not hold for live, and live ones that nobody can see.

        The first come from another house on this home, or from a proof of ours that was wrong.
        """
        for key, order in sorted(ours_open.items()):
            if key not in self.desk.book.legs:
                known = self.desk.book.over.get(key)
                ours = "no such order" if known is None else known.order.state.value
                yield Difference("unknown_order", key, ours, f"{order.status} {plain(order.amount)} {order.symbol}")
        for key, leg in self.desk.book.legs.items():
            if leg.order.state in AT_THE_VENUE and key not in ours_open and self.seeking.is_silent(key):
                yield Difference("missing_order", key, leg.order.state.value, "no such order")

    def _follow(self, differences: tuple[Difference, ...], now_ns: int) -> Iterator[Said]:
        """Freeze what a difference is about: the symbols of a base asset; the house for all else."""
        bases: dict[str, list[str]] = {}
        for instrument in self.desk.instruments.values():
            bases.setdefault(instrument.base, []).append(instrument.symbol)
        for one in differences:
            text = f"{one.kind} {one.name}: {one.ours} in the journal, {one.theirs} at the venue"
            symbols: list[str | None] = [None]
            if one.kind == "balance" and one.name in bases:
                symbols = [*bases[one.name]]
            elif one.kind == "missing_order":
                symbols = [self.desk.book.legs[one.name].order.symbol]
            for symbol in symbols:
                standing = self.desk.book.house if symbol is None else self.desk.book.standing(symbol)
                if worse(standing.standing, Standing.HALTED) is not standing.standing:
                    yield self.desk.set(Standing.HALTED, symbol, text, SELF, now_ns)
            yield alert("mismatch", f"{text}; `lct execution reconcile`", now_ns)
