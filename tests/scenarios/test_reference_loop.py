"""The house against a plain loop over the same bars: the same fills and the same equity, to the last decimal."""

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from daemons.strategy_engine import Config as StrategyConfig
from daemons.trading_engine import Config as EngineConfig
from lct.domain.bars import Bars
from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.money import money_hook
from lct.domain.tape import Tape
from lct.messages.execution import Filled
from lct.messages.portfolio import GetBalances, GetProfit
from lct.ports.feed import Feed
from lct.run.config import HouseConfig
from lct.run.house import Settings, rehearse
from lct.store.journal import DigestJournal
from plugins.feeds.replay import Replay
from plugins.feeds.synthetic import Synthetic
from tests.scenarios.reference_loop import Loop, Rules

DATA = Path(os.environ.get("LCT_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "ohlcv"
MINUTE_NS = 60_000_000_000
STEPS = ((Decimal("0.01"), Decimal("0.001")), (Decimal("0.05"), Decimal("0.025")), (Decimal("0.0001"), Decimal(1)))


class Given(Feed):
    """Plays one tape."""

    name = "given"
    summary = "for tests"

    def __init__(self, tape, instruments):
        self._tape, self._instruments = tape, instruments

    def tape(self):
        return self._tape

    def refused(self):
        return {}

    def instruments(self):
        return self._instruments


class Fills(DigestJournal):
    """Keeps the fills of a house and forgets the rest."""

    def __init__(self):
        super().__init__()
        self.fills = []

    def commit(self, facts, cursor):
        self.fills += [
            msgspec.msgpack.decode(fact.body, type=Filled, dec_hook=money_hook)
            for fact in facts
            if fact.type == "execution.filled"
        ]


def settings_of(rules, cash):
    policy = ExitPolicy(
        stop_loss=rules.stop,
        take_profit=rules.take,
        trailing=None if rules.trailing is None else Decimal(str(rules.trailing)),
        max_bars=rules.max_bars,
        on_signal=rules.on_signal,
    )
    return Settings(
        house=HouseConfig(cash=cash),
        strategy_engine=StrategyConfig(strategies=("ema_cross",)),
        trading_engine=EngineConfig(max_open_positions=rules.positions_max, exits=policy),
    )


def trade_both(feed, rules, cash):
    """Return the house, its fills and the reference loop after both have traded a feed."""
    house, _ = rehearse(settings_of(rules, cash), feed)
    house.bus.journal = journal = Fills()
    house.bus.run()
    rows = {}
    for symbol in house.tape.symbols:
        bars = house.tape.bars(symbol)
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        rows[symbol] = dict(zip(bars.open_ns.tolist(), zip(*(c.tolist() for c in columns), strict=True), strict=True))
    loop = Loop(rows, {i.symbol: i for i in house.instruments}, house.tape.step_ns, cash, rules).run()
    fills = [(f.symbol, int(f.side.sign), f.amount, f.price, f.fee, f.time_ns) for f in journal.fills]
    return house, by_time(fills), loop


def by_time(fills):
    """Sort by time and symbol: where cash is short, the amounts show who came first of several at one time."""
    return sorted(fills, key=lambda fill: (fill[5], fill[0]))


def assert_alike(feed, rules, cash, seed):
    house, fills, loop = trade_both(feed, rules, cash)
    expected_fills = by_time(loop.fills)
    profit, balances = house.ask(GetProfit()), house.ask(GetBalances())
    for n, (ours, expected) in enumerate(zip(fills, expected_fills, strict=False)):
        assert ours == expected, f"seed {seed}, fill {n}, {rules}"
    assert len(fills) == len(expected_fills), f"seed {seed}, {rules}"
    assert profit.equity == loop.equity(), f"seed {seed}, {rules}"
    assert profit.equity == profit.deposits + profit.realized_profit + profit.unrealized_profit - profit.fees
    assert balances.totals == house.exchange.balances(), f"seed {seed}"
    return len(fills)


def wild_tape(seed):
    """A market nobody wants: gaps, pauses, bars without volume, thin books, wicks and jumps, prices of a few ticks."""
    random = np.random.default_rng(seed)
    n, series, instruments = int(random.integers(200, 420)), {}, []
    start = int(random.integers(1_000, 2_000))
    for k in range(int(random.integers(1, 4))):
        tick, lot = STEPS[int(random.integers(3))]
        symbol = f"{'ABC'[k]}/USDT"
        price = float(random.choice([0.5, 20.0, 900.0])) if tick != Decimal("0.0001") else 0.3
        moves = random.standard_normal(n) * random.choice([0.002, 0.008]) + (
            random.random(n) < 0.02
        ) * 0.06 * random.standard_normal(n)
        close = price * np.exp(np.cumsum(moves))
        open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(
            (random.random(n) < 0.2) * random.standard_normal(n) * 0.01
        )
        wick = np.abs(random.standard_normal((2, n))) * 0.003 + (random.random((2, n)) < 0.03) * 0.08
        grid = float(tick) if random.random() < 0.7 else 1e-7
        open_, close = (np.maximum(np.round(x / grid) * grid, grid) for x in (open_, close))
        high, low = np.maximum(open_, close) * (1 + wick[0]), np.minimum(open_, close) * (1 - wick[1])
        turnover = float(random.choice([2e3, 2e4, 1e7]))
        volume = turnover / close * random.exponential(1.0, n) * (random.random(n) > random.choice([0.0, 0.15]))
        keep = random.random(n) >= random.choice([0.0, 0.1])
        hole = int(random.integers(80, n))
        keep[hole : hole + int(random.integers(0, 90))] = False
        bars = Bars.of((np.arange(n) + start) * MINUTE_NS, open_, high, low, close, volume)
        series[symbol] = bars.take(keep)
        instruments.append(
            Instrument(
                "paper", "main", symbol, symbol[0], "USDT", tick, lot, lot, Decimal(int(random.choice([0, 5, 50])))
            )
        )
    return Tape("1m", series), tuple(instruments)


def rules_of(seed):
    random = np.random.default_rng(seed + 1_000_000)

    def pick(*choices):
        return choices[int(random.integers(len(choices)))]

    return Rules(
        stop=pick(Decimal("0.03"), Decimal("0.03"), Decimal("0.005"), Decimal("0.0001"), None),
        take=pick(None, None, Decimal("0.01"), Decimal("0.04")),
        trailing=pick(None, None, 0.01, 0.03),
        max_bars=pick(None, None, 1, 20),
        on_signal=pick(True, True, False),
        positions_max=pick(10, 10, 1, 2),
    )


@pytest.mark.parametrize("seed", range(40))
def test_default_rules_make_the_same_fills_on_wild_tapes(seed):
    tape, instruments = wild_tape(seed)

    assert_alike(Given(tape, instruments), Rules(), Decimal(10_000), seed)


@pytest.mark.parametrize("seed", range(100, 160))
def test_any_exits_make_the_same_fills_on_wild_tapes(seed):
    tape, instruments = wild_tape(seed)

    assert_alike(Given(tape, instruments), rules_of(seed), Decimal(int(seed) % 7 * 300 + 200), seed)


def test_the_synthetic_market_makes_the_same_fills():
    feed = Synthetic(Synthetic.Config(symbols=("ADA/USDT", "BTC/USDT", "DOGE/USDT", "ETH/USDT"), days=3))

    fills = assert_alike(feed, Rules(), Decimal(10_000), 7)

    assert fills > 100


def test_cash_for_four_positions_is_shared_over_twelve_pairs_as_in_a_plain_loop():
    feed = Synthetic(Synthetic.Config(days=1, seed=11))

    fills = assert_alike(feed, Rules(stop=Decimal("0.004"), trailing=0.003), Decimal(500), 11)

    assert fills > 100


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded market data at {DATA}; set LCT_DATA to it")
@pytest.mark.parametrize(
    "rules", [Rules(), Rules(stop=Decimal("0.01"), take=Decimal("0.02"), trailing=0.01, max_bars=48)]
)
def test_a_recorded_month_makes_the_same_fills(rules):
    january, february = 1_704_067_200_000_000_000, 1_706_745_600_000_000_000
    symbols = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
    feed = Replay(Replay.Config(str(DATA / "binance"), symbols, "5m", january, february))

    fills = assert_alike(feed, rules, Decimal(10_000), "none")

    assert fills > 500
