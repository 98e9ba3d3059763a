"""Bars that the strategy engine recalls leave it as if it had heard them."""

import datetime as dt

import pytest

from daemons.strategy_engine import StrategyEngine
from lct.bus.seat import Seat
from lct.domain.tape import Tape
from lct.messages.market_data import BarsClosed
from plugins.feeds.synthetic import Synthetic
from plugins.strategies.mean_reversion import MeanReversion
from plugins.strategies.trend import Trend

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def bars() -> list[BarsClosed]:
    """A market in which one symbol pauses for longer than it is remembered, and another for a while."""
    config = Synthetic.Config(timeframe="1m", symbols=SYMBOLS, start=dt.date(2024, 1, 1), days=1)
    tape: Tape = Synthetic(config).tape()
    found = []
    for number, row in enumerate(tape.rows(0, 900), 1):
        gone = {"SOL/USDT"} if 300 < number < 700 else {"ETH/USDT"} if 610 < number < 650 else set()
        keep = [at for at, symbol in enumerate(row.symbols) if symbol not in gone]
        columns = [[column[at] for at in keep] for column in row[2:]]
        close_ns = row.open_ns + tape.step_ns
        found.append(BarsClosed(number, close_ns, row.open_ns, "1m", tuple(row.symbols[at] for at in keep), *columns))
    return found


def engine() -> StrategyEngine:
    return StrategyEngine([Trend(Trend.Config()), MeanReversion(MeanReversion.Config())], "1m")


@pytest.mark.parametrize("recalled", [1, 290, 620, 640, 700, 760])
def test_what_is_recalled_counts_as_heard(recalled: int):
    market = bars()
    heard, remembers = Seat(engine(), []), Seat(engine(), [])
    for closed in market[:recalled]:
        heard.replies_of(closed, 0)
        assert remembers.daemon.recall(closed)

    after = market[recalled : recalled + 130]

    assert [remembers.replies_of(closed, 0) for closed in after] == [heard.replies_of(closed, 0) for closed in after]


def test_bars_of_another_timeframe_are_none_of_its_business():
    closed = BarsClosed(1, 300, 0, "5m", ("BTC/USDT",), [1.0], [1.0], [1.0], [1.0], [1.0])

    assert engine().recall(closed)
