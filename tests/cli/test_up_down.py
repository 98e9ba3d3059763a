"""up, down, restart and status over stand-ins for the daemons, under a real supervisord."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lct.supervisor import Supervisor, conf
from tests.supervisor.troupe import DAEMONS, MEMBERS, pid_of, settings, soon, supervised, told_by

ROW = ["name", "state", "pid", "ready", "heartbeat_age_seconds", "reasons"]


@pytest.fixture
def supervisor(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """The supervisor that the verbs find: its daemons are stand-ins."""
    path = settings(tmp_path)
    monkeypatch.setattr(conf, "shipped", lambda: path)
    with supervised(home, path) as made:
        yield made


def states(document: Any) -> dict[str, str]:
    return {row["name"]: row["state"] for row in document["daemons"]}


def test_up_status_and_down(supervisor: Supervisor, lct: Any) -> None:
    up = lct("up", "--json")
    status = lct("status", "--json")
    down = lct("down", "--json")
    after = lct("status", "--json")

    assert (up.exit_code, status.exit_code, down.exit_code, after.exit_code) == (0, 0, 0, 3)
    for document in (json.loads(up.stdout), json.loads(status.stdout)):
        assert list(document) == ["verdict", "daemons"]
        assert document["verdict"] == "up"
        assert states(document) == dict.fromkeys(MEMBERS, "up")
        assert [list(row) for row in document["daemons"]] == [ROW] * len(MEMBERS)
        assert all(row["ready"] and row["pid"] and row["heartbeat_age_seconds"] < 3 for row in document["daemons"])
    assert json.loads(down.stdout) == {"stopped": sorted(MEMBERS), "killed": []}
    assert json.loads(after.stdout)["verdict"] == "down"
    assert states(json.loads(after.stdout)) == dict.fromkeys(DAEMONS, "down")


def test_only_some_are_up_and_the_others_are_not_spoken_of(supervisor: Supervisor, document: Any) -> None:
    document("up", "--only", "market_data, strategy_engine")

    assert states(document("status")) == {"market_data": "up", "strategy_engine": "up"}


def test_up_twice_leaves_what_runs_alone(supervisor: Supervisor, document: Any) -> None:
    first = document("up", "--only", "portfolio")

    second = document("up")

    pids = {row["name"]: row["pid"] for row in second["daemons"]}
    assert pids["portfolio"] == first["daemons"][0]["pid"]
    assert set(pids) == set(MEMBERS)


def test_a_stopped_daemon_makes_the_verdict_down(supervisor: Supervisor, lct: Any, document: Any) -> None:
    document("up", "--only", "portfolio,execution")
    os.kill(pid_of(supervisor, "portfolio"), signal.SIGSTOP)

    def late() -> Any:
        result = lct("status", "--json")
        found = json.loads(result.stdout)
        return result.exit_code == 1 and found["verdict"] == "late" and found

    try:
        found = soon(late, 10)
    finally:
        os.kill(pid_of(supervisor, "portfolio"), signal.SIGCONT)

    assert states(found) == {"audit": "up", "execution": "up", "portfolio": "late"}
    assert found["daemons"][2]["reasons"][0].startswith("no heartbeat for 3.")


def test_who_is_not_up_is_named_with_its_last_words(supervisor: Supervisor, lct: Any, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "portfolio.crash").touch()

    result = lct("up", "--only", "portfolio,execution")

    assert result.exit_code == 3
    assert "error: not up: portfolio." in result.stderr
    assert "RuntimeError: portfolio cannot go on" in result.stderr
    assert "execution" in result.stdout


def test_up_need_not_wait(supervisor: Supervisor, document: Any, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "portfolio.slow").touch()

    assert document("up", "--only", "portfolio", "--no-wait")["verdict"] == "late"


def test_restart_replaces_the_process(supervisor: Supervisor, lct: Any, document: Any) -> None:
    document("up", "--only", "portfolio,execution")
    before = {name: pid_of(supervisor, name) for name in ("portfolio", "execution")}

    found = document("restart", "portfolio")

    after = {row["name"]: row["pid"] for row in found["daemons"]}
    assert after["portfolio"] != before["portfolio"]
    assert after["execution"] == before["execution"]
    assert lct("restart", "portfollio").exit_code == 5


def test_what_is_refused_has_its_exit_code(supervisor: Supervisor, lct: Any, tmp_path: Path) -> None:
    assert lct("up", "--live").exit_code == 4
    assert lct("up", "--speed", "2").exit_code == 2
    assert lct("up", "--replay", str(tmp_path / "absent")).exit_code == 5
    assert lct("up", "--only", "nobody").exit_code == 5
    assert lct("up", "--only", ",").exit_code == 2
    assert lct("restart").exit_code == 3
    assert lct("down").exit_code == 0
    assert not supervisor.is_running


def test_a_table_says_the_same(supervisor: Supervisor, lct: Any) -> None:
    lct("up", "--only", "portfolio")

    result = lct("status")

    assert result.stdout.splitlines()[0].split() == [
        "name",
        "state",
        "pid",
        "ready",
        "heartbeat",
        "age",
        "seconds",
        "reasons",
    ]
    assert result.stdout.splitlines()[2].split()[:2] == ["portfolio", "up"]
    assert result.stderr == "verdict: up\n"


def foreground(home: Path, path: Path, *words: str) -> "subprocess.Popen[str]":
    program = (
        "import sys; from pathlib import Path; from lct.supervisor import conf; path = Path(sys.argv.pop(1)); "
        "conf.shipped = lambda: path; from lct.cli import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path), "up", *words],
        env={**os.environ, "LCT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_the_foreground_it_stays_and_a_signal_stops_all(
    number: signal.Signals, code: int, supervisor: Supervisor, home: Path, tmp_path: Path
) -> None:
    with foreground(home, conf.shipped(), "--foreground", "--only", "portfolio") as verb:
        before = pid_of(supervisor, "portfolio")
        said = verb.stderr and verb.stderr.readline() + verb.stderr.readline()
        verb.send_signal(number)
        verb.communicate(timeout=30)

    assert "Ctrl-C stops the daemons" in str(said)
    assert verb.returncode == code
    assert told_by(supervisor, "portfolio") is None
    assert before
    assert not supervisor.is_running


def test_reload_restarts_whose_settings_were_saved(supervisor: Supervisor, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    with foreground(home, conf.shipped(), "--reload", "--only", "portfolio,execution") as verb:
        before = {name: pid_of(supervisor, name) for name in ("portfolio", "execution")}
        assert verb.stderr is not None
        while "Ctrl-C" not in verb.stderr.readline():
            pass
        (home / "config" / "portfolio.toml").write_text("# saved\n")
        after = pid_of(supervisor, "portfolio", other_than=before["portfolio"])
        same = pid_of(supervisor, "execution")
        verb.send_signal(signal.SIGINT)
        _, said = verb.communicate(timeout=30)

    assert "changed: restarting portfolio" in said
    assert (after != before["portfolio"], same) == (True, before["execution"])


def test_a_supervisor_that_dies_in_the_foreground_ends_the_verb(supervisor: Supervisor, home: Path) -> None:
    with foreground(home, conf.shipped(), "--foreground", "--only", "portfolio") as verb:
        pid_of(supervisor, "portfolio")
        assert verb.stderr is not None
        while "Ctrl-C" not in verb.stderr.readline():
            pass
        os.kill(int((home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
        _, said = verb.communicate(timeout=30)

    assert verb.returncode == 3
    assert "the supervisor is gone" in said


def test_two_ups_at_once_start_one_house(supervisor: Supervisor, home: Path) -> None:
    names: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: names.append(Supervisor(home, conf.shipped()).start(["portfolio"])))
        for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names == [["portfolio"]] * 2
    assert (home / "log" / "supervisord.log").read_text().count("supervisord started") == 1


def test_status_imports_nothing_heavy(home: Path) -> None:
    heavy = ("zmq", "rich", "pydantic", "numpy", "xmlrpc", "hashlib", "supervisor", "lct.run", "lct.config.tomllib")
    ask = f"""
import sys
from lct.cli import app
try:
    app(["status", "--json"])
except SystemExit as end:
    assert end.code == 3, end.code
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LCT_HOME": str(home)},
    )

    assert done.stderr == "[]\n"
    assert not home.exists()
