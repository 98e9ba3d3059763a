"""Regime labels: simple shapes, causality, silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.regimes import REGIMES, WARMUP, regimes


def walk(seed, n=400):
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).standard_normal(n) * 0.01))


def last_label(close):
    return REGIMES[regimes(close)[-1]]


def test_the_first_bars_are_unknown():
    codes = regimes(walk(1))

    assert (codes[:WARMUP] == 0).all()
    assert (codes[WARMUP:] != 0).all()


def test_a_straight_way_is_a_trend():
    up = 100.0 * 1.001 ** np.arange(200)

    assert last_label(up) == "trending_up"
    assert last_label(up[::-1]) == "trending_down"


def test_to_and_fro_is_ranging():
    assert last_label(100.0 + np.arange(200) % 2) == "ranging"


def test_prices_that_do_not_move_are_ranging():
    assert last_label(np.full(200, 3.0)) == "ranging"


def test_a_sudden_doubling_of_the_moves_is_volatile():
    swing = (np.arange(200) % 2) * 1.0
    swing[170:] *= 5.0

    assert last_label(100.0 + swing) == "volatile"


@given(st.integers(0, 50), st.integers(0, 300))
def test_a_prefix_gives_the_same_labels(seed, length):
    close = walk(seed, 300)

    assert regimes(close[:length]).tolist() == regimes(close)[:length].tolist()


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**30])
def test_the_unit_of_the_price_does_not_matter(scale):
    close = walk(7)

    assert regimes(close * scale).tolist() == regimes(close).tolist()


def test_series_in_rows_are_labelled_each_by_itself():
    rows = np.stack([walk(seed) for seed in range(5)])

    assert regimes(rows).tolist() == [regimes(row).tolist() for row in rows]
