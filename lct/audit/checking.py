"""Checking: rows in, violations out."""

from collections import deque
from decimal import localcontext
from typing import Any

from lct.audit.chain import Chains, Row
from lct.audit.execution import Execution
from lct.audit.findings import Body, Findings
from lct.audit.hearers import FACTS, Engine, Hearer, Portfolio
from lct.audit.lives import Identity
from lct.audit.numbers import CONTEXT
from lct.audit.rates import USUAL, Limits

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a body may raise that is not what its type says."""
NEWEST = 100


class Audit:
    """Checks the rows of an account's journals as they come, each daemon's in order.

    `kept` bounds what is remembered of finished orders, trades and intents (None: all of it). Rows of one daemon come
    in the order of its journal; among daemons any order will do. `settle` is called once all that is committed was
    taken.
    """

    def __init__(self, identity: Identity | None = None, *, kept: int | None = None, limits: Limits = USUAL) -> None:
        """Start before the first row; without an identity ids are not computed again."""
        self.findings = Findings()
        self.newest: deque[Row] = deque(maxlen=NEWEST)
        """The rows taken last, for a dump."""
        self.identity = identity
        self.chains = Chains(self.findings)
        self.execution = Execution(self.findings, identity, kept, limits)
        self.portfolio = Portfolio(self.findings)
        self.engine = Engine(self.findings, self.execution)

    @property
    def hearers(self) -> tuple[Hearer, Hearer]:
        """Those who hold execution's facts."""
        return self.portfolio, self.engine

    def take(self, row: Row) -> None:
        """Check one row."""
        self.newest.append(row)
        body = self.chains.take(row)
        if body is None:
            return
        daemon, seq = row[0], row[1]
        with localcontext(CONTEXT):
            try:
                self._fold(daemon, seq, (row[2], row[6]), body)
            except MALFORMED as error:
                text = f"{body['tag']} is malformed: {type(error).__name__} {error}"
                self.findings.add("I22", text, daemon, seq)

    def _fold(self, daemon: str, seq: int, commit: tuple[int, int], body: Body) -> None:
        if daemon == "execution":
            if body["tag"] in FACTS:
                for hearer in self.hearers:
                    hearer.said(body)
            self.execution.take(body, seq, commit)
        elif daemon == "portfolio":
            self.portfolio.take(body, seq)
        elif daemon == "trading_engine":
            self.engine.take(body, seq)

    def settle(self, *, has_execution: bool = True) -> None:
        """Check what must hold where all that is committed was taken, execution's rows too unless it says not."""
        with localcontext(CONTEXT):
            self.execution.settle()
            self.execution.proposals.settle(has_engine="trading_engine" in self.chains.heads)
            for hearer in self.hearers if has_execution else ():
                hearer.settle()
            for invariant, detail in self.execution.books.objections():
                self.findings.add(invariant, detail, "execution", self.chains.heads.get("execution", (0, b""))[0])

    def state(self) -> dict[str, Any]:
        """Return how the fold stands, for a dump: heads, live orders, positions, balances, the gate."""
        books, gate = self.execution.books, self.execution.gate
        live = self.execution.live.values()
        return {
            "rows": self.chains.rows,
            "heads": {name: [seq, digest.hex()] for name, (seq, digest) in sorted(self.chains.heads.items())},
            "fills": self.execution.fills,
            "live_orders": [
                [o.key, o.intent_id, o.leg, o.book, o.symbol, o.side, str(o.filled), str(o.amount), o.state]
                for o in live
            ],
            "positions": {" ".join(place): str(held) for place, held in sorted(books.positions.items()) if held},
            "balances": {asset: str(amount) for asset, amount in sorted(books.sums.items()) if amount},
            "standing": gate.house,
            "frozen": dict(sorted(gate.frozen.items())),
        }
