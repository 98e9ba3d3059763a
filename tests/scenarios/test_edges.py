"""Edges of trading, in whole houses over bars made for them; each ends with the books compared with the venue's."""

from decimal import Decimal

import numpy as np
import pytest

from daemons.execution import SIMULATED, Execution, Identity
from daemons.portfolio import Portfolio
from daemons.trading_engine import Config as EngineConfig
from daemons.trading_engine import TradingEngine
from lct.domain.bars import Bars
from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.matching import Costs
from lct.domain.money import ZERO, use_money_context
from lct.domain.orders import TERMINAL, OrderType, Side, State
from lct.domain.tape import Tape
from lct.messages.base import Codec, Event
from lct.messages.execution import Filled, GetOrders, Propose
from lct.messages.market_data import BarsClosed
from lct.messages.portfolio import GetBalances, GetPositions, GetProfit, GetTrades
from lct.messages.trading_engine import GetTradingStatus
from lct.ports.strategy import Strategy, StrategyConfig
from lct.run.config import HouseConfig
from lct.run.house import Parts, Settings, assemble
from lct.store.journal import DigestJournal
from plugins.strategies.ema_cross import EmaCross
from plugins.strategies.mean_reversion import MeanReversion
from plugins.strategies.trend import Trend
from tests.scenarios.test_reference_loop import Given, wild_tape

MINUTE = 60_000_000_000
FREE = Costs(fee_rate=ZERO, spread_bps=ZERO, slippage_bps=ZERO)
FIRST = 64
"""The first minute with a score: one block of the anchor grid comes before."""
FLAT = (100, 100, 100, 100, 1e6)


class Scripted(Strategy):
    """Scores 1 in the minutes from..to-1, and again in those of `more`, and 0 outside of them."""

    name = "scripted"
    summary = "for tests"
    Config = StrategyConfig
    warmup = 0

    def __init__(self, first, last, name="scripted", more=()):
        super().__init__()
        self.spans, self.name = [(first, last), *more], name

    def scores(self, bars):
        minutes = bars.open_ns // MINUTE
        return np.any([(minutes >= first) & (minutes < last) for first, last in self.spans], axis=0).astype(np.float64)


class Facts(DigestJournal):
    """Keeps every durable event."""

    def __init__(self):
        super().__init__()
        self.facts = []

    def commit(self, facts, cursor):
        self.facts += facts


class Stage:
    """A house over bars: FLAT up to minute 64, then what is given for each symbol (None is no bar)."""

    def __init__(self, *strategies, cash=10_000, config=None, min_notional=5, **bars):
        series, instruments = {}, []
        for name, rows in bars.items():
            kept = [(i * MINUTE, *row) for i, row in enumerate([FLAT] * FIRST + list(rows)) if row is not None]
            series[f"{name}/USDT"] = Bars.of(*zip(*kept, strict=True))
            instruments.append(
                Instrument(
                    "paper",
                    "main",
                    f"{name}/USDT",
                    name,
                    "USDT",
                    Decimal("0.01"),
                    Decimal("0.1"),
                    Decimal("0.1"),
                    Decimal(min_notional),
                )
            )
        self.open(Given(Tape("1m", series), tuple(instruments)), strategies, cash, config, FREE)

    def open(self, feed, strategies, cash, config, costs):
        settings = Settings(house=HouseConfig(cash=Decimal(cash), costs=costs), trading_engine=config or EngineConfig())
        self.journal = Facts()
        self.feed = feed
        self.house = assemble(Parts(feed, list(strategies), settings, self.journal, None, "test"))

    @classmethod
    def over(cls, feed, *strategies, cash=10_000):
        stage = cls.__new__(cls)
        stage.open(feed, strategies, cash, None, Costs())
        return stage

    def run(self, until_minute=None):
        """Run until the bar of a minute is closed and all it caused is done, or to the end."""
        times = self.house.tape.times
        until = None if until_minute is None else int(np.searchsorted(times, until_minute * MINUTE)) + 1
        self.house.bus.run(until_md_seq=until)
        return self

    def fills(self):
        codec = Codec((Filled,))
        return [codec.decode(fact.body) for fact in self.journal.facts if fact.type == "execution.filled"]

    def told(self):
        """Return fills as (symbol, signed amount, price, minute)."""
        return [(f.symbol[0], f.side.sign * f.amount, f.price, f.time_ns / MINUTE) for f in self.fills()]

    def live(self):
        return [order for order in self.house.ask(GetOrders()).orders if order.state not in TERMINAL]

    def held(self):
        return {(line.strategy, line.symbol[0]): line.amount for line in self.house.ask(GetPositions()).positions}

    def assert_sound(self, *, guarded=True):
        """The books are the venue's, profit adds up, and each position has its guards."""
        profit, balances = self.house.ask(GetProfit()), self.house.ask(GetBalances())
        assert balances.totals == self.house.exchange.balances()
        assert not any(balances.trial.values())
        assert profit.equity == profit.deposits + profit.realized_profit + profit.unrealized_profit - profit.fees
        covered = {}
        for order in self.live():
            if order.reason == "protection":
                key = (order.book, order.symbol[0])
                covered[key] = covered.get(key, ZERO) + order.remaining
        held = self.held()
        assert all(amount <= held.get(key, ZERO) for key, amount in covered.items())
        if guarded:
            assert covered == held
        return self


