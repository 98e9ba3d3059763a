"""ccxt: the public data of any exchange that ccxt speaks to, as it is asked for."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from lct.clock import NS_PER_SECOND, monotonic_ns, now_ns
from lct.domain.bars import Bars, timeframe_ns
from lct.domain.instruments import Instrument, Kind
from lct.domain.money import ONE, ZERO
from lct.domain.orders import Side
from lct.errors import NotFound, NotNow, nearest
from lct.ports.live_feed import Bar, Book, Deal, Level, Listing, LiveFeed, Page, Priority, Quote, Span
from plugins._ccxt.client import answer, connect, connect_stream, stream_kind
from plugins._ccxt.pages import MS_NS, may_be_the_last, page_of, read
from plugins._ccxt.stream import Heard
from plugins._ccxt.venues import HISTORY_MAX, PAGE_DEFAULT

QUESTIONS_MAX = 3
"""How a venue can be asked for a span: from a time on, with its end, and for fewer bars."""
FIXED = "smhd"
"""Units of which all venues mean the same: their weeks begin on different days."""
CLOCK_AGE_NS = 300 * NS_PER_SECOND
SLOW_NS = NS_PER_SECOND // 2
"""An answer that took longer tells the time badly, and is asked for again soon."""

ReadT = TypeVar("ReadT")


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
        self._asking_time = asyncio.Lock()
        self._time: tuple[int, int] | None = None
        """When, by the monotonic clock, the venue had told which time it had."""
        self._time_until_ns = 0
        """Until when that is used."""
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
        """Return the timeframes that the venue has bars of, but weeks and months: each venue has its own."""
        return [name for name in self._client.timeframes or () if name[-1] in FIXED]

    async def listings(self) -> Mapping[str, Listing]:
        """Return the markets of the venue by symbol, asked for once; one that makes no sense is left out."""
        if not self._listings:
            markets = await answer(self._client.load_markets(), f"{self.venue}: its markets")
            found = ((symbol, self._listing(market)) for symbol, market in sorted(markets.items()))
            self._listings = {symbol: listing for symbol, listing in found if listing is not None}
        return self._listings

    async def now_ns(self) -> int:
        """Return the venue's time, rather too early than too late; ours where it has none that can be asked for.

        It is asked for every few minutes, and goes on by a clock that nobody sets.
        """
        if not self._client.has.get("fetchTime"):
            return now_ns()
        async with self._asking_time:
            asked_ns = monotonic_ns()
            if self._time is None or asked_ns > self._time_until_ns:
                there_ns = await self._told(self._client.fetch_time(), _time, "its time")
                if there_ns is None:
                    return now_ns()
                self._time = monotonic_ns(), there_ns
                is_late = monotonic_ns() - asked_ns > SLOW_NS
                self._time_until_ns = asked_ns + (CLOCK_AGE_NS // 30 if is_late else CLOCK_AGE_NS)
        asked_ns, there_ns = self._time
        return there_ns + monotonic_ns() - asked_ns

    async def page(self, symbol: str, timeframe: str, wanted: Span) -> Page:
        """Return a page of bars; what would mean that there are none is asked for twice, for it may be a slip."""
        if timeframe not in self.timeframes():
            raise NotFound(f"{self.venue} has no {timeframe} bars; {nearest(timeframe, self.timeframes())}")
        await self._known(symbol)
        try:
            return await self._page(symbol, timeframe, wanted)
        except NotNow as error:
            raise NotNow(f"{self.venue}: {error}") from None

    async def _page(self, symbol: str, timeframe: str, wanted: Span) -> Page:
        """Ask for a page until it is known what the answer proves."""
        step_ns = timeframe_ns(timeframe)

        async def asked(from_ns: int, most: int, to_ns: int | None) -> Bars:
            params = {} if to_ns is None else {"until": to_ns // MS_NS - 1}
            request = self._client.fetch_ohlcv(symbol, timeframe, from_ns // MS_NS, most, params)
            return await self._told(request, read, f"{timeframe} bars of {symbol}")

        for _ in range(QUESTIONS_MAX):
            most = min(self.page_max, -(-(wanted.to_ns - wanted.from_ns) // step_ns))
            window = Span(wanted.from_ns, min(wanted.to_ns, wanted.from_ns + most * step_ns))
            to_ns = window.to_ns if self._bounded else None
            bars = await asked(window.from_ns, most, to_ns) or await asked(window.from_ns, most, to_ns)
            now = await self.now_ns()
            first_ns = may_be_the_last(bars, step_ns, window, now if to_ns is None else min(now, to_ns))
            if first_ns is None:
                return page_of(bars, step_ns, window, now)
            if self.history_max is not None:
                reaches = window.from_ns > now - (self.history_max - 1) * step_ns
                return page_of(bars, step_ns, window, now, known_from_ns=None if reaches else first_ns)
            # is nothing before them, or does the venue tell its last bars, whatever it is asked?
            before = await asked(max(window.from_ns, first_ns - most * step_ns), most, first_ns)
            if not (before.open_ns < first_ns).any():
                known_from_ns = first_ns if len(before) else None  # it does not say no: it answers something else
                return page_of(bars, step_ns, window, now, known_from_ns=known_from_ns)
            if self._bounded:
                self.page_max = max(1, len(bars))  # it gives fewer than ccxt says
            self._bounded = True
        raise NotNow(f"no question gets the {timeframe} bars of {symbol} from a time on")

    async def _told(self, request: Awaitable[Any], reading: Callable[[Any], ReadT], what: str) -> ReadT:
        """Return what the client was asked, read; see `answer` for what is raised."""

        async def both() -> ReadT:
            return reading(await request)

        return await answer(both(), f"{self.venue}: {what}")

    def has_stream(self, timeframe: str) -> bool:
        """Whether ccxt hears bars of the venue, and it is known where."""
        return self._may_stream and timeframe in self.timeframes() and stream_kind(self.venue) is not None

    async def stream(self, symbols: tuple[str, ...], timeframe: str) -> AsyncGenerator[tuple[str, list[Bar]], None]:
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
        return await self._told(self._client.fetch_ticker(symbol), partial(_quote, symbol), f"the ticker of {symbol}")

    async def book(self, symbol: str, depth: int) -> Book:
        """Return the best levels of the order book."""
        await self._known(symbol)
        request = self._client.fetch_order_book(symbol, depth)
        return await self._told(request, partial(_book, symbol, depth), f"the book of {symbol}")

    async def deals(self, symbol: str, most: int) -> list[Deal]:
        """Return the last public trades, oldest first."""
        await self._known(symbol)
        found = await self._told(self._client.fetch_trades(symbol, None, most), _deals, f"the trades of {symbol}")
        return found[-most:]

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
        """Read a market; None where it makes no sense."""
        try:
            return self._read_listing(market)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return None

    def _read_listing(self, market: Any) -> Listing | None:
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


def _quote(symbol: str, found: Any) -> Quote:
    names = ("last", "bid", "ask", "high", "low", "baseVolume", "percentage")
    last, bid, ask, high, low, volume, percent = (_number(found.get(name)) for name in names)
    change = None if percent is None else percent / 100
    return Quote(symbol, _time(found.get("timestamp")), last, bid, ask, high, low, volume, change)


def _book(symbol: str, depth: int, found: Any) -> Book:
    # ccxt reads books as floats; the shortest text of a float of up to 15 digits is the text that it was read from
    bids, asks = (
        tuple(Level(Decimal(str(level[0])), Decimal(str(level[1]))) for level in found[side][:depth])
        for side in ("bids", "asks")
    )
    return Book(symbol, _time(found.get("timestamp")), bids, asks)


def _deals(found: Any) -> list[Deal]:
    deals = [
        Deal(
            None if one.get("id") is None else str(one["id"]),
            int(one["timestamp"]) * MS_NS,
            Side(one["side"]) if one.get("side") else None,
            Decimal(str(one["price"])),
            Decimal(str(one["amount"])),
        )
        for one in found
    ]
    return sorted(deals, key=lambda deal: deal.time_ns)


def _number(value: Any) -> Decimal | None:
    """Return a number of ccxt: a text, or what it made of one."""
    return None if value in (None, "") else Decimal(str(value))


def _time(time_ms: Any) -> int | None:
    return None if time_ms is None else int(time_ms) * MS_NS
