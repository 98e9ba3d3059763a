"""Small daemons that live on the wall clock in one process, over real sockets, and may die at any moment."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lct.bus.live import Living
from lct.bus.presence import socket_folder
from lct.bus.room import Room
from lct.bus.session import Session
from lct.bus.shell import Life, Shell
from lct.bus.wall import WallClock
from lct.clock import now_ns
from lct.daemon import Daemon
from lct.messages.base import Command, Event
from lct.store.sqlite import SqliteJournal
from tests.bus.small_house import Act


def journals(home: Path) -> Path:
    return home / "journal"


class Resident:
    """One life of a daemon in a house."""

    def __init__(
        self,
        home: Path,
        daemon: Daemon,
        *ports: Any,
        speakers: tuple[str, ...] = (),
        fresh: Callable[[], Daemon] | None = None,
        clock: WallClock | None = None,
    ) -> None:
        self.daemon, self.home, self.ports = daemon, home, ports
        name = daemon.name
        self.journal = SqliteJournal(journals(home) / f"{name}.db", synchronous="NORMAL")
        clock = clock or WallClock()
        self.session = Session(name, journals(home), self.journal, ports, clock.now_ns, "test", speakers)
        self.room = Room(daemon, self.session.ports, self.session.journal)
        self.room.commits_results = True
        self.room.recover()
        life = Life(name, self.room.epoch, home, None, "0", "test")
        journal = self.journal
        self.shell = Shell(
            life, self.room.seat.answerers, lambda after: journal.rows(name, after), self.room.journal_seq
        )
        self.session.attend(self.shell.telling)
        self.living = Living(self.shell, self.room, self.session, speakers)
        self.living.clock = clock
        if fresh is not None:
            self.living.keep_history(fresh)

    async def begin(self) -> "Resident":
        """Take part in the house until `end` or `die`."""
        await self.shell.open()
        self.living.open(socket_folder(self.home))
        self.task = asyncio.create_task(self.shell.live())
        return self

    async def ready(self) -> "Resident":
        """Wait until it is ready; what ends it before is raised."""
        await self.comes(lambda: self.shell.ready)
        return self

    async def comes(self, condition: Callable[[], Any]) -> None:
        """Wait for what no message tells."""
        while not condition():
            if self.task.done():
                await self.task
                raise AssertionError(f"{self.daemon.name} has ended")
            await asyncio.sleep(0.002)

    def hears(self, *events: Event) -> None:
        """Let its port give something now."""
        (port,) = self.ports
        port.give(*events)
        self.living.look()

    async def end(self) -> None:
        """End in order."""
        await self._stop()
        self.living.close()
        self.shell.close()
        self.journal.close()

    async def die(self) -> None:
        """End as a kill would: what was not written is gone."""
        await self._stop()
        self.session.lose()
        self.living.close()
        self.shell.close()
        self.journal.close()

    async def _stop(self) -> None:
        if not self.task.done():
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


class Hand:
    """A port whose results a test gives, each due at once."""

    def __init__(
        self, owner: str, role: str = "hand", done: list[str] | None = None, kept: list[Event] | None = None
    ) -> None:
        self.owner, self.role = owner, role
        self.takes_again = True
        self.given = 0
        self.done = [] if done is None else done
        self.kept = [] if kept is None else kept
        self._waiting: list[tuple[int, Event]] = []

    def give(self, *events: Event) -> None:
        self._waiting += [(now_ns(), event) for event in events]

    def due_ns(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def results(self, now_ns: int) -> list[Event]:
        told = [event for due_ns, event in self._waiting if due_ns <= now_ns]
        self._waiting = self._waiting[len(told) :]
        self.given += len(told)
        self.kept += told
        return told

    def do(self, command: Command, now_ns: int) -> None:
        assert isinstance(command, Act)
        self.done.append(command.text)

    def resume(self, heard: int) -> None:
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        return self.kept[first - 1 : last]
