"""Performance: what an equity curve and its closed trades were worth; every figure is finite, and None where undefined.

Ratios are over UTC days, 365 a year (crypto does not close), against a risk-free rate of zero. An equity curve is given
as `times_ns` (int64, ascending, UTC) and `equity` (float64, in quote, marked at those times).
"""

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite, sqrt

import msgspec
import numpy as np

from lct.domain.bars import DAY_NS, Floats, Times
from lct.domain.money import ZERO, Money
from lct.domain.trades import Trade

DAYS_PER_YEAR = 365
FLAT = 1e-12
"""A deviation of daily returns up to this is rounding, and counts as none."""


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one run; `measure` makes it. Ratios are fractions (0.1 is 10 %), money is in quote."""

    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None
    longest_drawdown_ns: int
    exposure: float | None
    trades: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: Money | None
    average_win: Money | None
    average_loss: Money | None
    consecutive_losses: int
    fees: Money


def measure(times_ns: Times, equity: Floats, trades: Sequence[Trade], exposure: float | None = None) -> Performance:
    """Return every figure; `exposure` is the fraction of time or capital in the market, as its caller counts it.

    Raises ValueError where the columns differ in length, times do not ascend, or an equity is not finite.
    """
    if len(times_ns) != len(equity) or bool((times_ns[1:] <= times_ns[:-1]).any()) or not np.isfinite(equity).all():
        msg = "an equity curve needs one finite value for each of its ascending times"
        raise ValueError(msg)
    return Performance(
        total_return=total_return(equity),
        cagr=cagr(times_ns, equity),
        volatility=volatility(times_ns, equity),
        sharpe=sharpe(times_ns, equity),
        sortino=sortino(times_ns, equity),
        calmar=calmar(times_ns, equity),
        max_drawdown=max_drawdown(equity),
        longest_drawdown_ns=longest_drawdown_ns(times_ns, equity),
        exposure=exposure,
        trades=len(trades),
        win_rate=win_rate(trades),
        profit_factor=profit_factor(trades),
        expectancy=expectancy(trades),
        average_win=average_win(trades),
        average_loss=average_loss(trades),
        consecutive_losses=consecutive_losses(trades),
        fees=sum((trade.fees for trade in trades), ZERO),
    )


def total_return(equity: Floats) -> float | None:
    """Return last / first - 1 (holding period return); None without values or where the first is not positive."""
    if not len(equity) or equity[0] <= 0.0:
        return None
    return _finite(float(equity[-1]) / float(equity[0]) - 1.0)


def cagr(times_ns: Times, equity: Floats) -> float | None:
    """Return (last / first) ** (365 days / elapsed) - 1, the compound annual growth rate.

    Source: CFA Institute, GIPS standards, annualised return. None where no time passed, where the curve starts at or
    below zero or ends below it, or where a short run would compound to something no float holds.
    """
    if len(equity) < 2 or equity[0] <= 0.0 or equity[-1] < 0.0:
        return None
    years = (int(times_ns[-1]) - int(times_ns[0])) / (DAY_NS * DAYS_PER_YEAR)
    growth = float(equity[-1]) / float(equity[0])
    try:
        return _finite(growth ** (1.0 / years) - 1.0)
    except OverflowError:
        return None


def max_drawdown(equity: Floats) -> float | None:
    """Return the largest fall from a peak as a fraction of that peak, over every value of the curve; 0 if none.

    Source: Magdon-Ismail and Atiya, Maximum Drawdown (2004). Above 1 where the curve falls below zero. None without
    values or where the first is not positive.
    """
    if not len(equity) or equity[0] <= 0.0:
        return None
    peaks = np.maximum.accumulate(equity)
    with np.errstate(over="ignore"):
        return _finite(float(np.max(1.0 - equity / peaks)))


def longest_drawdown_ns(times_ns: Times, equity: Floats) -> int:
    """Return the longest time from a peak until the curve is back at it, or to the end; 0 if it never falls.

    Source: backtesting.py's "Max. Drawdown Duration". The peak is its last value before the fall.
    """
    if not len(equity):
        return 0
    peaks = np.maximum.accumulate(equity)
    at_peak = np.flatnonzero(equity >= peaks)
    marks = np.append(times_ns[at_peak], times_ns[-1])
    fell = np.diff(np.append(at_peak, len(equity))) > 1
    return int(np.max(np.where(fell, np.diff(marks), 0)))


def daily_returns(times_ns: Times, equity: Floats) -> Floats:
    """Return the returns between the last values of successive UTC days; a day without a value repeats the one before.

    Empty where there are fewer than two days, or where a day ends at or below zero (no return follows from that).
    """
    if not len(equity):
        return np.empty(0)
    days = times_ns // DAY_NS
    ends = np.arange(int(days[0]), int(days[-1]) + 1)
    closes = equity[np.searchsorted(days, ends, side="right") - 1]
    if (closes <= 0.0).any():
        return np.empty(0)
    with np.errstate(over="ignore"):
        returns: Floats = closes[1:] / closes[:-1] - 1.0
    return returns if np.isfinite(returns).all() else np.empty(0)


def volatility(times_ns: Times, equity: Floats) -> float | None:
    """Return the sample standard deviation of daily returns, times sqrt(365); None with fewer than two returns.

    Source: Hull, Options, Futures and Other Derivatives, estimating volatility from historical data.
    """
    deviation = _deviation(daily_returns(times_ns, equity))
    return None if deviation is None else _finite(deviation * sqrt(DAYS_PER_YEAR))


def sharpe(times_ns: Times, equity: Floats) -> float | None:
    """Return mean / sample standard deviation of daily returns, times sqrt(365).

    Source: Sharpe, The Sharpe Ratio (1994), risk-free rate 0. None with fewer than two returns or without deviation.
    """
    returns = daily_returns(times_ns, equity)
    deviation = _deviation(returns)
    if deviation is None or deviation <= FLAT:
        return None
    return _finite(float(np.mean(returns)) / deviation * sqrt(DAYS_PER_YEAR))


def sortino(times_ns: Times, equity: Floats) -> float | None:
    """Return mean / downside deviation of daily returns, times sqrt(365).

    Source: Sortino and Price, Performance Measurement in a Downside Risk Framework (1994), target 0: the downside
    deviation is the root of the mean, over all days, of squared losses. None with fewer than two returns or no loss.
    """
    returns = daily_returns(times_ns, equity)
    if len(returns) < 2:
        return None
    with np.errstate(over="ignore"):
        downside = sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
        return None if downside <= FLAT else _finite(float(np.mean(returns)) / downside * sqrt(DAYS_PER_YEAR))


def calmar(times_ns: Times, equity: Floats) -> float | None:
    """Return cagr / max_drawdown over the whole curve; None where either is undefined or nothing fell.

    Source: Young, Calmar Ratio: A Smoother Tool (1991), there over 36 months.
    """
    growth, fall = cagr(times_ns, equity), max_drawdown(equity)
    if growth is None or fall is None or fall <= FLAT:
        return None
    return _finite(growth / fall)


def win_rate(trades: Sequence[Trade]) -> float | None:
    """Return the fraction of trades with a profit above zero after fees; None without any. Source: freqtrade's Win%."""
    return sum(trade.profit > 0 for trade in trades) / len(trades) if trades else None


