"""The live feed port: a venue's public data over a network, as it is asked for and as it comes."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from lct.domain.bars import Bar, Bars
from lct.domain.budget import Priority
from lct.domain.quotes import Book, Deal, Level, Listing, Quote
from lct.domain.spans import Span
from lct.errors import ConfigError
from lct.ports.feed import Feed, Tape

__all__ = ["Bar", "Bars", "Book", "Deal", "Level", "Listing", "LiveFeed", "Page", "Priority", "Quote", "Span"]


class Page(NamedTuple):
    """Rows of bars as the venue gave them, and the span of which it has told everything with them."""

    rows: Bars
    covers: Span


class LiveFeed(Feed):
    """A venue to be asked; each coroutine sends as many requests as it must, within the venue's budget.

    They raise NotFound for what the venue does not have, NotNow for what may be tried again (a line, an overload,
    an answer that cannot be read), and DataError for what will not get better.
    """

    venue: str
    """Its name in stores, journals and on the command line."""
    page_max: int
    """How many bars it gives at a time."""
    history_max: int | None = None
    """How many bars back from now it tells of at all; None where it tells of all."""
    priority: Priority = Priority.BACKFILL
    """Of what is asked from now on."""

    @abstractmethod
    def timeframes(self) -> list[str]:
        """Return the timeframes that the venue has bars of; needs no network."""

    @abstractmethod
    async def listings(self) -> Mapping[str, Listing]:
        """Return the markets of the venue by symbol; asked for once."""

    @abstractmethod
    async def now_ns(self) -> int:
        """Return the venue's time, or ours where it does not tell."""

    @abstractmethod
    async def page(self, symbol: str, timeframe: str, wanted: Span) -> Page:
        """Return the bars that open in `wanted`, or its beginning: at most `page_max` of them.

        What is `covered` begins where `wanted` does, unless the venue does not reach back so far.
        """

    @abstractmethod
    def has_stream(self, timeframe: str) -> bool:
        """Whether bars come by themselves; else pages are asked for. Needs no network."""

    @abstractmethod
    def stream(self, symbols: tuple[str, ...], timeframe: str) -> AsyncGenerator[tuple[str, list[Bar]], None]:
        """Yield bars as they change, symbol by symbol, over one connection: the last of a bar is the whole of it.

        What lies between may be left out. Raises NotNow where the connection is lost or tells nothing any more; a new
        call connects anew.
        """

    @abstractmethod
    async def quote(self, symbol: str) -> Quote:
        """Return the last price, the best bid and ask, and the day."""

    @abstractmethod
    async def book(self, symbol: str, depth: int) -> Book:
        """Return the best levels of the order book."""

    @abstractmethod
    async def deals(self, symbol: str, most: int) -> list[Deal]:
        """Return the last public trades, oldest first."""

    @abstractmethod
    def used(self) -> tuple[int, float]:
        """Return how many requests were granted, and their weight in the venue's own measure."""

    @abstractmethod
    async def close(self) -> None:
        """Hang up."""

    def tape(self) -> Tape:
        """Refuse: what a venue tells now is no recording."""
        raise ConfigError(
            f"the feed {self.name} is no recording: `lct market download` makes one, and the feed replay plays it"
        )

    def refused(self) -> dict[str, dict[str, int]]:
        """Return nothing: what is refused of a page is a finding of the store."""
        return {}

    def instruments(self) -> Any:
        """Refuse, as `tape` does."""
        return self.tape()
