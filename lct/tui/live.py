"""The house of a home: its daemons over the bus, its presence files and its logs."""

import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import daemons
from lct.bus.presence import Presence
from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.base import Event, Request, tag_of
from lct.tui.house import LogLine, Member
from lct.tui.tail import Tail

PATIENCE_MS = 1_000
"""How long a daemon may take to answer; the questions after it wait."""

ReplyT = TypeVar("ReplyT", bound=Event)


class LiveHouse:
    """Asks through a client that belongs to the thread that asks; who is known to be gone is not waited for."""

    def __init__(self, home: Path) -> None:
        """Take the home; nothing is opened yet, and nothing need be there."""
        self._client = Client(home, name="tui", patience_ms=PATIENCE_MS)
        self._tail = Tail(home / "log")
        self._members: dict[str, Member] = {}

    def members(self) -> tuple[Member, ...]:
        """Return who should be in the house, and who is, as the run directory and the processes tell."""
        told: dict[str, Presence | None] = {module.name: None for module in pkgutil.iter_modules(daemons.__path__)}
        told |= self._client.who()
        self._members = {name: Member(name, told[name], _gone(told[name])) for name in sorted(told)}
        return tuple(self._members.values())

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask the owner of a request; raises NoAnswer or Refused."""
        owner = tag_of(type(request)).partition(".")[0]
        member = self._members.get(owner)
        if member is None or member.presence is None:
            raise NoAnswer(f"{owner} is not there")
        if member.gone is not None:
            raise NoAnswer(f"{owner} is down: {member.gone}")
        return self._client.ask(request)

    def fresh_lines(self) -> Sequence[LogLine]:
        """Return what was logged since the last call."""
        return self._tail.fresh()

    def close(self) -> None:
        """Hang up."""
        self._client.close()
        self._tail.close()


def _gone(told: Presence | None) -> str | None:
    """Return the words of why a daemon's process is not there; None where it is, or nobody can tell."""
    if told is None:
        return None
    try:
        os.kill(told.pid, 0)
    except ProcessLookupError:
        return "process gone"
    except (PermissionError, OverflowError):
        return None
    return None
