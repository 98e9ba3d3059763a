"""Venues: what `lct market` asks of an exchange itself, by ccxt, with or without a running house."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lct.cli.output import Manners, manners, progress, say
from lct.errors import ConfigError

if TYPE_CHECKING:
    from lct.domain.following import Closed
    from lct.ports.live_feed import LiveFeed, Span
    from lct.run.downloading import Downloaded
    from lct.run.following import Broken, Differs, Lost, Refused
    from lct.store.bars import BarStore

FEED = "ccxt"
DAYS_ASKED = 30
"""How far back a download reaches where nobody says."""
OHLCV = ("open", "high", "low", "close", "volume")

FoundT = TypeVar("FoundT")


def asked_of(
    venue: str | None, question: Callable[["LiveFeed"], Awaitable[FoundT]], *, perpetuals: bool = False
) -> FoundT:
    """Ask a venue (None is the one of the configuration) and hang up."""

    async def ask() -> FoundT:
        feed = _feed(venue, perpetuals=perpetuals)
        try:
            return await question(feed)
        finally:
            await feed.close()

    return asyncio.run(ask())


def _feed(venue: str | None, *, perpetuals: bool) -> "LiveFeed":
    from lct.cli.settings import configured
    from lct.run.members import plugin

    values = dict(configured().house.feeds.get(FEED, {}))
    if venue is not None:
        values["venue"] = venue
    values["perpetuals"] = perpetuals or values.get("perpetuals", False)
    made: LiveFeed = plugin("feeds", FEED, values, f"house.toml, feeds.{FEED}")
    return made


# -- what it has now ------------------------------------------------------------------------------------------------


def listings(venue: str | None, *, perpetuals: bool) -> list[dict[str, Any]]:
    """Return the markets of a venue as rows; fees are fractions."""
    found = asked_of(venue, lambda feed: feed.listings(), perpetuals=perpetuals)
    return [
        {
            "symbol": symbol,
            "kind": listing.instrument.kind.value,
            "active": listing.is_active,
            "tick": listing.instrument.tick,
            "lot": listing.instrument.lot,
            "min_amount": listing.instrument.min_amount,
            "min_notional": listing.instrument.min_notional,
            "maker_fee": listing.maker_fee,
            "taker_fee": listing.taker_fee,
        }
        for symbol, listing in found.items()
    ]


def bars(venue: str, symbol: str, timeframe: str, limit: int) -> list[dict[str, Any]]:
    """Return the last closed bars of a symbol as rows, oldest first; rows that cannot be bars are left out."""
    from lct.cli.recordings import step_ns
    from lct.clock import rfc3339
    from lct.domain.bars import sound_part
    from lct.domain.quality import columns, joined
    from lct.ports.live_feed import Span

    step = step_ns(timeframe)

    async def ask(feed: "LiveFeed") -> Any:
        to_ns = await feed.now_ns() // step * step
        from_ns, parts = to_ns - limit * step, []
        while from_ns < to_ns:
            page = await feed.page(symbol, timeframe, Span(from_ns, to_ns))
            parts.append(sound_part(page.rows.take(page.rows.open_ns < to_ns), step)[0])
            if page.covers.to_ns <= from_ns:
                break
            from_ns = page.covers.to_ns
        return joined(parts)[0]

    found = asked_of(venue, ask, perpetuals=":" in symbol)
    cells = zip(*(column.tolist() for column in columns(found[-limit:])), strict=True)
    return [
        {"time": rfc3339(open_ns), **{name: Decimal(repr(value)) for name, value in zip(OHLCV, row, strict=True)}}
        for open_ns, *row in cells
    ]


def quote(venue: str, symbol: str) -> dict[str, Any]:
    """Return how a symbol stands; change is a fraction."""
    from msgspec.structs import asdict

    facts = asdict(asked_of(venue, lambda feed: feed.quote(symbol), perpetuals=":" in symbol))
    return {"symbol": facts.pop("symbol"), "time": _time(facts.pop("time_ns")), **facts}


def book(venue: str | None, symbol: str, depth: int) -> list[dict[str, Any]]:
    """Return the levels of a book as rows, best first: the n-th bid beside the n-th ask."""
    found = asked_of(venue, lambda feed: feed.book(symbol, depth), perpetuals=":" in symbol)
    rows = []
    for n in range(max(len(found.bids), len(found.asks))):
        bid = found.bids[n] if n < len(found.bids) else None
        ask = found.asks[n] if n < len(found.asks) else None
        rows.append(
            {
                "bid_amount": bid and bid.amount,
                "bid": bid and bid.price,
                "ask": ask and ask.price,
                "ask_amount": ask and ask.amount,
            }
        )
    return rows


def deals(venue: str | None, symbol: str, most: int) -> list[dict[str, Any]]:
    """Return the last public trades as rows, oldest first; side is the taker's."""
    found = asked_of(venue, lambda feed: feed.deals(symbol, most), perpetuals=":" in symbol)
    return [
        {
            "time": _time(deal.time_ns),
            "side": None if deal.side is None else deal.side.value,
            "price": deal.price,
            "amount": deal.amount,
            "trade_id": deal.trade_id,
        }
        for deal in found
    ]


def venues(*, every: bool) -> list[dict[str, Any]]:
    """Return what is known of venues without asking them; those that the tests speak to, or all that ccxt has."""
    return asyncio.run(_venues(every=every))


