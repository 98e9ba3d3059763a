"""The strategy engine: what it says, that both its ways say the same, and what it refuses."""

import numpy as np
import pytest

from daemons.strategy_engine import LooksAhead, StrategyEngine, StrategyFailed, UnsoundScores
from lct.domain.anchor import anchored, grid_of
from lct.domain.bars import Bars
from lct.domain.tape import Tape
from lct.errors import ConfigError, DataError
from lct.messages.base import RequestRefused
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import GetSignals, RegimeChanged, Scored, Signal
from lct.ports.strategy import Strategy, StrategyConfig
from plugins.strategies.ema_cross import EmaCross
from plugins.strategies.mean_reversion import MeanReversion
from plugins.strategies.trend import Trend

STEP = 60_000_000_000
START = 1000 * 256


def strategies():
    return [EmaCross(), Trend(Trend.Config(slow=90)), MeanReversion()]


def walk(seed, n, gaps=0.0, start=START):
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.standard_normal(n) * 0.01))
    open_ = np.concatenate([close[:1], close[:-1]])
    bars = Bars.of(
        (np.arange(n) + start) * STEP, open_, np.maximum(open_, close), np.minimum(open_, close), close, close
    )
    keep = random.random(n) >= gaps
    if gaps:
        keep[: int(random.integers(0, 200))] = False
        hole = int(random.integers(300, n - 300))
        keep[hole : hole + int(random.integers(20, 320))] = False
    return bars.take(keep)


def closed(tape):
    symbols = {}  # one tuple per set of symbols, as market_data gives
    return [
        BarsClosed(i + 1, r.open_ns + STEP, r.open_ns, "1m", symbols.setdefault(r.symbols, r.symbols), *r[2:])
        for i, r in enumerate(tape.rows(0, len(tape)))
    ]


def say(engine, heard):
    return [list(engine.opine(bars, bars.time_ns)) for bars in heard]


class Given(Strategy):
    """Says what a function of the window says."""

    name = "given"
    summary = "for tests"
    Config = StrategyConfig
    warmup = 10

    def __init__(self, said):
        super().__init__()
        self.said = said

    def scores(self, bars):
        return self.said(bars)


def test_the_first_bar_has_no_score_and_no_regime():
    tape = Tape("1m", {"A/USDT": walk(1, 5)})
    bars = closed(tape)[0]

    for recorded in (None, tape):
        engine = StrategyEngine([EmaCross()], "1m", recorded)

        assert list(engine.opine(bars, bars.time_ns)) == [Scored("ema_cross", 1, bars.time_ns, ("A/USDT",), [None])]


def test_a_rising_market_scores_one_and_becomes_a_trend():
    close = 100.0 * 1.001 ** np.arange(400)
    tape = Tape("1m", {"A/USDT": Bars.of((np.arange(400) + START) * STEP, close, close, close, close, close)})

    said = [message for step in say(StrategyEngine([EmaCross()], "1m", tape), closed(tape)) for message in step]

    scored = [m.scores[0] for m in said if isinstance(m, Scored)]
    assert scored == [None] * 64 + [1.0] * 336
    changed = [m for m in said if isinstance(m, RegimeChanged)]
    assert changed == [RegimeChanged("A/USDT", 129, (START + 129) * STEP, "trending_up")]


def test_scores_name_the_very_symbols_of_the_bars():
    tape = Tape("1m", {"A/USDT": walk(1, 5), "B/USDT": walk(2, 5)})
    bars = closed(tape)[0]

    for recorded in (None, tape):
        (scored,) = StrategyEngine([EmaCross()], "1m", recorded).opine(bars, 0)
        assert scored.symbols is bars.symbols


def test_bars_of_another_timeframe_are_not_its_business():
    tape = Tape("1m", {"A/USDT": walk(1, 5)})

    assert StrategyEngine([EmaCross()], "5m", None).opine(closed(tape)[0], 0) is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gaps", [0.0, 0.15])
def test_recorded_and_heard_bars_say_the_same(seed, gaps):
    tape = Tape("1m", {f"S{i}": walk(10 * seed + i, 1400, gaps if i != 1 else 0.0) for i in range(3)})
    heard = closed(tape)

    live = say(StrategyEngine(strategies(), "1m", None), heard)
    replayed = say(StrategyEngine(strategies(), "1m", tape), heard)

    assert live == replayed
    assert any(score is not None for step in live for score in step[1].scores)
    assert {type(message) for step in live for message in step} == {Scored, RegimeChanged}


