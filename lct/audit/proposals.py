"""Proposals: every entry was proposed by the trading engine, and is what was proposed (I11)."""

from decimal import Decimal
from typing import NamedTuple

from lct.audit.findings import Findings, Recent
from lct.audit.gate import JOURNAL
from lct.audit.lives import Known
from lct.audit.numbers import plain


class Proposal(NamedTuple):
    """What was proposed, or ordered."""

    book: str
    symbol: str
    side: str
    amount: Decimal
    exits: bool

    def __str__(self) -> str:
        end = " as an exit" if self.exits else ""
        return f"{self.book} {self.side} {plain(self.amount)} {self.symbol}{end}"


class Ordered(NamedTuple):
    """An entry whose proposal was not read yet: client order id, what it is, its row."""

    key: str
    meant: Proposal
    seq: int


class Proposals:
    """What was proposed and not decided yet. The engine's rows may be in another file, and be read after the order."""

    def __init__(self, findings: Findings, kept: int | None) -> None:
        """Remember the newest `kept` proposals, None: all of them."""
        self.findings = findings
        self._open: Recent[Proposal] = Recent(kept)
        self._waiting: dict[str, Ordered] = {}
        self._overdue: dict[str, Ordered] = {}

    def proposed(self, intent: str, proposal: Proposal) -> None:
        """Take a proposal of the engine."""
        waiting = self._waiting.pop(intent, None) or self._overdue.pop(intent, None)
        if waiting is None:
            self._open.put(intent, proposal)
        else:
            self._compare(intent, proposal, waiting)

    def ordered(self, order: Known, seq: int) -> None:
        """Take an order that is no protection; exits that nobody proposed are a person's, entries are not."""
        meant = Proposal(order.book, order.symbol, order.side, order.amount, order.reduce_only)
        entry = Ordered(order.key, meant, seq)
        proposal = self._open.pop(order.intent_id)
        if proposal is not None:
            self._compare(order.intent_id, proposal, entry)
        elif not order.reduce_only and self._open.is_whole:
            self._waiting[order.intent_id] = entry

    def denied(self, intent: str) -> None:
        """Know that a proposal was refused."""
        self._open.pop(intent)

    def waits(self) -> bool:
        """Whether there are entries whose proposal was not read."""
        return bool(self._waiting or self._overdue)

    def settle(self, *, has_engine: bool) -> None:
        """Know that all files were read once more, the engine's among them: an entry that waited before is nobody's."""
        for intent, entry in self._overdue.items() if has_engine else ():
            self.findings.add("I11", f"{entry.key} enters for {intent}, which nobody proposed", JOURNAL, entry.seq)
        self._overdue, self._waiting = self._waiting, {}

    def _compare(self, intent: str, proposal: Proposal, entry: Ordered) -> None:
        if proposal != entry.meant:
            self.findings.add(
                "I11", f"{entry.key} is not what was proposed as {intent}: {proposal}", JOURNAL, entry.seq
            )
