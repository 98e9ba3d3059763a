"""Eight processes decide what one process decides, to the last decimal, also through kills -9 of every one of them.

The daemons that live in replayed time are six, and the conductor; monitoring and the gateway live on the wall clock and
have no part in a decision (`tests/cli/test_demo.py` runs all eight).
"""

import random
import shutil
from typing import Any

import pytest

from lct.bus.points import VARIABLE
from lct.client import Client
from lct.messages.portfolio import GetBalances, GetProfit
from tests.wire.deciding import DECIDE, decided, differences, expected_of, journals_of
from tests.wire.processes import Processes

POINTS = {"heard": 61, "committed": 5, "carried_out": 5, "before_reply": 67, "written": 53}
"""After so many times a process dies at a point, in each of its lives."""


def by_processes(processes: Processes, seconds: float, each: Any = None) -> dict[str, Any]:
    home = processes.home
    with processes:
        processes.play_to_the_end(seconds, each)
        with Client(home) as client:
            profit, balances = client.ask(GetProfit()), client.ask(GetBalances()).totals
    folder = journals_of(home)
    told = {name: decided(folder / f"{name}.db", name) for name in DECIDE}
    return {**told, "profit": profit, "balances": balances}


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
    kills = RandomKills(processes, seed=seed, kills=100, odds=0.22)

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
