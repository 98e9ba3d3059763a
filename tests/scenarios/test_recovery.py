"""A house that is killed again and again ends as one that was left in peace, to the last decimal.

The kill is an exception that nothing catches, raised before or after whatever leaves a trace: a commit, a command, a
save of the paper account, a round. Everything in memory is thrown away, and a new house is made of what is on disk. At
the end real processes get a real `kill -9`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemons.trading_engine import Config as TradingEngineConfig
from lct.bus.local import LocalBus
from lct.domain.bars import Bars, timeframe_ns
from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.matching import Costs
from lct.domain.tape import Tape
from lct.messages.base import Command
from lct.messages.exchange import Place
from lct.messages.execution import GetOrders
from lct.messages.market_data import GetDataQuality
from lct.messages.portfolio import GetBalances, GetPositions, GetProfit, GetTrades
from lct.messages.trading_engine import GetTradingStatus
from lct.ports.feed import Feed
from lct.run.config import HouseConfig
from lct.run.house import House, Parts, Settings, assemble
from lct.store.journal import Journal, MemoryJournal, verify
from lct.store.sqlite import SqliteJournal
from plugins.exchanges._paper_books import PaperBooks
from plugins.exchanges.paper import Paper
from plugins.strategies.ema_cross import EmaCross
from plugins.strategies.mean_reversion import MeanReversion
from plugins.strategies.trend import Trend

DAY_NS = 86_400_000_000_000
SYMBOLS = ("AAA/USDT", "BBB/USDT", "CCC/USDT")
POLICIES = {
    "signals": ExitPolicy(stop_loss=Decimal("0.02")),
    "bracket": ExitPolicy(stop_loss=Decimal("0.01"), take_profit=Decimal("0.01")),
    "time": ExitPolicy(stop_loss=Decimal("0.02"), max_bars=30),
    "trailing": ExitPolicy(stop_loss=Decimal("0.02"), take_profit=Decimal("0.03"), trailing=Decimal("0.01")),
}


class Walk(Feed):
    """A random walk of three symbols that begins 90 bars before a midnight, with gaps and little volume."""

    name = "walk"
    summary = "random walks with gaps"

    def __init__(self, plan: "Plan") -> None:
        series = {symbol: _walk(100 * plan.seed + i, plan) for i, symbol in enumerate(SYMBOLS)}
        self._tape = Tape(plan.timeframe, series)

    def tape(self) -> Tape:
        return self._tape

    def refused(self) -> dict[str, dict[str, int]]:
        return {"AAA/USDT": {"unsound": 3}}

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(
            Instrument("v", "a", s, s[:3], "USDT", Decimal("0.01"), Decimal("0.001"), Decimal("0.001"), Decimal(1))
            for s in SYMBOLS
        )


def _walk(seed: int, plan: "Plan") -> Bars:
    count = plan.bars
    chance = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(chance.standard_normal(count) * 0.003)), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    reach = 1.0 + np.abs(chance.standard_normal((2, count))) * 0.002
    high = np.round(np.maximum(open_, close) * reach[0], 2)
    low = np.round(np.minimum(open_, close) / reach[1], 2)
    times = 1000 * DAY_NS + (np.arange(count) - 90) * timeframe_ns(plan.timeframe)
    bars = Bars.of(times, open_, high, low, close, np.round(chance.exponential(plan.volume, count), 3))
    keep = chance.random(count) > 0.03
    pause = int(chance.integers(200, max(201, count - 200)))
    keep[pause : pause + int(chance.integers(0, plan.pause_max))] = False
    return bars.take(keep)


@dataclass(frozen=True)
class Plan:
    """One house to run: a market, how positions are left, and how much of a bar's volume is ours."""

    seed: int = 1
    bars: int = 700
    policy: str = "trailing"
    volume: float = 500.0
    pause_max: int = 120
    timeframe: str = "1m"

    def house(self, journal: Journal, folder: Path | None) -> House:
        return assemble(self.parts(journal, folder))

    def parts(self, journal: Journal, folder: Path | None) -> Parts:
        trading = TradingEngineConfig(
            exits=POLICIES[self.policy], max_risk_per_trade=Decimal("0.02"), max_position_share=Decimal("0.2")
        )
        settings = Settings(house=HouseConfig(costs=Costs(participation_max=Decimal("0.01"))), trading_engine=trading)
        strategies = [EmaCross(), Trend(Trend.Config(adx_min=10.0, adx_full=35.0)), MeanReversion()]
        return Parts(Walk(self), strategies, settings, journal, folder, "recovery")


