"""The gate: requests wait here until the venue's budget grants them."""

import asyncio

from lct.clock import NS_PER_SECOND, monotonic_ns
from lct.domain.budget import Budget, Priority

MOMENT_SECONDS = 0.001


class Gate:
    """Lets requests of one loop through as a budget grants them; times are of the monotonic clock."""

    def __init__(self, budget: Budget) -> None:
        """Stand before a venue."""
        self.budget = budget
        self.passed = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def permit(self, weight: float, priority: Priority) -> None:
        """Return when the request may be sent; its weight is spent then."""
        number = self.budget.ask(weight, priority)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._move()
        try:
            await waiting
        except asyncio.CancelledError:
            self._waiting.pop(number, None)
            self.budget.withdraw(number)
            raise

    def stop(self, seconds: float) -> None:
        """Let nobody through for so long."""
        self.budget.stop_until(monotonic_ns() + int(seconds * NS_PER_SECOND))

    def _move(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ns = monotonic_ns()
        for number in self.budget.granted(now_ns):
            waiting = self._waiting.pop(number, None)
            if waiting is not None and not waiting.done():  # else it was cancelled just now
                self.passed += 1
                waiting.set_result(None)
        due_ns = self.budget.due_ns()
        if due_ns is not None:
            wait = max((due_ns - now_ns) / NS_PER_SECOND, MOMENT_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(wait, self._move)
