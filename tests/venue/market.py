"""The public side of Binance (spot REST) and Kraken (some of it) in a process of its own, over a tape of ours.

    python -m tests.venue.market PORT [WEIGHT_MAX]

Every bar is a function of its symbol and minute, so the tape is the same in each process and can be computed beside
the server. WEIGHT_MAX is the request weight of a minute; the faults of the next requests are set by POST /fault, and
GET /asked tells what was asked and how much weight each minute used.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from aiohttp import web

from lct.clock import now_ns

SECOND_MS = 1_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
JANUARY_MS = 1_704_067_200_000
"""The first of January 2024, 00:00 UTC."""
OUTAGE_MS = range(JANUARY_MS + 5 * DAY_MS, JANUARY_MS + 5 * DAY_MS + 90 * MINUTE_MS, MINUTE_MS)
"""Nobody could trade then."""
WEIGHT_MAX = 6_000
PAGE_MAX = 1_000
KRAKEN_MAX = 720
WEIGHTS = {"klines": 2, "exchangeInfo": 20, "time": 1, "ticker": 2, "depth": 5, "trades": 25}
INTERVALS = {"1s": 0, "1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
"""Minutes; a tape of seconds is one of its own, made alike."""
PUSH_SECONDS = 0.1

Table = npt.NDArray[np.float64]


class Listed(NamedTuple):
    """A pair: its price, the digits of its steps, and since when it trades."""

    base: str
    quote: str
    price: float
    tick: str
    lot: str
    since_ms: int = JANUARY_MS - 7 * 365 * DAY_MS
    status: str = "TRADING"


LISTED = {
    "BTCUSDT": Listed("BTC", "USDT", 42_000.0, "0.01", "0.00001"),
    "ETHUSDT": Listed("ETH", "USDT", 2_300.0, "0.01", "0.0001"),
    "SOLUSDT": Listed("SOL", "USDT", 101.0, "0.01", "0.001", JANUARY_MS + 2 * DAY_MS + 7 * MINUTE_MS),
    "OLDUSDT": Listed("OLD", "USDT", 5.0, "0.001", "0.1", status="BREAK"),
}


def noise(minutes: npt.NDArray[np.int64], salt: int) -> Table:
    """Return a number in [0, 1) for each minute, always the same (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = minutes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 7919 + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def minutes_of(pair: str, from_ms: int, to_ms: int, unit_ms: int = MINUTE_MS) -> Table:
    """Return the minutes that open in [from_ms, to_ms): open_ms, open, high, low, close, volume; none in an outage."""
    about = LISTED[pair]
    salt = sorted(LISTED).index(pair)
    first = -(-max(from_ms, about.since_ms) // unit_ms)
    at = np.arange(first, max(first, -(-to_ms // unit_ms)), dtype=np.int64)
    at = at[~((at * unit_ms >= OUTAGE_MS[0]) & (at * unit_ms <= OUTAGE_MS[-1]))]

    def price(n: npt.NDArray[np.int64]) -> Table:
        slow = 0.04 * np.sin(n / 977.0 + salt) + 0.02 * np.sin(n / 83.0)
        return about.price * (1.0 + slow + 0.001 * noise(n, salt))

    digits = len(about.tick) - 2
    opens, closes = np.round(price(at), digits), np.round(price(at + 1), digits)
    highs = np.round(np.maximum(opens, closes) * (1.0 + 0.0008 * noise(at, salt + 50)), digits)
    lows = np.round(np.minimum(opens, closes) * (1.0 - 0.0008 * noise(at, salt + 60)), digits)
    volumes = np.round(1.0 + 30.0 * noise(at, salt + 70), len(about.lot) - 2)
    return np.column_stack([at * unit_ms, opens, np.maximum(highs, opens), np.minimum(lows, opens), closes, volumes])


def bars_of(pair: str, minutes: int, from_ms: int, to_ms: int) -> Table:
    """Return bars of so many minutes that open in [from_ms, to_ms), made of the tape's minutes; 0 is a second."""
    if minutes == 0:
        return minutes_of(pair, from_ms, to_ms, SECOND_MS)
    step = minutes * MINUTE_MS
    table = minutes_of(pair, -(-from_ms // step) * step, -(-to_ms // step) * step)
    if minutes == 1 or not len(table):
        return table
    opens = (table[:, 0] // step) * step
    first = np.flatnonzero(np.r_[True, opens[1:] != opens[:-1]])
    last = np.r_[first[1:], len(table)] - 1
    return np.column_stack(
        [
            opens[first],
            table[first, 1],
            np.maximum.reduceat(table[:, 2], first),
            np.minimum.reduceat(table[:, 3], first),
            table[last, 4],
            np.round(np.add.reduceat(table[:, 5], first), 5),
        ]
    )


class Weights:
    """Request weight a minute, as Binance counts it: too much is 429, going on all the same a ban."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self.banned_until = 0.0

    def refusal(self, weight: int) -> web.Response | None:
        now = now_ms() / 1_000
        minute = int(now // 60)
        left = {"Retry-After": str(int(60 - now % 60) + 1)}
        if now < self.banned_until:
            self.refused[418] += 1
            return web.json_response({"code": -1003, "msg": "Way too many requests; IP banned."}, status=418)
        if self.used[minute] + weight > self.most:
            self.refused[429] += 1
            if self.refused[429] > 20:
                self.banned_until = now + 120
            return web.json_response({"code": -1003, "msg": "Too many requests."}, status=429, headers=left)
        self.used[minute] += weight
        return None


class Market:
    """The paths, the faults that strike their replies, and what was asked."""

    def __init__(self, weight_max: int = WEIGHT_MAX) -> None:
        self.weights = Weights(weight_max)
        self.faults: dict[str, list[dict[str, Any]]] = {}
        self.asked: Counter[str] = Counter()
        self.pages: dict[str, Any] = {}
        self.page_max = PAGE_MAX
        self.tells_last = False
        """Whether a page without an end holds the last bars that there are, as some exchanges have it."""

    def application(self) -> web.Application:
        app = web.Application()
        for path, door in {
            "/api/v3/exchangeInfo": self.exchange_info,
            "/api/v3/time": self.time,
            "/api/v3/klines": self.klines,
            "/api/v3/ticker/24hr": self.ticker,
            "/api/v3/depth": self.depth,
            "/api/v3/aggTrades": self.trades,
            "/0/public/AssetPairs": self.kraken_pairs,
            "/0/public/Assets": self.kraken_assets,
            "/0/public/OHLC": self.kraken_ohlc,
            "/0/public/Time": self.kraken_time,
            "/asked": self.told,
        }.items():
            app.router.add_get(path, self.struck(path.rsplit("/", 1)[1], door))
        app.router.add_post("/fault", self.fault)
        app.router.add_get("/stream/{path:.*}", Stream(self).serve)
        return app

    def struck(self, name: str, door: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        """Return a door that counts, weighs, and does what the next fault of its name says."""
        name = "ticker" if name == "24hr" else "trades" if name == "aggTrades" else name

        async def answer(request: web.Request) -> web.StreamResponse:
            if name == "asked":
                return web.json_response(door(request))
            self.asked[name] += 1
            refusal = self.weights.refusal(WEIGHTS.get(name, 1))
            if refusal is not None:
                return refusal
            waiting = self.faults.get(name)
            fault = waiting.pop(0) if waiting else {}
            if fault.get("hang"):
                await asyncio.sleep(float(fault["hang"]))
            if fault.get("cut"):
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            if fault.get("torn"):
                torn = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
                await torn.prepare(request)
                await torn.write(b"[[17040")
                assert request.transport is not None
                request.transport.close()
                return torn
            if "status" in fault or "body" in fault:
                return web.Response(
                    status=fault.get("status", 200), text=fault.get("body", ""), headers=fault.get("headers", {})
                )
            document = door(request)
            if isinstance(document, list) and "rows" in fault:
                document = self.spoiled(name, document, fault["rows"])
            self.pages[name] = document
            return web.json_response(document)

        return answer

    def spoiled(self, name: str, rows: list[Any], how: str) -> list[Any]:
        """Return a page of bars with something wrong in it."""
        if how == "page_before":
            return list(self.pages[name])
        if how == "seconds":
            return [[row[0] // 1000, *row[1:]] for row in rows]
        if how == "backwards":
            return rows[::-1]
        if how == "none":
            return []
        row = list(rows[len(rows) // 2])
        cell = {"null": (4, None), "zero": (3, "0"), "negative": (5, "-1"), "huge": (2, "1e308"), "crossed": (2, "0.5")}
        place, value = cell[how]
        row[place] = value
        return [*rows[: len(rows) // 2], row, *rows[len(rows) // 2 + 1 :]]

    async def fault(self, request: web.Request) -> web.StreamResponse:
        for name, faults in (await request.json()).items():
            self.faults.setdefault(name, []).extend(faults)
        return web.json_response({})

    def told(self, _: web.Request) -> Any:
        weights = self.weights
        return {"asked": self.asked, "used": weights.used, "refused": weights.refused, "most": weights.most}

    # -- Binance ------------------------------------------------------------------------------------------------

    def exchange_info(self, _: web.Request) -> Any:
        return {"timezone": "UTC", "serverTime": now_ms(), "symbols": [_pair(id_) for id_ in LISTED]}

    def time(self, _: web.Request) -> Any:
        return {"serverTime": now_ms()}

    def klines(self, request: web.Request) -> Any:
        query = request.query
        minutes = INTERVALS[query["interval"]]
        step = minutes * MINUTE_MS or SECOND_MS
        limit = min(int(query.get("limit", 500)), self.page_max)
        end = min(int(query.get("endTime", now_ms())), now_ms()) + 1
        start = int(query["startTime"]) if "startTime" in query else end - limit * step
        if self.tells_last:
            start = max(start, end - limit * step)
        start = max(start, LISTED[query["symbol"]].since_ms // step * step)
        # what is missing makes a page reach further
        table = bars_of(query["symbol"], minutes, start, min(end, start + (limit + len(OUTAGE_MS)) * step))
        return [
            [int(row[0]), *(repr(float(v)) for v in row[1:]), int(row[0]) + step - 1, "0", 9, "0", "0", "0"]
            for row in table[:limit]
        ]

    def ticker(self, request: web.Request) -> Any:
        pair = request.query["symbol"]
        day = minutes_of(pair, now_ms() - DAY_MS, now_ms() + 1)
        last = repr(float(day[-1, 4]))
        return {
            "symbol": pair,
            "openPrice": repr(float(day[0, 1])),
            "highPrice": repr(float(day[:, 2].max())),
            "lowPrice": repr(float(day[:, 3].min())),
            "lastPrice": last,
            "bidPrice": last,
            "askPrice": last,
            "volume": repr(float(day[:, 5].sum())),
            "quoteVolume": "0",
            "closeTime": now_ms(),
        }

    def depth(self, request: web.Request) -> Any:
        price = float(minutes_of(request.query["symbol"], now_ms() - 2 * MINUTE_MS, now_ms() + 1)[-1, 4])
        tick = float(LISTED[request.query["symbol"]].tick)
        levels = range(1, min(int(request.query.get("limit", 100)), 100) + 1)
        return {
            "lastUpdateId": now_ms(),
            "bids": [[f"{price - n * tick:.8f}", f"{n / 10:.8f}"] for n in levels],
            "asks": [[f"{price + n * tick:.8f}", f"{n / 5:.8f}"] for n in levels],
        }

    def trades(self, request: web.Request) -> Any:
        last = minutes_of(request.query["symbol"], now_ms() - 20 * MINUTE_MS, now_ms() + 1)
        return [
            {"a": n, "p": repr(float(row[4])), "q": "0.5", "f": n, "l": n, "T": int(row[0]), "m": n % 2 == 0, "M": True}
            for n, row in enumerate(last[-int(request.query.get("limit", 500)) :])
        ]

    # -- Kraken -------------------------------------------------------------------------------------------------

    def kraken_pairs(self, _: web.Request) -> Any:
        pair = {
            "altname": "XBTUSDT",
            "wsname": "XBT/USDT",
            "base": "XXBT",
            "quote": "USDT",
            "pair_decimals": 1,
            "lot_decimals": 8,
            "cost_decimals": 5,
            "tick_size": "0.1",
            "ordermin": "0.0001",
            "costmin": "0.5",
            "status": "online",
            "fees": [[0, 0.4]],
            "fees_maker": [[0, 0.25]],
            "leverage_buy": [],
            "leverage_sell": [],
        }
        return {"error": [], "result": {"XBTUSDT": pair}}

    def kraken_assets(self, _: web.Request) -> Any:
        coin = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return {"error": [], "result": {"XXBT": {**coin, "altname": "XBT"}, "USDT": {**coin, "altname": "USDT"}}}

    def kraken_time(self, _: web.Request) -> Any:
        return {"error": [], "result": {"unixtime": now_ms() // 1000, "rfc1123": ""}}

    def kraken_ohlc(self, request: web.Request) -> Any:
        """Give the last 720 bars, and none of the others however they are asked for."""
        minutes = int(request.query["interval"])
        now = now_ms()
        since = max(int(request.query.get("since", 0)) * 1000, now - KRAKEN_MAX * minutes * MINUTE_MS)
        rows = [
            [int(row[0]) // 1000, *(repr(float(v)) for v in row[1:5]), "0", repr(float(row[5])), 9]
            for row in bars_of("BTCUSDT", minutes, since, now)
        ]
        return {"error": [], "result": {"XBTUSDT": rows, "last": rows[-1][0] if rows else 0}}


class Stream:
    """One websocket: SUBSCRIBE as Binance has it, and kline frames ten times a second; the faults are those of `ws`.

    `cut` ends the connection, `garbage` is a frame that is none, `silent` keeps the line open and tells nothing for so
    many seconds, `lost` leaves out the frames of so many seconds, `lie` tells the next last frame of a bar wrongly.
    """

    def __init__(self, market: Market) -> None:
        self.market = market

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.market.asked["ws"] += 1
        wanted: dict[str, tuple[str, int]] = {}
        pushing = asyncio.create_task(self.push(socket, wanted))
        try:
            async for frame in socket:
                asked = json.loads(frame.data)
                for name in asked.get("params", []):
                    pair, _, channel = name.partition("@kline_")
                    wanted[name] = pair.upper(), INTERVALS[channel]
                await socket.send_json({"result": None, "id": asked["id"]})
        finally:
            pushing.cancel()
        return socket

    async def push(self, socket: web.WebSocketResponse, wanted: dict[str, tuple[str, int]]) -> None:
        """Tell each bar that is wanted as it stands, and as it was once a later one has begun."""
        told: dict[str, int] = {}
        quiet_until, is_lying = 0, False
        while not socket.closed:
            await asyncio.sleep(PUSH_SECONDS)
            waiting = self.market.faults.get("ws")
            fault = waiting.pop(0) if waiting and wanted else {}
            if fault.get("cut"):
                await socket.close()
            elif fault.get("garbage"):
                await socket.send_str('{"e": "kline", "k": {')
            is_lying = is_lying or bool(fault.get("lie"))
            quiet_until = max(quiet_until, now_ms() + int(1_000 * max(fault.get("silent", 0), fault.get("lost", 0))))
            now = now_ms()
            for name, (pair, minutes) in list(wanted.items()):
                step = minutes * MINUTE_MS or SECOND_MS
                opens = now // step * step
                if told.get(name, opens) < opens and now >= quiet_until:
                    for row in bars_of(pair, minutes, told[name], opens):
                        if is_lying:
                            row[4], is_lying = row[3], False
                        await self.tell(socket, name, pair, row, 1.0)
                told[name] = opens
                if now >= quiet_until:
                    for row in bars_of(pair, minutes, opens, opens + 1):
                        await self.tell(socket, name, pair, row, (now - opens) / step)

    async def tell(self, socket: web.WebSocketResponse, name: str, pair: str, row: Any, part: float) -> None:
        """Send one frame; of a bar that is not over a part of the way to its close has been gone."""
        opens, first, high, low, close, volume = (float(cell) for cell in row)
        so_far = close if part == 1.0 else first + (close - first) * part
        kline = {"t": int(opens), "s": pair, "i": name.rpartition("_")[2], "x": part == 1.0}
        kline |= {"o": repr(first), "c": repr(so_far), "h": repr(high), "l": repr(low), "v": repr(volume * part)}
        await socket.send_json({"e": "kline", "E": now_ms(), "s": pair, "k": kline})


def _pair(id_: str) -> dict[str, Any]:
    about = LISTED[id_]
    return {
        "symbol": id_,
        "status": about.status,
        "baseAsset": about.base,
        "quoteAsset": about.quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": about.tick, "maxPrice": "1000000", "tickSize": about.tick},
            {"filterType": "LOT_SIZE", "minQty": about.lot, "maxQty": "9000", "stepSize": about.lot},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
        ],
    }


def now_ms() -> int:
    """Return the time of the venue."""
    return now_ns() // 1_000_000


if __name__ == "__main__":
    market = Market(*map(int, sys.argv[2:3]))
    web.run_app(market.application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