async def _venues(*, every: bool) -> list[dict[str, Any]]:
    import ccxt.async_support as ccxt

    from plugins._ccxt.venues import HISTORY_MAX, TRIED

    rows = []
    for name in ccxt.exchanges if every else TRIED:
        client = getattr(ccxt, name)()
        features = (client.features or {}).get("spot") or {}
        rows.append(
            {
                "venue": name,
                "timeframes": list(client.timeframes or ()),
                "bars_a_page": (features.get("fetchOHLCV") or {}).get("limit"),
                "bars_back": HISTORY_MAX.get(name),
                "requests_a_minute": round(60_000 / float(client.rateLimit)) if client.rateLimit else None,
                "sandbox": bool(client.urls.get("test")),
            }
        )
        await client.close()
    return rows


def _time(time_ns: int | None) -> str | None:
    from lct.clock import rfc3339

    return None if time_ns is None else rfc3339(time_ns)


# -- its bars as they come --------------------------------------------------------------------------------------------


def watched(venue: str | None, symbols: Sequence[str], timeframe: str, count: int | None, *, json: bool) -> None:
    """Print closed bars as they come, `count` of them; what breaks is said."""
    from lct.cli.recordings import step_ns
    from lct.run.following import Told, follow

    step_ns(timeframe)

    async def ask(feed: "LiveFeed") -> None:
        printed = 0
        async with aclosing(follow(feed, symbols, timeframe)) as events:
            async for event in events:
                if isinstance(event, Told):
                    _print_bar(event.symbol, event.closed, json=json)
                    printed += 1
                    if printed == count:
                        return
                else:
                    say(_in_words(event), manners())

    asked_of(venue, ask, perpetuals=any(":" in symbol for symbol in symbols))


def _in_words(event: "Broken | Differs | Lost | Refused") -> str:
    from lct.run.following import Broken, Differs, Refused

    if isinstance(event, Broken):
        return f"{event.reason}; again in {event.seconds:.1f} s"
    if isinstance(event, Refused):
        return f"{event.symbol}: {event.rows} rows that can be no bar were left out"
    if isinstance(event, Differs):
        told, paged = event.disagreement
        return f"{event.symbol} {_time(told.open_ns)}: told as {told[1:]}, and now as {paged[1:]}"
    return f"{event.symbol}: bars from {_time(event.span.from_ns)} to {_time(event.span.to_ns)} are lost"


def _print_bar(symbol: str, closed: "Closed", *, json: bool) -> None:
    from lct.cli.output import print_json_lines

    open_ns, *values = closed.row
    row: dict[str, Any] = {"symbol": symbol, "time": _time(open_ns)}
    row |= {name: Decimal(repr(value)) for name, value in zip(OHLCV, values, strict=True)}
    row["source"] = closed.source
    if json:
        print_json_lines([row])
    else:
        print(" ".join(f"{cell!s:>12}" for cell in row.values()), flush=True)


# -- its history ----------------------------------------------------------------------------------------------------


def downloaded(
    venue: str | None,
    symbols: Sequence[str],
    timeframe: str,
    period: tuple[int | None, int | None],
    folder: Path | None,
    manners: Manners,
    *,
    again: bool,
) -> list[dict[str, Any]]:
    """Fetch bars into a store, and return what became of each symbol as a row."""
    from lct.cli.recordings import step_ns, store
    from lct.run.downloading import download

    asked, step = _asked(period), step_ns(timeframe)
    wanted = [(symbol, timeframe) for symbol in symbols]
    with store(folder) as there:

        async def ask(feed: "LiveFeed") -> list["Downloaded"]:
            left_ns, done_ns = _left_ns(feed.venue, wanted, asked, there, again=again), 0
            with progress("bars", left_ns // step, manners) as move:

                def told(span: "Span") -> None:
                    nonlocal done_ns
                    done_ns += span.to_ns - span.from_ns
                    move(done_ns // step)

                found = await download(feed, there, wanted, asked, told, again=again)
            requests, weight = feed.used()
            say(f"{requests} requests of weight {weight:g} in {feed.venue}'s own measure", manners)
            return found

        found = asked_of(venue, ask, perpetuals=any(":" in symbol for symbol in symbols))
    for one in found:
        for span in one.untold:
            what = f"{timeframe} bars of {one.series.symbol} from {_time(span.from_ns)} to {_time(span.to_ns)}"
            say(f"{one.series.venue} tells nothing of {what}", manners)
    return [_row(one) for one in found]


def _asked(period: tuple[int | None, int | None]) -> "Span":
    from lct.clock import NS_PER_SECOND, now_ns
    from lct.ports.live_feed import Span

    now = now_ns()
    to_ns = now if period[1] is None else period[1]
    from_ns = to_ns - DAYS_ASKED * 86_400 * NS_PER_SECOND if period[0] is None else period[0]
    if from_ns >= to_ns:
        raise ConfigError("--from is not before --to")
    if from_ns >= now:
        raise ConfigError("--from is still to come")
    return Span(from_ns, min(to_ns, now))


def _left_ns(venue: str, wanted: Sequence[tuple[str, str]], asked: "Span", there: "BarStore", *, again: bool) -> int:
    """Return how much time of all series together is to be asked for."""
    from lct.domain.spans import left_of
    from lct.store.bars import Series

    known = ([] if again else there.covered(Series(venue, *name)) for name in wanted)
    return sum(span.to_ns - span.from_ns for spans in known for span in left_of(asked, spans))


def _row(one: "Downloaded") -> dict[str, Any]:
    return {
        **one.series._asdict(),
        "from": _time(one.asked.from_ns),
        "to": _time(one.asked.to_ns),
        "new": one.new,
        "known": one.known,
        "findings": one.findings,
        "untold": [{"from": _time(span.from_ns), "to": _time(span.to_ns)} for span in one.untold],
        "pages": one.pages,
        "retries": one.retries,
    }
