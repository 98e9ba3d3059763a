"""Downloading: each span once, whatever breaks it off; what the venue says badly is not believed."""

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lct.domain.bars import Bars
from lct.domain.quality import columns
from lct.errors import NotFound, NotNow
from lct.ports.live_feed import Book, Deal, Listing, LiveFeed, Page, Quote, Span
from lct.run import downloading
from lct.run.downloading import Downloaded, download
from lct.store.bars import BarStore, Series

MINUTE = 60_000_000_000
BEGIN = 1_704_067_200_000_000_000
"""The first of January 2024; minutes are counted from it."""
NOW = BEGIN + 2_000 * MINUTE
SERIES = Series("fake", "BTC/USDT", "1m")


class Fake(LiveFeed):
    """A venue with some minutes, pages of seven, and a list of what happens to the next requests."""

    name = "fake"
    summary = "a venue of the tests"
    venue = "fake"
    page_max = 7

    def __init__(self, minutes: list[int], *, by_window: bool = False, back: int | None = None) -> None:
        self.minutes = sorted(minutes)
        self.by_window = by_window
        self.history_max = back
        self.asked: list[Span] = []
        self.troubles: list[BaseException | None] = []

    def timeframes(self) -> list[str]:
        return ["1m"]

    async def listings(self) -> Mapping[str, Listing]:
        return {}

    async def now_ns(self) -> int:
        return NOW

    async def page(self, symbol: str, timeframe: str, wanted: Span) -> Page:
        self.asked.append(wanted)
        await asyncio.sleep(0)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble
        end = min(wanted.to_ns, wanted.from_ns + self.page_max * MINUTE)
        last = end if self.by_window else NOW
        found = [at for at in self.minutes if wanted.from_ns <= opens(at) < last][: self.page_max]
        if not found:
            return Page(bars(()), Span(wanted.from_ns, end))
        return Page(bars(found), Span(wanted.from_ns, opens(found[-1] + 1)))

    def has_stream(self, timeframe: str) -> bool:
        return False

    def stream(self, symbols: tuple[str, ...], timeframe: str) -> Any:
        raise NotImplementedError

    async def quote(self, symbol: str) -> Quote:
        raise NotImplementedError

    async def book(self, symbol: str, depth: int) -> Book:
        raise NotImplementedError

    async def deals(self, symbol: str, most: int) -> list[Deal]:
        raise NotImplementedError

    def used(self) -> tuple[int, float]:
        return len(self.asked), float(len(self.asked))

    async def close(self) -> None:
        pass


def opens(minute: int) -> int:
    return BEGIN + minute * MINUTE


def bars(minutes: Any) -> Bars:
    values = [10.0 + at % 5 for at in minutes]
    return Bars.of([opens(at) for at in minutes], values, values, values, values, values)


def fetched(feed: Fake, store: BarStore, first: int, last: int, *, again: bool = False) -> Downloaded:
    asked = Span(opens(first), opens(last))
    (found,) = asyncio.run(download(feed, store, [SERIES[1:]], asked, lambda *_: None, again=again))
    return found


def kept(store: BarStore) -> list[int]:
    return [(int(at) - BEGIN) // MINUTE for at in store.read(SERIES).open_ns]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(downloading, "FIRST_WAIT_SECONDS", 0.0)
    with BarStore(tmp_path / "bars") as opened:
        yield opened


@settings(max_examples=30)
@given(
    st.sets(st.integers(0, 120), max_size=90),
    st.integers(0, 120),
    st.integers(0, 120),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), max_size=3),
)
def test_whatever_was_fetched_before_the_bars_of_the_span_are_those_of_the_venue(
    minutes: set[int], one: int, other: int, by_window: bool, before: list[tuple[int, int]]
) -> None:
    from tempfile import TemporaryDirectory

    feed = Fake(list(minutes), by_window=by_window)
    first, last = min(one, other), max(one, other)
    with TemporaryDirectory() as folder, BarStore(Path(folder)) as store:
        for begin, end in before:
            fetched(feed, store, min(begin, end), max(begin, end))
        fetched(feed, store, first, last)

        assert [at for at in kept(store) if first <= at < last] == [at for at in feed.minutes if first <= at < last]
        asked = len(feed.asked)
        assert fetched(feed, store, first, last).pages == 0, "what was told is asked for once more"
        assert len(feed.asked) == asked


