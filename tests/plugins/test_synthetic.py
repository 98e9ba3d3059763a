"""The synthetic market is the same for a seed, and behaves like a market."""

import datetime as dt
import hashlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from lct.domain.bars import Bars, sound_part
from lct.errors import ConfigError, NotFound
from plugins.feeds.synthetic import COINS, REGIMES, Synthetic

COLUMNS = ("open_ns", "open", "high", "low", "close", "volume")
DIGEST = "574e975a78775b330477ae99318245375433a6e86bce1279ec7451cec18bec4a"


def market(**settings: object) -> Synthetic:
    return Synthetic(Synthetic.Config(**settings))


def raw(bars: Bars) -> bytes:
    return b"".join(
        getattr(bars, name).astype(getattr(bars, name).dtype.newbyteorder("<")).tobytes() for name in COLUMNS
    )


@pytest.fixture(scope="module")
def month() -> Synthetic:
    return market(days=30)


def returns(feed: Synthetic, symbol: str) -> np.ndarray:
    return np.diff(np.log(feed.tape().bars(symbol).close))


def test_the_bytes_of_a_seed_are_pinned():
    tape = market(seed=7, days=3).tape()

    digest = hashlib.sha256(b"".join(raw(tape.bars(symbol)) for symbol in tape.symbols)).hexdigest()

    assert digest == DIGEST


def test_another_seed_is_another_market():
    symbols = ("BTC/USDT",)

    assert raw(market(days=1, symbols=symbols).tape().bars("BTC/USDT")) != raw(
        market(seed=8, days=1, symbols=symbols).tape().bars("BTC/USDT")
    )


def test_the_first_days_are_the_same_however_many_are_asked_for(month):
    short = market(days=2).tape()

    for symbol in short.symbols:
        assert raw(short.bars(symbol)) == raw(month.tape().bars(symbol)[:2880])
    assert market(days=2).regimes() == month.regimes()[:12]


def test_a_pair_is_the_same_whichever_others_are_asked_for(month):
    alone = market(days=30, symbols=("DOGE/USDT",)).tape()

    assert alone.symbols == ("DOGE/USDT",)
    assert raw(alone.bars("DOGE/USDT")) == raw(month.tape().bars("DOGE/USDT"))


def test_longer_bars_are_made_of_the_minutes(month):
    hours = market(days=30, timeframe="1h", symbols=("ETH/USDT",)).tape().bars("ETH/USDT")
    minutes = month.tape().bars("ETH/USDT")

    assert len(hours) == 720
    assert hours.open_ns.tolist() == minutes.open_ns[::60].tolist()
    assert hours.open.tolist() == minutes.open[::60].tolist()
    assert hours.close.tolist() == minutes.close[59::60].tolist()
    assert hours.high.tolist() == minutes.high.reshape(-1, 60).max(axis=1).tolist()
    assert hours.low.tolist() == minutes.low.reshape(-1, 60).min(axis=1).tolist()
    assert np.allclose(hours.volume, minutes.volume.reshape(-1, 60).sum(axis=1))


def test_every_minute_of_twelve_pairs_has_a_sound_bar(month):
    tape = month.tape()

    assert len(tape.symbols) >= 12
    assert len(tape) == 30 * 1440
    for symbol in tape.symbols:
        sound, counts = sound_part(tape.bars(symbol), tape.step_ns)
        assert (len(sound), counts) == (30 * 1440, {})
    assert month.refused() == {}


def test_prices_are_on_the_tick_and_volumes_on_the_lot(month):
    for instrument in month.instruments():
        bars = month.tape().bars(instrument.symbol)
        for column, step in ((bars.open, instrument.tick), (bars.high, instrument.tick), (bars.volume, instrument.lot)):
            per_unit = float(1 / step)
            assert np.array_equal(np.rint(column * per_unit) / per_unit, column)
        assert bars.volume.min() > 0


def test_a_bar_opens_where_the_last_closed_but_for_small_gaps(month):
    bars = month.tape().bars("BTC/USDT")
    gaps = bars.open[1:] / bars.close[:-1] - 1

    assert 0.005 < float((gaps != 0).mean()) < 0.04
    assert float(np.abs(gaps).max()) < 0.01


def test_pairs_move_together(month):
    table = np.corrcoef([returns(month, symbol) for symbol in month.symbols])

    assert table.min() > 0.3
    assert np.sort(table.ravel())[-len(table) - 1] < 0.95, "and are not one and the same"


def test_volatility_comes_in_clusters_and_extremes_are_common(month):
    for symbol in month.symbols:
        moves = returns(month, symbol)
        size = np.abs(moves)
        assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.1
        assert np.corrcoef(size[:-60], size[60:])[0, 1] > 0.05
        assert ((moves - moves.mean()) ** 4).mean() / moves.var() ** 2 > 4
        assert abs(np.corrcoef(moves[:-1], moves[1:])[0, 1]) < 0.05, "but the direction does not repeat"


def test_volume_follows_the_moves_and_the_hour(month):
    bars = month.tape().bars("BTC/USDT")
    by_hour = bars.volume.reshape(30, 24, 60).mean(axis=(0, 2))

    assert np.corrcoef(np.abs(returns(month, "BTC/USDT")), bars.volume[1:])[0, 1] > 0.3
    assert int(by_hour.argmax()) in range(12, 18)
    assert by_hour.max() > 1.5 * by_hour.min()


def test_regimes_last_all_occur_and_move_the_market_their_way():
    feed = market(days=365, symbols=("BTC/USDT",), timeframe="4h")
    bars, truth = feed.tape().bars("BTC/USDT"), feed.regimes()
    seen = Counter(name for _, name in truth)
    moves = np.log(bars.close / bars.open)
    mean = {name: float(moves[[regime == name for _, regime in truth]].mean()) for name in REGIMES}

    assert [from_ns for from_ns, _ in truth] == bars.open_ns.tolist()
    assert set(seen) == set(REGIMES)
    assert sum(left[1] != right[1] for left, right in pairwise(truth)) < len(truth) / 10
    assert mean["crash"] < mean["down"] < mean["range"] < mean["up"]


def test_years_stay_believable():
    closes = market(days=365, timeframe="1d", symbols=("BTC/USDT", "DOGE/USDT")).tape()

    for symbol in closes.symbols:
        bars = closes.bars(symbol)
        assert float(bars.low.min()) / COINS[symbol].price > 0.1
        assert float(bars.high.max()) / COINS[symbol].price < 10
        assert 0.02 < float(np.diff(np.log(bars.close)).std()) < 0.08


def test_the_odds_of_every_regime_add_up_to_one():
    for regime in REGIMES.values():
        assert sum(odds for _, odds in regime.next) == pytest.approx(1.0)
        assert {name for name, _ in regime.next} <= set(REGIMES)


def test_the_start_is_the_first_bar():
    tape = market(start=dt.date(2025, 3, 1), days=1, symbols=("BTC/USDT",), timeframe="1d").tape()

    assert tape.times.tolist() == [1_740_787_200_000_000_000]


@pytest.mark.parametrize(
    ("settings", "error", "wanted"),
    [
        ({"symbols": ("BTC/USD",)}, NotFound, "did you mean 'BTC/USDT'"),
        ({"timeframe": "7m"}, ConfigError, "no 7m bars"),
        ({"timeframe": "30s"}, ConfigError, "no 30s bars"),
        ({"timeframe": "1w"}, ConfigError, "no 1w bars"),
        ({"timeframe": "often"}, ConfigError, "not a timeframe"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, error, wanted):
    with pytest.raises(error, match=wanted):
        market(**settings)
