"""What market_data says: bars that closed, and rows that it refused."""

from lct.messages.base import Event, Request


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


class BarsRefused(Event, frozen=True, tag="market_data.bars_refused"):
    """Rows refused at the door, counted by reason; nothing was put in their place."""

    symbol: str
    counts: dict[str, int]


class DataQuality(Event, frozen=True, tag="market_data.data_quality"):
    """Refused rows by symbol and reason."""

    refused: dict[str, dict[str, int]]


class GetDataQuality(Request[DataQuality], frozen=True, tag="market_data.get_data_quality"):
    """What was refused so far?"""
