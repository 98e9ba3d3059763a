"""Remote: an exchange over a network; each command becomes one request, and what comes back is heard as it comes."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from lct.clock import now_ns
from lct.messages.base import Command, Event
from lct.messages.exchange import Account, Cancel, Find, Look, Place
from lct.ports.exchange import Exchange

WAITING_MAX = 100_000
"""Results that were told and not heard yet; a house so far behind ends, and reads the account when it is back."""


class Remote(Exchange):
    """What a plugin for a venue over the network extends: one coroutine for each command, and one that listens.

    A coroutine is called once for each command and never again: whether to ask again is execution's to decide. What it
    returns is numbered here, so the `number` of its events does not count. None of them may raise because of what a
    venue or a line did: that is what PlaceUnclear, CancelUnclear and an unproven Sought are for. What else they raise
    ends the process.
    """

    def __init__(self) -> None:
        """Be connected to nothing yet."""
        self.given = 0
        self.wake: Callable[[], None] = lambda: None
        """Called when there is a result."""
        self.fail: Callable[[BaseException], None] = lambda _: None
        """Called with what nobody expected."""
        self.passes: Callable[[str], None] = lambda _: None
        """Called at the points of a request: `sending` before its first byte, `replied` once its reply is read."""
        self._told: dict[str, Decimal] = {}
        self._waiting: list[tuple[int, Event]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what a plugin does -------------------------------------------------------------------------------------

    @abstractmethod
    async def place(self, command: Place) -> Event:
        """Send one order, signed with exactly `stamp_ns`, once; return Placed, PlaceRefused or PlaceUnclear."""

    @abstractmethod
    async def cancel(self, command: Cancel) -> Event:
        """Cancel an order; return Cancelled with its final amount read after the cancel, or CancelUnclear."""

    @abstractmethod
    async def find(self, command: Find) -> list[Event]:
        """Look for an order in every way there is; return its trades since `since_ns`, then one Sought."""

    @abstractmethod
    async def look(self, command: Look) -> list[Event]:
        """Read the account; return trades and transfers since `since_ns`, then one Account. Nothing where it failed."""

    @abstractmethod
    async def listen(self) -> None:
        """Tell what the venue says by itself, with `tell`, until cancelled."""

    # -- the port -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to listen; in a running loop."""
        self._start(self.listen())

    def tell(self, *events: Event) -> None:
        """Have the house hear events."""
        assert len(self._waiting) < WAITING_MAX, f"{len(self._waiting)} results of {self.name} wait to be heard"
        now = now_ns()
        self._waiting += [(now, event) for event in events]
        self.wake()

    def balances(self) -> dict[str, Decimal]:
        """Return what the venue told last that is ours, by asset; nothing before the first look."""
        return dict(self._told)

    def due_ns(self) -> int | None:
        """Return when the oldest that was not heard came."""
        return self._waiting[0][0] if self._waiting else None

    def results(self, now_ns: int) -> list[Event]:
        """Return what came by now, numbered."""
        due = [event for due_ns, event in self._waiting if due_ns <= now_ns]
        self._waiting = self._waiting[len(due) :]
        told = []
        for event in due:
            self.given += 1
            if isinstance(event, Account):
                self._told = event.balances
            told.append(replace(event, number=self.given))
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Begin to carry out a command; what comes of it is told."""
        if isinstance(command, Place):
            self._start(self._one(self.place(command)))
        elif isinstance(command, Cancel):
            self._start(self._one(self.cancel(command)))
        elif isinstance(command, Find):
            self._start(self._all(self.find(command)))
        else:
            assert isinstance(command, Look), f"no exchange can do {command}"
            self._start(self._all(self.look(command)))

    async def _one(self, request: Coroutine[Any, Any, Event]) -> None:
        self.tell(await request)

    async def _all(self, request: Coroutine[Any, Any, list[Event]]) -> None:
        self.tell(*await request)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)

    def resume(self, heard: int) -> None:
        """Count on; what was on the line to the life before is execution's to find out."""
        self.given = heard

    def close(self) -> None:
        """Stop all that is under way."""
        for task in self._tasks:
            task.cancel()
