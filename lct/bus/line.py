"""The line between a conductor and its daemons: ROUTER here, DEALER there, each life under a name of its own."""

from collections.abc import Callable
from pathlib import Path

import zmq

from lct.bus import sockets
from lct.bus.ear import Ear
from lct.bus.rounds import (
    PAGE_BYTES_MAX,
    FromConductor,
    FromDaemon,
    Past,
    Recall,
    encode,
    from_conductor,
    from_daemon,
)
from lct.bus.sockets import Context
from lct.errors import LctError

NAME = "conductor.turns"
WAITING_MAX = 65_536
"""Frames that may wait on one side: rounds come one at a time, so only pages of the past pile up."""


def _endpoint(folder: Path) -> str:
    return f"ipc://{folder / NAME}"


class Podium:
    """The conductor's end."""

    def __init__(self, context: Context, folder: Path, hear: Callable[[FromDaemon], None]) -> None:
        """Bind; `hear` is called with every sound frame. The lock of the conductor's place is held by its Post."""
        socket = sockets.conducting(context, PAGE_BYTES_MAX, WAITING_MAX)
        socket.bind(_endpoint(folder))
        self.malformed = 0
        self.unsent = 0
        self._hear = hear
        self._ear = Ear(socket, self._take)

    def send(self, daemon: str, epoch: int, frame: FromConductor) -> None:
        """Send to one life; where it is gone nothing is lost, for the next one says hello."""
        try:
            self._ear.socket.send_multipart((_route(daemon, epoch), encode(frame)), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in {zmq.EHOSTUNREACH, zmq.EAGAIN}:
                raise
            if error.errno == zmq.EAGAIN and isinstance(frame, Past | Recall):
                raise LctError(f"{daemon} does not take what it must hear again") from None
            self.unsent += 1
        self._ear.look_later()

    def close(self) -> None:
        """Hear nothing more."""
        self._ear.close()

    def _take(self) -> bool:
        try:
            frames = sockets.received(self._ear.socket)
        except zmq.Again:
            return False
        try:
            route, body = (frame.bytes for frame in frames)
            frame = from_daemon.decode(body)
        except ValueError:
            self.malformed += 1
            return True
        if route == _route(frame.daemon, frame.epoch):
            self._hear(frame)
        else:
            self.malformed += 1
        return True


class Desk:
    """A daemon's end."""

    def __init__(
        self, context: Context, folder: Path, daemon: str, epoch: int, hear: Callable[[FromConductor], None]
    ) -> None:
        """Connect, now or as soon as there is a conductor; `hear` is called with every frame."""
        socket = sockets.conducted(context, PAGE_BYTES_MAX, WAITING_MAX, _route(daemon, epoch))
        socket.connect(_endpoint(folder))
        self._hear = hear
        self._ear = Ear(socket, self._take)

    def send(self, frame: FromDaemon) -> None:
        """Send to the conductor; a frame that finds no room is said again with the next `Here`."""
        try:
            self._ear.socket.send(encode(frame), zmq.NOBLOCK)
        except zmq.Again:
            return
        self._ear.look_later()

    def close(self) -> None:
        """Hear nothing more."""
        self._ear.close()

    def _take(self) -> bool:
        try:
            body = self._ear.socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._hear(from_conductor.decode(body))
        return True


def _route(daemon: str, epoch: int) -> bytes:
    return f"{daemon}.{epoch}".encode()
