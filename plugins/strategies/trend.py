"""Trend: the side of an EMA cross, as strong as the ADX says the trend is."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from lct.indicators import adx, ema
from lct.ports.strategy import Bars, Floats, Strategy, StrategyConfig


class Trend(Strategy):
    """Score = side of the cross * min(1, ADX / adx_full), and 0 where the ADX is below `adx_min`.

    With adx_min 0 a trend that tires keeps a small score: too little to enter, enough to stay in until the cross turns.

    There is no stream: the ADX has a dozen states of TA-Lib's own, and a window of two blocks takes microseconds.
    """

    name: ClassVar[str] = "trend"
    summary: ClassVar[str] = "EMA cross, confirmed and scaled by the ADX (long and short)"

    class Config(StrategyConfig, frozen=True, forbid_unknown_fields=True):
        """Spans in bars, ADX levels from 0 to 100; fast < slow and adx_min <= adx_full."""

        fast: Annotated[int, Meta(ge=2, le=200, description="bars of the fast average", extra={"search": (5, 50)})] = 20
        slow: Annotated[
            int, Meta(ge=3, le=500, description="bars of the slow average", extra={"search": (40, 300)})
        ] = 100
        adx_window: Annotated[int, Meta(ge=2, le=100, description="bars of the ADX", extra={"search": (7, 28)})] = 14
        adx_min: Annotated[
            float, Meta(ge=0, le=100, description="ADX below which the score is 0", extra={"search": (0.0, 35.0)})
        ] = 0.0
        adx_full: Annotated[
            float, Meta(ge=1, le=100, description="ADX from which the score is full", extra={"search": (35.0, 70.0)})
        ] = 50.0

        def __post_init__(self) -> None:
            """Refuse settings that contradict each other."""
            if self.fast >= self.slow:
                msg = f"fast ({self.fast}) must be below slow ({self.slow})"
                raise ValueError(msg)
            if self.adx_min > self.adx_full:
                msg = f"adx_min ({self.adx_min}) must not be above adx_full ({self.adx_full})"
                raise ValueError(msg)

    config: Config

    @property
    def warmup(self) -> int:
        """Return the longer of the slow average and the ADX's own start."""
        return max(self.config.slow, 2 * self.config.adx_window)

    def scores(self, bars: Bars) -> Floats:
        """Return scores in [-1, 1] per bar, NaN for the first `warmup`."""
        side = np.sign(ema(bars.close, self.config.fast) - ema(bars.close, self.config.slow))
        strength = adx(bars.high, bars.low, bars.close, self.config.adx_window)
        scores = np.where(strength >= self.config.adx_min, side * np.minimum(strength / self.config.adx_full, 1.0), 0.0)
        scores[: self.warmup] = np.nan
        return scores
