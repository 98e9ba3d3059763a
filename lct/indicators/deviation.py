"""Deviation: how far a value lies from its average, in prices and in standard deviations."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lct.indicators._talib import talib
from lct.indicators.averages import sma

Floats = npt.NDArray[np.float64]


class Bands(NamedTuple):
    """Bollinger bands, each as long as the input."""

    lower: Floats
    middle: Floats
    upper: Floats


def stdev(values: Floats, bars: int) -> Floats:
    """Return the population standard deviation of the last `bars` (>= 2) values; NaN for the first bars - 1.

    TA-Lib's STDDEV takes a variance below 1e-14 for zero, which would make every token of a fraction of a cent flat.
    So it is computed on values relative to the first one: zero means less than a ten-millionth of that.
    """
    if not len(values):
        return np.empty(0)
    scale = abs(float(values[0])) or 1.0
    result: Floats = talib().STDDEV((values - values[0]) / scale, bars, 1.0) * scale
    return result


def zscore(values: Floats, bars: int) -> Floats:
    """Return (x - mean) / standard deviation over the last `bars` values; 0 where they do not deviate."""
    deviation = stdev(values, bars)
    flat = deviation == 0.0
    distance = (values - sma(values, bars)) / np.where(flat, 1.0, deviation)
    return np.where(flat, 0.0, distance)


def bollinger(values: Floats, bars: int = 20, width: float = 2.0) -> Bands:
    """Return the mean of the last `bars` values and that mean -/+ `width` standard deviations.

    Source: Bollinger, Bollinger on Bollinger Bands (2001): population deviation, 20 bars, width 2.
    """
    middle, reach = sma(values, bars), width * stdev(values, bars)
    return Bands(middle - reach, middle, middle + reach)
