"""Answers of real exchanges, recorded by others, through the real ccxt client: what is told is what was recorded."""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from lct.ports.live_feed import Span
from plugins.feeds.ccxt import Ccxt

DATA = Path(os.environ.get("LCT_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "exchange_json"
FILES = {
    "bybit": {
        "/v5/market/instruments-info": "http_get_instruments_spot",
        "/v5/market/kline": "http_get_klines_linear",
        "/v5/market/orderbook": "http_get_orderbook",
        "/v5/market/recent-trade": "http_get_trades_recent",
    },
    "coinbase": {
        "/api/v3/brokerage/market/products": "http_products",
        "/api/v3/brokerage/market/product_book": "http_product_book",
    },
    "kraken": {
        "/0/public/AssetPairs": "http_asset_pairs",
        "/0/public/Depth": "http_order_book",
        "/0/public/Trades": "http_trades",
        "/0/public/Ticker": "http_ticker",
        "/0/public/Time": "http_server_time",
    },
    "okx": {
        "/api/v5/public/instruments": "http_get_instruments_spot",
        "/api/v5/market/history-candles": "http_get_candlesticks",
        "/api/v5/market/books": "http_get_order_book",
    },
}
COIN = {"aclass": "currency", "decimals": 8, "display_decimals": 5, "status": "enabled"}
MADE = {
    "/api/v5/public/time": {"code": "0", "msg": "", "data": [{"ts": "1775521739662"}]},
    "/v5/market/time": {"retCode": 0, "result": {"timeSecond": "1775521739", "timeNano": "1775521739662000000"}},
    "/v2/exchange-rates": {"data": {"rates": {}}},
    "/0/public/Assets": {
        "error": [],
        "result": {"XXBT": {**COIN, "altname": "XBT"}, "USDT": {**COIN, "altname": "USDT"}},
    },
}
"""What a client asks for beside, and nobody recorded."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded answers at {DATA}; set LCT_DATA to them")


def recorded(venue: str, path: str) -> Any:
    return json.loads((DATA / venue / f"{FILES[venue][path]}.json").read_text(encoding="utf-8"))


def told(venue: str, question: Any) -> Any:
    """Ask a feed of a venue whose answers are the recorded ones."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path in FILES[venue]:
            return web.json_response(recorded(venue, request.path))
        return web.json_response(MADE.get(request.path, {"data": []}))

    async def body() -> Any:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        feed = Ccxt(Ccxt.Config(venue=venue, urls={venue: f"http://127.0.0.1:{runner.addresses[0][1]}"}))
        try:
            return await question(feed)
        finally:
            await feed.close()
            await runner.cleanup()

    return asyncio.run(body())


@pytest.mark.parametrize(
    ("venue", "symbol", "tick", "lot", "min_amount", "min_notional"),
    [
        ("bybit", "BTC/USDT", "0.1", "0.0001", "0.001", "10"),
        ("coinbase", "BTC/USD", "0.01", "0.00000001", "0.00000001", "1"),
        ("kraken", "BTC/USDT", "0.1", "0.00000001", "0.00005", "0.5"),
        ("okx", "BTC/USD", "0.1", "0.00000001", "0.00001", "0"),
    ],
)
def test_the_steps_and_minimums_of_a_market_are_those_of_the_recording(
    venue: str, symbol: str, tick: str, lot: str, min_amount: str, min_notional: str
) -> None:
    found = told(venue, lambda feed: feed.listings())[symbol].instrument

    assert (found.tick, found.lot) == (Decimal(tick), Decimal(lot))
    assert (found.min_amount, found.min_notional) == (Decimal(min_amount), Decimal(min_notional))


def test_a_book_has_the_recorded_levels_to_the_last_digit() -> None:
    book = told("kraken", lambda feed: feed.book("BTC/USDT", 3))
    (sides,) = recorded("kraken", "/0/public/Depth")["result"].values()
    assert [tuple(level) for level in book.bids] == [(Decimal(p), Decimal(a)) for p, a, _ in sides["bids"][:3]]

    book = told("okx", lambda feed: feed.book("BTC/USD", 2))
    (levels,) = recorded("okx", "/api/v5/market/books")["data"]
    assert [tuple(level) for level in book.asks] == [(Decimal(p), Decimal(a)) for p, a, *_ in levels["asks"][:2]]


def test_trades_have_the_recorded_prices_and_times() -> None:
    deals = told("kraken", lambda feed: feed.deals("BTC/USDT", 1_000))
    rows = next(rows for name, rows in recorded("kraken", "/0/public/Trades")["result"].items() if name != "last")

    assert [(deal.price, deal.amount) for deal in deals] == [(Decimal(row[0]), Decimal(row[1])) for row in rows]
    (deal,) = told("bybit", lambda feed: feed.deals("BTC/USDT", 3))
    assert (deal.price, deal.amount) == (Decimal("27450.50"), Decimal("0.005"))


def test_bars_have_the_recorded_times_and_prices() -> None:
    rows = recorded("okx", "/api/v5/market/history-candles")["data"]
    first = min(int(row[0]) for row in rows)
    page = told("okx", lambda feed: feed.page("BTC/USD", "1m", Span(first * 1_000_000, (first + 120_000) * 1_000_000)))

    assert page.rows.open_ns.tolist() == sorted(int(row[0]) * 1_000_000 for row in rows)
    assert page.rows.close.tolist() == [float(row[4]) for row in sorted(rows, key=lambda row: int(row[0]))]


def test_a_quote_is_read_and_what_is_not_told_is_none() -> None:
    quote = told("kraken", lambda feed: feed.quote("BTC/USDT"))
    (row,) = recorded("kraken", "/0/public/Ticker")["result"].values()

    assert (quote.last, quote.bid, quote.ask) == (Decimal(row["c"][0]), Decimal(row["b"][0]), Decimal(row["a"][0]))
    assert quote.time_ns is None
