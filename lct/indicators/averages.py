"""Averages: simple and exponential."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lct.indicators._talib import talib

Floats = npt.NDArray[np.float64]


def alpha_of(bars: int) -> float:
    """Return the weight of the newest value in an EMA over `bars`: 2 / (bars + 1), after Hunter (1986)."""
    return 2.0 / (bars + 1)


def ema(values: Floats, bars: int) -> Floats:
    """Return the exponential average: e[0] = x[0], e[i] = e[i-1] + alpha * (x[i] - e[i-1]), alpha = 2 / (bars + 1).

    It starts at the first value and has a value from the first bar on. TA-Lib's starts at a simple average and rounds
    once where Python rounds twice; the same operations in the same order on Python floats give the bits of this.
    """
    averages: Floats = values.astype(np.float64)
    cells: Any = memoryview(averages)  # type: ignore[arg-type]  # numpy's stubs do not say that arrays are buffers
    if not cells:
        return averages
    alpha, level = alpha_of(bars), cells[0]
    for i, value in enumerate(cells):  # a memoryview hands out Python floats, much faster than the array does
        level += alpha * (value - level)
        cells[i] = level
    return averages


def sma(values: Floats, bars: int) -> Floats:
    """Return the mean of the last `bars` values (TA-Lib's SMA); NaN for the first bars - 1."""
    if bars == 1 or not len(values):
        return values.astype(np.float64)
    result: Floats = talib().SMA(values, bars)
    return result
