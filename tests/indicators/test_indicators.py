"""Indicators: golden values by hand, causality on prefixes, units, and how TA-Lib is loaded."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.indicators import adx, alpha_of, atr, bollinger, ema, rsi, sma, stdev, zscore


def walk(seed, n=200, start=100.0):
    return start * np.exp(np.cumsum(np.random.default_rng(seed).standard_normal(n) * 0.01))


def bars(close):
    return close * 1.002, close * 0.997, close


ALL = {
    "ema": lambda c: ema(c, 26),
    "sma": lambda c: sma(c, 20),
    "stdev": lambda c: stdev(c, 20),
    "zscore": lambda c: zscore(c, 20),
    "upper": lambda c: bollinger(c).upper,
    "lower": lambda c: bollinger(c).lower,
    "atr": lambda c: atr(*bars(c)),
    "adx": lambda c: adx(*bars(c)),
    "rsi": rsi,
}


def test_an_ema_starts_at_the_first_value():
    assert ema(np.array([10.0, 13.0, 7.0]), 2).tolist() == pytest.approx([10.0, 12.0, 26 / 3])


def test_an_ema_is_the_plain_recurrence_bit_for_bit():
    values, level, expected = walk(3), None, []

    for value in values.tolist():
        level = value if level is None else level + alpha_of(12) * (value - level)
        expected.append(level)

    assert ema(values, 12).tolist() == expected


def test_an_ema_leaves_its_input_alone():
    values = np.array([1.0, 2.0])

    ema(values, 3)

    assert values.tolist() == [1.0, 2.0]


def test_an_ema_of_prices_that_do_not_move_is_that_price():
    assert (ema(np.full(300, 0.1), 26) == 0.1).all()


def test_averages_and_deviations_by_hand():
    values = np.array([2.0, 4.0, 6.0])

    assert sma(values, 2).tolist()[1:] == [3.0, 5.0]
    assert stdev(values, 2).tolist()[1:] == pytest.approx([1.0, 1.0])
    assert zscore(values, 2).tolist()[1:] == pytest.approx([1.0, 1.0])
    assert [band[2] for band in bollinger(values, 3, 2.0)] == pytest.approx(
        [4 - 2 * (8 / 3) ** 0.5, 4, 4 + 2 * (8 / 3) ** 0.5]
    )


def test_a_deviation_of_nothing_gives_a_zscore_of_zero():
    assert zscore(np.full(30, 0.1), 20)[19:].tolist() == [0.0] * 11


def test_ranges_and_strengths_by_hand():
    up = np.arange(1.0, 61.0)

    assert atr(up + 1, up - 1, up, 5)[-1] == pytest.approx(2.0)
    assert rsi(up, 5)[-1] == 100.0
    assert adx(up + 1, up - 1, up, 5)[-1] == pytest.approx(100.0)


@pytest.mark.parametrize("name", ALL)
def test_a_token_of_a_billionth_is_measured_like_any_other(name):
    close = walk(5)
    scale = 2.0**-40

    small, usual = ALL[name](close * scale), ALL[name](close)

    unit = scale if name in {"ema", "sma", "stdev", "upper", "lower", "atr"} else 1.0
    np.testing.assert_allclose(small, usual * unit, rtol=1e-9)


@pytest.mark.parametrize("name", ALL)
@given(st.integers(0, 30), st.integers(0, 200))
def test_a_prefix_gives_the_same_bits(name, seed, length):
    close = walk(seed)

    whole, part = ALL[name](close), ALL[name](close[:length].copy())

    assert part.tobytes() == whole[:length].tobytes()


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_gives_nothing_out(name):
    assert len(ALL[name](np.empty(0))) == 0


def test_talib_loads_at_first_use_and_without_pandas():
    code = (
        "import sys, numpy, lct.indicators as i; assert not {'talib', 'pandas'} & set(sys.modules); "
        "i.rsi(numpy.arange(1.0, 50.0)); assert 'talib' in sys.modules and 'pandas' not in sys.modules; "
        "import pandas; assert pandas.Series is not None; i.rsi(numpy.arange(1.0, 50.0))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
