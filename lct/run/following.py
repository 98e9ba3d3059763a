"""Following a venue: closed bars as they come, by stream where there is one, by page where not or where it breaks."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from lct.clock import now_ns
from lct.domain.bars import Bars, timeframe_ns
from lct.domain.budget import Priority
from lct.domain.following import Closed, Disagreement, Following, Row
from lct.domain.quality import columns
from lct.errors import NotNow, first_of
from lct.ports.live_feed import LiveFeed

EVENTS_MAX = 10_000
"""Events that nobody has taken yet; then the stream is read no further."""
LOOK_SECONDS = 0.25
"""How often it is looked whether a page has to be asked for."""
SIDE_BY_SIDE = 16
FIRST_WAIT_SECONDS = 0.5
WAIT_SECONDS_MAX = 60.0


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


Heard = Told | Differs | Broken


async def follow(
    feed: LiveFeed, symbols: Sequence[str], timeframe: str, from_ns: int | None = None
) -> AsyncGenerator[Heard, None]:
    """Yield what becomes of some symbols, until the caller has enough: each bar once and in order, symbol by symbol.

    Begins with the bar that opens at `from_ns`, else with the one that forms now. Raises NotFound for what the venue
    does not have; whatever may pass is waited for.
    """
    step_ns = timeframe_ns(timeframe)
    begin_ns = await feed.now_ns() if from_ns is None else from_ns
    follower = _Follower(feed, timeframe, {one: Following(step_ns, begin_ns // step_ns * step_ns) for one in symbols})
    work = [asyncio.create_task(follower.page())]
    if feed.has_stream(timeframe):
        work.append(asyncio.create_task(follower.hear()))
    for task in work:
        task.add_done_callback(lambda _: follower.ended.set())
    try:
        while not follower.ended.is_set():
            try:
                yield await asyncio.wait_for(follower.events.get(), LOOK_SECONDS)
            except TimeoutError:
                continue
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
    """Some series of one venue."""

    def __init__(self, feed: LiveFeed, timeframe: str, series: dict[str, Following]) -> None:
        self._feed = feed
        self._timeframe = timeframe
        self._series = series
        self._chance = random.Random(now_ns())  # only spreads the retries of several installations
        self.events: asyncio.Queue[Heard] = asyncio.Queue(EVENTS_MAX)
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
                        for closed in self._series[symbol].streamed(rows):
                            await self.events.put(Told(symbol, closed))
            except NotNow as error:
                reason = str(error)
            else:
                reason = f"{self._feed.venue}: the stream has ended"
            for one in self._series.values():
                one.broke()
            seconds = self._wait(tried)
            tried += 1
            await self.events.put(Broken(None, reason, seconds))
            await asyncio.sleep(seconds)

    async def page(self) -> None:
        """Ask for the pages that are wanted, of several symbols at once."""
        self._feed.priority = Priority.LIVE
        doors = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(symbol: str) -> None:
            tried = 0
            while True:
                wanted = self._series[symbol].wants(await self._feed.now_ns())
                if wanted is None:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                try:
                    async with doors:
                        page = await self._feed.page(symbol, self._timeframe, wanted)
                except NotNow as error:
                    seconds = self._wait(tried)
                    tried += 1
                    await self.events.put(Broken(symbol, str(error), seconds))
                    await asyncio.sleep(seconds)
                    continue
                tried = 0
                covers = page.covers._replace(to_ns=min(page.covers.to_ns, wanted.to_ns))
                closed, differing = self._series[symbol].paged(rows_of(page.rows), covers)
                for disagreement in differing:
                    await self.events.put(Differs(symbol, disagreement))
                for bar in closed:
                    await self.events.put(Told(symbol, bar))

        async with asyncio.TaskGroup() as group:
            for symbol in self._series:
                group.create_task(one(symbol))

    def _wait(self, tried: int) -> float:
        return min(FIRST_WAIT_SECONDS * 2.0 ** min(tried, 16), WAIT_SECONDS_MAX) * self._chance.uniform(0.5, 1.0)


def rows_of(bars: Bars) -> list[Row]:
    """Return bars row by row."""
    return [Row(*row) for row in zip(*(column.tolist() for column in columns(bars)), strict=True)]