def test_a_stop_hit_in_the_very_bar_of_the_entry_ends_it_there():
    stage = Stage(Scripted(FIRST, 999), A=[FLAT, (100, 101, 90, 95, 1e6), *[FLAT] * 10]).run()

    assert stage.told() == [("A", 25, 100, 65), ("A", -25, 97, pytest.approx(66))]
    assert stage.assert_sound().held() == {}


def test_an_entry_that_still_fills_goes_on_after_its_first_slice_was_stopped_out():
    thin, dip = (100, 100, 100, 100, 100), (100, 100, 90, 95, 100)
    stage = Stage(Scripted(FIRST, 999), A=[FLAT, dip, thin, thin, *[FLAT] * 10]).run()

    assert [amount for _, amount, _, _ in stage.told()] == [10, -10, 10, 5]
    assert stage.assert_sound().held() == {("scripted", "A"): 15}


def operator_exit(stage, amount, book="scripted"):
    bus = stage.house.bus
    facts = bus.seats["execution"].daemon.book.facts[book, "A/USDT"]
    return stage.house.ask(
        Propose(
            "operator-1", book, "A/USDT", Side.SELL, OrderType.MARKET, Decimal(amount), bus.md_seq, facts,
            bus.now_ns + 1, reduce_only=True, reason="operator",
        )
    )  # fmt: skip


@pytest.mark.parametrize("amount", ["10", "4"])
def test_an_operator_s_exit_between_the_slices_of_an_entry_leaves_the_rest_guarded(amount):
    thin = (100, 100, 100, 100, 100)
    stage = Stage(Scripted(FIRST, 999), A=[FLAT, thin, thin, thin, *[FLAT] * 10]).run(65)
    before = stage.held()["scripted", "A"]

    verdict = operator_exit(stage, amount)
    stage.run()

    assert verdict.approved
    assert before > 0
    assert stage.assert_sound().held() == {("scripted", "A"): 25 - Decimal(amount)}


def test_a_strategy_trades_on_after_an_operator_closed_its_position():
    stage = Stage(Scripted(FIRST, 70), Scripted(FIRST + 20, 90, "later"), A=[FLAT] * 60).run(66)

    assert operator_exit(stage, "25").approved
    stage.run()

    assert [f.book for f in stage.fills()] == ["scripted", "scripted", "scripted", "scripted", "later", "later"]
    assert stage.assert_sound().held() == {}


