"""What a feed's port tells market_data: rows as they came, and rows it had to refuse."""

from lct.messages.base import Event


class Rows(Event, frozen=True, gc=False, tag="feed.rows"):
    """The rows of one timestamp (the bars' open), in columns, just closed; `number` counts the feed's results."""

    number: int
    timeframe: str
    open_ns: int
    symbols: tuple[str, ...]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class RowsRefused(Event, frozen=True, tag="feed.rows_refused"):
    """Rows of a recording that cannot be bars, counted by reason (see domain.bars.refusals)."""

    symbol: str
    counts: dict[str, int]
