"""The strategy port: an opinion in [-1, 1] per bar, from arrays of bars."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import msgspec

from lct.domain.bars import Bars, Floats

__all__ = ["Bars", "Floats", "Strategy", "StrategyConfig", "Stream"]


class StrategyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a strategy: defaults here, bounds in `Annotated[int, msgspec.Meta(ge=2, le=200)]`.

    A range to search, where there is one, stands in the Meta as `extra={"search": (low, high)}`.
    """


class Stream(Protocol):
    """A strategy fed bar by bar; `update` must give the very bits that `scores` gives for that bar."""

    def update(self, open_: float, high: float, low: float, close: float, volume: float) -> float:
        """Take the next closed bar and return its score, NaN without an opinion."""
        ...


class Strategy(ABC):
    """An opinion on one symbol at a time; it knows no account, no position and no clock.

    `scores` must be causal (the score of a bar depends on that bar and those before it), which backtests check.
    It is called with the bars from the start of an anchor block on (see lct.domain.anchor), never with all history.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `lct strategy list`."""
    Config: ClassVar[type[StrategyConfig]]
    timeframes: ClassVar[tuple[str, ...]] = ()
    """Timeframes it was made for; empty means any."""

    def __init__(self, config: Any = None) -> None:
        """Take a `Config` of this class; None means its defaults."""
        self.config = config if config is not None else self.Config()

    @property
    @abstractmethod
    def warmup(self) -> int:
        """Return how many bars must come before the first score."""

    @abstractmethod
    def scores(self, bars: Bars) -> Floats:
        """Return one score per bar, as float64 in [-1, 1] with NaN where there is no opinion yet."""

    def stream(self) -> Stream | None:
        """Return a bar-by-bar twin of `scores`, opened at a block's start, or None where there is none."""
        return None
