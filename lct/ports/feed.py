"""The feed port: where bars come from."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import msgspec

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
    """A source of bars for a house in replayed time, made from a `Config` of its class.

    A house fills in `timeframe: str` and `symbols: tuple[str, ...]` (none means all) where the configuration does not,
    so every Config has both.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Config: ClassVar[type[msgspec.Struct]]
    has_future: ClassVar[bool] = False
    """Whether a house on the wall clock may live on it: its bars can begin today and go on."""

    @abstractmethod
    def __init__(self, config: Any) -> None:
        """Take a `Config`; raises ConfigError or NotFound for settings that cannot be."""

    @abstractmethod
    def tape(self) -> Tape:
        """Return the sound bars of the feed's symbols, timeframe and period; raises DataError or NotFound."""

    @abstractmethod
    def refused(self) -> dict[str, dict[str, int]]:
        """Return how many raw rows were refused, by symbol and reason; empty where all were sound."""

    @abstractmethod
    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments of the feed's symbols, with the steps and minimums to trade them."""