def test_two_books_in_one_symbol_leave_each_other_s_coins_and_guards_alone():
    stage = Stage(Scripted(FIRST, 70, "one"), Scripted(FIRST + 2, 80, "two"), A=[FLAT] * 40)

    assert stage.run(68).assert_sound().held() == {("one", "A"): 25, ("two", "A"): 25}
    assert stage.run(72).assert_sound().held() == {("two", "A"): 25}
    assert stage.run().assert_sound().held() == {}


def test_one_stop_of_two_books_in_one_symbol_does_not_sell_the_other_s_coins():
    bars = [FLAT, FLAT, (110, 110, 110, 110, 1e6), (110, 110, 110, 110, 1e6), (108, 109, 104, 105, 1e6)]
    bars += [(105, 106, 104, 105, 1e6)] * 5
    stage = Stage(Scripted(FIRST, 999, "one"), Scripted(FIRST + 2, 999, "two"), A=bars).run()

    # one entered at 100 with its stop at 97, two at 110 with its stop at 106.70
    assert [(f.book, f.side.value) for f in stage.fills()] == [("one", "buy"), ("two", "buy"), ("two", "sell")]
    assert list(stage.assert_sound().held()) == [("one", "A")]


def test_an_exit_below_the_minimum_notional_waits_until_the_venue_takes_it():
    bars = [(100, 100, 100, 100, 1e6)] * 4 + [(40, 40, 40, 40, 1e6)] * 10 + [(60, 60, 60, 60, 1e6)] * 4
    config = EngineConfig(exits=ExitPolicy(stop_loss=None), max_risk_per_trade=Decimal(1))
    stage = Stage(Scripted(FIRST, 68), cash=41, min_notional=5, config=config, A=bars)

    stage.run(77)
    assert stage.assert_sound(guarded=False).held() == {("scripted", "A"): Decimal("0.1")}
    stage.run()

    assert stage.told()[-1] == ("A", Decimal("-0.1"), 60, 79)
    assert stage.assert_sound().held() == {}


def test_a_symbol_whose_bars_stop_for_a_day_keeps_its_position_and_its_guard():
    hole, low = [None] * 1440, (80, 82, 79, 81, 1e6)
    stage = Stage(Scripted(FIRST, 99_999), A=[*[FLAT] * 5, *hole, low, low], B=[FLAT] * 1460)

    stage.run(FIRST + 1000)
    assert stage.assert_sound().held() == {("scripted", "A"): 25, ("scripted", "B"): 25}
    stage.run()

    # the stop at 97 fills where the market opens again
    assert stage.told()[-1] == ("A", -25, 80, FIRST + 1445)
    assert list(stage.assert_sound().held()) == [("scripted", "B")]


def test_a_feed_that_ends_leaves_orders_open_and_the_books_right():
    stage = Stage(Scripted(FIRST, 999), A=[FLAT, (100, 100, 100, 100, 100)]).run()

    (entry, guard) = stage.live()

    assert (entry.state, entry.filled, guard.remaining) == (State.PARTIAL, 10, 10)
    stage.assert_sound()


def test_an_entry_on_the_last_bar_stays_open_without_a_trade():
    stage = Stage(Scripted(FIRST, 999), A=[FLAT]).run()

    (entry,) = stage.live()

    assert (entry.state, entry.filled) == (State.OPEN, 0)
    assert stage.assert_sound().told() == []


def test_an_entry_that_the_cash_does_not_cover_keeps_and_guards_what_it_got():
    up = (150, 150, 150, 150, 1e6)
    config = EngineConfig(max_position_share=Decimal("0.6"), max_risk_per_trade=Decimal("0.5"))
    stage = Stage(Scripted(FIRST, 999), config=config, A=[FLAT, up, up, up], B=[FLAT, up, up, up]).run()

    # 60 and 40 were meant; the opens at 150 leave cash for 60 and 6.6
    assert stage.told() == [("A", 60, 150, 65), ("B", Decimal("6.6"), 150, 65)]
    assert stage.assert_sound().held() == {("scripted", "A"): 60, ("scripted", "B"): Decimal("6.6")}
    assert {order.state for order in stage.house.ask(GetOrders()).orders} == {State.FILLED, State.CANCELED, State.OPEN}
    assert stage.house.ask(GetTradingStatus()).proposals == 2


