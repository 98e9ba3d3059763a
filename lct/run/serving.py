"""The gateway's outside: serves HTTP beside its daemon, and tells the daemon what was served."""

import asyncio
from pathlib import Path

from daemons.api_gateway import Config
from lct.bus.live import Living
from lct.bus.shell import Shell
from lct.clock import now_ns
from lct.messages.api_gateway import RequestServed
from lct.messages.base import Command, Event
from lct.run.gateway import serve_gateway

SERVED_WAITING_MAX = 10_000
"""Requests that were served and not counted yet; more are dropped, for they are only counted."""


class ServedPort:
    """The requests that were served, as results of a port that are due at once."""

    role = "http"
    owner = "api_gateway"
    takes_again = True

    def __init__(self) -> None:
        """Serve nothing yet."""
        self.given = 0
        self.clock = now_ns
        self._waiting: list[tuple[int, RequestServed]] = []

    def tell(self, served: RequestServed) -> None:
        """Take one more."""
        if len(self._waiting) < SERVED_WAITING_MAX:
            self._waiting.append((self.clock(), served))

    def due_ns(self) -> int | None:
        """Return when the oldest was served."""
        return self._waiting[0][0] if self._waiting else None

    def results(self, now_ns: int) -> list[Event]:
        """Return all that were served by now."""
        told: list[Event] = [served for due_ns, served in self._waiting if due_ns <= now_ns]
        self._waiting = self._waiting[len(told) :]
        self.given += len(told)
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: replies go back by HTTP itself."""
        raise AssertionError(f"the gateway's port cannot do {command}")

    def resume(self, heard: int) -> None:
        """Count on: what was served before is over."""
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return nothing."""
        return []


def begin(
    shell: Shell, living: Living, port: ServedPort, config: Config, http_port: int, home: Path
) -> asyncio.Task[None]:
    """Serve on a port of loopback (0: any free one) until the task is cancelled; a fault ends the process."""

    def tell(served: RequestServed) -> None:
        port.tell(served)
        living.look()

    serving = serve_gateway(home, config, http_port, tell, shell.listens_on)
    task = asyncio.get_running_loop().create_task(serving)
    task.add_done_callback(lambda done: None if done.cancelled() else shell.end(done.exception()))
    return task