def test_scores_are_those_of_the_anchor_grid():
    tape = Tape("1m", {"S0": walk(5, 1000, 0.1)})
    strategy = Trend()
    expected = anchored(grid_of(STEP, strategy.warmup), tape.bars("S0"), strategy.scores)

    said = say(StrategyEngine([strategy], "1m", tape), closed(tape))

    told = [np.nan if step[0].scores[0] is None else step[0].scores[0] for step in said]
    assert np.array(told).tobytes() == expected.tobytes()


@pytest.mark.parametrize("gaps", [0.0, 0.15])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_restart_changes_nothing_that_is_said(gaps, is_recorded):
    tape = Tape("1m", {f"S{i}": walk(40 + i, 1500, gaps) for i in range(3)})
    recorded = tape if is_recorded else None
    heard = closed(tape)
    expected = say(StrategyEngine(strategies(), "1m", recorded), heard)

    for stop in range(1, len(heard), 97):
        engine = StrategyEngine(strategies(), "1m", recorded)
        say(engine, heard[engine.rehears_since(stop) : stop])

        assert say(engine, heard[stop : stop + 130]) == expected[stop : stop + 130]


def test_a_restart_hears_a_bounded_piece_again():
    engine = StrategyEngine(strategies(), "1m", None)

    assert engine.rehears_since(100) == 0
    assert engine.rehears_since(1_000_000) == 1_000_000 - 5 * 128


def test_a_symbol_that_is_silent_for_a_block_becomes_unknown():
    gone = walk(1, 300)
    tape = Tape("1m", {"A/USDT": gone, "B/USDT": walk(2, 900)})

    said = [message for step in say(StrategyEngine([], "1m", tape), closed(tape)) for message in step]

    last = [m for m in said if isinstance(m, RegimeChanged) and m.symbol == "A/USDT"][-1]
    assert (last.regime, last.time_ns) == ("unknown", (START + 512) * STEP + STEP)


def test_equal_symbols_in_another_tuple_are_scored_alike():
    tape = Tape("1m", {"A/USDT": walk(1, 300), "B/USDT": walk(2, 300)})
    one, other = StrategyEngine(strategies(), "1m", tape), StrategyEngine(strategies(), "1m", tape)

    for bars in closed(tape):
        turned = BarsClosed(
            bars.md_seq,
            bars.time_ns,
            bars.open_ns,
            "1m",
            bars.symbols[::-1],
            *(c[::-1] for c in (bars.open, bars.high, bars.low, bars.close, bars.volume)),
        )
        for a, b in zip(one.opine(bars, 0)[:3], other.opine(turned, 0)[:3], strict=True):
            assert a.scores == b.scores[::-1]


LOOKING = {
    "the next bar": lambda bars: np.append(np.sign(np.diff(bars.close)), 0.0),
    "the mean of the window": lambda bars: np.where(bars.close > bars.close.mean(), 1.0, -1.0),
    "how many bars there are": lambda bars: np.full(len(bars), len(bars) / 10_000),
    "the highest close to come": lambda bars: bars.close / np.maximum.accumulate(bars.close[::-1])[::-1],
}


@pytest.mark.parametrize("what", LOOKING)
def test_a_strategy_that_looks_ahead_is_refused(what):
    tape = Tape("1m", {"A/USDT": walk(3, 2000)})

    with pytest.raises(LooksAhead, match=r"strategy given looks ahead: its score of A/USDT on the bar of 1970-"):
        say(StrategyEngine([Given(LOOKING[what])], "1m", tape), closed(tape))


UNSOUND = {
    "too few": lambda bars: np.zeros(len(bars) - 1),
    "too large": lambda bars: np.full(len(bars), 1.5),
    "infinite": lambda bars: np.full(len(bars), -np.inf),
    "a list": lambda bars: [0.0] * len(bars),
    "nothing": lambda bars: None,
    "integers": lambda bars: np.zeros(len(bars), dtype=np.int64),
}


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize("what", UNSOUND)
def test_what_is_no_score_is_refused_by_the_strategy_s_name(what, is_recorded):
    tape = Tape("1m", {"A/USDT": walk(3, 200)})

    with pytest.raises(UnsoundScores, match="strategy given"):
        say(StrategyEngine([Given(UNSOUND[what])], "1m", tape if is_recorded else None), closed(tape))


def boom(bars):
    raise ZeroDivisionError("boom")


def leave(bars):
    raise SystemExit(0)