def test_a_remainder_below_the_minimum_does_not_block_its_book():
    # the last slice of the entry, 0.2 at 100, is worth less than 50: no guard covers it, and no exit may sell it alone
    thin, tiny, low = (100, 100, 100, 100, 248), (100, 100, 100, 100, 1e6), (100, 100, 90, 90, 1e6)
    bars = [FLAT, thin, tiny, low, *[FLAT] * 60]
    stage = Stage(Scripted(FIRST, 68, more=[(72, 90)]), min_notional=50, A=bars).run()

    amounts = [amount for _, amount, _, _ in stage.told()]

    assert amounts[:3] == [Decimal("24.8"), Decimal("0.2"), Decimal("-24.8")]
    assert amounts[4:] == [-(amounts[3] + Decimal("0.2"))], "the next exit sells the remainder too"
    assert stage.assert_sound().held() == {}


# -- any tape -------------------------------------------------------------------------------------------------------


def three_books(seed):
    tape, instruments = wild_tape(seed)
    strategies = EmaCross(), Trend(), MeanReversion()
    return Stage.over(Given(tape, instruments), *strategies, cash=500 + 700 * (seed % 4)), instruments


@pytest.mark.parametrize("seed", range(200, 230))
def test_three_books_on_a_wild_tape_end_with_the_venue_s_books(seed):
    stage, _ = three_books(seed)

    for minute in range(1_000, 2_500, 97):
        stage.run(minute).assert_sound(guarded=False)

    stage.run().assert_sound(guarded=False)


@pytest.mark.parametrize("seed", range(230, 242))
def test_durable_events_applied_to_fresh_daemons_give_the_same_reports(seed):
    stage, instruments = three_books(seed)
    stage.run()
    fresh = {
        "execution": Execution(Identity("test", "paper", "main"), instruments, SIMULATED),
        "trading_engine": TradingEngine(EngineConfig(), instruments),
        "portfolio": Portfolio(instruments),
    }

    codec = Codec(tuple(kind for kind in kinds(Event) if kind.durable))
    for fact in stage.journal.facts:
        fresh[fact.daemon].apply(codec.decode(fact.body))

    use_money_context()
    live = {name: stage.house.bus.seats[name].daemon for name in fresh}
    for request, name in ((GetOrders(), "execution"), (GetTrades(), "portfolio"), (GetBalances(), "portfolio")):
        handler = {GetOrders: "report", GetTrades: "round_trips", GetBalances: "balances"}[type(request)]
        assert getattr(fresh[name], handler)(request, 0) == getattr(live[name], handler)(request, 0)
    for field in ("verdicts", "facts", "trades_seen", "dropped", "seq", "peak", "day_equity", "next_day_ns"):
        assert getattr(fresh["execution"].book, field) == getattr(live["execution"].book, field), field
    for name in fresh:
        ours, theirs = (d[name].book if name == "execution" else d[name] for d in (fresh, live))
        assert ours.ledger.positions == theirs.ledger.positions
        assert ours.ledger.balances == theirs.ledger.balances
    for key, holding in live["trading_engine"].holdings.items():
        again = fresh["trading_engine"].holding(*key)
        for field in ("unresolved", "spent", "facts", "low", "high"):
            assert getattr(again, field) == getattr(holding, field), (key, field)


def kinds(root):
    found = []
    for kind in root.__subclasses__():
        found += [kind, *kinds(kind)]
    return [kind for kind in found if str(kind.__module__).startswith("lct.")]


def test_the_bars_of_a_house_have_no_gap_in_their_numbers():
    stage, _ = three_books(3)
    stage.run()

    assert stage.house.bus.counts[BarsClosed] == stage.house.bus.md_seq == len(stage.house.tape)
