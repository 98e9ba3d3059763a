"""Eight processes decide what one process decides, to the last decimal, also through kills -9 of every one of them.

The daemons that live in replayed time are six, and the conductor; monitoring and the gateway live on the wall clock and
have no part in a decision (`tests/cli/test_demo.py` runs all eight).
"""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from lct.bus.points import VARIABLE
from lct.domain.money import use_money_context
from lct.messages.portfolio import GetBalances, GetProfit
from lct.run.config import journal_folder
from lct.run.house import load_settings, open_house
from lct.store.sqlite import ReadJournal
from tests.wire.processes import Processes, configure

DECIDE = ("execution", "portfolio", "trading_engine")
POINTS = {"heard": 61, "committed": 5, "carried_out": 5, "before_reply": 67, "written": 53}
"""After so many times a process dies at a point, in each of its lives."""
HOUSE = """
symbols = ["BTC/USDT", "DOGE/USDT", "ETH/USDT", "SOL/USDT"]
timeframe = "5m"
[costs]
fee_rate = 0.001
[feeds.synthetic]
days = {days}
seed = {seed}
"""
STRATEGIES = 'strategies = ["trend", "mean_reversion", "ema_cross"]\n'


def furnish(home: Path, seed: int, days: int) -> None:
    configure(home, house=HOUSE.format(seed=seed, days=days), strategy_engine=STRATEGIES)
    (home / "install_id").write_text("0" * 32)


def decided(path: Path, daemon: str) -> list[tuple[Any, ...]]:
    journal = ReadJournal(path)
    try:
        return [(row.type, row.now_ns, row.body) for row in journal.rows(daemon)]
    finally:
        journal.close()


def in_one_process(home: Path) -> dict[str, Any]:
    use_money_context()
    settings = load_settings(home / "config")
    house = open_house(home, settings)
    house.bus.run()
    profit, balances = house.ask(GetProfit()), house.ask(GetBalances()).totals
    house.bus.checkpoint()
    house.close()
    path = journal_folder(home, settings.house) / "house.db"
    return {**{name: decided(path, name) for name in DECIDE}, "profit": profit, "balances": balances}


def by_processes(processes: Processes, seconds: float, each: Any = None) -> dict[str, Any]:
    home = processes.home
    with processes:
        processes.play_to_the_end(seconds, each)
        from lct.client import Client

        with Client(home) as client:
            profit, balances = client.ask(GetProfit()), client.ask(GetBalances()).totals
    folder = journal_folder(home, load_settings(home / "config").house)
    told = {name: decided(folder / f"{name}.db", name) for name in DECIDE}
    return {**told, "profit": profit, "balances": balances}


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    told = []
    for name, value in expected.items():
        other = found[name]
        if value != other and isinstance(value, list):
            at = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), -1)
            told.append(f"{name}[{at}] of {len(value)} and {len(other)}: {value[at : at + 1]} / {other[at : at + 1]}")
        elif value != other:
            told.append(f"{name}: {value} / {other}")
    return told


class RandomKills:
    """Kills one process after another at random moments, each time a replay is looked at."""

    def __init__(self, processes: Processes, seed: int, kills: int, odds: float) -> None:
        self.processes, self.left, self.odds = processes, kills, odds
        self.chance = random.Random(seed)
        self.kills: list[str] = []

    def __call__(self) -> None:
        if self.left and self.chance.random() < self.odds:
            self.left -= 1
            name = self.chance.choice(self.processes.names)
            self.processes.kill(name)
            self.kills.append(name)


def expected_of(tmp_path: Path, seed: int, days: int) -> tuple[Path, dict[str, Any]]:
    for name in ("local", "wire"):
        furnish(tmp_path / name, seed, days)
    expected = in_one_process(tmp_path / "local")
    assert sum(kind == "execution.filled" for kind, *_ in expected["execution"]) > 10, "nothing to compare"
    return tmp_path / "wire", expected


def test_processes_decide_what_one_process_decides_through_some_kills(tmp_path):
    home, expected = expected_of(tmp_path, seed=3, days=1)
    processes = Processes(home)
    kills = RandomKills(processes, seed=3, kills=8, odds=0.2)

    found = by_processes(processes, 100, kills)

    assert differences(expected, found) == [], kills.kills
    assert len(kills.kills) == 8


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", [11, 12])
def test_a_hundred_kills_at_random_change_no_decision(seed, tmp_path):
    home, expected = expected_of(tmp_path, seed=seed, days=6)
    processes = Processes(home)
    kills = RandomKills(processes, seed=seed, kills=100, odds=0.15)

    found = by_processes(processes, 1_000, kills)

    assert differences(expected, found) == [], kills.kills
    assert len(kills.kills) == 100


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("point", sorted(POINTS))
def test_kills_at_a_named_point_change_no_decision(point, tmp_path):
    home, expected = expected_of(tmp_path, seed=len(point), days=1)
    processes = Processes(home, **{VARIABLE: f"{point}:{POINTS[point]}"})

    found = by_processes(processes, 1_000)

    assert differences(expected, found) == [], processes.starts
    died = {name: starts - 1 for name, starts in processes.starts.items()}
    assert sum(died.values()) >= 20, died
    shutil.rmtree(home)
