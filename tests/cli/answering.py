"""A daemon that answers on real sockets, without a process of its own: what a verb needs of a running house."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import GeneratorType
from typing import Any

import msgspec

from lct.bus.presence import socket_folder
from lct.bus.zeromq import Post
from lct.daemon import Daemon, answerers
from lct.messages.base import Codec, Envelope, Event, encode

START_SECONDS = 5


@contextmanager
def answering(home: Path, daemon: Daemon, now_ns: int) -> Iterator[None]:
    """Let a daemon answer in a thread, as of `now_ns`."""
    found = answerers(daemon)
    codec, is_there = Codec(tuple(found)), threading.Event()
    loop = asyncio.new_event_loop()
    ends = asyncio.Event()

    async def live() -> None:
        post = Post(daemon.name, socket_folder(home))

        def answer(route: bytes, asked: Envelope) -> None:
            request = codec.decode(asked.body)
            reply = msgspec.Raw(encode(_decided(daemon, found[type(request)](request, now_ns))))
            post.answer(route, Envelope("r", daemon.name, 1, 0, now_ns, reply, causation=asked.id))

        post.on_request = answer
        post.bind()
        is_there.set()
        try:
            await ends.wait()
        finally:
            post.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    try:
        assert is_there.wait(START_SECONDS), f"{daemon.name} did not come up"
        yield
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join(START_SECONDS)
        loop.close()


def _decided(daemon: Daemon, answer: Any) -> Any:
    """Return the reply, after applying the durable events on the way to it."""
    while isinstance(answer, GeneratorType):
        try:
            said = next(answer)
        except StopIteration as stop:
            return stop.value
        if isinstance(said, Event) and said.durable:
            daemon.apply(said)
    return answer
