"""A house whose quiet rounds go by at once is the house whose rounds are all played: nobody can tell."""

import random
from decimal import Decimal

import numpy as np
import pytest

from daemons.strategy_engine import Config as StrategyConfig
from daemons.trading_engine import Config as EngineConfig
from lct.bus.seat import NEVER_NS
from lct.domain.bars import Bars
from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.tape import Tape
from lct.messages.execution import GetExecutionStatus, GetOrders
from lct.messages.market_data import BarsClosed, GetBars, GetSymbols, GetTicker
from lct.messages.portfolio import GetBalances, GetPositions, GetProfit, GetRisk, GetTrades
from lct.messages.strategy_engine import GetSignals
from lct.messages.trading_engine import GetTradingStatus
from lct.run.config import HouseConfig
from lct.run.house import House, Settings, rehearse
from plugins.feeds.synthetic import Synthetic
from tests.scenarios.test_reference_loop import Given

QUESTIONS = (GetProfit(), GetTrades(), GetRisk(), GetPositions(), GetBalances(), GetOrders(), GetExecutionStatus())
QUESTIONS += (GetSignals(), GetTradingStatus(), GetSymbols(), GetBars("BTC/USDT"), GetTicker("ETH/USDT"))


def settings_of(*strategies: str, **engine) -> Settings:
    return Settings(
        house=HouseConfig(cash=Decimal(10_000)),
        strategy_engine=StrategyConfig(strategies=strategies),
        trading_engine=EngineConfig(**engine),
    )


def all_of(house: House) -> tuple[object, ...]:
    bus = house.bus
    state = bus.round, bus.now_ns, bus.md_seq, dict(bus.counts), bus.journal.digests()
    return (*state, *(house.ask(question) for question in QUESTIONS))


def lived(settings: Settings, feed, stops: list[int], *, played: bool) -> list[tuple[object, ...]]:
    house, _ = rehearse(settings, feed)
    seen = []
    for until in [*stops, NEVER_NS]:
        house.bus.run(until_md_seq=until, on_time=(lambda _: None) if played else None)
        seen.append(all_of(house))
    return seen


def gapped(seed: int) -> Given:
    """Two days of two symbols, each with holes of its own, long ones too."""
    chance = random.Random(seed)
    feed = Synthetic(Synthetic.Config(seed=seed, days=2, symbols=("BTC/USDT", "ETH/USDT")))
    series: dict[str, Bars] = {}
    for symbol in feed.symbols:
        bars = feed.tape().bars(symbol)
        keep = np.array([chance.random() > 0.02 for _ in range(len(bars))])
        for _ in range(3):
            first = chance.randrange(len(bars))
            keep[first : first + chance.randint(1, 400)] = False
        series[symbol] = bars.take(keep)
    instruments: tuple[Instrument, ...] = feed.instruments()
    return Given(Tape("1m", series), instruments)


POLICIES = (
    {},
    {"exits": ExitPolicy(stop_loss=Decimal("0.004"), take_profit=Decimal("0.006"))},
    {"exits": ExitPolicy(trailing=Decimal("0.003"), max_bars=50, on_signal=False)},
)


@pytest.mark.parametrize("engine", POLICIES)
@pytest.mark.parametrize("strategies", [("ema_cross",), ("trend", "mean_reversion")])
def test_a_house_that_lets_quiet_rounds_go_by_is_the_house_that_plays_them(strategies, engine):
    feed, settings = gapped(len(strategies)), settings_of(*strategies, **engine)
    stops = sorted(random.Random(3).sample(range(1, len(feed.tape())), 12))

    assert lived(settings, feed, stops, played=False) == lived(settings, feed, stops, played=True)


def test_a_house_of_twelve_symbols_lets_quiet_rounds_go_by():
    feed, settings = Synthetic(Synthetic.Config(seed=5, days=1)), settings_of("ema_cross", max_open_positions=50)

    assert lived(settings, feed, [700], played=False) == lived(settings, feed, [700], played=True)


def test_most_rounds_of_a_house_that_seldom_trades_are_not_played():
    house, _ = rehearse(settings_of("ema_cross"), Synthetic(Synthetic.Config(days=3, symbols=("BTC/USDT",))))
    played = []
    play = house.bus._one_round  # noqa: SLF001
    house.bus._one_round = lambda: played.append(house.bus.round) or play()  # noqa: SLF001
    house.bus.run()

    assert house.bus.counts[BarsClosed] == 3 * 1440
    assert len(played) < house.bus.round / 4
