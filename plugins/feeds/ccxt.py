"""ccxt: the public data of any exchange that ccxt speaks to, as it is asked for."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from lct.clock import now_ns
from lct.domain.bars import Bars, timeframe_ns
from lct.domain.instruments import Instrument, Kind
from lct.domain.money import ONE, ZERO
from lct.domain.orders import Side
from lct.errors import NotFound, NotNow, nearest
from lct.ports.live_feed import Book, Deal, Level, Listing, LiveFeed, Page, Priority, Quote, Row, Span
from plugins._ccxt.client import answer, connect, connect_stream, stream_kind
from plugins._ccxt.stream import Heard
from plugins._ccxt.venues import HISTORY_MAX, PAGE_DEFAULT

MS_NS = 1_000_000
SECONDS_BELOW_NS = 10**11 * MS_NS
"""No bar is as old as a time in seconds looks when it is taken for one in milliseconds."""


class Ccxt(LiveFeed):
    """A venue by way of ccxt, without keys. What it answers is looked at before it is believed."""

    name: ClassVar[str] = "ccxt"
    summary: ClassVar[str] = "Public data of any exchange that ccxt has; for `lct market` so far."

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Which venue to ask, and where."""

        venue: Annotated[str, msgspec.Meta(description="A name that ccxt knows, as in binance.")] = "binance"
        urls: Annotated[
            dict[str, str], msgspec.Meta(description="By venue: another server that speaks its language.")
        ] = {}
        streams: Annotated[
            dict[str, str],
            msgspec.Meta(description="By venue: another host for its websockets; absent with urls: none."),
        ] = {}
        perpetuals: Annotated[bool, msgspec.Meta(description="Whether to ask for markets other than spot too.")] = False
        timeframe: str = "1m"
        symbols: tuple[str, ...] = ()

    def __init__(self, config: Config) -> None:
        """Take the settings, and ask nothing yet; raises NotFound for a venue that ccxt does not have."""
        self.venue = config.venue
        url = config.urls.get(config.venue)
        self._stream_url = config.streams.get(config.venue)
        self._may_stream = url is None or self._stream_url is not None
        self._client = connect(config.venue, url, perpetuals=config.perpetuals)
        self._listings: dict[str, Listing] = {}
        self._ahead_ns: int | None = None
        """How far the venue's clock is ahead of ours."""
        self._bounded = False
        """Whether it must be told where a page ends: else it gives its last bars, or all."""
        features = (self._client.features or {}).get("spot") or {}
        self.page_max = int((features.get("fetchOHLCV") or {}).get("limit") or PAGE_DEFAULT)
        self.history_max = HISTORY_MAX.get(config.venue)

    @property
    def priority(self) -> Priority:
        """Of what is asked from now on."""
        found: Priority = self._client.priority
        return found

    @priority.setter
    def priority(self, priority: Priority) -> None:
        self._client.priority = priority

    def timeframes(self) -> list[str]:
        """Return the timeframes that the venue has bars of."""
        return list(self._client.timeframes or ())

    async def listings(self) -> Mapping[str, Listing]:
        """Return the markets of the venue by symbol, asked for once; one that makes no sense is left out."""
        if not self._listings:
            markets = await answer(self._client.load_markets(), f"{self.venue}: its markets")
            read = {symbol: self._listing(market) for symbol, market in markets.items()}
            self._listings = {symbol: listing for symbol, listing in sorted(read.items()) if listing is not None}
        return self._listings

    async def now_ns(self) -> int:
        """Return the venue's time, by one question; ours where it has none that can be asked for."""
        if self._ahead_ns is None:
            self._ahead_ns = 0
            if self._client.has.get("fetchTime"):
                before_ns = now_ns()
                there_ms = await answer(self._client.fetch_time(), f"{self.venue}: its time")
                if there_ms is not None:
                    self._ahead_ns = int(there_ms) * MS_NS - (before_ns + now_ns()) // 2
        return now_ns() + self._ahead_ns

    async def page(self, symbol: str, timeframe: str, wanted: Span) -> Page:
        """Return a page of bars; what would mean that there are none is asked for twice, for it may be a slip."""
        if timeframe not in self.timeframes():
            raise NotFound(f"{self.venue} has no {timeframe} bars; {nearest(timeframe, self.timeframes())}")
        await self._known(symbol)
        step_ns = timeframe_ns(timeframe)
        most = min(self.page_max, -(-(wanted.to_ns - wanted.from_ns) // step_ns))
        window = Span(wanted.from_ns, min(wanted.to_ns, wanted.from_ns + most * step_ns))

        async def asked(from_ns: int, *, bounded: bool) -> Bars:
            to_ns = from_ns + most * step_ns if bounded else None
            return await self._bars(symbol, timeframe, from_ns, most, to_ns)

        bars = await asked(window.from_ns, bounded=self._bounded)
        if not len(bars):
            bars = await asked(window.from_ns, bounded=self._bounded)
        if len(bars) and self.history_max is None and not self._bounded and int(bars.open_ns.min()) >= window.to_ns:
            # it says that nothing is in the window; or does it tell its last bars, whatever it is asked?
            first_ns = int(bars.open_ns.min())
            before = await asked(first_ns - most * step_ns, bounded=True)
            if bool((before.open_ns < first_ns).any()):
                self._bounded = True
                bars = await asked(window.from_ns, bounded=True)
        return self._looked_at(bars, step_ns, window)

    async def _bars(self, symbol: str, timeframe: str, from_ns: int, most: int, to_ns: int | None) -> Bars:
        """Ask for bars from a time on, once, and up to another where one is named."""
        params = {} if to_ns is None else {"until": to_ns // MS_NS - 1}
        request = self._client.fetch_ohlcv(symbol, timeframe, from_ns // MS_NS, most, params)
        what = f"{self.venue}: {timeframe} bars of {symbol}"
        return await answer(_read(await answer(request, what)), what)

    def _looked_at(self, bars: Bars, step_ns: int, window: Span) -> Page:
        """Return the rows of a window; raises NotNow where the venue answered something else."""
        asked = bars.open_ns >= window.from_ns
        if len(bars) and not asked.any():
            newest = int(bars.open_ns.max())
            why = "seconds for milliseconds" if newest < SECONDS_BELOW_NS else "a page of before"
            raise NotNow(f"{self.venue} answered with bars that open before the one that was asked for ({why})")
        bars = bars.take(asked)
        if self.history_max is not None:
            # it gives its last bars, whatever it is asked: before the first of them it may have had others
            first_ns = int(bars.open_ns.min()) if len(bars) else window.to_ns
            bars = bars.take(bars.open_ns < window.to_ns)
            return Page(bars, Span(min(first_ns, window.to_ns), window.to_ns))
        if self._bounded:
            bars = bars.take(bars.open_ns < window.to_ns)
        if not len(bars):
            return Page(bars, window)
        return Page(bars, Span(window.from_ns, int(bars.open_ns.max()) + step_ns))

    def has_stream(self, timeframe: str) -> bool:
        """Whether ccxt hears bars of the venue, and it is known where."""
        return self._may_stream and stream_kind(self.venue) is not None

    async def stream(self, symbols: tuple[str, ...], timeframe: str) -> AsyncGenerator[tuple[str, list[Row]], None]:
        """Yield bars as they change; see plugins/_ccxt/stream.py."""
        for symbol in symbols:
            await self._known(symbol)
        heard = Heard(connect_stream(self._client, self._stream_url), symbols, timeframe)
        try:
            async with aclosing(heard.rows()) as rows:
                async for one in rows:
                    yield one
        finally:
            await heard.close()

    async def quote(self, symbol: str) -> Quote:
        """Return the last price, the best bid and ask, and the day."""
        await self._known(symbol)
        found = await answer(self._client.fetch_ticker(symbol), f"{self.venue}: the ticker of {symbol}")
        names = ("last", "bid", "ask", "high", "low", "baseVolume", "percentage")
        last, bid, ask, high, low, volume, percent = (_number(found.get(name)) for name in names)
        change = None if percent is None else percent / 100
        return Quote(symbol, _time(found.get("timestamp")), last, bid, ask, high, low, volume, change)

    async def book(self, symbol: str, depth: int) -> Book:
        """Return the best levels of the order book."""
        await self._known(symbol)
        found = await answer(self._client.fetch_order_book(symbol, depth), f"{self.venue}: the book of {symbol}")
        sides = (tuple(_level(level) for level in found[side][:depth]) for side in ("bids", "asks"))
        return Book(symbol, _time(found.get("timestamp")), *sides)

    async def deals(self, symbol: str, most: int) -> list[Deal]:
        """Return the last public trades, oldest first."""
        await self._known(symbol)
        found = await answer(self._client.fetch_trades(symbol, None, most), f"{self.venue}: the trades of {symbol}")
        deals = [
            Deal(
                str(one["id"]),
                int(one["timestamp"]) * MS_NS,
                None if one.get("side") is None else Side(one["side"]),
                Decimal(one["price"]),
                Decimal(one["amount"]),
            )
            for one in found
        ]
        return sorted(deals, key=lambda deal: deal.time_ns)[-most:]

    def used(self) -> tuple[int, float]:
        """Return how many requests were granted, and their weight as ccxt counts it."""
        gate = self._client.gate
        return gate.passed, gate.budget.granted_weight

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    async def _known(self, symbol: str) -> Listing:
        listings = await self.listings()
        if symbol not in listings:
            raise NotFound(f"{self.venue} has no market {symbol!r}; {nearest(symbol, listings)}")
        return listings[symbol]

    def _listing(self, market: Any) -> Listing | None:
        """Read a market; None where it is neither spot nor perpetual, or tells no steps."""
        kind = Kind.SPOT if market.get("spot") else Kind.PERPETUAL if market.get("swap") else None
        tick, lot = (self._step(market["precision"].get(name)) for name in ("price", "amount"))
        if kind is None or tick is None or lot is None:
            return None
        limits = market.get("limits") or {}
        min_amount, min_notional = (_number((limits.get(name) or {}).get("min")) for name in ("amount", "cost"))
        instrument = Instrument(
            self.venue,
            "main",
            market["symbol"],
            market["base"],
            market["quote"],
            tick,
            lot,
            min_amount or ZERO,
            min_notional or ZERO,
            kind=kind,
            settle=market.get("settle"),
            contract_size=_number(market.get("contractSize")) or ONE,
        )
        return Listing(instrument, market.get("active"), _number(market.get("maker")), _number(market.get("taker")))

    def _step(self, precision: Any) -> Decimal | None:
        """Return a step of price or amount, however the venue tells it."""
        from ccxt import TICK_SIZE

        number = _number(precision)
        if number is None or self._client.precisionMode == TICK_SIZE:
            return number if number is None or number > 0 else None
        return Decimal(1).scaleb(-int(number))


async def _read(rows: Any) -> Bars:
    """Return rows of bars as columns; what is missing in a row is NaN, which the store refuses by name."""
    times = [int(row[0]) * MS_NS for row in rows]
    values = [[np.nan if row[n] is None else float(row[n]) for row in rows] for n in range(1, 6)]
    return Bars.of(times, *values)


def _number(value: Any) -> Decimal | None:
    """Return a number of ccxt: a text, or what it made of one."""
    return None if value is None else Decimal(str(value))


def _time(time_ms: Any) -> int | None:
    return None if time_ms is None else int(time_ms) * MS_NS


def _level(level: Any) -> Level:
    # ccxt reads books as floats; the shortest text of a float of up to 15 digits is the text that it was read from
    return Level(Decimal(str(level[0])), Decimal(str(level[1])))
