"""Following: pulls what the ears of a daemon miss, one task a speaker, and lets it hear again what went before."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lct import log
from lct.bus import sockets
from lct.bus.ears import Ears
from lct.bus.order import Arrival
from lct.bus.wire import HISTORY_BYTES_MAX, unpack
from lct.bus.zeromq import Post
from lct.clock import NS_PER_SECOND, now_ns
from lct.errors import LctError
from lct.messages.base import Codec, Envelope, FromSeq, Message, Request, RequestRefused, Told, encode, tag_of
from lct.messages.market_data import BarsClosed, GetHistory

BARS = tag_of(BarsClosed)
PATIENCE_SECONDS = 1.0
"""How long a speaker may take to answer, and to be reached while it starts."""
BACKOFF_SECONDS, BACKOFF_SECONDS_MAX = 0.05, 1.0
"""After this long a silent speaker is asked again, doubling; sooner where it is heard or reached."""
PAGE_BARS = 128
AFTER_ALL = 2**62
"""An `md_seq` that no bars have yet."""

_CODEC = Codec((Told, RequestRefused), bytes_max=HISTORY_BYTES_MAX)


class Hearer(Protocol):
    """The daemon that follows, as its followers see it."""

    name: str
    ears: Ears
    rehears: frozenset[str]
    """Tags of what it hears again at its start."""
    bars_heard: int
    """The `md_seq` of the last bars that it heard, or heard again."""

    def answer_itself(self, request: Request[Told]) -> Told:
        """Return what it told itself."""
        ...

    def decode(self, envelope: Envelope) -> Message:
        """Return the message in an envelope; raises ValueError for what it does not hear."""
        ...

    def begins_after(self, last_md_seq: int) -> tuple[int, int]:
        """Return (since, base): bars after `since` are heard again up to `base`; those after it are news."""
        ...

    def hear_again(self, messages: list[Message], upto_md_seq: int) -> None:
        """Hear history, outputs dropped."""
        ...

    def arrive(self, key: str, arrivals: Iterable[Arrival]) -> None:
        """Take what has its turn."""
        ...

    def settled(self, key: str, *, is_there: bool) -> None:
        """Know that a speaker has told all it has, or that it does not answer."""
        ...


class Refusal(LctError):
    """A speaker does not know what it is asked for."""


class Following:
    """Asks the speakers of one hearer; a fault of any task is given to `failed`."""

    def __init__(self, hearer: Hearer, post: Post, folder: Path, epoch: int, failed: Callable[[BaseException], Any]):
        """Follow by the sockets of a post, which lie in `folder`."""
        self._hearer = hearer
        self._post = post
        self._folder = folder
        self._epoch = epoch
        self._failed = failed
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[Envelope]] = {}
        keys = hearer.ears.speakers
        self._news = {key: asyncio.Event() for key in keys}
        self._reach = {key: asyncio.Event() for key in keys}
        self._met = {key: asyncio.Event() for key in keys}
        """Set once it is known where a speaker stands, or that it is not there."""
        self._bars_known = asyncio.Event()
        """Set once the bars that went before were heard again, or market data is not there."""
        self._again_upto: int | None = None
        self._is_back = False
        if not any(BARS in speaker.streams and BARS in hearer.rehears for speaker in keys.values()):
            self._bars_known.set()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Begin to follow."""
        for key in self._hearer.ears.speakers:
            task = asyncio.create_task(self._follow(key))
            task.add_done_callback(self._done)
            self._tasks.append(task)

    def close(self) -> None:
        """Follow no longer."""
        for task in self._tasks:
            task.cancel()

    def news(self, key: str) -> None:
        """Look whether something of a speaker must be pulled."""
        self._news[key].set()

    def reached(self, key: str) -> None:
        """Know that a speaker can be asked now."""
        if key in self._reach:
            self._reach[key].set()
            self._news[key].set()

    def replied(self, envelope: Envelope) -> bool:
        """Take a reply; return whether it was to a question of this."""
        future = self._waiting.pop(envelope.causation or "", None)
        if future is not None and not future.done():
            future.set_result(envelope)
        return future is not None

    def _done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            fault = task.exception()
            if fault is not None:
                self._failed(fault)

    # -- one speaker --------------------------------------------------------------------------------------------

    async def _follow(self, key: str) -> None:
        ears, backoff = self._hearer.ears, BACKOFF_SECONDS
        while True:
            request = ears.pull(key)
            if request is None:
                backoff = BACKOFF_SECONDS
                held = [tag for of, tag in ears.held() if of == key]
                if not held:
                    self._settle(key, is_there=True)
                    await self._wait(key, None)
                elif not await self._go_back(key, held):
                    await self._wait(key, backoff)
                continue
            answer = await self._pulled(key, request)
            if answer is None:
                ears.silent(key)
                self._settle(key, is_there=False)
                await self._wait(key, backoff)
                backoff = min(2 * backoff, BACKOFF_SECONDS_MAX)
            else:
                self._hearer.arrive(key, ears.told(key, *answer))

    def _settle(self, key: str, *, is_there: bool) -> None:
        self._met[key].set()
        if not is_there and BARS in self._hearer.ears.speakers[key].streams:
            self._bars_known.set()
        self._hearer.settled(key, is_there=is_there)

    async def _wait(self, key: str, seconds: float | None) -> None:
        """Wait for news of a speaker, and no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._news[key].wait()
        except TimeoutError:
            pass
        self._news[key].clear()

    async def _pulled(self, key: str, request: Request[Told]) -> tuple[int, Told] | None:
        try:
            answer = await self._answer(key, request)
        except Refusal:
            return None  # it may be able to later
        if answer is not None and answer[0] < self._hearer.ears.speakers[key].epoch:
            return None  # a life that is over, or whose journal was lost
        return answer

    async def _answer(self, key: str, request: Request[Told]) -> tuple[int, Told] | None:
        """Return the life that answered and what it told; None where nobody did. Raises Refusal."""
        if key == self._hearer.name:
            return self._epoch, self._hearer.answer_itself(request)
        reply = await self._ask(key, request)
        if reply is None:
            return None
        message = _CODEC.decode(reply.body)
        if isinstance(message, RequestRefused):
            raise Refusal(f"{key} refused {tag_of(type(request))}: {message.reason}")
        assert isinstance(message, Told), "the codec takes nothing else"
        return reply.epoch, message

    async def _ask(self, key: str, request: Request[Told]) -> Envelope | None:
        if not await self._reaches(key):
            return None
        now = now_ns()
        name = f"{self._hearer.name}:{self._epoch}:pull:{next(self._numbers)}"
        envelope = Envelope(
            id=name,
            source=self._hearer.name,
            epoch=self._epoch,
            seq=0,
            time_ns=now,
            body=msgspec.Raw(encode(request)),
            destination=key,
            expires_ns=now + int(PATIENCE_SECONDS * NS_PER_SECOND),
        )
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting[name] = future
        try:
            if not self._post.ask(key, envelope):
                return None
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await future
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(name, None)

    async def _reaches(self, key: str) -> bool:
        self._reach[key].clear()
        if self._post.reach(key):
            return True
        if sockets.is_absent(sockets.in_folder(self._folder, key).ask):
            return False
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._reach[key].wait()
        except TimeoutError:
            return False
        return True

    # -- what went before ---------------------------------------------------------------------------------------

    async def _go_back(self, key: str, held: list[str]) -> bool:
        """Let what went before be heard, then release the streams that waited for it; False where it did not come."""
        epoch = self._hearer.ears.speakers[key].epoch
        self._met[key].set()
        if BARS in held:
            try:
                if not await self._hear_bars(key):
                    self._settle(key, is_there=False)
                    return False
            except Refusal:
                self._is_back = True  # it keeps no bars, so there are none to hear again
        else:
            await self._bars_known.wait()
        for tag in held:
            self._hearer.arrive(key, self._hearer.ears.release(key, tag, epoch))
        if BARS in held:
            self._bars_known.set()
        return True

    async def _hear_bars(self, key: str) -> bool:
        """Hear bars again up to where this life begins, once, and all that closed since as news."""
        hearer = self._hearer
        if not self._is_back:
            end = await self._answer(key, GetHistory(AFTER_ALL, 1))
            if end is None:
                return False
            since, base = hearer.begins_after(end[1].upto)
            after = max(since, self._again_upto or 0)
            others, news = await self._hear_others(base)
            while after < base:
                page = await self._page(key, after, base - after)
                if page is None:
                    return False
                messages = [message for bars in page[0] for message in (bars.message, *others[_md_seq(bars.message)])]
                hearer.hear_again(messages, page[1])
                self._again_upto = after = page[1]
            hearer.hear_again([], base)
            log.get().info("history.heard", since=since, upto=base, last=end[1].upto)
            self._is_back = True
            hearer.arrive(key, await self._news_since(key, base) or ())
            for other, arrivals in news.items():
                hearer.arrive(other, arrivals)
        found = await self._news_since(key, hearer.bars_heard)
        if found is None:
            return False
        hearer.arrive(key, found)
        return True

    async def _news_since(self, key: str, after: int) -> list[Arrival] | None:
        found: list[Arrival] = []
        while True:
            page = await self._page(key, after, PAGE_BARS)
            if page is None:
                return None
            if page[1] <= after:
                return found
            found += page[0]
            after = page[1]

    async def _page(self, key: str, after: int, limit: int) -> tuple[list[Arrival], int] | None:
        answer = await self._answer(key, GetHistory(after, min(limit, PAGE_BARS)))
        if answer is None:
            return None
        envelopes = map(unpack, answer[1].envelopes)
        return [Arrival(envelope, self._hearer.decode(envelope)) for envelope in envelopes], answer[1].upto

    async def _hear_others(self, base: int) -> tuple[dict[int, list[Message]], dict[str, list[Arrival]]]:
        """Return what else is heard again, by `md_seq`, as far as its speakers still have it, and what is news of it.

        Who said it keeps it for its own life only: after a restart of both, what followed from it begins anew.
        """
        again: dict[int, list[Message]] = defaultdict(list)
        news: dict[str, list[Arrival]] = {}
        for key, speaker in self._hearer.ears.speakers.items():
            for tag in sorted(self._hearer.rehears & speaker.streams.keys() - {BARS}):
                await self._met[key].wait()
                if speaker.needs_snapshot or not speaker.streams[tag].is_held:
                    continue  # it is not there, or went on without this
                for arrival in await self._told_before(key, tag, speaker.epoch, speaker.streams[tag].snapshot):
                    md_seq = _md_seq(arrival.message)
                    if md_seq <= base:
                        again[md_seq].append(arrival.message)
                    else:
                        news.setdefault(key, []).append(arrival)
        return again, news

    async def _told_before(self, key: str, tag: str, epoch: int, upto: int) -> list[Arrival]:
        found: list[Arrival] = []
        after = 0
        while after < upto:
            answer = await self._answer(key, FromSeq(tag, epoch, after))
            if answer is None or answer[1].upto <= after:
                break
            envelopes = [envelope for envelope in map(unpack, answer[1].envelopes) if envelope.seq <= upto]
            found += [Arrival(envelope, self._hearer.decode(envelope)) for envelope in envelopes]
            after = answer[1].upto
        return found


def _md_seq(message: Message) -> int:
    """Return the bars that a message is of, 0 where it is of none."""
    return int(getattr(message, "md_seq", 0))
