"""Performance figures, computed by hand and held for any curve."""

from decimal import Decimal
from math import isfinite, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.performance import DAY_NS, daily_returns, longest_drawdown_ns, measure
from lct.domain.trades import Trade

D = Decimal


def trade(profit, exit_ns=0):
    return Trade("fused", "BTC/USDT", "long", D(1), D(100), D(101), 0, exit_ns, D(profit), D("0.1"))


def curve(*values):
    return np.arange(len(values), dtype=np.int64) * DAY_NS, np.array(values, dtype=np.float64)


def test_a_curve_by_hand():
    found = measure(*curve(100.0, 110.0, 99.0, 108.9), [], 0.25)

    # daily returns 0.1, -0.1, 0.1: mean 1/30, sample variance 1/75, downside variance 0.01 / 3
    assert found.total_return == pytest.approx(0.089)
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.volatility == pytest.approx(sqrt(1 / 75 * 365))
    assert found.sharpe == pytest.approx(1 / 30 / sqrt(1 / 75) * sqrt(365))
    assert found.sortino == pytest.approx(1 / 30 / sqrt(0.01 / 3) * sqrt(365))
    assert found.cagr == pytest.approx(1.089 ** (365 / 3) - 1)
    assert found.calmar == pytest.approx((1.089 ** (365 / 3) - 1) / 0.1)
    assert found.longest_drawdown_ns == 2 * DAY_NS
    assert found.exposure == 0.25


def test_trades_by_hand():
    trades = [trade("10", 1), trade("-4", 2), trade("-1", 3), trade("0", 4), trade("5", 5)]

    found = measure(*curve(100.0, 110.0), trades)

    assert found.trades == 5
    assert found.win_rate == 0.4
    assert found.profit_factor == 3.0
    assert found.expectancy == D(2)
    assert found.average_win == D("7.5")
    assert found.average_loss == D("-2.5")
    assert found.consecutive_losses == 2
    assert found.fees == D("0.5")


def test_losses_run_in_the_order_of_exits():
    found = measure(*curve(1.0), [trade("-1", 3), trade("1", 2), trade("-1", 1)])

    assert found.consecutive_losses == 1


def test_without_trades_and_time_nothing_is_defined():
    found = measure(*curve(100.0), [])

    assert (found.cagr, found.sharpe, found.sortino, found.calmar, found.volatility) == (None,) * 5
    assert (found.win_rate, found.profit_factor, found.expectancy, found.average_win) == (None,) * 4
    assert found.total_return == 0.0
    assert found.longest_drawdown_ns == 0


def test_without_losses_there_is_no_profit_factor():
    assert measure(*curve(1.0), [trade("3")]).profit_factor is None


def test_one_daily_return_is_too_few_for_ratios():
    found = measure(*curve(100.0, 90.0), [])

    assert (found.sharpe, found.sortino, found.volatility) == (None, None, None)


def test_steady_growth_has_no_deviation_to_divide_by():
    found = measure(*curve(*(100.0 * 1.01**day for day in range(50))), [])

    assert found.sharpe is None
    assert found.sortino is None
    assert found.max_drawdown == 0.0


def test_a_day_ends_with_its_last_value_and_an_empty_day_repeats_the_one_before():
    times = np.array([0, DAY_NS // 2, DAY_NS + 1, 3 * DAY_NS], dtype=np.int64)

    returns = daily_returns(times, np.array([50.0, 100.0, 110.0, 121.0]))

    assert returns == pytest.approx([0.1, 0.0, 0.1])


def test_drawdowns_within_a_day_count():
    times = np.arange(4, dtype=np.int64)

    assert measure(times, np.array([100.0, 50.0, 100.0, 101.0]), []).max_drawdown == 0.5


def test_a_drawdown_that_does_not_end_lasts_to_the_end():
    times, equity = curve(100.0, 90.0, 100.0, 90.0, 80.0, 99.0)

    assert longest_drawdown_ns(times, equity) == 3 * DAY_NS


def test_a_flat_curve_is_never_under_water():
    assert longest_drawdown_ns(*curve(5.0, 5.0, 5.0)) == 0


def test_a_curve_that_is_not_one_is_refused():
    with pytest.raises(ValueError, match="ascending"):
        measure(np.array([1, 1]), np.array([1.0, 2.0]), [])


FINITE = st.floats(allow_nan=False, allow_infinity=False)
CURVES = st.lists(st.tuples(st.integers(1, 3 * DAY_NS), st.one_of(st.floats(1e-3, 1e6), FINITE)), max_size=40)


@given(CURVES, st.lists(st.decimals(-1000, 1000, places=4), max_size=10))
def test_every_figure_is_finite_or_none(points, profits):
    times = np.cumsum(np.array([step for step, _ in points], dtype=np.int64))
    equity = np.array([value for _, value in points], dtype=np.float64)

    found = measure(times, equity, [trade(str(profit), i) for i, profit in enumerate(profits)])

    for name in found.__struct_fields__:
        value = getattr(found, name)
        assert value is None or isfinite(value), name


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60))
def test_a_drawdown_of_a_positive_curve_is_a_fraction(values):
    found = measure(*curve(*values), [])

    assert 0.0 <= found.max_drawdown < 1.0
    assert 0 <= found.longest_drawdown_ns <= (len(values) - 1) * DAY_NS
    assert (found.longest_drawdown_ns == 0) == (found.max_drawdown == 0.0)


@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=60))
def test_the_unit_of_the_equity_does_not_matter(values):
    times, equity = curve(*values)

    assert measure(times, equity, []) == measure(times, equity * 1024.0, [])
