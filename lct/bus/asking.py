"""Asking and listening from outside the house, without a loop: for the command line, a terminal, a thread."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import zmq

from lct.bus import sockets
from lct.bus.calling import TEND_SECONDS, Watch, connected, hang_up
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
        is_sent = _becomes(zmq.POLLOUT, line, until_ns) and _sent(line, frame)
        if is_sent:
            while _becomes(zmq.POLLIN, line, until_ns):
                reply = self._reply(line)
                if reply is not None and reply.causation == request.id:
                    return reply  # others answer what was given up before
        hang_up(self._lines.pop(to))  # libzmq may have given it up for good
        if is_sent:
            raise NoAnswer(f"{to} did not answer within {patience_ms} ms. lct status shows how it is.")
        raise NoAnswer(f"{to} is not there. lct status shows who is; lct up starts the house.")

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        sockets.end(self._context)

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
            line = connected(self._security, sockets.asking, self._context, to, endpoint)
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
        self._speakers: dict[str, tuple[Socket, Watch]] = {}
        self._names: dict[Socket, str] = {}
        self._topics: dict[str, tuple[bytes, ...]] = {}
        self._tended_ns = monotonic_ns()
        self.malformed = 0

    def hear(self, speaker: str, tags: Iterable[str] = ("",)) -> None:
        """Hear these tags ("" is everything) of a process, now and whenever it comes back; once for each process."""
        if speaker not in self._speakers:
            self._topics[speaker] = tuple(topic(tag) for tag in tags)
            self._call(speaker)

    def heard(self, timeout_ms: int) -> Iterator[Envelope]:
        """Yield what waits, at most one frame of each speaker; nothing after `timeout_ms` of silence."""
        self._tend()
        for socket, _ in self._poller.poll(timeout_ms):
            frames = sockets.received(socket)
            try:
                if len(frames) != 1:
                    raise ValueError("more than one frame")
                events = announced(frames[0].bytes)
                if any(event.source != self._names[socket] for event in events):
                    raise ValueError("said in the name of another")
            except ValueError:
                self.malformed += 1
            else:
                yield from events

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        sockets.end(self._context)

    def _call(self, speaker: str) -> None:
        endpoint = _where(speaker, self._folder, self._endpoints).tell
        socket = connected(self._security, sockets.hearing, self._context, speaker, endpoint)
        for beginning in self._topics[speaker]:
            socket.set(zmq.SUBSCRIBE, beginning)
        self._speakers[speaker] = (socket, Watch(socket))
        self._names[socket] = speaker
        self._poller.register(socket, zmq.POLLIN)

    def _tend(self) -> None:
        """Look after the connections from time to time; one that libzmq has given up is made anew."""
        now = monotonic_ns()
        if now - self._tended_ns < TEND_SECONDS * NS_PER_SECOND:
            return
        self._tended_ns = now
        for speaker, (socket, watch) in list(self._speakers.items()):
            if watch.has_given_up():
                self._poller.unregister(socket)
                del self._names[socket]
                hang_up(socket)
                self._call(speaker)


def _sent(line: Socket, frame: bytes) -> bool:
    """Send a frame; False where the process has died since it was looked at, and nothing left."""
    try:
        line.send(frame, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True


def _becomes(event: int, line: Socket, until_ns: int) -> bool:
    """Wait until a socket can be read or written; return False where the time ends first."""
    left_ms = (until_ns - monotonic_ns()) // NS_PER_MS
    return bool(line.poll(max(0, left_ms), event))


def _where(name: str, folder: Path, endpoints: Endpoints | None) -> Endpoint:
    return sockets.in_folder(folder, name) if endpoints is None else endpoints[name]
