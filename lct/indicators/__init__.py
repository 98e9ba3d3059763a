"""Indicators: arithmetic on float64 arrays, oldest first; each gives as many values as it takes, NaN while not warm.

All are causal: a prefix of the input gives the very bits of that prefix of the output. They start at the first value
they are given, which recursive ones never quite forget: windows start on the anchor grid (see lct.domain.anchor).
"""

from lct.indicators.averages import alpha_of, ema, sma
from lct.indicators.deviation import Bands, bollinger, stdev, zscore
from lct.indicators.strength import adx, atr, rsi

__all__ = ["Bands", "adx", "alpha_of", "atr", "bollinger", "ema", "rsi", "sma", "stdev", "zscore"]
