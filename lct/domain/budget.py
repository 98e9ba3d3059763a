"""The budget of a venue: how much may be asked of it, and who comes first."""

import enum
import heapq
from math import ceil

SECOND_NS = 1_000_000_000
SHARE = 0.95
"""Of what a venue allows, so much is used: others may use the same address, and its minutes are not ours."""
BURST_SECONDS = 1.0
"""How much may be asked at once, in seconds of the allowance."""
WAITING_MAX = 10_000


class Priority(enum.IntEnum):
    """What is asked for; the smaller comes first."""

    CANCEL = 0
    SUBMIT = 1
    QUERY = 2
    LIVE = 3
    BACKFILL = 4


class Budget:
    """Grants requests by weight and importance, never more than the allowance in any stretch of time.

    The rule is the generic cell rate algorithm (ITU-T I.371): each grant moves a clock on by its weight over the rate,
    and the clock may be ahead of time by the burst. In any T seconds at most `T * rate + burst`, and one request more,
    are granted, however the venue cuts its minutes. Nothing here waits or looks at a clock.
    """

    def __init__(self, per_second: float, *, share: float = SHARE, burst_seconds: float = BURST_SECONDS) -> None:
        """Take what the venue allows a second, in its own weights."""
        assert per_second > 0, "a venue that allows nothing needs no budget"
        self._ns_each = SECOND_NS / (per_second * share)
        self._burst_ns = int(burst_seconds * SECOND_NS)
        self._paid_ns = 0
        """Up to when what was granted is paid for."""
        self._stopped_until_ns = 0
        self._asked = 0
        self._waiting: list[tuple[Priority, int, float]] = []
        self.granted_weight = 0.0

    def ask(self, weight: float, priority: Priority) -> int:
        """Queue a request and return its number; the oldest of the most important is granted first.

        Raises OverflowError where WAITING_MAX wait already.
        """
        if len(self._waiting) >= WAITING_MAX:
            msg = f"{WAITING_MAX} requests wait for the venue already"
            raise OverflowError(msg)
        self._asked += 1
        heapq.heappush(self._waiting, (priority, self._asked, weight))
        return self._asked

    def withdraw(self, number: int) -> None:
        """Forget a request that nobody waits for any more."""
        self._waiting = [one for one in self._waiting if one[1] != number]
        heapq.heapify(self._waiting)

    def granted(self, now_ns: int) -> list[int]:
        """Return the numbers of the requests that may go now, in this order; their weight is spent."""
        found = []
        while self._waiting and self._opens_ns() <= now_ns:
            _, number, weight = heapq.heappop(self._waiting)
            self._paid_ns = max(self._paid_ns, now_ns) + ceil(weight * self._ns_each)
            self.granted_weight += weight
            found.append(number)
        return found

    def due_ns(self) -> int | None:
        """Return when something that waits may go, or None where nothing waits."""
        return self._opens_ns() if self._waiting else None

    def stop_until(self, until_ns: int) -> None:
        """Grant nothing until then: the venue said so."""
        self._stopped_until_ns = max(self._stopped_until_ns, until_ns)

    def _opens_ns(self) -> int:
        return max(self._paid_ns - self._burst_ns, self._stopped_until_ns)
