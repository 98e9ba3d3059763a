"""What market_data says: bars that closed, rows that it refused, and answers about the bars that it keeps."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from lct.messages.base import Event, Request, Told

BARS_ASKED_MAX = 1_000
SYMBOL_LENGTH_MAX = 40

Symbol = Annotated[str, Meta(min_length=1, max_length=SYMBOL_LENGTH_MAX)]


class BarsClosed(Event, frozen=True, gc=False, tag="market_data.bars_closed"):
    """All bars of one timestamp and timeframe, in columns; it causes a trading cycle.

    `md_seq` counts the feed's timestamps (one whose time was refused is missing), `time_ns` is the close, `open_ns` the
    open of the bars. Prices are in quote, volume in base. A symbol without a sound bar is not in it.
    """

    md_seq: int
    time_ns: int
    open_ns: int
    timeframe: str
    symbols: tuple[str, ...]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


def time_of(words: Sequence[Event]) -> int:
    """Return the close of the bars among what is heard in one round."""
    return next(word.time_ns for word in words if type(word) is BarsClosed)


def last_of_each_universe(heard: Sequence[Sequence[Event]]) -> list[BarsClosed]:
    """Return, of the bars heard round by round, those after which the symbols change, and the last: the rest is past.

    A mark stays until there is a newer one, so bars of the same symbols leave nothing of the ones before.
    """
    if type(heard[0][0]) is not BarsClosed:
        return []
    bars = [word for words in heard for word in words if type(word) is BarsClosed]
    return [now for now, then in pairwise(bars) if then.symbols is not now.symbols] + bars[-1:]


class BarsRefused(Event, frozen=True, tag="market_data.bars_refused"):
    """Rows refused at the door, counted by reason; nothing was put in their place."""

    symbol: str
    counts: dict[str, int]


class DataQuality(Event, frozen=True, tag="market_data.data_quality"):
    """Refused rows by symbol and reason."""

    refused: dict[str, dict[str, int]]


class GetDataQuality(Request[DataQuality], frozen=True, tag="market_data.get_data_quality"):
    """What was refused so far?"""


class SymbolLine(msgspec.Struct, frozen=True):
    """A symbol of which there are bars: how many are kept, and the last of them."""

    symbol: str
    bars: int
    last: float
    time_ns: int


class Symbols(Event, frozen=True, tag="market_data.symbols"):
    """All symbols that a bar is kept of, by name; `timeframe` is empty before the first bar."""

    timeframe: str
    symbols: list[SymbolLine]


class GetSymbols(Request[Symbols], frozen=True, tag="market_data.get_symbols"):
    """Of what are there bars?"""


class History(Event, frozen=True, tag="market_data.history"):
    """Bars of one symbol in columns of equal length, oldest first; `open_ns` is when each opened."""

    symbol: str
    timeframe: str
    open_ns: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class GetBars(Request[History], frozen=True, tag="market_data.get_bars"):
    """Which were the last bars of a symbol? Without a timeframe, of the one that there is."""

    symbol: Symbol
    timeframe: Annotated[str, Meta(max_length=8)] | None = None
    limit: Annotated[int, Meta(ge=1, le=BARS_ASKED_MAX)] = 100


class Ticker(Event, frozen=True, tag="market_data.ticker"):
    """The last close of a symbol and how it came there: open, high, low and volume are of its last `bars`, a day's.

    `change` is that from the open to the last close, as a fraction of the open. Where less than a day is kept, the
    figures are of that.
    """

    symbol: str
    time_ns: int
    last: float
    open: float
    high: float
    low: float
    volume: float
    change: float
    bars: int
    timeframe: str


class GetTicker(Request[Ticker], frozen=True, tag="market_data.get_ticker"):
    """How does a symbol stand?"""

    symbol: Symbol


class GetHistory(Request[Told], frozen=True, tag="market_data.get_history"):
    """Which bars closed after `after` (an `md_seq`)? For who comes late, or comes back: BarsClosed, oldest first.

    `upto` of the reply is the `md_seq` up to which nothing is missing then; for an `after` that lies ahead, the last.
    """

    after: int
    limit: int = 64
