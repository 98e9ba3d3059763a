"""EMA cross: long while a fast exponential average of closes is above a slow one, otherwise out."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from lct.indicators import alpha_of, ema
from lct.ports.strategy import Bars, Floats, Strategy, StrategyConfig, Stream

NAN = float("nan")


class Crossing:
    """The cross, bar by bar: the same operations in the same order as `EmaCross.scores`."""

    def __init__(self, fast: int, slow: int, warmup: int) -> None:
        """Start before the first bar of a window."""
        self._alpha_fast, self._alpha_slow = alpha_of(fast), alpha_of(slow)
        self._levels: tuple[float, float] | None = None
        self._silent = warmup

    def update(self, open_: float, high: float, low: float, close: float, volume: float) -> float:
        """Take the next closed bar and return its score, NaN while warming up."""
        fast, slow = self._levels or (close, close)
        fast += self._alpha_fast * (close - fast)
        slow += self._alpha_slow * (close - slow)
        self._levels = fast, slow
        if self._silent:
            self._silent -= 1
            return NAN
        return 1.0 if fast > slow else 0.0


class EmaCross(Strategy):
    """Score 1 where the fast average is above the slow one, else 0; both start at the window's first close."""

    name: ClassVar[str] = "ema_cross"
    summary: ClassVar[str] = "Long while a fast EMA is above a slow one (long only)"

    class Config(StrategyConfig, frozen=True, forbid_unknown_fields=True):
        """Spans of the two averages in bars; `fast` must be below `slow`."""

        fast: Annotated[int, Meta(ge=2, le=200, description="bars of the fast average", extra={"search": (5, 30)})] = 12
        slow: Annotated[
            int, Meta(ge=3, le=500, description="bars of the slow average", extra={"search": (20, 120)})
        ] = 26

        def __post_init__(self) -> None:
            """Refuse a fast average that is not faster."""
            if self.fast >= self.slow:
                msg = f"fast ({self.fast}) must be below slow ({self.slow})"
                raise ValueError(msg)

    config: Config

    @property
    def warmup(self) -> int:
        """Return the span of the slow average."""
        return self.config.slow

    def scores(self, bars: Bars) -> Floats:
        """Return 1.0 or 0.0 per bar, NaN for the first `warmup`."""
        above = ema(bars.close, self.config.fast) > ema(bars.close, self.config.slow)
        scores = above.astype(np.float64)
        scores[: self.warmup] = np.nan
        return scores

    def stream(self) -> Stream:
        """Return the bar-by-bar twin."""
        return Crossing(self.config.fast, self.config.slow, self.warmup)
