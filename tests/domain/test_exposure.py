"""Exposure: how it is spread, and what may be lost, by hand-made returns whose answers are known."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.exposure import RETURNS_MIN, Holding, correlation, returns, spread, tail

COUNT = 1_000


def series(seed, scale=0.01):
    chance = random.Random(seed)
    return [chance.gauss(0.0, scale) for _ in range(COUNT)]


def test_long_and_short_add_up_in_gross_and_cancel_in_net():
    found = spread([Holding("s", "A", 60.0), Holding("t", "A", 40.0), Holding("s", "B", -50.0)])

    assert (found.gross, found.net) == (150.0, 50.0)
    assert found.by_symbol == {"A": 100.0, "B": -50.0}
    assert found.by_book == {"s": 110.0, "t": 40.0}


@pytest.mark.parametrize(("sizes", "index"), [([5.0], 1.0), ([5.0, 5.0], 0.5), ([1.0] * 4, 0.25), ([], None)])
def test_the_concentration_is_one_for_one_and_a_part_for_equal_parts(sizes, index):
    assert spread([Holding("s", str(n), size) for n, size in enumerate(sizes)]).concentration == index


def test_the_normal_method_finds_the_quantile_of_normal_returns():
    found = tail({"A": 1_000.0}, {"A": series(1)}, 0.95, 1)

    assert found.parametric_var == pytest.approx(1_000 * 0.01 * 1.645, rel=0.06)
    assert found.historical_var == pytest.approx(found.parametric_var, rel=0.1)
    assert found.historical_shortfall > found.historical_var
    assert found.parametric_shortfall > found.parametric_var


def test_a_hedge_of_the_same_returns_leaves_nothing_at_risk():
    same = series(2)

    found = tail({"A": 100.0, "B": -100.0}, {"A": same, "B": same}, 0.99, 1)

    assert found.parametric_var == pytest.approx(0.0, abs=1e-9)
    assert found.historical_var == pytest.approx(0.0, abs=1e-9)


def test_the_historical_method_takes_the_losses_as_they_were():
    moves = [-0.5, -0.4, -0.3, -0.2, *[0.01] * 96]

    found = tail({"A": 10.0}, {"A": moves}, 0.96, 1)

    assert found.historical_var == pytest.approx(2.0)
    assert found.historical_shortfall == pytest.approx((5 + 4 + 3 + 2) / 4)


def test_the_horizon_scales_by_its_root():
    one, four = (tail({"A": 1.0}, {"A": series(3)}, 0.95, bars) for bars in (1, 4))

    assert four.parametric_var == pytest.approx(2 * one.parametric_var)
    assert four.historical_var == pytest.approx(2 * one.historical_var)


def test_too_little_history_is_said_and_nothing_is_guessed():
    found = tail({"A": 1.0, "B": 1.0}, {"A": series(1), "B": [0.1] * (RETURNS_MIN - 1)}, 0.95, 1)

    assert (found.historical_var, found.parametric_var) == (None, None)
    assert found.reason == f"fewer than {RETURNS_MIN} returns of B"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_together_no_more_is_at_risk_by_the_normal_method_than_apart(a, b):
    moves = {"A": series(4), "B": series(5)}

    whole = tail({"A": a, "B": b}, moves, 0.95, 1).parametric_var or 0.0
    parts = sum(tail({name: value}, moves, 0.95, 1).parametric_var or 0.0 for name, value in (("A", a), ("B", b)))

    assert whole <= parts * (1 + 1e-9) + 1e-9


def test_correlation_is_one_with_itself_and_unknown_where_nothing_moves():
    one = series(6)

    assert correlation(one, one) == pytest.approx(1.0)
    assert correlation(one, [-x for x in one]) == pytest.approx(-1.0)
    assert correlation(one, [0.0] * COUNT) is None
    assert correlation(one[:10], one[:10]) is None


def test_returns_are_those_from_close_to_close():
    assert returns([100.0, 110.0, 99.0]) == [pytest.approx(0.1), pytest.approx(-0.1)]
    assert returns([1.0]) == []
    assert not any(map(math.isnan, returns([1.0, 2.0, 4.0])))
