"""The live house: real daemons answer the dashboard; one that is killed is missed, and is back when it is back."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lct.clock import monotonic_ns, now_ns
from lct.domain.risk import Standing
from lct.errors import NoAnswer
from lct.messages.portfolio import GetPositions
from lct.tui.house import Watcher
from lct.tui.live import LiveHouse
from tests.wire.processes import Processes, configure

SECOND = 1_000_000_000
HOUSE = """
symbols = ["BTC/USDT"]
[feeds.synthetic]
days = 1
seed = 7
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    configure(tmp_path / "h", house=HOUSE, strategy_engine='strategies = ["ema_cross"]\n')
    return tmp_path / "h"


@pytest.fixture
def watching(home: Path) -> Iterator[Watcher]:
    house = LiveHouse(home)
    yield Watcher(house)
    house.close()


def looks_until(watching: Watcher, holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Look again and again until something holds."""
    until = monotonic_ns() + int(seconds * SECOND)
    while not holds():
        assert monotonic_ns() < until, watching.view
        time.sleep(0.05)
        watching.look()


def state_of(watching: Watcher, name: str) -> str:
    return next(member.health(now_ns()).state for member in watching.view.members if member.name == name)


def test_an_empty_home_is_answered_at_once_with_nobody_there(watching: Watcher) -> None:
    began = monotonic_ns()

    watching.look()

    assert monotonic_ns() - began < SECOND
    view = watching.view
    assert view.nobody_ever_answered
    assert {member.health(now_ns()).state for member in view.members} == {"down"}
    assert "portfolio" in {member.name for member in view.members}
    assert view.positions.reason == "portfolio is not there: never heard"


def test_nobody_is_asked_in_the_place_of_who_is_gone(home: Path) -> None:
    house = LiveHouse(home)

    with pytest.raises(NoAnswer, match="portfolio is not there"):
        house.ask(GetPositions())


def test_a_killed_daemon_is_missed_and_its_figures_come_back_with_it(home: Path, watching: Watcher) -> None:
    with Processes(home, ("conductor", "portfolio")) as processes:
        looks_until(watching, lambda: watching.view.positions.reply is not None)
        assert watching.view.positions.silent_ns is None

        processes.kill("portfolio")
        looks_until(watching, lambda: watching.view.positions.silent_ns is not None)
        assert watching.view.positions.reply is not None
        looks_until(watching, lambda: "portfolio is not there: process gone" in watching.view.positions.reason)

        processes.keep_up()
        looks_until(watching, lambda: watching.view.positions.silent_ns is None)
        looks_until(watching, lambda: state_of(watching, "portfolio") == "up")


def test_what_daemons_log_is_in_the_view(home: Path, watching: Watcher) -> None:
    with Processes(home, ("conductor", "portfolio")):
        looks_until(watching, lambda: any(line.message == "process.recovered" for line in watching.view.lines))

    times = [line.time_ns for line in watching.view.lines]
    assert times == sorted(times)
    assert "portfolio" in {line.service for line in watching.view.lines}


def test_the_dashboard_halts_a_house_whose_execution_lives_and_says_so_where_nothing_does(
    home: Path, watching: Watcher
) -> None:
    nothing = watching.halt("nobody is there")
    with Processes(home, ("execution",)):
        looks_until(watching, lambda: watching.view.execution.reply is not None)
        words = watching.halt("in the dashboard")
        looks_until(watching, lambda: watching.view.execution.reply.standing is Standing.HALTED)

    assert nothing.startswith("NOT halted: nothing runs in this home")
    assert "protection stands" in words
    assert watching.view.execution.reply.by == "tui"
