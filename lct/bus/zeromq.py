"""The post: the sockets of one process on its asyncio loop; words go out by methods and come in by callbacks."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import zmq

from lct.bus import sockets
from lct.bus.ear import Ear
from lct.bus.ids import Unexpired
from lct.bus.lock import locked
from lct.bus.security import OPEN_IPC, Security
from lct.bus.sockets import Endpoint, Endpoints, Socket
from lct.bus.wire import (
    COMMAND_BYTES_MAX,
    DATA_BYTES_MAX,
    FRAMES_MAX,
    HISTORY_BYTES_MAX,
    announce,
    announced,
    pack,
    tag_in,
    topic,
    unpack,
)
from lct.clock import NS_PER_SECOND, now_ns
from lct.errors import Refused
from lct.messages.base import Envelope, RequestRefused, encode

IN_FLIGHT_MAX = 1_024
"""Requests of one process that wait for a reply."""
REMEMBERED_MAX = 65_536
"""Requests that have not expired, whose ids are kept so that none is carried out twice."""
EXPIRY_NS_MAX = 600 * NS_PER_SECOND
"""How far ahead a request may expire, for its id is kept so long."""

Route = bytes
"""Where the reply to a request goes."""


class Post:
    """Carries envelopes between this process and the others.

    `on_request(route, envelope)`, `on_event(speaker, envelope)`, `on_reply(envelope)`, `on_subscribe(tag)` (somebody
    begins to hear a tag; "" is everything) and `on_reach(to)` (requests to this process can leave now) are called on
    the loop. Bodies are not decoded here. What is unsound, too large, forged, expired or repeated reaches none of
    them: it is counted. An exception of a callback goes to the loop's exception handler.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        epoch: int = 0,
        security: Security = OPEN_IPC,
        endpoints: Endpoints | None = None,
        request_bytes_max: int = COMMAND_BYTES_MAX,
        is_hub: bool = False,
    ) -> None:
        """Prepare the sockets of process `name`, which lie in `folder` unless `endpoints` says where each process is.

        `request_bytes_max` limits the requests that come in and go out; a hub takes requests for other processes.
        """
        self.name = name
        self.counts: Counter[str] = Counter()
        self.on_request: Callable[[Route, Envelope], Any] = _nobody
        self.on_event: Callable[[str, Envelope], Any] = _nobody
        self.on_reply: Callable[[Envelope], Any] = _nobody
        self.on_subscribe: Callable[[str], Any] = _nobody
        self.on_reach: Callable[[str], Any] = _nobody
        self._folder = folder
        self._epoch = epoch
        self._security = security
        self._endpoints = endpoints
        self._request_bytes_max = request_bytes_max
        self._is_hub = is_hub
        self.context = sockets.context()
        self._lock: int | None = None
        self._doors: tuple[Socket, ...] = ()
        self._asked: Ear | None = None
        self._told: Ear | None = None
        self._lines: dict[str, Ear] = {}
        self._reached: set[str] = set()
        self._speakers: dict[str, Ear] = {}
        self._tags: dict[str, set[str]] = {}
        self._topics: dict[str, bytes] = {}
        self._seen: Unexpired[tuple[str, str]] = Unexpired(REMEMBERED_MAX)
        self._in_flight: Unexpired[str] = Unexpired(IN_FLIGHT_MAX)
        self._refusals = 0

    # --- here

    def bind(self) -> Endpoint:
        """Take this process's place and open its doors; return where they are.

        Raises Refused where another process of this name lives, or where the doors would be open to strangers.
        """
        try:
            self._open(self._where(self.name))
            self.assert_strangers_refused()
        except Refused:
            self.close()
            raise
        asked, told = self._doors
        self._asked = Ear(asked, self._take_request)
        self._told = Ear(told, self._take_subscription)
        return Endpoint(sockets.bound(asked), sockets.bound(told))

    def _open(self, place: Endpoint) -> None:
        for endpoint in place:
            self._security.allow(endpoint)
        self._security.start(self.context, self._folder)
        self._lock = locked(self._folder / f"{self.name}.lock", self.name)
        asked = sockets.answering(self.context, self._request_bytes_max)
        told = sockets.telling(self.context)
        for socket, endpoint in ((asked, place.ask), (told, place.tell)):
            self._security.guard(socket)
            try:
                socket.bind(endpoint)
            except zmq.ZMQError as error:
                raise Refused(f"{self.name} cannot listen at {endpoint}: {error}") from None
        self._doors = (asked, told)

    def assert_strangers_refused(self) -> None:
        """Try the doors as a stranger would; raises Refused where one opens, or where nobody at all gets in."""
        self._security.assert_strangers_refused(self.context, self._doors)

    def close(self) -> None:
        """Close all sockets, dropping what has not left, and give the place up; may be called twice."""
        for ear in (self._asked, self._told, *self._lines.values(), *self._speakers.values()):
            if ear is not None:
                ear.close()
        self._security.stop()
        self.context.destroy(linger=0)
        if self._lock is not None:
            for endpoint in self._where(self.name):
                sockets.take_away(endpoint)
            os.close(self._lock)  # last: from now on the files may be another's
            self._lock = None

    # --- out

    def tell(self, envelope: Envelope, tag: str) -> bool:
        """Tell an event to all who hear its tag; False where it is too large for them."""
        assert self._told is not None, "bind comes first"
        frame = announce(tag, envelope)
        if len(frame) > DATA_BYTES_MAX:
            self.counts["oversized"] += 1
            return False
        self._told.socket.send(frame, zmq.NOBLOCK)
        self._told.look_later()
        return True

    def ask(self, to: str, envelope: Envelope) -> bool:
        """Send a request, which must say when it expires; False where it cannot leave now, and then it never will."""
        assert envelope.expires_ns is not None, "a request must say when it expires"
        frame = pack(envelope)
        if len(frame) > self._request_bytes_max:
            self.counts["oversized"] += 1
            return False
        line = self._line(to)
        if not self._in_flight.add(envelope.id, envelope.expires_ns, now_ns()):
            self.counts["too_many_asked"] += 1
            return False
        try:
            line.socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            self._in_flight.remove(envelope.id)
            self._reached.discard(to)
            self.counts["unsent"] += 1
            return False
        line.look()
        return True

    def reach(self, to: str) -> bool:
        """Return whether a request to a process can leave now; where not, `on_reach` is called once it can."""
        self._line(to)
        return to in self._reached

    def answer(self, route: Route, envelope: Envelope) -> bool:
        """Send the reply to a request; False where the asker has gone or takes nothing."""
        assert self._asked is not None, "bind comes first"
        frame = pack(envelope)
        if len(frame) > HISTORY_BYTES_MAX:
            self.counts["oversized"] += 1
            self.refuse(route, envelope.causation or "", f"the reply has {len(frame)} bytes, too many")
            return False
        try:
            self._asked.socket.send_multipart((route, frame), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in {zmq.EHOSTUNREACH, zmq.EAGAIN}:
                raise
            self.counts["dropped_replies"] += 1
            return False
        self._asked.look()
        return True

    def refuse(self, route: Route, request_id: str, reason: str) -> bool:
        """Answer a request with a RequestRefused."""
        self._refusals += 1
        name = f"{self.name}:{self._epoch}:refusal:{self._refusals}"
        body = msgspec.Raw(encode(RequestRefused(reason)))
        reply = Envelope(name, self.name, self._epoch, 0, now_ns(), body, causation=request_id or None)
        return self.answer(route, reply)

    # --- whom to hear

    def hear(self, speaker: str, tags: Iterable[str] = ("",)) -> None:
        """Hear these tags ("" is everything) of a process, from now on and whenever it comes back."""
        ear = self._speakers.get(speaker)
        if ear is None:
            socket = sockets.hearing(self.context)
            self._connect(socket, speaker, self._where(speaker).tell)
            ear = self._speakers[speaker] = Ear(socket, self._hearer(speaker, socket))
            self._tags[speaker] = set()
        for tag in set(tags) - self._tags[speaker]:
            ear.socket.set(zmq.SUBSCRIBE, topic(tag))
            self._tags[speaker].add(tag)

    def forget(self, speaker: str) -> None:
        """Hear nothing more of a process."""
        ear = self._speakers.pop(speaker, None)
        if ear is not None:
            ear.close()
            del self._tags[speaker]

    # --- in

    def _take_request(self) -> bool:
        assert self._asked is not None
        try:
            frames = sockets.received(self._asked.socket)
        except zmq.Again:
            return False
        if len(frames) != 2:  # where the reply goes, and the request
            self.counts["too_many_frames" if len(frames) > FRAMES_MAX else "malformed"] += 1
            return True
        try:
            request = unpack(frames[1].bytes)
        except ValueError:
            self.counts["malformed"] += 1
            return True
        speaker = self._security.speaker(frames[1])
        if speaker is not None and speaker != request.source:
            self.counts["forged"] += 1
            return True
        self._check(frames[0].bytes, request)
        return True

    def _check(self, route: Route, request: Envelope) -> None:
        """Hand a request on that is for here, has not expired, and was not heard before."""
        now = now_ns()
        key = (request.source, request.id)
        if request.expires_ns is None:
            self.counts["malformed"] += 1
        elif request.destination != self.name and not self._is_hub:
            self.counts["misdirected"] += 1
            self.refuse(route, request.id, f"this is {self.name}, not {request.destination}")
        elif request.expires_ns <= now:
            self.counts["expired"] += 1
            self.refuse(route, request.id, f"expired {(now - request.expires_ns) // 1_000_000} ms ago")
        elif request.expires_ns > now + EXPIRY_NS_MAX:
            self.counts["malformed"] += 1
            self.refuse(route, request.id, f"expires in more than {EXPIRY_NS_MAX // NS_PER_SECOND} s")
        elif key in self._seen:
            self.counts["repeated"] += 1
        elif not self._seen.add(key, request.expires_ns, now):
            self.counts["busy"] += 1
            self.refuse(route, request.id, "too many requests")
        else:
            self.on_request(route, request)

    def _take_reply(self, socket: Socket) -> bool:
        try:
            frames = sockets.received(socket)
        except zmq.Again:
            return False
        if len(frames) != 1:
            self.counts["too_many_frames" if len(frames) > FRAMES_MAX else "malformed"] += 1
            return True
        try:
            reply = unpack(frames[0].bytes)
        except ValueError:
            self.counts["malformed"] += 1
            return True
        if reply.causation is None or not self._in_flight.remove(reply.causation):
            self.counts["unasked_replies"] += 1
            return True
        self.on_reply(reply)
        return True

    def _hearer(self, speaker: str, socket: Socket) -> Callable[[], bool]:
        def take() -> bool:
            try:
                frame = socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            if frame.more:
                self._drop_rest(socket)
                return True
            try:
                event = announced(frame.bytes)
            except ValueError:
                self.counts["malformed"] += 1
                return True
            if event.source != speaker:
                self.counts["forged"] += 1
                return True
            self.on_event(speaker, event)
            return True

        return take

    def _drop_rest(self, socket: Socket) -> None:
        frames = 1 + len(sockets.received(socket))
        self.counts["too_many_frames" if frames > FRAMES_MAX else "malformed"] += 1

    def _take_subscription(self) -> bool:
        assert self._told is not None
        socket = self._told.socket
        try:
            frames = sockets.received(socket)
        except zmq.Again:
            return False
        word = frames[0].bytes
        try:
            if len(frames) != 1 or word[:1] not in {b"\0", b"\1"}:
                raise ValueError("no subscription")
            tag = tag_in(word[1:])
        except ValueError:
            self.counts["malformed"] += 1
            return True
        if word[:1] == b"\0":
            socket.set(zmq.UNSUBSCRIBE, word[1:])
        else:
            socket.set(zmq.SUBSCRIBE, word[1:])
            self.on_subscribe(tag)
        return True

    # --- there

    def _line(self, to: str) -> Ear:
        line = self._lines.get(to)
        if line is None:
            socket = sockets.asking(self.context)
            self._connect(socket, to, self._where(to).ask)
            line = self._lines[to] = Ear(socket, lambda: self._take_reply(socket), lambda: self._look_out(to, socket))
        return line

    def _look_out(self, to: str, socket: Socket) -> None:
        """Notice that a process can be asked, or no longer."""
        events = sockets.events(socket)
        if events & zmq.POLLIN:
            self._lines[to].look()
        if not events & zmq.POLLOUT:
            self._reached.discard(to)
        elif to not in self._reached:
            self._reached.add(to)
            self.on_reach(to)

    def _connect(self, socket: Socket, to: str, endpoint: str) -> None:
        self._security.allow(endpoint)
        self._security.call(socket, to)
        socket.connect(endpoint)

    def _where(self, name: str) -> Endpoint:
        return sockets.in_folder(self._folder, name) if self._endpoints is None else self._endpoints[name]


def _nobody(*_said: Any) -> None:
    """Hear a word that nobody wanted to hear."""
