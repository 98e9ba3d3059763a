"""The daemons themselves under a real supervisord: up, killed one after the other, up again, and gone when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from lct.bus.presence import Presence
from lct.supervisor import Supervisor, conf
from lct.supervisor.overview import overview, restarts_in_all
from lct.supervisor.processes import runs
from tests.supervisor.troupe import DAEMONS, MEMBERS, pid_of, soon, supervised, told_by


@pytest.fixture
def real(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """The supervisor of an empty home."""
    monkeypatch.setenv("LCT_HTTP_PORTS", "auto")
    with supervised(home, conf.shipped()) as made:
        yield made


def lct(*words: str) -> Any:
    return subprocess.run([sys.executable, "-m", "lct", *words], capture_output=True, text=True, check=False)


def ready(supervisor: Supervisor, name: str, other_than: int = 0) -> Presence:
    """Wait until a daemon is ready, in a process other than that."""

    def there() -> Presence | None:
        told = told_by(supervisor, name)
        return told if told is not None and told.ready and told.pid != other_than else None

    found: Presence = soon(there, 30)
    return found


def test_each_may_be_killed_and_is_up_again(real: Supervisor, home: Path) -> None:
    up = lct("up", "--json")
    assert up.returncode == 0, up.stderr
    first = {name: ready(real, name) for name in MEMBERS}

    for name in MEMBERS:
        os.kill(first[name].pid, signal.SIGKILL)
        ready(real, name, other_than=first[name].pid)
    soon(lambda: overview(real).verdict == "up", 30)

    restarts = restarts_in_all(real.log_tail())
    status, again = lct("status", "--json"), {name: ready(real, name) for name in MEMBERS}
    down = lct("down", "--json")
    assert status.returncode == 0
    assert restarts == dict.fromkeys(MEMBERS, 1)
    assert all(again[name].epoch > first[name].epoch for name in MEMBERS)
    assert json.loads(down.stdout) == {"stopped": sorted(MEMBERS), "killed": []}
    assert [name for name, told in again.items() if runs(told.pid, name)] == []
    assert "Traceback" not in lct("logs", "--level", "error").stdout


def test_all_and_their_supervisor_may_be_killed_at_once(real: Supervisor, home: Path) -> None:
    real.start()
    first = {name: ready(real, name).pid for name in MEMBERS}
    supervisord = int((home / "run" / "supervisord.pid").read_text())

    for pid in (supervisord, *first.values()):
        os.kill(pid, signal.SIGKILL)
    status = lct("status", "--json")
    up = lct("up", "--json")

    assert status.returncode == 3
    assert up.returncode == 0, up.stderr
    assert all(ready(real, name).pid != pid for name, pid in first.items())


def test_daemons_end_when_their_supervisor_is_killed(real: Supervisor, home: Path) -> None:
    real.start(["portfolio", "token_discovery"])
    pids = {name: ready(real, name).pid for name in ("portfolio", "token_discovery")}

    os.kill(int((home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)

    soon(lambda: not any(runs(pid, name) for name, pid in pids.items()), 5)


def test_plain_supervisord_does_the_same(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ports that are shipped, where they are free; else with any."""
    if not (conf.shipped().parent / ".venv").exists():
        pytest.skip("the shipped file names .venv of the checkout, and there is none")
    if any(taken(port) for port in range(8000, 8008)):
        monkeypatch.setenv("LCT_HTTP_PORTS", "auto")
    path = tmp_path / "supervisord.conf"
    path.write_bytes(conf.shipped().read_bytes())
    (tmp_path / ".venv").symlink_to(conf.shipped().parent / ".venv")
    (home / "run").mkdir(parents=True, mode=0o700)

    with supervised(home, path) as supervisor:
        subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", path], check=True, cwd=tmp_path)
        told = {name: ready(supervisor, name) for name in MEMBERS}
        healths = {
            name: urlopen(f"http://127.0.0.1:{about.http_port}/health", timeout=10).status
            for name, about in told.items()
            if name in DAEMONS
        }
        status, down = lct("status"), lct("down", "--json")

    assert healths == dict.fromkeys(DAEMONS, 200)
    assert status.returncode == 0, status.stdout
    assert json.loads(down.stdout) == {"stopped": sorted(MEMBERS), "killed": []}


def taken(port: int) -> bool:
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_reload_restarts_a_real_daemon(real: Supervisor, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    verb = subprocess.Popen(
        [sys.executable, "-m", "lct", "up", "--reload", "--only", "token_discovery"], stderr=subprocess.PIPE, text=True
    )
    with verb:
        before = pid_of(real, "token_discovery")
        assert verb.stderr is not None
        while "Ctrl-C" not in verb.stderr.readline():
            pass
        (home / "config" / "token_discovery.toml").write_text("tokens_kept = 5\n")
        ready(real, "token_discovery", other_than=before)
        verb.send_signal(signal.SIGINT)
        verb.communicate(timeout=30)

    assert verb.returncode == 130