def profit_factor(trades: Sequence[Trade]) -> float | None:
    """Return the sum of profits / the sum of losses, after fees; None without losses. Source: Vince (1990)."""
    losses = -sum((trade.profit for trade in trades if trade.profit < 0), ZERO)
    gains = sum((trade.profit for trade in trades if trade.profit > 0), ZERO)
    return _finite(float(gains / losses)) if losses else None


def expectancy(trades: Sequence[Trade]) -> Decimal | None:
    """Return the mean profit per trade in quote, after fees; None without trades. Source: Tharp (1998)."""
    return _mean([trade.profit for trade in trades])


def average_win(trades: Sequence[Trade]) -> Decimal | None:
    """Return the mean of the profits above zero, in quote; None without one. Source: nautilus' Avg Winner."""
    return _mean([trade.profit for trade in trades if trade.profit > 0])


def average_loss(trades: Sequence[Trade]) -> Decimal | None:
    """Return the mean of the profits below zero, in quote; None without one. Source: nautilus' Avg Loser."""
    return _mean([trade.profit for trade in trades if trade.profit < 0])


def consecutive_losses(trades: Sequence[Trade]) -> int:
    """Return the longest run of losing trades in the order of their exits. Source: freqtrade's Max Consecutive Loss."""
    longest = run = 0
    for trade in sorted(trades, key=lambda trade: (trade.exit_ns, trade.entry_ns)):
        run = run + 1 if trade.profit < 0 else 0
        longest = max(longest, run)
    return longest


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, ZERO) / len(values) if values else None


def _deviation(returns: Floats) -> float | None:
    if len(returns) < 2:
        return None
    with np.errstate(over="ignore"):
        return _finite(float(np.std(returns, ddof=1)))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
