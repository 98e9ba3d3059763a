"""Rounding: the process around a daemon in replayed time; lives its turns, tells what it said, answers questions."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from lct.bus.line import Desk
from lct.bus.room import Room
from lct.bus.rounds import FromConductor, Turn
from lct.bus.seat import Heard
from lct.bus.shell import Shell
from lct.bus.turns import Turns
from lct.bus.zeromq import Route
from lct.clock import monotonic_ns
from lct.messages.base import Envelope, Event, Message, Request

HERE_SECONDS = 0.25
"""After this long without a turn a daemon says that it is here."""
CLIENT = "client"


class Rounding:
    """Plays one daemon for a conductor."""

    def __init__(self, shell: Shell, room: Room) -> None:
        """Take a recovered room."""
        self.shell = shell
        self.room = room
        self.turns = Turns(room)
        self.before_turn: Callable[[], None] = lambda: None
        """Called before each turn that is lived for the first time, for what comes from outside."""
        self._is_due = False
        shell.on_question = self._question

    def open(self, folder: Path) -> None:
        """Sit down at the desk and introduce this life."""
        self.desk = Desk(self.shell.post.context, folder, self.room.name, self.room.epoch, self._hear)
        self.desk.send(self.turns.hello())
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(HERE_SECONDS, self._here)

    def close(self) -> None:
        """Leave."""
        self.desk.close()

    def _here(self) -> None:
        if self._is_due:
            self.desk.send(self.turns.here())
        self._is_due = True
        self._loop.call_later(HERE_SECONDS, self._here)

    def _hear(self, frame: FromConductor) -> None:
        began_ns, self._is_due = monotonic_ns(), False
        if isinstance(frame, Turn):
            self.before_turn()
        reply = self.turns.hear(frame)
        if reply is not None:
            self.desk.send(reply)
        shell, room = self.shell, self.room
        if isinstance(frame, Turn):
            shell.heard += len(frame.round.words)
        shell.md_seq = room.md_seq
        told, self.turns.told = self.turns.told, []
        events = [word.message for word in told if word.to is None and not isinstance(word.message, Request)]
        list(shell.tell(events, room.now_ns))
        if self.turns.is_ready:
            shell.now_ready()
        shell.took(began_ns)

    def _question(self, route: Route, envelope: Envelope, message: Message) -> None:
        """Answer what changes nothing, between two turns; the rest has its turn by the conductor."""
        assert isinstance(message, Request), message
        if message.changes:
            self.shell.post.refuse(
                route, envelope.id, "the house is replayed: ask the conductor, who gives it its turn"
            )
            return
        reply = answer_now(self.room, message)
        if reply is None:
            self.shell.post.refuse(route, envelope.id, "this cannot be answered between two turns")
        else:
            self.shell.reply(route, envelope, reply)


def answer_now(room: Room, request: Request) -> Event | None:  # type: ignore[type-arg]
    """Return the reply to a question that changes nothing; None where the answerer has to ask others first."""
    seat = room.seat
    seat.answer(Heard(CLIENT, 0, request, None, CLIENT), room.round, request, room.now_ns)
    words, seat.words = seat.words, []
    assert not seat.durable, f"{room.name} decided {seat.durable} on {request}, which says that it changes nothing"
    assert not seat.commands, f"{room.name} commanded {seat.commands} on {request}, which says that it changes nothing"
    replies = [word.message for word in words if word.to == CLIENT and isinstance(word.message, Event)]
    seat.waiting = {key: waiting for key, waiting in seat.waiting.items() if waiting.heard.speaker != CLIENT}
    return replies[0] if replies else None