@pytest.mark.parametrize("seed", range(10))
def test_broken_off_anywhere_it_goes_on_and_ends_with_the_same_files(
    seed: int, store: BarStore, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    minutes = [at for at in range(300) if at % 31]
    with BarStore(tmp_path / "whole") as whole:
        fetched(Fake(minutes), whole, 0, 300)
    for _ in range(3):
        feed = Fake(minutes)
        feed.troubles = [None] * chance.randrange(9) + [RuntimeError("pulled the plug")]
        with pytest.raises(RuntimeError):
            fetched(feed, store, 0, 300)
    fetched(Fake(minutes), store, 0, 300)

    assert store.covered(SERIES) == [Span(opens(0), opens(300))]
    (one,), (other,) = (list((folder / "fake").iterdir()) for folder in (tmp_path / "whole", store.folder))
    assert one.read_bytes() == other.read_bytes()


def test_what_may_be_mended_is_asked_for_again_and_given_up_in_the_end(store: BarStore) -> None:
    feed = Fake(list(range(20)))
    feed.troubles = [None, NotNow("fake: a line"), NotNow("fake: a line")]
    found = fetched(feed, store, 0, 20)

    assert found.retries == 2
    assert kept(store) == list(range(20))

    feed.troubles = [None, *[NotNow("fake: a line")] * 100]
    with pytest.raises(NotNow, match=r"a line; given up after 8 tries\. What came is kept: the same command goes on"):
        fetched(feed, store, 30, 60)
    assert store.covered(SERIES)[-1].from_ns == opens(30)


def test_what_the_venue_does_not_have_is_not_asked_for_again(store: BarStore) -> None:
    feed = Fake([])
    feed.troubles = [NotFound("fake has no market 'BTC/USDT'")]

    with pytest.raises(NotFound):
        fetched(feed, store, 0, 20)
    assert len(feed.asked) == 1


def test_a_bar_that_is_open_or_not_settled_is_left_for_later(store: BarStore) -> None:
    found = fetched(Fake(list(range(1_990, 2_001))), store, 1_990, 3_000)

    assert kept(store) == list(range(1_990, 1_999)), "the last one closed now, and may still change"
    assert found.asked.to_ns == opens(1_999)


def test_a_venue_that_does_not_reach_back_is_not_asked_for_what_it_has_not(store: BarStore) -> None:
    feed = Fake(list(range(2_000)), back=50)
    found = fetched(feed, store, 0, 1_990)

    assert found.untold == [Span(opens(0), opens(1_951))]
    assert kept(store) == list(range(1_951, 1_990))
    assert min(span.from_ns for span in feed.asked) == opens(1_951)
    assert store.covered(SERIES) == [Span(opens(1_951), opens(1_990))]
    assert fetched(feed, store, 1_960, 1_990).untold == []


def test_of_what_an_answer_proves_nothing_nothing_is_held_for_told_and_it_is_not_asked_for_without_end(
    store: BarStore,
) -> None:
    feed = Fake(list(range(20)))
    whole = feed.page

    async def proves_less(symbol: str, timeframe: str, wanted: Span) -> Page:
        page = await whole(symbol, timeframe, wanted)
        return page if len(page.rows) else Page(page.rows, Span(wanted.from_ns, wanted.from_ns))

    feed.page = proves_less  # type: ignore[method-assign]
    found = fetched(feed, store, 0, 60)

    assert kept(store) == list(range(20))
    assert found.untold == [Span(opens(20), opens(60))]
    assert store.covered(SERIES) == [Span(opens(0), opens(20))]


def test_asked_again_a_bar_told_differently_is_a_finding_and_changes_nothing(store: BarStore) -> None:
    feed = Fake(list(range(10)))
    fetched(feed, store, 0, 10)
    before = columns(store.read(SERIES))
    feed.minutes = list(range(10))
    whole = feed.page

    async def retold(symbol: str, timeframe: str, wanted: Span) -> Page:
        page = await whole(symbol, timeframe, wanted)
        page.rows.volume[0] += 1.0
        return page

    feed.page = retold  # type: ignore[method-assign]
    found = fetched(feed, store, 0, 10, again=True)

    assert found.findings == {"conflicting_duplicate": 2}, "one a page"
    assert all((one == other).all() for one, other in zip(before, columns(store.read(SERIES)), strict=True))
