"""`lct demo` plays the whole house, checks its books and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SHAPE = [
    "seed",
    "cycles",
    "signals",
    "orders",
    "fills",
    "equity",
    "profit",
    "open_positions",
    "books_balance",
    "daemons",
    "messages",
    "wall_seconds",
]


def test_the_document_has_its_shape(document: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    found = document("demo", "--days", "1", "--seed", "3")

    assert list(found) == SHAPE
    assert (found["seed"], found["cycles"], found["books_balance"]) == (3, 1440, True)
    assert {"execution", "market_data", "portfolio"} < {daemon["name"] for daemon in found["daemons"]}
    assert all(list(daemon) == ["name", "state", "restarts", "pss_bytes"] for daemon in found["daemons"])
    assert isinstance(found["equity"], str)
    assert found["fills"] > 0
    assert not home.exists()
    assert list(tmp_path.glob("lct-demo-*")) == []


def test_books_that_do_not_balance_exit_with_1(lct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lct.cli.drive.books_balance", lambda house: False)

    result = lct("demo", "--days", "1", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["books_balance"] is False


def test_the_speed_is_throttled_and_an_interrupt_cleans_up(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", "demo", "--speed", "600", "--json"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.perf_counter() + 30
    while not list(tmp_path.glob("lct-demo-*/journal/*/paper.db")) and time.perf_counter() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    process.send_signal(signal.SIGINT)

    out, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert 5 <= json.loads(out)["cycles"] <= 60
    assert list(tmp_path.glob("lct-demo-*")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_loads_cleans_up(number: int, code: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", "demo", "--days", "30"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.perf_counter() + 30
    while not list(tmp_path.glob("lct-demo-*")) and time.perf_counter() < deadline:
        time.sleep(0.01)
    process.send_signal(number)

    _, err = process.communicate(timeout=30)

    assert process.returncode == code, err
    assert err.startswith("interrupted")
    assert list(tmp_path.glob("lct-demo-*")) == []
