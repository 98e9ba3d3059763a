"""The post: the sockets of one process on its asyncio loop; words go out by methods and come in by callbacks."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import zmq

from lct.bus import sockets
from lct.bus.calling import TEND_SECONDS, connected
from lct.bus.connection import Connection
from lct.bus.ear import Ear
from lct.bus.ids import Unexpired
from lct.bus.lock import locked
from lct.bus.porter import Porter
from lct.bus.security import OPEN_IPC, Security
from lct.bus.sockets import Endpoint, Endpoints, Socket
from lct.bus.teller import Teller
from lct.bus.wire import (
    COMMAND_BYTES_MAX,
    FRAMES_MAX,
    HISTORY_BYTES_MAX,
    announced,
    pack,
    topic,
    unpack,
)
from lct.clock import now_ns
from lct.errors import Refused
from lct.messages.base import Envelope, RequestRefused, encode

IN_FLIGHT_MAX = 1_024
"""Requests of one process that wait for a reply."""

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
        self.context = sockets.context()
        self._lock: int | None = None
        self._doors: tuple[Socket, ...] = ()
        self._asked: Ear | None = None
        self._told: Teller | None = None
        self._lines: dict[str, Connection] = {}
        self._reached: set[str] = set()
        self._speakers: dict[str, Connection] = {}
        self._topics: dict[str, set[bytes]] = {}
        self._tending: asyncio.TimerHandle | None = None
        self._porter = Porter(name, self.counts, is_hub=is_hub)
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
        self._told = Teller(told, self._subscribed, self.counts)
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
        if self._tending is not None:
            self._tending.cancel()
        for ear in (self._asked, self._told):
            if ear is not None:
                ear.close()
        for connection in (*self._lines.values(), *self._speakers.values()):
            connection.close()
        self._lines.clear()
        self._speakers.clear()
        self._security.stop()
        sockets.end(self.context)
        if self._lock is not None:
            for endpoint in self._where(self.name):
                sockets.take_away(endpoint)
            os.close(self._lock)  # last: from now on the files may be another's
            self._lock = None

    # --- out

    def tell(self, envelope: Envelope, tag: str) -> bool:
        """Tell an event to all who hear its tag; False where it is too large for them."""
        assert self._told is not None, "bind comes first"
        return self._told.tell(envelope, tag)

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
        wanted = {topic(tag) for tag in tags} - self._topics.get(speaker, set())
        self._topics.setdefault(speaker, set()).update(wanted)
        if speaker in self._speakers:
            for beginning in wanted:
                self._speakers[speaker].socket.set(zmq.SUBSCRIBE, beginning)
        else:
            self._speakers[speaker] = Connection(
                partial(self._call_speaker, speaker), partial(self._take_event, speaker)
            )
            self._tend_later()

    def forget(self, speaker: str) -> None:
        """Hear nothing more of a process."""
        if speaker in self._speakers:
            self._speakers.pop(speaker).close()
            del self._topics[speaker]

    # --- in

    def _take_request(self) -> bool:
        assert self._asked is not None
        frames = self._frames(self._asked.socket, 2)  # where the reply goes, and the request
        if not frames:
            return frames is not None
        try:
            request = unpack(frames[1].bytes)
        except ValueError:
            self.counts["malformed"] += 1
            return True
        speaker = self._security.speaker(frames[1])
        if speaker is not None and speaker != request.source:
            self.counts["forged"] += 1
            return True
        route = frames[0].bytes
        objection = self._porter.objection(request, now_ns())
        if objection is None:
            self.on_request(route, request)
        elif objection:
            self.refuse(route, request.id, objection)
        return True

    def _take_reply(self, socket: Socket) -> bool:
        frames = self._frames(socket, 1)
        if not frames:
            return frames is not None
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

    def _take_event(self, speaker: str, socket: Socket) -> int:
        try:
            frame = socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return 0
        if frame.more:
            self._misframed(1 + len(sockets.received(socket)))
            return 1
        try:
            events = announced(frame.bytes)
        except ValueError:
            self.counts["malformed"] += 1
            return 1
        for event in events:
            if speaker not in self._speakers:  # the event before made us forget it
                break
            if event.source == speaker:
                self.on_event(speaker, event)
            else:
                self.counts["forged"] += 1
        return len(events)

    def _subscribed(self, tag: str) -> None:
        self.on_subscribe(tag)

    def _frames(self, socket: Socket, count: int) -> list[zmq.Frame] | None:
        """Return the frames of the next message, none of them if not as many as `count`; None where none is."""
        try:
            frames = sockets.received(socket)
        except zmq.Again:
            return None
        if len(frames) == count:
            return frames
        self._misframed(len(frames))
        return []

    def _misframed(self, count: int) -> None:
        self.counts["too_many_frames" if count > FRAMES_MAX else "malformed"] += 1

    # --- there

    def _line(self, to: str) -> Connection:
        line = self._lines.get(to)
        if line is None:
            make = partial(connected, self._security, sockets.asking, self.context, to, self._where(to).ask)
            line = self._lines[to] = Connection(make, self._take_reply, partial(self._look_out, to))
            self._tend_later()
        return line

    def _call_speaker(self, speaker: str) -> Socket:
        socket = connected(self._security, sockets.hearing, self.context, speaker, self._where(speaker).tell)
        for beginning in self._topics[speaker]:
            socket.set(zmq.SUBSCRIBE, beginning)
        return socket

    def _tend_later(self) -> None:
        if self._tending is None:
            self._tending = asyncio.get_running_loop().call_later(TEND_SECONDS, self._tend)

    def _tend(self) -> None:
        """Look after the connections."""
        self._tending = None
        for to, line in self._lines.items():
            if line.tend():
                self.counts["given_up"] += 1
                self._reached.discard(to)
        for speaker in self._speakers.values():
            if speaker.tend():
                self.counts["given_up"] += 1
        self._tend_later()

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

    def _where(self, name: str) -> Endpoint:
        return sockets.in_folder(self._folder, name) if self._endpoints is None else self._endpoints[name]


def _nobody(*_said: Any) -> None:
    """Hear a word that nobody wanted to hear."""
