"""Downloading: bars of a venue into the bar store, several series side by side, each span once."""

import asyncio
import random
from collections.abc import Callable, Sequence

import msgspec

from lct.domain.bars import timeframe_ns
from lct.domain.spans import Span, left_of, windows
from lct.errors import NotNow, first_of
from lct.ports.live_feed import LiveFeed, Page
from lct.store.bars import Added, BarStore, Series

SIDE_BY_SIDE = 8
"""Requests of one series under way; the budget says how many get through."""
TRIES_MAX = 8
FIRST_WAIT_SECONDS = 0.5
WAIT_SECONDS_MAX = 30.0
SETTLED_NS = 5_000_000_000
"""How long after its close a bar is believed: a venue books its last trades late."""


class Downloaded(msgspec.Struct):
    """What became of one series: spans in ns, bars new and known, findings by kind.

    `begins_ns` is later than what was asked for where the venue does not reach back so far.
    """

    series: Series
    asked: Span
    begins_ns: int
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
    now_ns = await feed.now_ns()
    chance = random.Random(now_ns)  # only spreads the retries of several installations
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
        self.done = Downloaded(series, Span(first_ns, max(first_ns, last_ns)), first_ns)
        if feed.history_max is not None:
            self.done.begins_ns = max(first_ns, (now_ns // self._step_ns - feed.history_max + 1) * self._step_ns)

    async def run(self, *, again: bool) -> None:
        done = self.done
        told_of = Span(min(done.begins_ns, done.asked.to_ns), done.asked.to_ns)
        left = [told_of] if again else left_of(told_of, self._store.covered(done.series))
        for span in left:
            await self._fetch(span)
        self._store.settle(done.series)

    async def _fetch(self, span: Span) -> None:
        """Fetch a span: up to its first bars one page after the other, for they may be far away; then side by side."""
        at_ns, is_found = span.from_ns, False
        while at_ns < span.to_ns and not is_found:
            page = await self._window(Span(at_ns, span.to_ns))
            at_ns, is_found = page.covers.to_ns, len(page.rows) > 0
        doors = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(window: Span) -> None:
            async with doors:
                while window.from_ns < window.to_ns:
                    page = await self._window(window)
                    window = Span(page.covers.to_ns, window.to_ns)

        async with asyncio.TaskGroup() as group:
            for window in windows(Span(min(at_ns, span.to_ns), span.to_ns), self._window_ns):
                group.create_task(one(window))

    async def _window(self, window: Span) -> Page:
        """Fetch one page and keep it; what may be mended is asked for again, later each time."""
        done = self.done
        for tried in range(TRIES_MAX):
            try:
                page = await self._feed.page(done.series.symbol, done.series.timeframe, window)
                break
            except NotNow as error:
                if tried + 1 == TRIES_MAX:
                    raise NotNow(
                        f"{error}; given up after {TRIES_MAX} tries. What came is kept: the same command goes on."
                    ) from None
                done.retries += 1
                wait = min(FIRST_WAIT_SECONDS * 2**tried, WAIT_SECONDS_MAX)
                await asyncio.sleep(wait * self._chance.uniform(0.5, 1.0))
        assert page.covers.to_ns > window.from_ns, "a page that tells nothing would be asked for without end"
        covers = Span(page.covers.from_ns, min(page.covers.to_ns, window.to_ns))
        rows = page.rows.take(page.rows.open_ns < done.asked.to_ns)
        done.add(self._store.add(done.series, rows, self._feed.venue, covers))
        if covers.from_ns > window.from_ns:
            done.begins_ns = max(done.begins_ns, covers.from_ns)
        self._told(Span(window.from_ns, covers.to_ns))
        return Page(rows, covers)
