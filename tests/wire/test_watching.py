"""Watching: monitoring of real processes tells that one died, and that it lives again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.monitoring import GetAlerts, GetHouseHealth, GetMetrics
from tests.wire.processes import Processes, configure

SECONDS = 40
NAMES = ("monitoring", "token_discovery", "market_data")
QUICK = "late_after_seconds = 2.0\ndown_after_seconds = 4.0\n"


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        try:
            if condition():
                return
        except NoAnswer:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {SECONDS} s: {what}")


def lct(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LCT_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "lct", *words], capture_output=True, text=True, check=False, env=environment
    )


def test_a_daemon_that_dies_is_alerted_and_so_is_its_return(home: Path) -> None:
    configure(home, monitoring=QUICK)
    with Processes(home, NAMES) as house, Client(home) as client:

        def is_told(rule: str) -> bool:
            alerts = client.ask(GetAlerts()).alerts
            return any(alert.name == rule and "token_discovery" in alert.detail for alert in alerts)

        wait_for(lambda: client.ask(GetHouseHealth()).verdict == "up", "all up")
        well = lct(home, "monitor", "health", "--json")
        house.kill("token_discovery")
        wait_for(lambda: is_told("daemon_down"), "an alert")
        ill = lct(home, "monitor", "health", "--json")
        house.keep_up()
        wait_for(lambda: is_told("daemon_up"), "an alert")
        restarts = {row.name: row.restarts for row in client.ask(GetMetrics()).daemons}
        was_restarted = is_told("daemon_restarted")

    states = {row["name"]: row["state"] for row in json.loads(ill.stdout)["daemons"]}
    assert (well.returncode, json.loads(well.stdout)["verdict"]) == (0, "up")
    assert (ill.returncode, states["token_discovery"]) == (1, "down")
    assert restarts == {"market_data": 0, "monitoring": 0, "token_discovery": 1}
    assert was_restarted
    assert lct(home, "monitor", "health").returncode == 3
