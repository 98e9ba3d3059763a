"""The wall clock as a daemon lives by it."""

from lct.clock import NS_PER_SECOND, now_ns


class WallClock:
    """The time that a daemon lives in: that of the machine, or in a test one that runs `rate` times as fast."""

    def __init__(self, rate: float = 1.0, origin_ns: int = 0) -> None:
        """Run from `origin_ns` on at a rate."""
        self._rate = rate
        self._origin_ns = origin_ns

    def now_ns(self) -> int:
        """Return the time in ns."""
        now = now_ns()
        return now if self._rate == 1.0 else self._origin_ns + int((now - self._origin_ns) * self._rate)

    def seconds(self, passing_ns: int) -> float:
        """Return how many seconds it takes until so many ns have passed."""
        return passing_ns / NS_PER_SECOND / self._rate