def outcome(house: House, journal: Journal) -> dict[str, Any]:
    """Return all that must come out the same; `fills` are rows of the journal, bodies and all."""
    rows = list(journal.rows())
    verify(rows)
    status = house.ask(GetTradingStatus())
    told: dict[str, Any] = {
        "profit": house.ask(GetProfit()),
        "trades": house.ask(GetTrades()),
        "positions": house.ask(GetPositions()),
        "balances": house.ask(GetBalances()),
        "venue": house.exchange.balances(),
        "orders": house.ask(GetOrders()),
        "proposals": status.proposals,
        "quality": house.ask(GetDataQuality()),
        "chains": sorted({row.daemon for row in rows}),
    }
    assert told["balances"].totals == told["venue"]
    assert not any(told["balances"].trial.values())
    for daemon in told["chains"]:
        told[f"journal of {daemon}"] = [(r.type, r.now_ns, r.body) for r in rows if r.daemon == daemon]
    return told


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Name what differs, and of long lists the first item."""
    told = []
    for name, value in expected.items():
        other = found.get(name)
        if value == other:
            continue
        if isinstance(value, list) and isinstance(other, list):
            at = next((i for i, pair in enumerate(zip(value, other, strict=False)) if pair[0] != pair[1]), -1)
            told.append(f"{name}[{at}] of {len(value)} and {len(other)}: {value[at : at + 1]} / {other[at : at + 1]}")
        else:
            told.append(f"{name}: {value} / {other}")
    return told


# --- kills


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Fate:
    """Counts the places where a process may die, and kills at the chosen one."""

    at: int = -1
    passed: int = 0
    places: list[str] = field(default_factory=list)

    def pass_by(self, place: str) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.places.append(place)
            raise Killed(place)

    def after(self, steps: int) -> None:
        self.at, self.passed = steps, 0


@dataclass
class Witness:
    """Stands at the venue's door and remembers every order, over all lives of the house."""

    orders: dict[str, Place] = field(default_factory=dict)

    def see(self, command: Command) -> None:
        if isinstance(command, Place):
            first = self.orders.setdefault(command.client_order_id, command)
            assert first == command, f"two different orders under one id: {first} and {command}"


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    fate = Fate()

    def deadly(kind: type, name: str) -> None:
        plain: Callable[..., Any] = getattr(kind, name)

        def wrapped(*args: Any, **named: Any) -> Any:
            fate.pass_by(f"before {kind.__name__}.{name}")
            result = plain(*args, **named)
            fate.pass_by(f"after {kind.__name__}.{name}")
            return result

        monkeypatch.setattr(kind, name, wrapped)

    deadly(MemoryJournal, "commit")
    deadly(SqliteJournal, "commit")
    deadly(PaperBooks, "save")
    deadly(Paper, "results")
    deadly(LocalBus, "_one_round")
    deadly(Paper, "do")
    return fate


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch, fate: Fate) -> Witness:
    """Stands outside of the deadly door: it also sees what is asked and not carried out."""
    witness = Witness()
    plain = Paper.do

    def do(venue: Paper, command: Command, now_ns: int) -> None:
        witness.see(command)
        plain(venue, command, now_ns)

    monkeypatch.setattr(Paper, "do", do)
    return witness


class Disk:
    """What outlives a process: a folder, and a journal in memory or in the folder."""

    def __init__(self, folder: Path, *, sqlite: bool) -> None:
        self.folder = folder
        self.sqlite = sqlite
        self.memory = MemoryJournal()
        self._open: list[Any] = []

    def journal(self) -> Journal:
        if not self.sqlite:
            self.memory = self.memory.crash()
            return self.memory
        journal = SqliteJournal(self.folder / "house.db", synchronous="NORMAL")
        self._open.append(journal)
        return journal

    def lose_the_process(self) -> None:
        for journal in self._open:
            journal.close()
        self._open.clear()


def in_peace(plan: Plan, disk: Disk) -> dict[str, Any]:
    journal = disk.journal()
    house = plan.house(journal, disk.folder)
    house.bus.run()
    return outcome(house, journal)


def through_kills(plan: Plan, disk: Disk, fate: Fate, steps: Iterator[int]) -> dict[str, Any]:
    """Run to the end, dying after each number of steps; the last life is not disturbed."""
    for alive in steps:
        fate.after(alive)
        try:
            house = plan.house(disk.journal(), disk.folder)
            house.bus.run()
        except Killed:
            disk.lose_the_process()
        else:
            fate.after(-1)
            disk.lose_the_process()
            break
    fate.after(-1)
    journal = disk.journal()
    house = plan.house(journal, disk.folder)
    house.bus.run()
    found = outcome(house, journal)
    disk.lose_the_process()
    return found


def check(plan: Plan, tmp_path: Path, fate: Fate, steps: Iterator[int], *, sqlite: bool = False) -> None:
    (tmp_path / "peace").mkdir()
    (tmp_path / "kills").mkdir()
    expected = in_peace(plan, Disk(tmp_path / "peace", sqlite=False))

    found = through_kills(plan, Disk(tmp_path / "kills", sqlite=sqlite), fate, steps)

    told = "\n".join(differences(expected, found))
    assert not told, f"{plan} after {len(fate.places)} kills, the last {fate.places[-5:]}:\n{told}"


def lives(seed: int, count: int, longest: int) -> Iterator[int]:
    """Lengths of lives: many short ones in a row, which make no progress, and some long ones."""
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.randint(1, 12 if chance.random() < 0.4 else longest)


