"""Posts whose words are kept until a test reads them, and strangers with bare sockets."""

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import zmq

from lct.bus.sockets import Endpoint
from lct.bus.zeromq import Post
from lct.clock import NS_PER_SECOND, now_ns
from lct.messages.base import Codec, Envelope, Event, Message, Request, RequestRefused, encode, tag_of

NUMBERS = count(1)


class Said(Event, frozen=True, tag="wire_test.said"):
    n: int = 0
    text: str = ""


class SaidMore(Event, frozen=True, tag="wire_test.said_more"):
    n: int = 0


class Answer(Event, frozen=True, tag="wire_test.answer"):
    n: int


class Question(Request[Answer], frozen=True, tag="wire_test.question"):
    n: int = 0
    text: str = ""


class Change(Request[Answer], frozen=True, tag="wire_test.change"):
    changes = True


CODEC = Codec((Said, SaidMore, Answer, Question, Change, RequestRefused))
SAID = tag_of(Said)


def envelope(source: str, message: Message, **fields: Any) -> Envelope:
    n = next(NUMBERS)
    return Envelope(f"{source}:1:{n}", source, 1, n, now_ns(), msgspec.Raw(encode(message)), **fields)


def request(source: str, to: str | None, message: Message, lives_ns: int = 3 * NS_PER_SECOND) -> Envelope:
    return envelope(source, message, destination=to, expires_ns=now_ns() + lives_ns)


def reply(source: str, message: Message, to: Envelope) -> Envelope:
    return envelope(source, message, causation=to.id)


def read(said: Envelope) -> Any:
    return CODEC.decode(said.body)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what no message tells."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


def on_a_loop(test: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test on a loop of its own, which must not complain; it may take five seconds."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        async def body() -> None:
            complaints: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda loop, complaint: complaints.append(complaint))
            async with asyncio.timeout(5):
                await test(*args, **named)
            assert complaints == []

        asyncio.run(body())

    return run


class Box:
    """A post and what came in."""

    def __init__(self, name: str, folder: Path, **settings: Any) -> None:
        self.post = Post(name, folder, **settings)
        self.name = name
        self.security = settings.get("security")
        self.place = Endpoint("", "")
        self.requests: asyncio.Queue[tuple[bytes, Envelope]] = asyncio.Queue()
        self.events: asyncio.Queue[tuple[str, Envelope]] = asyncio.Queue()
        self.replies: asyncio.Queue[Envelope] = asyncio.Queue()
        self.subscriptions: asyncio.Queue[str] = asyncio.Queue()
        self.reached: asyncio.Queue[str] = asyncio.Queue()
        self.post.on_request = lambda route, asked: self.requests.put_nowait((route, asked))
        self.post.on_event = lambda speaker, said: self.events.put_nowait((speaker, said))
        self.post.on_reply = self.replies.put_nowait
        self.post.on_subscribe = self.subscriptions.put_nowait
        self.post.on_reach = self.reached.put_nowait

    def answers(self) -> None:
        """Answer each question with its number, as a daemon does: what cannot be read is refused."""

        def answer(route: bytes, asked: Envelope) -> None:
            try:
                question = read(asked)
            except ValueError as error:
                self.post.counts["unreadable"] += 1
                self.post.refuse(route, asked.id, str(error))
            else:
                self.post.answer(route, reply(self.name, Answer(question.n), asked))

        self.post.on_request = answer

    async def reaches(self, to: str) -> None:
        if not self.post.reach(to):
            assert await self.reached.get() == to

    async def asks(self, to: str, message: Message) -> Any:
        await self.reaches(to)
        assert self.post.ask(to, request(self.name, to, message))
        return read(await self.replies.get())

    async def hears(self, speaker: "Box", *tags: str) -> None:
        """Hear tags of another, and wait until that one knows it."""
        self.post.hear(speaker.name, tags)
        for _ in tags:
            await speaker.subscriptions.get()

    def tells(self, message: Message) -> bool:
        return self.post.tell(envelope(self.name, message), tag_of(type(message)))

    async def counted(self, what: str, times: int = 1) -> None:
        """Wait until something has been counted so many times."""
        await until(lambda: self.post.counts[what] >= times)
        assert self.post.counts[what] == times


@contextmanager
def boxes(folder: Path, *names: str, **settings: Any) -> Iterator[list[Box]]:
    """Posts of these names, bound."""
    made = [Box(name, folder, **settings) for name in names]
    try:
        for box in made:
            box.post.bind()
        yield made
    finally:
        for box in made:
            box.post.close()


@contextmanager
def bare(kind: int, **options: Any) -> Iterator[zmq.Socket[bytes]]:
    """A stranger's socket, which blocks no longer than a test may take."""
    context = zmq.Context()
    socket = context.socket(kind)
    socket.sndtimeo = socket.rcvtimeo = 4_000
    for name, value in options.items():
        setattr(socket, name, value)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


@contextmanager
def knocking(folder: Path, name: str, kind: int = zmq.DEALER) -> Iterator[zmq.Socket[bytes]]:
    """A stranger's socket that is connected to a post."""
    with bare(kind) as socket:
        socket.connect(f"ipc://{folder}/{name}.{'ask' if kind == zmq.DEALER else 'tell'}")
        yield socket


async def heard_by(socket: zmq.Socket[bytes]) -> list[bytes]:
    """Return the next message that a stranger's socket gets, while the loop goes on."""
    await until(lambda: socket.poll(0))
    return socket.recv_multipart()
