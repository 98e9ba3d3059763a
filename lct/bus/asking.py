"""Asking and listening from outside the house, without a loop: for the command line, a terminal, a thread."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import zmq

from lct.bus import sockets
from lct.bus.security import OPEN_IPC, Security
from lct.bus.sockets import Endpoint, Endpoints, Socket
from lct.bus.wire import COMMAND_BYTES_MAX, announced, pack, topic, unpack
from lct.clock import NS_PER_SECOND, monotonic_ns
from lct.errors import NoAnswer, Refused
from lct.messages.base import Envelope

NS_PER_MS = NS_PER_SECOND // 1_000


class Asker:
    """Asks processes one thing at a time and waits for the reply; for one thread."""

    def __init__(self, folder: Path, *, security: Security = OPEN_IPC, endpoints: Endpoints | None = None) -> None:
        """Ask processes whose sockets lie in `folder`, or where `endpoints` says."""
        self._folder = folder
        self._security = security
        self._endpoints = endpoints
        self._context = sockets.context()
        self._lines: dict[str, Socket] = {}

    def ask(self, to: str, request: Envelope, patience_ms: int) -> Envelope:
        """Send a request and return its reply.

        Raises NoAnswer where nobody is there or no reply comes in time, Refused where the request is too large.
        """
        frame = pack(request)
        if len(frame) > COMMAND_BYTES_MAX:
            raise Refused(f"a request of {len(frame)} bytes; at most {COMMAND_BYTES_MAX} are taken")
        until_ns = monotonic_ns() + patience_ms * NS_PER_MS
        line = self._line(to)
        if not _becomes(zmq.POLLOUT, line, until_ns):
            raise NoAnswer(f"{to} is not there. lct status shows who is; lct up starts the house.")
        line.send(frame, zmq.NOBLOCK)
        while _becomes(zmq.POLLIN, line, until_ns):
            reply = self._reply(line)
            if reply is not None and reply.causation == request.id:
                return reply  # others answer what was given up before
        raise NoAnswer(f"{to} did not answer within {patience_ms} ms. lct status shows how it is.")

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        self._context.destroy(linger=0)

    def _reply(self, line: Socket) -> Envelope | None:
        frames = sockets.received(line)
        if len(frames) != 1:
            return None
        try:
            return unpack(frames[0].bytes)
        except ValueError:
            return None

    def _line(self, to: str) -> Socket:
        endpoint = _where(to, self._folder, self._endpoints).ask
        if sockets.is_absent(endpoint):
            raise NoAnswer(f"{to} is not running. lct up starts the house.")
        line = self._lines.get(to)
        if line is None:
            line = sockets.asking(self._context)
            _connect(line, endpoint, to, self._security)
            self._lines[to] = line
        return line


class Listener:
    """Hears what processes tell, as it comes; for one thread."""

    def __init__(self, folder: Path, *, security: Security = OPEN_IPC, endpoints: Endpoints | None = None) -> None:
        """Hear processes whose sockets lie in `folder`, or where `endpoints` says."""
        self._folder = folder
        self._security = security
        self._endpoints = endpoints
        self._context = sockets.context()
        self._poller = zmq.Poller()
        self._speakers: dict[str, Socket] = {}
        self._by_socket: dict[Socket, str] = {}
        self.malformed = 0

    def hear(self, speaker: str, tags: Iterable[str] = ("",)) -> None:
        """Hear these tags ("" is everything) of a process, now and whenever it comes back."""
        if speaker in self._speakers:
            return
        socket = sockets.hearing(self._context)
        for tag in tags:
            socket.set(zmq.SUBSCRIBE, topic(tag))
        _connect(socket, _where(speaker, self._folder, self._endpoints).tell, speaker, self._security)
        self._speakers[speaker] = socket
        self._by_socket[socket] = speaker
        self._poller.register(socket, zmq.POLLIN)

    def heard(self, timeout_ms: int) -> Iterator[Envelope]:
        """Yield what waits, at most one envelope of each speaker; nothing after `timeout_ms` of silence."""
        for socket, _ in self._poller.poll(timeout_ms):
            frames = sockets.received(socket)
            try:
                if len(frames) != 1:
                    raise ValueError("more than one frame")
                event = announced(frames[0].bytes)
                if event.source != self._by_socket[socket]:
                    raise ValueError("said in the name of another")
            except ValueError:
                self.malformed += 1
            else:
                yield event

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        self._context.destroy(linger=0)


def _becomes(event: int, line: Socket, until_ns: int) -> bool:
    """Wait until a socket can be read or written; return False where the time ends first."""
    left_ms = (until_ns - monotonic_ns()) // NS_PER_MS
    return bool(line.poll(max(0, left_ms), event))


def _connect(socket: Socket, endpoint: str, to: str, security: Security) -> None:
    security.allow(endpoint)
    security.call(socket, to)
    socket.connect(endpoint)


def _where(name: str, folder: Path, endpoints: Endpoints | None) -> Endpoint:
    return sockets.in_folder(folder, name) if endpoints is None else endpoints[name]
