"""The gate as its rows tell it: what stood when an order was sent, and what had to follow a fact at once (I20, I25)."""

from lct.audit.findings import Body, Findings

HALTED, ACTIVE = "halted", "active"
JOURNAL = "execution"


class Gate:
    """Standing of the house and of symbols, and the halt that a row before this one asked for."""

    def __init__(self, findings: Findings) -> None:
        """Start active."""
        self.findings = findings
        self.house = ACTIVE
        self.frozen: dict[str, str] = {}
        self.differs = False
        self._asked: tuple[str, str, int] | None = None

    def lets_in(self, symbol: str) -> bool:
        """Whether exposure may grow in a symbol."""
        return self.house == ACTIVE and self.frozen.get(symbol, ACTIVE) == ACTIVE

    def is_halted(self) -> bool:
        """Whether the whole house is halted."""
        return self.house == HALTED

    def any_halted(self) -> bool:
        """Whether the house or some symbol is halted."""
        return self.is_halted() or HALTED in self.frozen.values()

    def ask_halt(self, invariant: str, detail: str, seq: int) -> None:
        """Expect the next row of execution to halt."""
        self._asked = (invariant, detail, seq)

    def meet(self, event: Body | None) -> None:
        """Compare what was asked for with the next row, None at the end of what is committed."""
        if self._asked is None:
            return
        invariant, detail, seq = self._asked
        self._asked = None
        halts = event is not None and event["tag"] == "execution.standing_set" and event["standing"] == HALTED
        if not halts:
            self.findings.add(invariant, f"{detail}, and no halt follows", JOURNAL, seq)

    def set(self, event: Body, seq: int) -> None:
        """Take a StandingSet."""
        standing, symbol = event["standing"], event["symbol"]
        if standing not in (ACTIVE, "reducing", HALTED):
            self.findings.add("I20", f"the gate is said to be {standing!r}", JOURNAL, seq)
        if standing == ACTIVE and self.differs and event["by"] != "execution":
            text = f"{event['by'] or 'somebody'} resumed while the accounts differed"
            self.findings.add("I08", text, JOURNAL, seq)
        if symbol is None:
            self.house = standing
        elif standing == ACTIVE:
            self.frozen.pop(symbol, None)
        else:
            self.frozen[symbol] = standing
