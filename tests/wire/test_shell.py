"""One process of a house: its place, its health, its end, and a disk that is full."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lct.bus.presence import read
from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.base import GetHealth, Stop
from lct.messages.portfolio import GetPositions
from lct.messages.trading_engine import GetTradingStatus, PauseTrading, ResumeTrading
from lct.run.config import HouseConfig, journal_folder
from tests.wire.deciding import orders
from tests.wire.processes import Processes, configure

HOUSE = 'symbols = ["BTC/USDT", "ETH/USDT"]\ntimeframe = "1h"\n[feeds.synthetic]\ndays = 2\nseed = 7\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    configure(tmp_path / "h", house=HOUSE, strategy_engine='strategies = ["ema_cross"]\n')
    return tmp_path / "h"


def soon(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until something holds."""
    until = time.perf_counter() + seconds
    while not (found := holds()):
        assert time.perf_counter() < until, f"{holds} did not come true in {seconds} s"
        time.sleep(0.02)
    return found


def alone(home: Path, name: str = "portfolio", **environment: str) -> Processes:
    return Processes(home, ("conductor", name), **environment)


def presence_of(home: Path, name: str) -> Any:
    return read(home / "run").get(name)


def health(home: Path, name: str) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(f"http://127.0.0.1:{presence_of(home, name).http_port}/health", timeout=5) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_process_tells_its_health_on_its_port_and_to_who_asks(home):
    with alone(home):
        soon(lambda: presence_of(home, "portfolio") and presence_of(home, "portfolio").ready)

        status, told = health(home, "portfolio")
        with Client(home) as client:
            asked = client.ask(GetHealth(), to="portfolio").heartbeat
            positions = client.ask(GetPositions()).positions

    assert (status, told["status"], told["daemon"]) == (200, "ok", "portfolio")
    assert (asked.daemon, asked.ready, asked.pid) == ("portfolio", True, told["pid"])
    assert positions == []


def test_a_process_that_waits_for_the_conductor_says_that_it_is_not_ready(home):
    with Processes(home, ("portfolio",), LCT_TIME="replayed"):
        soon(lambda: presence_of(home, "portfolio"))

        status, told = health(home, "portfolio")

    assert (status, told["status"], told["reasons"]) == (503, "starting", ["starts"])


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.1", "POST /health HTTP/1.1", "nonsense", "GET /../keys HTTP/1.0"]
)
def test_nothing_but_health_is_told_over_http(home, request_line):
    with alone(home):
        port = soon(lambda: presence_of(home, "portfolio") and presence_of(home, "portfolio").http_port)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(f"{request_line}\r\n\r\n".encode())
            reply = line.recv(4096)
        still, _ = health(home, "portfolio")

    assert reply.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405"))
    assert still in {200, 503}


def test_a_second_process_of_one_name_is_refused(home):
    with alone(home) as processes:
        soon(lambda: presence_of(home, "portfolio"))

        second = subprocess.run(
            [sys.executable, "-m", "lct.run", "portfolio"],
            env=processes.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert second.returncode == 4
    assert "in use by another lct process" in second.stderr


def test_a_name_that_is_no_daemon_is_not_found(home):
    done = subprocess.run(
        [sys.executable, "-m", "lct.run", "portfolioo"],
        env={**os.environ, "LCT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 5
    assert "no daemon named 'portfolioo'" in done.stderr


def test_sigterm_and_stop_end_a_process_in_order(home):
    with alone(home) as processes:
        soon(lambda: presence_of(home, "portfolio") and presence_of(home, "portfolio").ready)
        with Client(home) as client:
            client.ask(Stop(), to="portfolio")
        stopped = processes.running["portfolio"].wait(5)
        processes.running["conductor"].send_signal(signal.SIGTERM)
        ended = processes.running["conductor"].wait(5)

    assert (stopped, ended) == (0, 0)


def test_a_process_notices_the_death_of_its_supervisor(home):
    """A stand-in for supervisord: it starts a daemon as supervisord does, says its pid, and is killed."""
    parent = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'lct.run', 'conductor'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "LCT_HOME": str(home), "SUPERVISOR_ENABLED": "1", "LCT_DAEMONS": "portfolio"}
    with subprocess.Popen([sys.executable, "-c", parent], env=environment, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        pid = int(one.stdout.readline())
        soon(lambda: presence_of(home, "conductor"))
        one.kill()

        soon(lambda: not alive(pid), 2.0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_full_disk_ends_execution_before_anything_is_sent_and_room_lets_it_go_on(tmp_path):
    home = tmp_path / "h"
    busy = HOUSE.replace('"1h"', '"5m"')
    configure(home, house=busy, strategy_engine='strategies = ["ema_cross", "mean_reversion", "trend"]\n')
    folder = journal_folder(home, HouseConfig())
    processes = Processes(home)
    processes.file_bytes_max["execution"] = 120_000
    with processes:

        def refuses() -> bool:
            processes.keep_up()
            said = (home / "log" / "execution.stderr").read_text()
            return "nothing was sent" in said and processes.starts["execution"] > 2

        soon(refuses, 60)
        sent, intended = orders(folder)
        assert sent <= intended
        processes.file_bytes_max.clear()
        processes.kill("execution")
        processes.play_to_the_end(60)
        sent, intended = orders(folder)

    assert "cannot write the journal" in (home / "log" / "execution.log").read_text()
    assert sent == intended
    assert len(sent) > 20


def test_what_changes_the_house_has_its_turn_in_replayed_time_and_outlives_a_kill(home):
    with Processes(home, LCT_SPEED="3600") as processes, Client(home, patience_ms=5_000) as client:
        soon(lambda: presence_of(home, "conductor") and presence_of(home, "conductor").ready)
        client.ask(PauseTrading("lunch", "test"))
        before = client.ask(GetTradingStatus())
        processes.kill("trading_engine")
        processes.keep_up()
        soon(lambda: presence_of(home, "trading_engine").epoch == 2 and presence_of(home, "trading_engine").ready)
        after = client.ask(GetTradingStatus())
        client.ask(ResumeTrading("", "test"))
        resumed = client.ask(GetTradingStatus())

    assert [status.state.value for status in (before, after, resumed)] == ["paused", "paused", "running"]


def test_nobody_answers_for_a_daemon_that_is_not_there(home):
    with alone(home):
        soon(lambda: presence_of(home, "portfolio"))
        with Client(home, patience_ms=300) as client, pytest.raises(NoAnswer):
            client.ask(GetHealth(), to="execution")
