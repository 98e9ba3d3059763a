"""The ccxt client that feed and exchange share: one budget, no retries of its own, errors in our words."""

import re
from collections.abc import Awaitable
from functools import cache
from typing import Any, TypeVar

from lct.domain.budget import Budget, Priority
from lct.domain.text import clean
from lct.errors import DataError, LctError, NotFound, NotNow, nearest
from plugins._ccxt.gate import Gate

TIMEOUT_MS = 15_000
REASON_WIDTH = 200
HOST = re.compile(r"^[a-z]+://[^/]+")
TOO_MANY = (418, 429)
STOP_SECONDS = 10.0
"""How long a venue is left alone that says `too many requests` and not until when."""
STOP_SECONDS_MAX = 3_600.0

AnswerT = TypeVar("AnswerT")


def connect(venue: str, url: str | None, *, perpetuals: bool) -> Any:
    """Return a ccxt client of a venue; nothing is asked yet. `url` stands in for the hosts that ccxt knows.

    Numbers are the venue's own texts. Raises NotFound for an exchange that ccxt does not have.
    """
    client = _kind(venue)({"timeout": TIMEOUT_MS, "enableRateLimit": True})
    client.number = str
    # ccxt counts weights and gives the time that a weight of 1 takes, in ms
    client.gate = Gate(Budget(1_000.0 / float(client.rateLimit)))
    client.options["fetchCurrencies"] = False
    about = client.options.get("fetchMarkets")
    if isinstance(about, dict) and "spot" in about.get("types", ()) and not perpetuals:
        about["types"] = ["spot"]
    if url is not None:
        client.urls["api"] = _moved(client.urls["api"], url.rstrip("/"))
    assert not client.options.get("maxRetriesOnFailure"), "whether to ask again is decided here, not by ccxt"
    return client


@cache
def _kind(venue: str) -> type[Any]:
    import ccxt.async_support as ccxt

    if venue not in ccxt.exchanges:
        raise NotFound(f"ccxt has no exchange {clean(venue)!r}; {nearest(venue, ccxt.exchanges)}")

    class Client(getattr(ccxt, venue)):  # type: ignore[misc]  # ccxt makes its classes as they are asked for
        """A client whose requests wait at our gate, and whose answers are not filtered before we see them."""

        gate: Gate
        priority = Priority.BACKFILL

        async def throttle(self, cost: float | None = None) -> None:
            await self.gate.permit(1.0 if cost is None else cost, self.priority)

        def filter_by_since_limit(self, array: Any, *_: Any, **__: Any) -> list[Any]:
            """Keep all: rows that nobody asked for tell that the venue answered something else."""
            return list(array or ())

        def on_rest_response(self, code: int, *about: Any) -> Any:
            if code in TOO_MANY:
                self.gate.stop(_retry_after(about[3]))
            return super().on_rest_response(code, *about)

    return Client


def stream_kind(venue: str) -> type[Any] | None:
    """Return the class of ccxt that hears bars of a venue as they change, None where there is none."""
    import ccxt.pro as ccxt

    kind: type[Any] | None = getattr(ccxt, venue, None) if venue in ccxt.exchanges else None
    return kind if kind is not None and kind().has.get("watchOHLCV") else None


def connect_stream(client: Any, url: str | None) -> Any:
    """Return a second client that hears streams, for one connection's life; it knows the markets of the first."""
    import ccxt as errors

    kind = stream_kind(client.id)
    assert kind is not None, "who has no streams is not asked for one"

    class Streaming(kind):  # type: ignore[misc, valid-type]
        """A client whose lines end loudly.

        A frame that cannot be read ends the line, where ccxt's own waits for ever. A line that is lost is not made anew
        behind the back of whoever watches, as it would be where nobody waited just then.
        """

        lines: frozenset[str] = frozenset()

        def client(self, url: str) -> Any:
            if url not in self.clients:
                if url in self.lines:
                    raise errors.NetworkError("the line was lost")
                self.lines |= {url}
                line = super().client(url)
                line.handle_message = _guarded(line)
            return super().client(url)

    streaming = Streaming({"timeout": TIMEOUT_MS, "newUpdates": True})
    streaming.set_markets(client.markets)
    if url is not None:
        streaming.urls["api"]["ws"] = _moved(streaming.urls["api"]["ws"], url.rstrip("/"))
    return streaming


def _guarded(line: Any) -> Any:
    """Return what handles a frame of a connection, and ends the connection where that fails."""
    import ccxt

    handle = line.handle_message

    def guarded(frame: Any) -> None:
        try:
            handle(frame)
        except Exception as error:  # noqa: BLE001 - whatever ccxt trips over; whoever watches hears of it
            line.on_error(ccxt.NetworkError(f"a frame that cannot be read ({type(error).__name__})"))

    return guarded


def _retry_after(headers: Any) -> float:
    """Return the seconds of a Retry-After header, or our own where it is none."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(float(text), STOP_SECONDS_MAX) if text.isascii() and text.isdigit() else STOP_SECONDS


def _moved(urls: Any, base: str) -> Any:
    """Return addresses, however nested, with another host before their paths."""
    if isinstance(urls, dict):
        return {name: _moved(inner, base) for name, inner in urls.items()}
    return HOST.sub(base, urls) if isinstance(urls, str) else urls


async def answer(request: Awaitable[AnswerT], what: str) -> AnswerT:
    """Await what a client was asked, and raise in our words what ccxt raises in its own.

    Raises NotFound for a symbol or a method that is not there, NotNow for what asking again may mend, and DataError for
    the rest. Foreign texts are cleaned and cut.
    """
    import aiohttp
    import ccxt

    try:
        return await request
    except LctError:
        raise
    except (ccxt.BadSymbol, ccxt.NotSupported) as error:
        raise NotFound(f"{what}: {_reason(error)}") from None
    except (ccxt.NetworkError, ccxt.BadResponse) as error:  # an overload and a timeout are network errors there
        raise NotNow(f"{what}: {_reason(error)}") from None
    except ccxt.BaseError as error:
        is_line = isinstance(error.__cause__, aiohttp.ClientError)  # an answer that was cut in the middle
        raise (NotNow if is_line else DataError)(f"{what}: {_reason(error)}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # ccxt reads what came as if it were sound
        raise NotNow(f"{what}: an answer that cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {error}", REASON_WIDTH)
