"""Guarding: whether each position has its stop at the venue, as far as rows tell (I24), and its exits fit it (I12)."""

from collections import defaultdict
from decimal import Decimal

from lct.audit.books import Books
from lct.audit.findings import Findings
from lct.audit.gate import JOURNAL, Gate
from lct.audit.lives import Known
from lct.audit.numbers import ZERO, is_spot, plain

MARGIN = 2
"""A rest this many times the least that the venue took of a symbol is no dust."""
GOING = ("canceling", "cancel_unknown")
Place = tuple[str, str]


class Guarding:
    """Looks at the positions that the rows of one commit touched, once the commit is whole."""

    def __init__(self, findings: Findings, books: Books, gate: Gate) -> None:
        """Look at these books."""
        self.findings = findings
        self.books = books
        self.gate = gate
        self.live: defaultdict[Place, dict[str, Known]] = defaultdict(dict)
        self._wants: dict[Place, Decimal] = {}
        """Positions whose entry asked for a stop, and at about which price that is."""
        self._excused: set[Place] = set()
        """Positions whose rows say why there is no stop: the venue ended it, or a person had it cancelled."""
        self._least: dict[str, tuple[Decimal, Decimal]] = {}
        self._touched: set[Place] = set()

    def begin(self, order: Known) -> None:
        """Take a new order."""
        self.live[order.place][order.key] = order
        if order.protects:
            self._excused.discard(order.place)
        self._touched.add(order.place)

    def took(self, order: Known, price: Decimal | None) -> None:
        """Know that the venue took an order: what is as large in amount and notional is no dust there."""
        price = price or order.guard_price
        if price is not None:
            amount, notional = self._least.get(order.symbol, (order.amount, order.amount * price))
            self._least[order.symbol] = (min(amount, order.amount), min(notional, order.amount * price))

    def filled(self, order: Known, price: Decimal) -> None:
        """Take a fill; one of an entry that asked for a stop wants it now."""
        self._touched.add(order.place)
        if order.wants_stop and not order.protects and not order.reduce_only:
            self._wants[order.place] = price * (1 - min(order.stop_share, Decimal(1)))

    def over(self, order: Known, before: str) -> None:
        """Take the end of an order."""
        place = order.place
        self.live[place].pop(order.key, None)
        self._touched.add(place)
        if not order.protects:
            return
        exits = any(one.reduce_only and not one.protects for one in self.live[place].values())
        if order.state != "filled" and (before not in GOING or not exits):
            self._excused.add(place)

    def excuse(self, place: Place) -> None:
        """Know why a position has no stop yet: it was adopted."""
        self._excused.add(place)

    def leaving(self, place: Place) -> Decimal:
        """Return how much of a position guards and exits are about to close; a guard that goes counts with its exit."""
        orders = self.live[place].values()
        guards = sum((one.remaining for one in orders if one.protects), ZERO)
        going = sum((one.remaining for one in orders if one.protects and one.state in GOING), ZERO)
        exits = sum((one.remaining for one in orders if one.reduce_only and not one.protects), ZERO)
        return max(guards, guards - going + exits)

    def settle(self, seq: int) -> None:
        """Look at what the commit that is whole now has touched."""
        for place in sorted(self._touched):
            self._look(place, seq)
            if not self.live[place]:
                del self.live[place]
        self._touched.clear()

    def _look(self, place: Place, seq: int) -> None:
        held = self.books.positions.get(place, ZERO)
        sent = [one for one in self.live[place].values() if one.reduce_only and one.state != "proposed"]
        leaving = sum((one.remaining for one in sent), ZERO)
        name = " ".join(place)
        if leaving > abs(held):
            text = f"exits of {plain(leaving)} on a position of {plain(held)}, {name}"
            self.findings.add("I12", text, JOURNAL, seq)
        if held < ZERO and is_spot(place[1]) and not self.gate.any_halted():
            self.findings.add("I12", f"{name} is {plain(held)}, short of coins that nobody lent", JOURNAL, seq)
        if not held:
            self._wants.pop(place, None)
            self._excused.discard(place)
            self.books.positions.pop(place, None)
        elif place in self._wants and place not in self._excused:
            self._check_stop(place, abs(held), seq)

    def _check_stop(self, place: Place, held: Decimal, seq: int) -> None:
        least = self._least.get(place[1])
        bare = held - self.leaving(place)
        if least is None or bare < MARGIN * least[0] or bare * self._wants[place] < least[1]:
            return
        text = f"{plain(bare)} of {' '.join(place)} have no stop, and no row says why"
        self.findings.add("I24", text, JOURNAL, seq)
        self._excused.add(place)
