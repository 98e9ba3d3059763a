"""The market of a simulation: some minutes of the synthetic one, and a strategy that trades all the time."""

import numpy as np

from lct.domain.bars import MINUTE_NS, Bars, Floats
from lct.domain.instruments import Instrument
from lct.domain.tape import Tape
from lct.ports.feed import Feed
from lct.ports.strategy import Strategy, StrategyConfig
from lct.simulation.plan import Plan
from plugins.feeds.synthetic import Synthetic

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
QUIET_MINUTES = 128
"""Before the first score: strategies need one whole anchor block."""
CALM_MINUTES = 10
"""After the faults, with bars."""
GAP_MINUTES = 7


class Market(Feed):
    """The first minutes of a day of the synthetic market; a planned gap takes some bars of one symbol out."""

    name = "simulated"
    summary = "some minutes of the synthetic market"
    Config = Synthetic.Config

    def __init__(self, plan: Plan) -> None:
        """Make the bars that a plan asks for."""
        chosen = SYMBOLS[: plan.symbols]
        made = Synthetic(Synthetic.Config(seed=plan.seed, days=1, symbols=chosen))
        self._instruments = made.instruments()
        minutes = QUIET_MINUTES + plan.minutes + CALM_MINUTES
        whole = made.tape()
        series = {symbol: whole.bars(symbol)[:minutes] for symbol in chosen}
        for fault in plan.faults:
            if fault.kind == "feed_gap":
                symbol = chosen[int(fault.size * len(chosen))]
                at = QUIET_MINUTES + fault.at // 60
                keep = np.ones(len(series[symbol]), dtype=np.bool_)
                keep[at : at + GAP_MINUTES] = False
                keep[-CALM_MINUTES:] = True
                series[symbol] = series[symbol].take(keep)
        self._tape = Tape("1m", series)

    def tape(self) -> Tape:
        """Return the bars."""
        return self._tape

    def refused(self) -> dict[str, dict[str, int]]:
        """Return nothing: every bar is sound."""
        return {}

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments."""
        return self._instruments


class Restless(Strategy):
    """In and out every few minutes, by the clock alone: what matters here is the orders, not the profit."""

    name = "restless"
    summary = "trades all the time, for simulation"

    class Config(StrategyConfig, frozen=True):
        """How many minutes it stays, and which of its kind it is."""

        minutes: int = 5
        salt: int = 0

    @property
    def warmup(self) -> int:
        """Return that one bar is enough."""
        return 1

    def scores(self, bars: Bars) -> Floats:
        """Return 1 and -1 by turns, as a mixing of the minute has it."""
        assert isinstance(self.config, self.Config), "it was made from its own Config"
        turn = bars.open_ns // (MINUTE_NS * self.config.minutes) + self.config.salt
        mixed = (turn * 2_654_435_761) >> 9
        return np.where(mixed & 1, 1.0, -1.0)


def strategies(plan: Plan) -> list[Strategy]:
    """Return two of them with lives of their own."""
    first = Restless(Restless.Config(minutes=3, salt=plan.seed))
    second = Hasty(Hasty.Config(minutes=2, salt=plan.seed + 7))
    return [first, second]


class Hasty(Restless):
    """The same under another name: a book of its own."""

    name = "hasty"
