"""The house of a home: its daemons over the bus, its presence files and its logs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lct.bus.presence import Presence
from lct.client import Client
from lct.clock import NS_PER_SECOND, now_ns
from lct.errors import NoAnswer, NotFound
from lct.messages.base import Event, Request, tag_of
from lct.run.process import daemon_names
from lct.supervisor import Supervisor
from lct.supervisor.processes import runs
from lct.tui.house import LogLine, Member
from lct.tui.tail import Tail

NAME = "tui"
PATIENCE_MS = 1_000
"""How long a daemon may take to answer; the questions after it wait."""
FRESH_NS = 3 * NS_PER_SECOND // 2

ReplyT = TypeVar("ReplyT", bound=Event)


class LiveHouse:
    """Asks through a client that belongs to the thread that asks; who is known to be gone is not waited for."""

    def __init__(self, home: Path) -> None:
        """Take the home; nothing is opened yet, and nothing need be there."""
        self._home = home
        self._client = Client(home, name=NAME, patience_ms=PATIENCE_MS)
        self._tail = Tail(home / "log")
        self._supervisor = Supervisor(home)
        self._members: dict[str, Member] = {}
        self._seen: set[str] = set()
        """Who was alive at any look: one that dies is missed."""

    def members(self) -> tuple[Member, ...]:
        """Return who should be in the house, and who is.

        That is whom its supervisor runs and who was seen alive; without a supervisor, every daemon that there is.
        """
        now = now_ns()
        told = self._client.who()
        processes = {process.name: process for process in self._supervisor.processes()}
        lives = {name for name, about in told.items() if about is not None and _lives(about, now)}
        self._seen |= lives
        names = {*processes, *self._seen} if processes else {*daemon_names(), *told}
        self._members = {
            name: Member(name, told.get(name), name in lives, processes.get(name)) for name in sorted(names)
        }
        return tuple(self._members.values())

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask the owner of a request; raises NoAnswer or Refused."""
        owner = tag_of(type(request)).partition(".")[0]
        member = self._members.get(owner)
        if member is None or not member.lives:
            words = ", ".join(member.health(now_ns()).reasons) if member is not None else "not started"
            raise NoAnswer(f"{owner} is not there: {words}")
        return self._client.ask(request)

    def fresh_lines(self) -> Sequence[LogLine]:
        """Return what was logged since the last call."""
        return self._tail.fresh()

    def halt(self, reason: str) -> str:
        """Halt what trades in this home by file, signal and question, with a client of its own: this is another thread.

        Raises NotFound where no account is in hand, and so nothing is there to be halted.
        """
        from lct.messages.execution import Halt
        from lct.run.switch import folders_in_hand, halt

        folders = folders_in_hand(self._home)
        if not folders:
            raise NotFound("nothing runs in this home, and the next start is halted by the command line")
        with Client(self._home, name=NAME, patience_ms=PATIENCE_MS) as client:
            return halt(self._home, folders, Halt(reason, NAME), client.ask).in_words

    def close(self) -> None:
        """Hang up."""
        self._client.close()
        self._tail.close()


def _lives(told: Presence, now: int) -> bool:
    """Whether the process that told this is there: a fresh word is proof enough, and spares a look at the process."""
    return 0 <= now - told.beat_ns < FRESH_NS or runs(told.pid, told.daemon)
