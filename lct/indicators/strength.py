"""Strength: range, direction and momentum after Wilder, New Concepts in Technical Trading Systems (1978), by TA-Lib."""

import numpy as np
import numpy.typing as npt

from lct.indicators._talib import talib

Floats = npt.NDArray[np.float64]


def atr(high: Floats, low: Floats, close: Floats, bars: int = 14) -> Floats:
    """Return the average true range in price units; NaN for the first `bars` values."""
    result: Floats = talib().ATR(high, low, close, bars) if len(close) else np.empty(0)
    return result


def adx(high: Floats, low: Floats, close: Floats, bars: int = 14) -> Floats:
    """Return the average directional index, 0 (no direction) to 100; NaN for the first 2 * bars - 1 values.

    Prices are taken relative to the first close, because TA-Lib takes ranges below 1e-14 for zero.
    """
    if not len(close):
        return np.empty(0)
    scale = close[0]
    result: Floats = talib().ADX(high / scale, low / scale, close / scale, bars)
    return result


def rsi(close: Floats, bars: int = 14) -> Floats:
    """Return the relative strength index, 0 to 100; NaN for the first `bars` values.

    Prices are taken relative to the first one, because TA-Lib takes moves below 1e-14 for zero.
    """
    result: Floats = talib().RSI(close / close[0], bars) if len(close) else np.empty(0)
    return result
