"""A position held for thousands of bars is the same after a restart as in a house that never stopped."""

from decimal import Decimal

import numpy as np
import pytest

from daemons.strategy_engine import Config as Opinions
from daemons.trading_engine import Config as Engine
from lct.domain.bars import MINUTE_NS, Bars
from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.tape import Tape
from lct.messages.portfolio import GetProfit, GetTrades
from lct.ports.feed import Feed
from lct.ports.strategy import Strategy, StrategyConfig
from lct.run.config import HouseConfig
from lct.run.house import Parts, Settings, assemble
from lct.store.sqlite import SqliteJournal

BARS = 3_000
ENTRY, HELD_UNTIL = 128, 100_000


class Once(Strategy):
    """Scores 1 from one bar on, for ever."""

    name = "once"
    summary = "for tests"
    Config = StrategyConfig
    warmup = 0

    def scores(self, bars):
        minutes = bars.open_ns // MINUTE_NS
        return ((minutes >= ENTRY) & (minutes < HELD_UNTIL)).astype(np.float64)


class Given(Feed):
    name = "given"
    summary = "for tests"
    Config = StrategyConfig

    def __init__(self, config):
        self._tape = config

    def tape(self):
        return self._tape

    def refused(self):
        return {}

    def instruments(self):
        step = {"tick": Decimal("0.01"), "lot": Decimal("0.001")}
        return tuple(Instrument("paper", "main", s, s.split("/")[0], "USDT", **step) for s in self._tape.symbols)


def series(closes):
    """Bars of a minute each from minute 0 on; None leaves a gap."""
    rows = [(n * MINUTE_NS, close) for n, close in enumerate(closes) if close is not None]
    times, values = zip(*rows, strict=True)
    values = np.array(values)
    return Bars.of(times, values, values, values, values, np.full(len(values), 1e6))


def house(tape, folder, exits):
    settings = Settings(
        house=HouseConfig(),
        strategy_engine=Opinions(strategies=("once",)),
        trading_engine=Engine(exits=exits),
    )
    folder.mkdir(exist_ok=True)
    journal = SqliteJournal(folder / "house.db", synchronous="NORMAL")
    return assemble(Parts(Given(tape), [Once()], settings, journal, folder, "test"))


def ended(tape, folder, exits, stops=()):
    """Run to the end, with a new house after each of some timestamps, and return what came of it."""
    for stop in (*stops, None):
        made = house(tape, folder, exits)
        made.bus.run(until_md_seq=stop)
        if stop is None:
            return made.ask(GetProfit()), made.ask(GetTrades()).trades, made.close()
        made.close()
    raise AssertionError("unreachable")


@pytest.mark.parametrize("stops", [(900,), (1_500, 2_200)])
def test_the_best_close_of_a_long_holding_survives_a_restart(tmp_path, stops):
    # up to 120 by bar 500, then slowly down: the trailing exit at 10 % is measured from the close of bar 500
    closes = [*np.linspace(100, 120, 500), *np.linspace(120, 100, BARS - 500)]
    tape = Tape("1m", {"A/USDT": series([float(c) for c in closes])})
    exits = ExitPolicy(stop_loss=Decimal("0.5"), trailing=Decimal("0.1"), on_signal=False)

    undisturbed = ended(tape, tmp_path / "whole", exits)
    restarted = ended(tape, tmp_path / "pieces", exits, stops)

    assert len(undisturbed[1]) == 1, "the trailing exit closed it"
    assert restarted == undisturbed


def test_a_symbol_whose_bars_end_while_it_is_held_keeps_its_mark_over_a_restart(tmp_path):
    other = [50.0 + n % 7 for n in range(BARS)]
    tape = Tape("1m", {"A/USDT": series([100.0] * 300 + [None] * (BARS - 300)), "B/USDT": series(other)})
    exits = ExitPolicy(stop_loss=Decimal("0.5"))

    undisturbed = ended(tape, tmp_path / "whole", exits)
    restarted = ended(tape, tmp_path / "pieces", exits, (2_500,))

    assert undisturbed[0].equity is not None
    assert restarted == undisturbed
