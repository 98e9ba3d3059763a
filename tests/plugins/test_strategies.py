"""What every bundled strategy must keep: the port's promises, on the anchor grid."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from lct.domain.anchor import anchored, grid_of
from lct.domain.bars import Bars
from plugins.strategies.ema_cross import EmaCross
from plugins.strategies.mean_reversion import MeanReversion
from plugins.strategies.trend import Trend

STEP = 60_000_000_000
BUNDLED = [EmaCross(), Trend(), MeanReversion(), MeanReversion(MeanReversion.Config(adx_max=25.0))]
IDS = ["ema_cross", "trend", "mean_reversion", "mean_reversion_capped"]
each = pytest.mark.parametrize("strategy", BUNDLED, ids=IDS)


def walk(seed, n=400, start_slot=64):
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.standard_normal(n) * 0.01))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) * (1 + random.random(n) * 0.003)
    low = np.minimum(open_, close) * (1 - random.random(n) * 0.003)
    return Bars.of((np.arange(n) + start_slot) * STEP, open_, high, low, close, random.random(n))


def flat(n=200):
    return Bars.of(np.arange(n) * STEP, *([np.full(n, 0.1)] * 4), np.zeros(n))


@each
def test_a_prefix_gives_the_same_bits(strategy):
    bars = walk(1, 150)
    whole = strategy.scores(bars)

    for length in range(1, 151):
        assert strategy.scores(bars[:length]).tobytes() == whole[:length].tobytes()


@each
def test_scores_stay_within_their_range(strategy):
    scores = np.concatenate([strategy.scores(walk(seed)) for seed in range(20)])

    said = scores[~np.isnan(scores)]
    assert np.abs(said).max() <= 1.0
    assert np.abs(said).max() > 0.5, "a strategy that never reaches the engine's entry would pass every test"


@each
def test_there_is_no_score_before_the_warmup_and_one_after_it(strategy):
    scores = strategy.scores(walk(2))

    assert scores.dtype == np.float64
    assert np.isnan(scores[: strategy.warmup]).all()
    assert not np.isnan(scores[strategy.warmup :]).any()


@each
def test_prices_that_do_not_move_give_no_opinion(strategy):
    scores = strategy.scores(flat())

    assert (scores[strategy.warmup :] == 0.0).all()


@each
def test_a_stream_says_the_same_bits(strategy):
    stream = strategy.stream()
    if stream is None:
        return
    bars = walk(3)

    told = [stream.update(*row) for row in zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)]

    assert np.array(told).tobytes() == strategy.scores(bars).tobytes()


def test_the_cross_has_a_stream():
    assert EmaCross().stream() is not None


@each
def test_a_shifted_grid_changes_few_scores(strategy):
    grid = grid_of(STEP, strategy.warmup)
    here, there = walk(4, 2000, start_slot=64), walk(4, 2000, start_slot=64 + 23)

    at_home = anchored(grid, here, strategy.scores)
    shifted = anchored(grid, there, strategy.scores)

    both = ~np.isnan(at_home) & ~np.isnan(shifted)
    assert both.sum() > 1800
    assert np.mean(np.abs(at_home - shifted)[both] < 0.2) > 0.97


@pytest.mark.parametrize("kind", [EmaCross, Trend, MeanReversion])
def test_a_strategy_is_named_after_its_file(kind):
    stem = Path(__import__(kind.__module__, fromlist=["x"]).__file__).stem

    assert kind.name == stem
    assert kind.summary
    assert "\n" not in kind.summary


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (EmaCross, {"fast": 26, "slow": 26}),
        (EmaCross, {"fast": 1}),
        (EmaCross, {"speed": 3}),
        (Trend, {"fast": 100}),
        (Trend, {"adx_min": 60.0}),
        (MeanReversion, {"quiet": 4.5}),
        (MeanReversion, {"entry": 0.0}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kind, table):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, kind.Config)


@pytest.mark.parametrize("kind", [EmaCross, Trend, MeanReversion])
def test_every_search_range_lies_within_the_bounds(kind):
    for field in msgspec.inspect.type_info(kind.Config).fields:
        search = getattr(field.type, "extra", None) or {}
        for edge in search.get("search", ()):
            assert field.type.type.ge is None or field.type.type.ge <= edge
            assert field.type.type.le is None or edge <= field.type.type.le


def test_the_cross_is_long_while_the_fast_average_leads():
    close = np.concatenate([np.linspace(100, 120, 50), np.linspace(120, 90, 50)])
    bars = Bars.of(np.arange(100) * STEP, close, close, close, close, close)

    scores = EmaCross().scores(bars)

    assert scores[40] == 1.0
    assert scores[99] == 0.0


def test_trend_takes_the_side_of_the_move_and_is_sure_of_a_straight_one():
    close = 100.0 * 1.002 ** np.arange(120)
    bars = Bars.of(np.arange(120) * STEP, close, close * 1.001, close * 0.999, close, close)

    assert Trend().scores(bars)[-1] == 1.0


def test_mean_reversion_is_against_the_last_move():
    close = np.concatenate([100 + (np.arange(60) % 2) * 0.1, [95.0]])
    bars = Bars.of(np.arange(61) * STEP, close, close, close, close, close)

    assert MeanReversion().scores(bars)[-1] == 1.0
