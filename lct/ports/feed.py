"""The feed port: where bars come from."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from lct.domain.bars import Bars
from lct.domain.instruments import Instrument
from lct.domain.tape import Tape

__all__ = ["BarSource", "Bars", "Feed", "Instrument", "Tape"]


class BarSource(Protocol):
    """Recorded bars by name: how daemons and plugins reach them without knowing a store."""

    def bars(self, symbol: str) -> Bars:
        """Return the recorded bars of one symbol, oldest first; KeyError for an unknown symbol."""
        ...


class Feed(ABC):
    """A source of bars for a house in replayed time."""

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def tape(self) -> Tape:
        """Return the sound bars of the feed's symbols, timeframe and period; raises DataError or NotFound."""

    @abstractmethod
    def refused(self) -> dict[str, dict[str, int]]:
        """Return how many raw rows were refused, by symbol and reason; empty where all were sound."""

    @abstractmethod
    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments of the feed's symbols, with the steps and minimums to trade them."""
