"""Rates: how many entries were ordered within a second and within a minute, by the times in their rows (I23)."""

from collections import deque
from typing import NamedTuple

from lct.audit.findings import Findings
from lct.audit.gate import JOURNAL

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class Limits(NamedTuple):
    """What the house allows, as far as this checks it; None where that was not told, for it is in no row."""

    max_unknown: int = 5
    per_second: int | None = None
    per_minute: int | None = None


USUAL = Limits()


class Rates:
    """The times of the last entries. The gate counts exits too, and lets those through, so it never allows more."""

    def __init__(self, findings: Findings, limits: Limits) -> None:
        """Start before the first order."""
        self.findings = findings
        self.limits = limits
        self._times: deque[int] = deque()

    def entered(self, created_ns: int, key: str, seq: int) -> None:
        """Count an entry."""
        if self.limits.per_second is None and self.limits.per_minute is None:
            return
        times = self._times
        while times and times[0] <= created_ns - MINUTE_NS:
            times.popleft()
        times.append(created_ns)
        lately = sum(1 for time_ns in times if time_ns > created_ns - SECOND_NS)
        counts = (("second", lately, self.limits.per_second), ("minute", len(times), self.limits.per_minute))
        for name, count, most in counts:
            if most is not None and count > most:
                text = f"{key} is entry {count} within a {name}, of {most} that are allowed"
                self.findings.add("I23", text, JOURNAL, seq)