def scribble(bars):
    bars.close[:] = 1.0
    return np.zeros(len(bars))


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize(("what", "says"), [(boom, "boom"), (leave, "SystemExit"), (scribble, "read-only")])
def test_a_strategy_that_fails_or_writes_into_the_bars_is_named(what, says, is_recorded):
    tape = Tape("1m", {"A/USDT": walk(3, 200)})

    with pytest.raises(StrategyFailed, match=f"strategy given failed on A/USDT at 1970-.*{says}"):
        say(StrategyEngine([Given(what)], "1m", tape if is_recorded else None), closed(tape))


def test_bars_that_are_heard_but_not_recorded_are_an_error():
    tape, other = Tape("1m", {"A/USDT": walk(3, 200)}), Tape("1m", {"B/USDT": walk(3, 200)})
    early = Tape("1m", {"A/USDT": walk(3, 100)})

    with pytest.raises(DataError, match="none are recorded"):
        say(StrategyEngine([EmaCross()], "1m", other), closed(tape))
    with pytest.raises(DataError, match="none is recorded there"):
        say(StrategyEngine([EmaCross()], "1m", early), closed(tape))


def test_a_strategy_for_another_timeframe_is_refused():
    strategy = Given(lambda bars: bars.close)
    strategy.timeframes = ("1h", "4h")

    with pytest.raises(ConfigError, match="takes 1h, 4h"):
        StrategyEngine([strategy], "1m", None)


# --- signals


class Level(Strategy):
    """Scores each bar by its close."""

    name = "level"
    summary = "for tests"
    Config = StrategyConfig
    warmup = 1

    def scores(self, bars):
        return np.where(bars.close == 1.0, np.nan, np.clip(bars.close / 100.0, -1.0, 1.0))


class Against(Level):
    """Says half of the opposite."""

    name = "against"

    def scores(self, bars):
        return -super().scores(bars) / 2.0


def bars_of(number, **closes):
    columns = [list(closes.values())] * 4
    open_ns = (START + number) * STEP
    return BarsClosed(number, open_ns + STEP, open_ns, "1m", tuple(closes), *columns, [1.0] * len(closes))


def opinionated(*heard):
    engine = StrategyEngine([Level(), Against()], "1m")
    for number in range(1, 257):  # no score before one whole block
        engine.opine(bars_of(number, A=50.0, B=50.0), 0)
    for number, closes in enumerate(heard, 257):
        engine.opine(bars_of(number, **closes), 0)
    return engine


def test_signals_are_the_last_scores_the_most_decided_first():
    told = opinionated({"A": 40.0, "B": 90.0}).signals(GetSignals(), 0).signals

    assert [(s.strategy, s.symbol, s.score) for s in told] == [
        ("level", "B", 0.9),
        ("against", "B", -0.45),
        ("level", "A", 0.4),
        ("against", "A", -0.2),
    ]
    assert {(s.md_seq, s.time_ns) for s in told} == {(257, (START + 258) * STEP)}


def test_signals_are_of_one_strategy_where_asked_and_no_more_than_asked():
    engine = opinionated({"A": 40.0, "B": 90.0})

    assert [s.strategy for s in engine.signals(GetSignals("against"), 0).signals] == ["against", "against"]
    assert len(engine.signals(GetSignals(limit=1), 0).signals) == 1


def test_a_symbol_without_a_new_bar_keeps_its_last_score_and_none_comes_last():
    told = opinionated({"A": 40.0, "B": 90.0}, {"A": 1.0}).signals(GetSignals("level"), 0).signals

    assert [(s.symbol, s.score, s.md_seq) for s in told] == [("B", 0.9, 257), ("A", None, 258)]


def test_a_signal_carries_the_regime_of_its_symbol():
    engine = StrategyEngine([Trend()], "1m")
    said = say(engine, closed(Tape("1m", {"A": walk(3, 1_200)})))
    labels = [event.regime for events in said for event in events if isinstance(event, RegimeChanged)]

    (signal,) = engine.signals(GetSignals(), 0).signals

    assert isinstance(signal, Signal)
    assert signal.regime == labels[-1] != "unknown"


def test_a_strategy_that_does_not_run_is_missing():
    assert opinionated().signals(GetSignals("levl"), 0) == RequestRefused(
        "no strategy 'levl' runs here; did you mean 'level'? known: against, level", is_missing=True
    )
    assert StrategyEngine([Level()], "1m").signals(GetSignals(), 0).signals == []
