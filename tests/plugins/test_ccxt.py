"""The feed ccxt, through the real ccxt client, against an exchange server on the loopback."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from lct.domain.bars import Bars
from lct.domain.instruments import Kind
from lct.domain.quality import columns
from lct.errors import ConfigError, DataError, LctError, NotFound, NotNow
from lct.ports.live_feed import Span
from plugins._ccxt import client
from plugins._ccxt.venues import TRIED
from plugins.feeds.ccxt import Ccxt
from tests.venue.market import JANUARY_MS, MINUTE_MS, OUTAGE_MS, Market, bars_of

MS = 1_000_000
SYMBOL = "BTC/USDT"


@asynccontextmanager
async def served(market: Market) -> AsyncIterator[str]:
    runner = web.AppRunner(market.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def asking(test: Callable[..., Any]) -> Callable[..., None]:
    """Run a test with a market and a feed that asks it."""

    @functools.wraps(test)
    def run(**named: Any) -> None:
        async def body() -> None:
            market = Market()
            venue = named.pop("venue", "binance")
            async with served(market) as url:
                feed = Ccxt(Ccxt.Config(venue=venue, urls={venue: url}))
                try:
                    async with asyncio.timeout(60):
                        await test(market, feed, **named)
                finally:
                    await feed.close()

        asyncio.run(body())

    del run.__wrapped__  # pytest would look for fixtures by the names of its arguments
    return run


def span(first_minute: int, count: int) -> Span:
    return Span((JANUARY_MS + first_minute * MINUTE_MS) * MS, (JANUARY_MS + (first_minute + count) * MINUTE_MS) * MS)


def tape(pair: str, wanted: Span, minutes: int = 1) -> Bars:
    """The bars that the server has of a span."""
    table = bars_of(pair, minutes, wanted.from_ns // MS, wanted.to_ns // MS)
    return Bars.of(table[:, 0].astype("int64") * MS, *table[:, 1:].T)


def assert_same(one: Bars, other: Bars) -> None:
    assert len(one) == len(other) > 0
    assert all((a == b).all() for a, b in zip(columns(one), columns(other), strict=True))


@asking
async def test_a_page_holds_the_very_bars_of_the_venue(market: Market, feed: Ccxt) -> None:
    wanted = span(0, 600)
    page = await feed.page(SYMBOL, "1m", wanted)

    assert_same(page.rows, tape("BTCUSDT", wanted))
    assert page.covers == wanted

    hours = span(0, 48 * 60)
    assert_same((await feed.page(SYMBOL, "1h", hours)).rows, tape("BTCUSDT", hours, 60))


@asking
async def test_a_page_that_is_full_covers_what_it_holds(market: Market, feed: Ccxt) -> None:
    page = await feed.page(SYMBOL, "1m", span(0, 5_000))

    assert len(page.rows) == feed.page_max == 1_000
    assert page.covers == span(0, 1_000)


@asking
async def test_an_outage_is_covered_and_holds_nothing(market: Market, feed: Ccxt) -> None:
    first = (OUTAGE_MS[0] - JANUARY_MS) // MINUTE_MS
    page = await feed.page(SYMBOL, "1m", span(first - 10, len(OUTAGE_MS) + 20))

    assert_same(page.rows, tape("BTCUSDT", page.covers))
    assert page.covers.to_ns > span(first + len(OUTAGE_MS), 1).from_ns


@asking
async def test_before_a_market_was_listed_one_page_reaches_to_its_first_bar(market: Market, feed: Ccxt) -> None:
    page = await feed.page("SOL/USDT", "1m", span(0, 100_000))

    assert_same(page.rows, tape("SOLUSDT", page.covers))
    assert page.covers.from_ns == span(0, 1).from_ns


@asking
async def test_a_venue_that_tells_its_last_bars_is_noticed_and_told_where_a_page_ends(
    market: Market, feed: Ccxt
) -> None:
    market.tells_last = True
    for first in (0, 600):
        wanted = span(first, 600)
        page = await feed.page(SYMBOL, "1m", wanted)

        assert_same(page.rows, tape("BTCUSDT", wanted))
        assert page.covers == wanted
    assert market.asked["klines"] == 4, "noticed by two requests, and once"


@asking
async def test_it_is_noticed_too_where_its_last_bars_lie_in_what_was_asked_for(market: Market, feed: Ccxt) -> None:
    market.tells_last, market.page_max = True, 300
    to_ns = await feed.now_ns() // (MINUTE_MS * MS) * MINUTE_MS * MS
    wanted = Span(to_ns - 1_000 * MINUTE_MS * MS, to_ns)
    page = await feed.page(SYMBOL, "1m", wanted)

    assert_same(page.rows, tape("BTCUSDT", page.covers))
    assert page.covers.from_ns == wanted.from_ns
    assert feed.page_max == 300, "it gives fewer than ccxt says"


@asking
async def test_weeks_are_not_offered_for_they_begin_on_another_day_at_each_venue(market: Market, feed: Ccxt) -> None:
    assert not {"1w", "1M"} & set(feed.timeframes())
    with pytest.raises(NotFound, match="no 1w bars"):
        await feed.page(SYMBOL, "1w", span(0, 50_000))


@asking
async def test_an_empty_page_is_not_believed_at_once(market: Market, feed: Ccxt) -> None:
    market.faults["klines"] = [{"rows": "none"}]
    wanted = span(0, 100)
    page = await feed.page(SYMBOL, "1m", wanted)

    assert_same(page.rows, tape("BTCUSDT", wanted))
    assert market.asked["klines"] == 2


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("null", "not_finite"),
        ("huge", "not_finite"),
        ("zero", "not_positive"),
        ("negative", "not_positive"),
        ("crossed", "high_below_low"),
    ],
)
def test_a_row_that_is_no_bar_comes_through_as_it_is_for_the_store_to_refuse_by_name(how: str, reason: str) -> None:
    from lct.domain.bars import sound_part

    @asking
    async def test(market: Market, feed: Ccxt) -> None:
        market.faults["klines"] = [{"rows": how}]
        page = await feed.page(SYMBOL, "1m", span(0, 100))

        assert len(page.rows) == 100
        assert sound_part(page.rows, MINUTE_MS * MS)[1] == {reason: 1}

    test()


@asking
async def test_a_page_backwards_is_the_same_page(market: Market, feed: Ccxt) -> None:
    market.faults["klines"] = [{"rows": "backwards"}]
    wanted = span(0, 50)

    assert_same((await feed.page(SYMBOL, "1m", wanted)).rows, tape("BTCUSDT", wanted))


@asking
async def test_the_page_of_before_is_not_taken_for_an_empty_one(market: Market, feed: Ccxt) -> None:
    await feed.page(SYMBOL, "1m", span(0, 50))
    market.faults["klines"] = [{"rows": "page_before"}]

    with pytest.raises(NotNow, match=r"before the one that was asked for \(a page of before\)"):
        await feed.page(SYMBOL, "1m", span(50, 50))


@asking
async def test_seconds_for_milliseconds_are_named(market: Market, feed: Ccxt) -> None:
    market.faults["klines"] = [{"rows": "seconds"}]

    with pytest.raises(NotNow, match="seconds for milliseconds"):
        await feed.page(SYMBOL, "1m", span(0, 50))


@pytest.mark.parametrize(
    "faults",
    [
        [{"body": "<html>busy</html>"}],
        [{"body": '[["x", 1, 2, 3, 4, 5]]'}],
        [{"body": '{"code": 0}'}],
        [{"body": "[1, 2"}],
        [{"status": 502, "body": "bad gateway"}],
        [{"status": 503, "body": ""}],
        [{"torn": True}],
        [{"cut": True}, {"cut": True}],  # aiohttp itself asks once more where a kept line is cut
    ],
    ids=["words", "letters", "object", "half", "502", "503", "torn", "cut"],
)
def test_what_cannot_be_read_may_be_asked_for_again_and_the_next_answer_is_read(faults: list[dict[str, Any]]) -> None:
    @asking
    async def test(market: Market, feed: Ccxt) -> None:
        await feed.listings()
        market.faults["klines"] = list(faults)
        with pytest.raises(NotNow):
            await feed.page(SYMBOL, "1m", span(0, 5))

        assert_same((await feed.page(SYMBOL, "1m", span(0, 5))).rows, tape("BTCUSDT", span(0, 5)))

    test()


def test_a_venue_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_MS", 300)

    @asking
    async def test(market: Market, feed: Ccxt) -> None:
        await feed.listings()
        market.faults["klines"] = [{"hang": 3}]
        with pytest.raises(NotNow, match="RequestTimeout"):
            await feed.page(SYMBOL, "1m", span(0, 5))

    test()


@asking
async def test_a_venue_that_has_had_enough_is_left_alone_as_long_as_it_says(market: Market, feed: Ccxt) -> None:
    from time import perf_counter

    await feed.listings()
    market.faults["klines"] = [{"status": 429, "body": "{}", "headers": {"Retry-After": "1"}}]
    with pytest.raises(NotNow):
        await feed.page(SYMBOL, "1m", span(0, 5))
    begin, asked = perf_counter(), market.asked["klines"]
    waiting = asyncio.create_task(feed.page(SYMBOL, "1m", span(0, 5)))
    await asyncio.sleep(0.5)

    assert market.asked["klines"] == asked, "asked while it wanted to be left alone"
    await waiting
    assert perf_counter() - begin > 0.9


@asking
async def test_a_venue_that_tells_its_time_late_can_still_be_asked_for_bars_that_form(
    market: Market, feed: Ccxt
) -> None:
    there_ms = market.time(None)["serverTime"]  # type: ignore[arg-type]  # it looks at no request
    market.faults["time"] = [{"body": json.dumps({"serverTime": there_ms - 5_000})}]
    now_ns = await feed.now_ns()
    assert now_ns < (there_ms - 4_000) * MS
    wanted = Span((now_ns // 10**9 - 20) * 10**9, (now_ns // 10**9 + 20) * 10**9)

    assert len((await feed.page(SYMBOL, "1s", wanted)).rows) > 20


@asking
async def test_a_market_is_told_with_its_steps_to_the_last_digit(market: Market, feed: Ccxt) -> None:
    listings = await feed.listings()

    assert list(listings) == ["BTC/USDT", "ETH/USDT", "OLD/USDT", "SOL/USDT"]
    assert not listings["OLD/USDT"].is_active
    assert listings[SYMBOL].taker_fee == Decimal("0.001")
    found = listings[SYMBOL].instrument
    assert (found.tick, found.lot, found.min_notional) == (Decimal("0.01"), Decimal("0.00001"), Decimal(5))
    assert (found.kind, found.venue, found.base) == (Kind.SPOT, "binance", "BTC")
    await feed.listings()
    assert market.asked["exchangeInfo"] == 1


@asking
async def test_quote_book_and_trades_are_read_without_a_float_in_between(market: Market, feed: Ccxt) -> None:
    quote, book, deals = await feed.quote(SYMBOL), await feed.book(SYMBOL, 5), await feed.deals(SYMBOL, 3)

    assert quote.last == Decimal(market.pages["ticker"]["lastPrice"])
    assert [level.price for level in book.bids] == [Decimal(row[0]) for row in market.pages["depth"]["bids"]]
    assert len(book.asks) == 5
    assert book.bids[0].price < book.asks[0].price
    assert [deal.price for deal in deals] == [Decimal(row["p"]) for row in market.pages["trades"]]
    assert sorted(deal.time_ns for deal in deals) == [deal.time_ns for deal in deals]


@asking
async def test_what_the_venue_does_not_have_is_not_found_with_the_nearest_name(market: Market, feed: Ccxt) -> None:
    with pytest.raises(NotFound, match="did you mean 'BTC/USDT'"):
        await feed.page("BTX/USDT", "1m", span(0, 5))
    with pytest.raises(NotFound, match="no 7m bars; did you mean"):
        await feed.page(SYMBOL, "7m", span(0, 5))
    with pytest.raises(NotFound, match="no exchange 'binanse'; did you mean 'binance'"):
        Ccxt(Ccxt.Config(venue="binanse"))


@asking
async def test_foreign_words_are_cleaned_before_anybody_sees_them(market: Market, feed: Ccxt) -> None:
    market.faults["exchangeInfo"] = [{"status": 400, "body": '{"code": -1121, "msg": "\\u001b[31mred\\u202e"}'}]

    with pytest.raises(LctError) as told:
        await feed.listings()
    assert "\x1b" not in str(told.value)
    assert "\u202e" not in str(told.value)


def test_a_venue_that_gives_its_last_bars_only_covers_no_more_than_these() -> None:
    @asking
    async def test(market: Market, feed: Ccxt) -> None:
        assert feed.history_max == 720
        now_ns = await feed.now_ns()
        to_ns = now_ns // (MINUTE_MS * MS) * MINUTE_MS * MS
        page = await feed.page(SYMBOL, "1m", Span(to_ns - 1_000 * MINUTE_MS * MS, to_ns))

        assert_same(page.rows, tape("BTCUSDT", page.covers))
        assert page.covers.from_ns > to_ns - 721 * MINUTE_MS * MS
        assert page.covers.to_ns >= to_ns

    test(venue="kraken")


@pytest.mark.parametrize("venue", TRIED)
def test_each_venue_that_is_named_as_tried_can_be_set_up_with_another_host_for_all_its_addresses(venue: str) -> None:
    async def body() -> None:
        feed = Ccxt(Ccxt.Config(venue=venue, urls={venue: "http://127.0.0.1:9"}))
        try:
            told = str(feed._client.urls["api"])  # noqa: SLF001 - no public word tells where it would ask
            assert "https" not in told
            assert "127.0.0.1:9" in told
            assert feed.page_max >= 100
            assert "1m" in feed.timeframes()
            with pytest.raises(NotNow):
                await feed.listings()
        finally:
            await feed.close()

    asyncio.run(body())


def test_a_house_cannot_trade_on_what_is_no_recording() -> None:
    async def body() -> None:
        feed = Ccxt(Ccxt.Config())
        with pytest.raises(ConfigError, match="`lct market download` makes one"):
            feed.tape()
        await feed.close()

    asyncio.run(body())
    assert issubclass(NotNow, DataError)
