"""Following a venue through ccxt's own streams: no bar missing, none doubled, none wrong, whatever the line does."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lct.domain import following as domain
from lct.domain.bars import Bar
from lct.errors import NotFound
from lct.run import following
from lct.run.following import Broken, Differs, Heard, Told, follow
from plugins._ccxt import stream
from plugins.feeds.ccxt import Ccxt
from tests.plugins.test_ccxt import served
from tests.venue.market import SECOND_MS, Market, minutes_of

SYMBOLS = {"BTC/USDT": "BTCUSDT", "ETH/USDT": "ETHUSDT", "SOL/USDT": "SOLUSDT"}
SECOND_NS = 1_000_000_000

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than one would for a real venue."""
    monkeypatch.setattr(domain, "SETTLED_NS", SECOND_NS)
    monkeypatch.setattr(domain, "VERIFIED_EVERY", 4)
    monkeypatch.setattr(stream, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(following, "FIRST_WAIT_SECONDS", 0.1)


@asynccontextmanager
async def feed_of(market: Market, *, has_stream: bool = True) -> AsyncIterator[Ccxt]:
    async with served(market) as url:
        streams = {"binance": url.replace("http", "ws") + "/stream"} if has_stream else {}
        feed = Ccxt(Ccxt.Config(urls={"binance": url}, streams=streams))
        try:
            yield feed
        finally:
            await feed.close()


async def heard(feed: Ccxt, seconds: float, symbols: tuple[str, ...] = tuple(SYMBOLS)) -> list[Heard]:
    found: list[Heard] = []
    events = follow(feed, symbols, "1s")
    try:
        async with asyncio.timeout(seconds):
            async for event in events:
                found.append(event)  # noqa: PERF401 - what was heard before the time was up counts
    except TimeoutError:
        pass
    finally:
        await events.aclose()
    return found


def assert_whole(found: list[Heard], least: int) -> None:
    """Compare each symbol's bars, from the first to the last, with the server's tape."""
    for symbol, pair in SYMBOLS.items():
        rows = [event.closed.row for event in found if isinstance(event, Told) and event.symbol == symbol]
        assert len(rows) >= least, f"{symbol}: {len(rows)} bars"
        first, last = (row.open_ns // SECOND_NS * SECOND_MS for row in (rows[0], rows[-1]))
        table = minutes_of(pair, first, last + 1, SECOND_MS).tolist()
        assert rows == [Bar(int(row[0]) * 1_000_000, *row[1:]) for row in table]


def run(body: Any) -> list[Heard]:
    found: list[Heard] = asyncio.run(body())
    return found


def test_bars_come_from_the_stream_as_the_venue_has_them() -> None:
    async def body() -> list[Heard]:
        async with feed_of(Market()) as feed:
            return await heard(feed, 4.5)

    found = run(body)
    assert_whole(found, 2)
    last = {event.symbol: event.closed.source for event in found if isinstance(event, Told)}
    assert last == dict.fromkeys(SYMBOLS, "stream"), "the first may come by page: it was over before anybody listened"
    assert not [event for event in found if not isinstance(event, Told)]


def test_a_venue_without_a_stream_is_polled() -> None:
    async def body() -> list[Heard]:
        market = Market()
        async with feed_of(market, has_stream=False) as feed:
            found = await heard(feed, 5.0)
        assert market.asked["ws"] == 0
        return found

    found = run(body)
    assert_whole(found, 2)
    assert {event.closed.source for event in found if isinstance(event, Told)} == {"page"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param({"cut": True}, "", id="cut", marks=pytest.mark.slow),
        pytest.param({"garbage": True}, "", id="garbage", marks=pytest.mark.slow),
        pytest.param({"silent": 3}, "has told nothing for 2 s", id="silent"),
    ],
)
def test_a_stream_that_breaks_is_connected_anew_and_what_it_left_out_comes_by_page(
    fault: dict[str, Any], reason: str
) -> None:
    async def body() -> list[Heard]:
        market = Market()
        async with feed_of(market) as feed:
            listening = asyncio.create_task(heard(feed, 8.5))
            await asyncio.sleep(1.5)
            market.faults["ws"] = [fault]
            found = await listening
        assert market.asked["ws"] >= 2
        return found

    found = run(body)
    assert_whole(found, 4)
    broken = [event.reason for event in found if isinstance(event, Broken)]
    assert any(reason in told for told in broken), broken
    if "silent" in fault:  # what comes back within the bar has lost nothing
        assert {event.closed.source for event in found if isinstance(event, Told)} == {"stream", "page"}
    assert not [event for event in found if isinstance(event, Differs)]


def test_a_bar_that_the_stream_told_wrongly_is_reported() -> None:
    async def body() -> list[Heard]:
        market = Market()
        async with feed_of(market) as feed:
            listening = asyncio.create_task(heard(feed, 7.5, ("BTC/USDT",)))
            await asyncio.sleep(1.5)
            market.faults["ws"] = [{"lie": True}]
            return await listening

    (differs,) = [event for event in run(body) if isinstance(event, Differs)]
    told, paged = differs.disagreement
    assert told.close == told.low != paged.close
    assert told._replace(close=paged.close) == paged


@pytest.mark.parametrize("has_stream", [True, False])
def test_a_symbol_that_is_not_there_is_said_and_not_waited_for(*, has_stream: bool) -> None:
    async def body() -> list[Heard]:
        async with feed_of(Market(), has_stream=has_stream) as feed:
            return await heard(feed, 5.0, ("BTX/USDT",))

    with pytest.raises(NotFound, match="did you mean 'BTC/USDT'"):
        run(body)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_through_two_minutes_of_faults_no_bar_is_missing_doubled_or_wrong(seed: int) -> None:
    chance = random.Random(seed)

    async def body() -> list[Heard]:
        market = Market()
        async with feed_of(market) as feed:
            listening = asyncio.create_task(heard(feed, 120.0))
            for _ in range(35):
                await asyncio.sleep(3.0)
                stream_fault = chance.choice(({"cut": 1}, {"garbage": 1}, {"silent": 3}, {"silent": 1}))
                page_fault = chance.choice(({"status": 503, "body": ""}, {"rows": "none"}, {"body": "<"}, {"cut": 1}))
                market.faults["ws"] = [stream_fault]
                market.faults["klines"] = [page_fault]
            return await listening

    found = run(body)
    assert_whole(found, 80)
    assert not [event for event in found if isinstance(event, Differs)]
