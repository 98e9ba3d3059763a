"""Mean reversion: against the distance of the close from its average, in standard deviations."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from lct.indicators import adx, zscore
from lct.ports.strategy import Bars, Floats, Strategy, StrategyConfig


class MeanReversion(Strategy):
    """Score = -z / entry, held within [-1, 1]; 0 where |z| < quiet, and where the ADX is above `adx_max` if set.

    z is the Bollinger z-score. The score of a bar depends on its window alone, on no position and no earlier score.
    There is no stream: TA-Lib's deviation runs on sums of its own, and a window of two blocks takes microseconds.
    """

    name: ClassVar[str] = "mean_reversion"
    summary: ClassVar[str] = "Against Bollinger extremes, optionally only where no trend is (long and short)"

    class Config(StrategyConfig, frozen=True, forbid_unknown_fields=True):
        """Spans in bars, distances in standard deviations; quiet <= entry."""

        window: Annotated[int, Meta(ge=5, le=500, description="bars of the mean", extra={"search": (20, 200)})] = 60
        entry: Annotated[
            float, Meta(gt=0, le=10, description="distance of the full score", extra={"search": (2.0, 6.0)})
        ] = 4.0
        quiet: Annotated[
            float, Meta(ge=0, le=10, description="distance below which the score is 0", extra={"search": (0.0, 1.0)})
        ] = 0.5
        adx_max: Annotated[float, Meta(ge=0, le=100, description="ADX above which the score is 0")] | None = None
        adx_window: Annotated[int, Meta(ge=2, le=100, description="bars of the ADX")] = 14

        def __post_init__(self) -> None:
            """Refuse a quiet zone that swallows the entry."""
            if self.quiet > self.entry:
                msg = f"quiet ({self.quiet}) must not be above entry ({self.entry})"
                raise ValueError(msg)

    config: Config

    @property
    def warmup(self) -> int:
        """Return the span of the mean, or the ADX's own start where that is used and longer."""
        if self.config.adx_max is None:
            return self.config.window
        return max(self.config.window, 2 * self.config.adx_window)

    def scores(self, bars: Bars) -> Floats:
        """Return scores in [-1, 1] per bar, NaN for the first `warmup`."""
        distance = zscore(bars.close, self.config.window)
        silent = np.abs(distance) < self.config.quiet
        if self.config.adx_max is not None:
            silent |= adx(bars.high, bars.low, bars.close, self.config.adx_window) > self.config.adx_max
        scores = np.where(silent, 0.0, np.clip(distance / -self.config.entry, -1.0, 1.0))
        scores[: self.warmup] = np.nan
        return scores
