"""Following a venue: closed bars as they come, by stream where there is one, by page where not or where it breaks."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from lct.clock import now_ns
from lct.domain.bars import Bar, Bars, timeframe_ns
from lct.domain.budget import Priority
from lct.domain.following import Closed, Disagreement, Following
from lct.domain.quality import columns
from lct.domain.spans import Span
from lct.errors import NotFound, NotNow, first_of, nearest
from lct.ports.live_feed import LiveFeed
from lct.run.downloading import patiently

BATCHES_MAX = 1_000
"""Lots of events that nobody has taken yet, each of one answer; then the stream is read no further."""
LOOK_SECONDS = 0.25
"""How often it is looked whether a page has to be asked for."""
SIDE_BY_SIDE = 16
FIRST_WAIT_SECONDS = 0.5
WAIT_SECONDS_MAX = 60.0
IDLE_SECONDS_MAX = 10.0
"""Until a page is asked for again that told nothing new."""


class Told(NamedTuple):
    """A closed bar of a symbol."""

    symbol: str
    closed: Closed


class Differs(NamedTuple):
    """A bar that was announced, and that the venue tells differently now."""

    symbol: str
    disagreement: Disagreement


class Broken(NamedTuple):
    """The stream (symbol None), or the pages of one symbol, cannot be had now; asked again in so many seconds."""

    symbol: str | None
    reason: str
    seconds: float


class Lost(NamedTuple):
    """Bars of a symbol that nobody tells any more: the venue does not reach back so far."""

    symbol: str
    span: Span


class Refused(NamedTuple):
    """So many rows of a symbol that can be no bar."""

    symbol: str
    rows: int


Heard = Told | Differs | Broken | Lost | Refused


async def follow(
    feed: LiveFeed, symbols: Sequence[str], timeframe: str, from_ns: int | None = None
) -> AsyncGenerator[Heard, None]:
    """Yield what becomes of some symbols, until the caller has enough: each bar once and in order, symbol by symbol.

    Begins with the bar that opens at `from_ns`, else with the one that forms now. Raises NotFound for what the venue
    does not have, and NotNow where it cannot be reached at the start; later, whatever may pass is waited for.
    """
    if timeframe not in feed.timeframes():
        raise NotFound(f"{feed.venue} has no {timeframe} bars; {nearest(timeframe, feed.timeframes())}")
    step_ns = timeframe_ns(timeframe)
    chance = random.Random(now_ns())  # only spreads the retries of several installations
    begin_ns = (await patiently(feed.now_ns, chance))[0] if from_ns is None else from_ns
    begin_ns = begin_ns // step_ns * step_ns
    follower = _Follower(feed, timeframe, {one: Following(step_ns, begin_ns) for one in symbols}, chance)
    work = [asyncio.create_task(follower.page())]
    if feed.has_stream(timeframe):
        work.append(asyncio.create_task(follower.hear()))
    for task in work:
        task.add_done_callback(lambda _: follower.ended.set())
    try:
        while not follower.ended.is_set():
            try:
                async with asyncio.timeout(LOOK_SECONDS):  # wait_for of Python 3.11 may swallow a cancellation
                    batch = await follower.batches.get()
            except TimeoutError:
                continue
            for event in batch:
                yield event
        for task in work:
            if task.done():
                task.result()
    except BaseExceptionGroup as several:
        raise first_of(several) from None
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


class _Follower:
    """Some series of one venue; what one answer makes of one of them is told together, so that order is kept."""

    def __init__(self, feed: LiveFeed, timeframe: str, series: dict[str, Following], chance: random.Random) -> None:
        self._feed = feed
        self._timeframe = timeframe
        self._series = series
        self._chance = chance
        self._refused = dict.fromkeys(series, 0)
        self.batches: asyncio.Queue[list[Heard]] = asyncio.Queue(BATCHES_MAX)
        self.ended = asyncio.Event()
        """Whether hearing or paging has ended, which only an error does."""

    async def hear(self) -> None:
        """Hear the stream, and connect again when it breaks, later each time that it told nothing."""
        tried = 0
        while True:
            try:
                async with aclosing(self._feed.stream(tuple(self._series), self._timeframe)) as stream:
                    async for symbol, rows in stream:
                        tried = 0
                        closed = self._series[symbol].streamed(rows, await self._feed.now_ns())
                        await self._tell(symbol, [Told(symbol, bar) for bar in closed])
            except NotNow as error:
                reason = str(error)
            else:
                reason = f"{self._feed.venue}: the stream has ended"
            for one in self._series.values():
                one.broke()
            await self._pause(None, reason, tried)
            tried += 1

    async def page(self) -> None:
        """Ask for the pages that are wanted, of several symbols at once."""
        self._feed.priority = Priority.LIVE
        doors = asyncio.Semaphore(SIDE_BY_SIDE)
        async with asyncio.TaskGroup() as group:
            for symbol in self._series:
                group.create_task(self._pages_of(symbol, doors))

    async def _pages_of(self, symbol: str, doors: asyncio.Semaphore) -> None:
        series, tried, idle = self._series[symbol], 0, 0
        while True:
            try:
                wanted = series.wants(await self._feed.now_ns())
                if wanted is None:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                async with doors:
                    page = await self._feed.page(symbol, self._timeframe, wanted)
            except NotNow as error:
                await self._pause(symbol, str(error), tried)
                tried += 1
                continue
            tried = 0
            covers = page.covers._replace(to_ns=min(page.covers.to_ns, wanted.to_ns))
            lost = Span(series.next_ns, min(covers.from_ns, wanted.to_ns))
            is_lost = covers.from_ns > wanted.from_ns and lost.to_ns > lost.from_ns
            if is_lost:
                series.skip(lost.to_ns)
            closed, differing = series.paged(rows_of(page.rows), covers)
            events: list[Heard] = [Lost(symbol, lost)] if is_lost else []
            events += [Differs(symbol, disagreement) for disagreement in differing]
            await self._tell(symbol, [*events, *(Told(symbol, bar) for bar in closed)])
            idle = 0 if covers.to_ns > wanted.from_ns else idle + 1
            if idle:  # it proved nothing: venues are late
                await asyncio.sleep(min(self._wait(idle), IDLE_SECONDS_MAX))

    async def _tell(self, symbol: str, events: list[Heard]) -> None:
        count = self._series[symbol].refused - self._refused[symbol]
        if count:
            self._refused[symbol] += count
            events.append(Refused(symbol, count))
        if events:
            await self.batches.put(events)

    async def _pause(self, symbol: str | None, reason: str, tried: int) -> None:
        seconds = self._wait(tried)
        await self.batches.put([Broken(symbol, reason, seconds)])
        await asyncio.sleep(seconds)

    def _wait(self, tried: int) -> float:
        return min(FIRST_WAIT_SECONDS * 2.0 ** min(tried, 16), WAIT_SECONDS_MAX) * self._chance.uniform(0.5, 1.0)


def rows_of(bars: Bars) -> list[Bar]:
    """Return bars row by row."""
    return [Bar(*row) for row in zip(*(column.tolist() for column in columns(bars)), strict=True)]
