"""Market regimes: one plain label per bar, from closes alone; a description of the last hours, not a forecast."""

import numpy as np
import numpy.typing as npt

from lct.domain.bars import Floats

Codes = npt.NDArray[np.int8]

UNKNOWN = "unknown"
REGIMES = (UNKNOWN, "trending_up", "trending_down", "ranging", "volatile")
"""The labels; a code is a position in this tuple."""
TRENDING_UP, TRENDING_DOWN, RANGING, VOLATILE = 1, 2, 3, 4

WINDOW_BARS = 32
BASELINE_BARS = 128
EFFICIENCY_MIN = 0.35
"""A random walk of 32 steps has an efficiency of about 1 / sqrt(32) = 0.18; a trend is twice that."""
VOLATILITY_RATIO_MIN = 2.0
TINY = float(np.finfo(np.float64).tiny)

WARMUP = BASELINE_BARS
"""Bars that must come before the first label; windows start on the anchor grid of this warmup."""


def regimes(close: Floats) -> Codes:
    """Return the regime of each bar as a position in REGIMES; closes are positive float64, oldest first.

    Several series of one length may stand in rows; each is labelled by itself.

    In this order: `volatile` where the mean absolute return of the last 32 bars is at least twice that of the last 128
    (sizes and stops depend on that first); `trending_up` or `trending_down` where the net change over the last 32 bars
    is at least 0.35 of the way walked, the efficiency ratio of Kaufman, Smarter Trading (1995); else `ranging`, also
    where nothing moves. `unknown` for the first 128 bars. Causal: a prefix gives the same labels.
    """
    codes = np.zeros(close.shape, dtype=np.int8)
    if close.shape[-1] <= WARMUP:
        return codes
    before, now = close[..., :-1], close[..., 1:]
    moves = np.abs(now - before)
    way = _running(moves)
    walked = way[..., BASELINE_BARS:] - way[..., BASELINE_BARS - WINDOW_BARS : -WINDOW_BARS]
    net = close[..., BASELINE_BARS:] - close[..., BASELINE_BARS - WINDOW_BARS : -WINDOW_BARS]
    way = _running(moves / before)
    usual = way[..., BASELINE_BARS:] - way[..., :-BASELINE_BARS]
    recent = way[..., BASELINE_BARS:] - way[..., BASELINE_BARS - WINDOW_BARS : -WINDOW_BARS]
    least = np.maximum(EFFICIENCY_MIN * walked, TINY)  # where nothing moves there is no trend
    late = codes[..., WARMUP:]
    late[...] = RANGING
    late[net >= least] = TRENDING_UP
    late[-net >= least] = TRENDING_DOWN
    late[recent >= np.maximum(VOLATILITY_RATIO_MIN * WINDOW_BARS / BASELINE_BARS * usual, TINY)] = VOLATILE
    return codes


def _running(moves: Floats) -> Floats:
    """Return the sums of the first 0, 1, 2, ... moves; added one by one, so that a prefix gives the same bits."""
    sums = np.zeros((*moves.shape[:-1], moves.shape[-1] + 1))
    moves.cumsum(axis=-1, out=sums[..., 1:])
    return sums
