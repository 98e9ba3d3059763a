"""The teller: tells the events of one process to all who hear them, those of one moment together."""

import asyncio
from collections import Counter
from collections.abc import Callable

import zmq

from lct.bus.ear import Ear
from lct.bus.sockets import Socket, received
from lct.bus.wire import DATA_BYTES_MAX, TOGETHER_MAX, frame_of, pack, tag_in, topic
from lct.messages.base import Envelope

TOGETHER_BYTES_MAX = 32_768
"""Of events that leave together; a larger one leaves alone."""


class Teller:
    """Owns the XPUB socket. What is told in one turn of the loop leaves at its end, events of one tag in one frame.

    The order stays: an event of another tag sends those before it on their way first.
    """

    def __init__(self, socket: Socket, on_subscribe: Callable[[str], None], counts: Counter[str]) -> None:
        """Tell through a bound socket; `on_subscribe` hears each tag that somebody begins to hear."""
        self._socket = socket
        self._on_subscribe = on_subscribe
        self._counts = counts
        self._tag, self._topic = "", b""
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._loop = asyncio.get_running_loop()
        self._leaves: asyncio.Handle | None = None
        self._ear = Ear(socket, self._take)

    def tell(self, envelope: Envelope, tag: str) -> bool:
        """Tell an event; False where it is too large."""
        packed = pack(envelope)
        size = len(packed)
        if tag != self._tag or self._bytes + size > TOGETHER_BYTES_MAX or len(self._waiting) == TOGETHER_MAX:
            if size + len(tag) + 1 > DATA_BYTES_MAX:
                self._counts["oversized"] += 1
                return False
            self._send()
            self._tag, self._topic = tag, topic(tag)
        self._waiting.append(packed)
        self._bytes += size
        if self._leaves is None:
            self._leaves = self._loop.call_soon(self._flush)
        return True

    def close(self) -> None:
        """Send what waits, and end."""
        if self._leaves is not None:
            self._leaves.cancel()
        self._send()
        self._ear.close()

    def _flush(self) -> None:
        self._leaves = None
        self._send()
        self._ear.look()

    def _send(self) -> None:
        if self._waiting:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            self._socket.send(frame_of(self._topic, waiting), zmq.NOBLOCK)

    def _take(self) -> bool:
        """Take one subscription."""
        try:
            frames = received(self._socket)
        except zmq.Again:
            return False
        word = frames[0].bytes
        try:
            if len(frames) != 1 or word[:1] not in {b"\0", b"\1"}:
                raise ValueError("no subscription")
            tag = tag_in(word[1:])
        except ValueError:
            self._counts["malformed"] += 1
            return True
        if word[:1] == b"\0":
            self._socket.set(zmq.UNSUBSCRIBE, word[1:])
        else:
            self._socket.set(zmq.SUBSCRIBE, word[1:])
            self._on_subscribe(tag)
        return True
