"""Downloading: bars of a venue into the bar store, several series side by side, each span once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from lct.domain.bars import timeframe_ns
from lct.domain.spans import Span, left_of, merged, windows
from lct.errors import NotNow, first_of
from lct.ports.live_feed import LiveFeed
from lct.store.bars import Added, BarStore, Series

SIDE_BY_SIDE = 8
"""Requests of one series under way; the budget says how many get through."""
TRIES_MAX = 8
FIRST_WAIT_SECONDS = 0.5
WAIT_SECONDS_MAX = 30.0
AnswerT = TypeVar("AnswerT")

SETTLED_NS = 5_000_000_000
"""How long after its close a bar is believed: a venue books its last trades late."""


class Downloaded(msgspec.Struct):
    """What became of one series: spans in ns, bars new and known, findings by kind.

    `untold` is what the venue did not tell of, neither bars nor that there are none: it does not reach back so far, or
    the time is too near.
    """

    series: Series
    asked: Span
    untold: list[Span] = msgspec.field(default_factory=list)
    new: int = 0
    known: int = 0
    findings: dict[str, int] = msgspec.field(default_factory=dict)
    pages: int = 0
    retries: int = 0

    def add(self, added: Added) -> None:
        """Count what became of one page."""
        self.pages += 1
        self.new += added.new
        self.known += added.known
        for kind, count in added.findings.items():
            self.findings[kind] = self.findings.get(kind, 0) + count


Told = Callable[[Span], None]
"""Called with each span that was done, of any series."""


async def download(
    feed: LiveFeed, store: BarStore, wanted: Sequence[tuple[str, str]], asked: Span, told: Told, *, again: bool = False
) -> list[Downloaded]:
    """Fetch the bars of symbols and timeframes that open in a span and are closed, and are not in the store yet.

    Each page is on the disk before the next of its kind; whatever ends this, the next call goes on from there. With
    `again` also what the venue was asked before is asked once more. Raises NotFound for what the venue does not have,
    and NotNow where it does not answer; what came before is kept.
    """
    chance = random.Random(asked.to_ns)  # only spreads the retries of several installations
    now_ns, _ = await patiently(feed.now_ns, chance)
    works = [_Work(feed, store, Series(feed.venue, *name), asked, now_ns, told, chance) for name in wanted]
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work.run(again=again))
    except BaseExceptionGroup as several:
        raise first_of(several) from None
    return [work.done for work in works]


class _Work:
    """One series, being downloaded."""

    def __init__(
        self,
        feed: LiveFeed,
        store: BarStore,
        series: Series,
        asked: Span,
        now_ns: int,
        told: Told,
        chance: random.Random,
    ) -> None:
        self._feed = feed
        self._store = store
        self._told = told
        self._chance = chance
        self._step_ns = timeframe_ns(series.timeframe)
        self._window_ns = self._step_ns * feed.page_max
        first_ns = -(-asked.from_ns // self._step_ns) * self._step_ns
        closed_ns = (now_ns - SETTLED_NS) // self._step_ns * self._step_ns
        last_ns = min(-(-asked.to_ns // self._step_ns) * self._step_ns, closed_ns)
        self.done = Downloaded(series, Span(first_ns, max(first_ns, last_ns)))
        self._reached = self.done.asked
        if feed.history_max is not None:
            reach_ns = (now_ns // self._step_ns - feed.history_max + 1) * self._step_ns
            self._reached = Span(min(max(first_ns, reach_ns), self.done.asked.to_ns), self.done.asked.to_ns)

    async def run(self, *, again: bool) -> None:
        done = self.done
        known = self._store.covered(done.series)
        done.untold = left_of(Span(done.asked.from_ns, self._reached.from_ns), known)
        for span in [self._reached] if again else left_of(self._reached, known):
            await self._fetch(span)
        done.untold = merged(done.untold)
        self._store.settle(done.series)

    async def _fetch(self, span: Span) -> None:
        """Fetch a span: up to its first bars one page after the other, for they may be far away; then side by side."""
        at_ns: int | None = span.from_ns
        is_found = False
        while at_ns is not None and at_ns < span.to_ns and not is_found:
            at_ns, is_found = await self._window(Span(at_ns, span.to_ns))
        doors = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(window: Span) -> None:
            async with doors:
                next_ns: int | None = window.from_ns
                while next_ns is not None and next_ns < window.to_ns:
                    next_ns, _ = await self._window(Span(next_ns, window.to_ns))

        if at_ns is not None:
            async with asyncio.TaskGroup() as group:
                for window in windows(Span(min(at_ns, span.to_ns), span.to_ns), self._window_ns):
                    group.create_task(one(window))

    async def _window(self, window: Span) -> tuple[int | None, bool]:
        """Fetch the first page of a window and keep it.

        Returns where the next one begins, None where the venue tells no more of the window, and whether bars came.
        """
        done = self.done
        name, timeframe = done.series.symbol, done.series.timeframe
        page, retries = await patiently(lambda: self._feed.page(name, timeframe, window), self._chance)
        done.retries += retries
        covers = Span(page.covers.from_ns, min(page.covers.to_ns, window.to_ns))
        rows = page.rows.take(page.rows.open_ns < done.asked.to_ns)
        done.add(self._store.add(done.series, rows, self._feed.venue, covers))
        if covers.from_ns > window.from_ns:
            done.untold.append(Span(window.from_ns, min(covers.from_ns, window.to_ns)))
        if covers.to_ns <= window.from_ns:  # nothing is proven, and asking at once proves no more
            done.untold.append(window)
            return None, False
        self._told(Span(window.from_ns, covers.to_ns))
        return covers.to_ns, len(rows) > 0


async def patiently(ask: Callable[[], Awaitable[AnswerT]], chance: random.Random) -> tuple[AnswerT, int]:
    """Return an answer, asked for again while it may be had later, and how often that was needed.

    Raises NotNow after TRIES_MAX.
    """
    for tried in range(TRIES_MAX - 1):
        try:
            return await ask(), tried
        except NotNow:
            wait = min(FIRST_WAIT_SECONDS * 2**tried, WAIT_SECONDS_MAX)
            await asyncio.sleep(wait * chance.uniform(0.5, 1.0))
    try:
        return await ask(), TRIES_MAX - 1
    except NotNow as error:
        raise NotNow(
            f"{error}; given up after {TRIES_MAX} tries. What came is kept: the same command goes on."
        ) from None
