"""`lct up --replay`: the daemons play recorded bars to their end, in an account of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lct import formats
from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.conductor import GetReplay, Replay
from lct.ports.strategy import Bars
from lct.supervisor import Supervisor, conf
from tests.supervisor.troupe import soon, supervised

START, MINUTES = 1_704_067_200_000_000_000, 5 * 60_000_000_000
COUNT = 300
PLAYERS = ("execution", "portfolio", "strategy_engine", "trading_engine", "market_data")


@pytest.fixture
def replayed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """The supervisor of a home with a strategy that needs few bars."""
    monkeypatch.setenv("LCT_HTTP_PORTS", "auto")
    (home / "config").mkdir(parents=True)
    (home / "config" / "strategy_engine.toml").write_text('strategies = ["ema_cross"]\n')
    with supervised(home, conf.shipped()) as made:
        yield made


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Five-minute bars of BTC/USDT."""
    folder = tmp_path / "bars"
    folder.mkdir()
    walk = np.random.default_rng(7).normal(size=COUNT).cumsum().round(2)
    closes = 1000.0 + walk - walk.min()
    opens = START + np.arange(COUNT) * MINUTES
    recorded = Bars.of(opens, closes, closes + 1, closes - 1, closes, np.full(COUNT, 50.0))
    formats.write(folder / "BTC_USDT-5m-2024H1.parquet", recorded)
    return folder


def lct(*words: str) -> Any:
    return subprocess.run([sys.executable, "-m", "lct", *words], capture_output=True, text=True, check=False)


def finished(home: Path) -> Replay:
    def look() -> Replay | None:
        try:
            found = client.ask(GetReplay(), to="conductor")
        except NoAnswer:
            return None
        return found if found.finished else None

    with Client(home) as client:
        found: Replay = soon(look, 60)
    return found


def test_recorded_bars_are_played_to_their_end_and_once(replayed: Supervisor, home: Path, bars: Path) -> None:
    up = lct("up", "--replay", str(bars), "--only", ",".join(PLAYERS), "--json")
    assert up.returncode == 0, up.stderr
    end = finished(home)
    (account,) = (path.name.removeprefix("paper-paper-") for path in (home / "journal").iterdir())
    held = json.loads(lct("portfolio", "pnl", "--account", account, "--json").stdout)
    while_it_runs = lct("up", "--replay", str(bars))
    lct("down")

    again = lct("up", "--replay", str(bars), "--only", ",".join(PLAYERS), "--json")
    end_again = finished(home)

    assert {row["name"] for row in json.loads(up.stdout)["daemons"]} == {*PLAYERS, "conductor", "audit"}
    assert end.md_seq == COUNT
    assert f"--account {account}" in up.stderr
    assert held["fills"] > 0
    assert while_it_runs.returncode == 4
    assert "the house runs already" in while_it_runs.stderr
    assert again.returncode == 0, again.stderr
    assert end_again.md_seq == COUNT
    assert len(list((home / "journal").iterdir())) == 1