# --- the claims


PLANS = [
    Plan(seed=1, policy="trailing", volume=300.0),
    Plan(seed=2, policy="bracket", timeframe="4h", pause_max=1),
    Plan(seed=3, policy="time", timeframe="1h", volume=150.0, bars=500),
    Plan(seed=4, policy="signals", timeframe="4h", volume=2_000.0, pause_max=300),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.policy}-{plan.timeframe}")
def test_a_house_killed_many_times_ends_as_one_left_in_peace(plan, tmp_path, fate, witness):
    check(plan, tmp_path, fate, lives(plan.seed, 40, 300), sqlite=plan.seed == 3)


def test_a_house_that_dies_again_and_again_in_its_recovery_loses_nothing(tmp_path, fate, witness):
    steps = [200, *range(1, 30), 500, *range(1, 30), 900, *range(30, 0, -1)]

    check(Plan(seed=5, bars=400, timeframe="4h"), tmp_path, fate, iter(steps))


def test_the_plans_have_in_them_what_is_hard_to_recover():
    """Or all of the above would prove nothing."""
    told = []
    for plan in PLANS:
        journal = MemoryJournal()
        house = plan.house(journal, None)
        house.bus.run()
        told += [f"{row.type} {b'partial' in row.body} {b'take_profit' in row.body}" for row in journal.rows()]
        told += [order.type.value for order in house.ask(GetOrders()).orders]

    assert told.count("execution.filled True False") > 500
    assert told.count("portfolio.day_closed False False") > 100
    assert told.count("bracket") > 50 < told.count("stop")
    assert told.count("trading_engine.settled False False") >= 2


def test_stopping_at_every_bar_with_a_checkpoint_and_a_new_life_changes_nothing(tmp_path):
    plan = Plan(seed=6, bars=300, timeframe="1h")
    expected = in_peace(plan, Disk(tmp_path, sqlite=False))
    (tmp_path / "stops").mkdir()
    disk = Disk(tmp_path / "stops", sqlite=False)

    for until in range(90, 300, 7):
        house = plan.house(disk.journal(), disk.folder)
        house.bus.run(until_md_seq=until)
        house.ask(GetProfit())
        house.bus.checkpoint()
    house = plan.house(journal := disk.journal(), disk.folder)
    house.bus.run()

    assert differences(expected, outcome(house, journal)) == []


def kill_for_real(plan: Plan, tmp_path: Path, kills: int, seed: int) -> None:
    (tmp_path / "peace").mkdir()
    (tmp_path / "kills").mkdir()
    expected = in_peace(plan, Disk(tmp_path / "peace", sqlite=False))
    chance = random.Random(seed)
    root = Path(__file__).resolve().parents[2]
    died = 0

    for _ in range(kills):
        one = subprocess.Popen(
            [sys.executable, __file__, tmp_path / "kills", repr(plan)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": "."},
            stdout=subprocess.PIPE,
        )
        with one:
            assert one.stdout is not None
            one.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.12))
            one.kill()
        died += one.returncode == -signal.SIGKILL

    disk = Disk(tmp_path / "kills", sqlite=True)
    journal = disk.journal()
    house = plan.house(journal, disk.folder)
    house.bus.run()
    told = differences(expected, outcome(house, journal))
    disk.lose_the_process()
    assert told == []
    assert died > kills // 2, f"only {died} of {kills} were still running"


def test_a_process_killed_for_real_loses_nothing(tmp_path):
    kill_for_real(Plan(seed=7, bars=2_000, timeframe="1h"), tmp_path, kills=4, seed=7)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [8, 9])
def test_a_process_killed_for_real_many_times_loses_nothing(seed, tmp_path):
    kill_for_real(Plan(seed=seed, bars=4_000, timeframe="1h", policy="bracket"), tmp_path, kills=15, seed=seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 120))
def test_all_kinds_of_houses_survive_all_kinds_of_lives(seed, tmp_path, fate, witness):
    chance = random.Random(seed)
    plan = Plan(
        seed=seed,
        bars=chance.choice([500, 1_500, 2_600]),
        policy=chance.choice(list(POLICIES)),
        volume=chance.choice([30.0, 150.0, 500.0, 2_000.0]),
        pause_max=chance.choice([1, 120, 600]),
        timeframe=chance.choice(["1m", "1h", "4h"]),
    )
    longest = chance.choice([100, 400, 1_500])

    check(plan, tmp_path, fate, lives(seed, chance.choice([10, 40, 80]), longest), sqlite=chance.random() < 0.3)


def main() -> None:
    """Run one house on disk until somebody kills it: what the tests above do in a process of its own."""
    plan: Plan = eval(sys.argv[2])
    disk = Disk(Path(sys.argv[1]), sqlite=True)
    house = plan.house(disk.journal(), disk.folder)
    sys.stdout.write("runs\n")
    sys.stdout.flush()
    house.bus.run()


if __name__ == "__main__":
    main()
