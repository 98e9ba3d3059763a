"""Sessions of the real house, on a wall clock that runs fast: lived again without a difference, also after kills."""

import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lct.bus import heard
from lct.bus.replay import Relived
from lct.clock import now_ns
from lct.run.reliving import relive
from tests.wire.processes import Processes, configure

DAEMONS = ("execution", "market_data", "monitoring", "portfolio", "strategy_engine", "trading_engine")
RATE = 60
"""So a bar of one minute closes each second."""
PATIENCE_SECONDS = 60


def furnish(home: Path) -> None:
    """A market that began yesterday, and an engine that trades on little."""
    yesterday = (dt.datetime.fromtimestamp(now_ns() / 1e9, dt.UTC) - dt.timedelta(days=1)).date()
    configure(
        home,
        house=f'symbols = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]\n[feeds.synthetic]\nstart = {yesterday}\ndays = 3\n',
        trading_engine="entry_score = 0.05\nexit_score = 0.02\n",
    )


def up(home: Path) -> Processes:
    return Processes(home, DAEMONS, LCT_CLOCK=f"{RATE},{now_ns()}")


def wait(house: Processes, condition: Callable[[dict[str, Any]], bool]) -> None:
    """Keep everyone up until something is so."""
    until = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < until:
        house.keep_up()
        found = {name: presence for name, presence in house.presences().items() if presence is not None}
        if condition(found):
            return
        time.sleep(0.05)
    raise AssertionError(f"it did not come to that: {house.presences()}")


def all_ready(found: dict[str, Any]) -> bool:
    return all(name in found and found[name].ready for name in DAEMONS)


def lived_again(home: Path) -> list[Relived]:
    """Live all sessions of all daemons again."""
    (folder,) = (home / "journal").iterdir()
    return [
        again
        for name in DAEMONS
        for session in heard.lives(folder / f"{name}.heard")
        for again in relive(home, [name], session)
    ]


def facts(home: Path, name: str, *tags: str) -> list[Any]:
    """Return the bodies of a daemon's facts of these types, in order."""
    (folder,) = (home / "journal").iterdir()
    with closing(sqlite3.connect(folder / f"{name}.db")) as db:
        rows = db.execute("select type, body from journal order by position").fetchall()
    return [msgspec.msgpack.decode(body) for kind, body in rows if kind in tags]


def lct_replay(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LCT_HOME": str(home)}
    command = [sys.executable, "-m", "lct", "journal", "replay", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def change_a_decision(home: Path) -> None:
    """Let the journal of execution say that it decided the second fact upon something else."""
    (folder,) = (home / "journal").iterdir()
    with closing(sqlite3.connect(folder / "execution.db")) as db:
        db.execute("update journal set heard_ref = 'nobody:0:0' where journal_seq = 2")
        db.commit()


@pytest.mark.timeout(240)
def test_a_session_is_lived_again_without_a_difference_also_after_kills(home: Path):
    furnish(home)
    with up(home) as house:
        wait(house, all_ready)
        begun = max(presence.md_seq for presence in house.presences().values() if presence is not None)
        for name in ("strategy_engine", "execution", "market_data", "portfolio", "trading_engine"):
            bars = max(presence.md_seq for presence in house.presences().values() if presence is not None)
            wait(house, lambda found, bars=bars: max(presence.md_seq for presence in found.values()) > bars)
            house.kill(name)
            epoch = house.presences()[name].epoch
            wait(house, lambda found, name=name, epoch=epoch: found[name].epoch > epoch and all_ready(found))
        wait(house, lambda found: max(presence.md_seq for presence in found.values()) > begun + 6)

    found = lived_again(home)

    lived = {name: sum(one.facts for one in found if one.daemon == name) for name in DAEMONS}
    assert [one.session for one in found if one.daemon == "execution"] == [1, 2]
    assert min(lived[name] for name in ("execution", "portfolio", "trading_engine")) > 0
    assert sum(one.said for one in found if one.daemon == "strategy_engine") > 0
    assert sum(one.hearings for one in found if one.daemon == "monitoring") > 0

    fills = facts(home, "execution", "execution.filled")
    booked = [fact["fill"] for fact in facts(home, "portfolio", "portfolio.fill_booked")]
    kept = [fact["fill"] for fact in facts(home, "trading_engine", "trading_engine.fill_heard")]
    assert booked == fills[: len(booked)]
    assert kept == fills[: len(kept)]

    told = lct_replay(home, "execution", "portfolio", "--session", "1", "--json")
    change_a_decision(home)
    changed = lct_replay(home, "--session", "1")

    assert [(row["daemon"], row["session"]) for row in json.loads(told.stdout)] == [("execution", 1), ("portfolio", 1)]
    assert changed.returncode == 1
    assert "execution differs at fact 2: recorded was heard_ref nobody:0:0; now came heard_ref" in changed.stderr
