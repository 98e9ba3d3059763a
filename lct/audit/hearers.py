"""Hearers: portfolio and trading engine hold each fact of execution once and in order (I17), and what they make of it.

The rows of a hearer may be read before or after those of execution: facts wait for their twin on either side.
"""

from collections import deque
from hashlib import blake2b
from typing import NamedTuple

import msgpack

from lct.audit.books import Books
from lct.audit.execution import Execution
from lct.audit.findings import Body, Findings
from lct.audit.numbers import ZERO, number, plain
from lct.audit.proposals import Proposal

LAG_MAX = 100_000
"""Facts that a hearer may be behind; more is no lag."""
CLOSE = 1e-9
"""How far, as a fraction, an equity in floating point may lie from the cash that it is made of."""
FACTS = ("execution.filled", "execution.deposited", "execution.funding_paid", "execution.adopted")


class Fact(NamedTuple):
    """A fact by its number in execution's journal."""

    seq: int
    tag: str
    digest: bytes


def _fact(event: Body) -> Fact:
    return Fact(event["journal_seq"], event["tag"], blake2b(msgpack.packb(event), digest_size=16).digest())


class Hearer:
    """What one daemon holds of execution's facts, against what execution said."""

    def __init__(self, findings: Findings, name: str) -> None:
        """Start where nothing was said."""
        self.findings = findings
        self.name = name
        self.books = Books()
        self.held = 0
        """The number of the last fact it holds."""
        self._owed: deque[Fact] = deque()
        self._ahead: deque[tuple[Fact, int]] = deque()

    def said(self, event: Body) -> None:
        """Take a fact of execution."""
        fact = _fact(event)
        while self._ahead:
            held, seq = self._ahead[0]
            if held.seq > fact.seq:
                self._miss(fact, seq)
                return
            self._ahead.popleft()
            if held.seq == fact.seq:
                self._compare(fact, held, seq)
                return
            self._invented(held, seq)
        if len(self._owed) == LAG_MAX:
            late = self._owed.popleft()
            if late.tag in FACTS:
                text = f"more than {LAG_MAX} facts behind execution"
                self.findings.add("I17", text, self.name, 0)
        self._owed.append(fact)

    def took(self, event: Body, seq: int) -> None:
        """Take a fact that the hearer holds, in its row `seq`."""
        fact = _fact(event)
        if fact.seq <= self.held:
            text = f"it holds fact {fact.seq} of execution twice, or after fact {self.held}"
            self.findings.add("I17", text, self.name, seq)
            return
        self.held = fact.seq
        self._book(event)
        while self._owed and self._owed[0].seq < fact.seq:
            self._miss(self._owed.popleft(), seq)
        if self._owed and self._owed[0].seq == fact.seq:
            self._compare(self._owed.popleft(), fact, seq)
        elif self._owed:
            self._invented(fact, seq)
        else:
            self._ahead.append((fact, seq))

    def _book(self, event: Body) -> None:
        act = {"filled": self.books.fill, "deposited": self.books.deposit, "adopted": self.books.adopt}
        act.get(event["tag"].partition(".")[2], self.books.funding)(event)

    def settle(self) -> None:
        """Execution's rows are all known: whatever is still ahead of them was never said."""
        while self._ahead:
            self._invented(*self._ahead.popleft())

    def check_cursor(self, heard: int, last: int) -> None:
        """Check up to where a hearer says that it has heard, against execution's last row and what it holds."""
        if heard > last:
            text = f"it has heard execution up to {heard}, which has said {last}"
            self.findings.add("I17", text, self.name, 0)
        for fact in self._owed:
            if fact.seq <= heard:
                self._miss(fact, 0)

    def _miss(self, fact: Fact, seq: int) -> None:
        if fact.tag in FACTS:
            self.findings.add("I17", f"it lacks fact {fact.seq} of execution ({fact.tag})", self.name, seq)

    def _invented(self, fact: Fact, seq: int) -> None:
        self.findings.add("I17", f"it holds a fact {fact.seq} ({fact.tag}) that execution never said", self.name, seq)

    def _compare(self, said: Fact, held: Fact, seq: int) -> None:
        if said != held:
            self.findings.add("I17", f"it holds fact {said.seq} of execution ({said.tag}) otherwise", self.name, seq)


class Portfolio(Hearer):
    """Portfolio's rows: its path of equity is its cash, bar by bar, while nothing is held (I10)."""

    def __init__(self, findings: Findings) -> None:
        """Start with nothing marked."""
        super().__init__(findings, "portfolio")
        self._marked = 0

    def take(self, event: Body, seq: int) -> None:
        """Fold one row."""
        track = event.get("track")
        if track is not None:
            self._check_equity(track, seq)
        for name in ("fill", "deposit", "funding", "adopted"):
            if name in event:
                self.took(event[name], seq)

    def _check_equity(self, track: Body, seq: int) -> None:
        cash, equity = self.books.flat_cash(), track["equity"]
        is_new = track["md_seq"] > self._marked
        self._marked = max(self._marked, track["md_seq"])
        if not is_new or cash is None or equity is None:
            return
        if not abs(equity - float(cash)) <= CLOSE * max(1.0, abs(float(cash))):
            text = f"the equity at bars {track['md_seq']} is {equity}; all there is, is {plain(cash)} of cash"
            self.findings.add("I10", text, self.name, seq)


class Engine(Hearer):
    """The trading engine's rows: what it proposed, for execution's orders to be compared with."""

    def __init__(self, findings: Findings, execution: Execution) -> None:
        """Tell `execution` of what is proposed."""
        super().__init__(findings, "trading_engine")
        self._execution = execution

    def take(self, event: Body, seq: int) -> None:
        """Fold one row."""
        tag = event["tag"]
        if tag == "trading_engine.proposed":
            self._propose(event, seq)
        elif tag == "trading_engine.dust_left":
            held = self.books.positions.get((event["book"], event["symbol"]), ZERO)
            if number(event["amount"], "amount") != held:
                text = (
                    f"{event['book']} {event['symbol']} is {plain(held)} by the fills, the row says {event['amount']}"
                )
                self.findings.add("I06", text, self.name, seq)
        for name in ("fill", "deposit", "funding", "adopted"):
            if name in event:
                self.took(event[name], seq)

    def _propose(self, event: Body, seq: int) -> None:
        amount = number(event["amount"], "amount")
        proposal = Proposal(event["book"], event["symbol"], event["side"], amount, bool(event["exits"]))
        self._execution.proposals.proposed(event["intent_id"], proposal)
        held = self.books.positions.get(proposal[:2], ZERO)
        if event["exits"] and amount > abs(held):
            text = f"an exit of {plain(amount)} is proposed from a position of {plain(held)}"
            self.findings.add("I12", text, self.name, seq)
