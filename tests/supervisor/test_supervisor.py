"""A house under a real supervisord: it starts, goes on after every kill, and leaves nothing when it is stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE
from time import perf_counter

import pytest

from lct.bus.presence import socket_folder
from lct.errors import LctError, NoAnswer, NotFound, Refused
from lct.supervisor import Supervisor
from lct.supervisor.conf import CONDUCTOR, NAME
from lct.supervisor.processes import runs
from tests.supervisor.troupe import MEMBERS, pid_of, plain_settings, settings, soon, supervised, told_by

TWO = ("market_data", "strategy_engine")


def pids(supervisor: Supervisor) -> dict[str, int | None]:
    return {process.name: process.pid for process in supervisor.processes()}


def supervisord_of(home: Path) -> int:
    return int((home / "run" / "supervisord.pid").read_text())


def test_all_start_and_nothing_is_left_when_they_are_stopped(supervisor: Supervisor, home: Path) -> None:
    names = supervisor.start()
    for name in names:
        pid_of(supervisor, name)
    began = {process.name: process.state for process in supervisor.processes()}
    supervisord, running = supervisord_of(home), pids(supervisor)

    killed = supervisor.stop()

    assert names == list(MEMBERS)
    assert began == dict.fromkeys(MEMBERS, "RUNNING")
    assert killed == []
    assert not runs(supervisord)
    assert [pid for name, pid in running.items() if pid and runs(pid, name)] == []
    assert supervisor.processes() == []
    assert not (socket_folder(home) / "supervisor.sock").exists()


def test_execution_stops_last_and_starts_first(supervisor: Supervisor, home: Path) -> None:
    supervisor.start()
    for name in MEMBERS:
        pid_of(supervisor, name)

    supervisor.stop()

    log = (home / "log" / "supervisord.log").read_text()
    assert [line.split("'")[1] for line in log.splitlines() if "spawned:" in line] == list(MEMBERS)
    assert [line.split()[4] for line in log.splitlines() if "INFO stopped:" in line] == list(reversed(MEMBERS))


def test_only_some_start_and_others_come_later(supervisor: Supervisor) -> None:
    first = supervisor.start(TWO)
    before = {name: pid_of(supervisor, name) for name in TWO}

    then = supervisor.start(["portfolio", "market_data"])
    pid_of(supervisor, "portfolio")

    assert first == ["strategy_engine", "market_data"]
    assert then == ["portfolio", "market_data"]
    assert set(pids(supervisor)) == {*TWO, "portfolio"}
    assert {name: pids(supervisor)[name] for name in TWO} == before


def test_an_unknown_daemon_is_not_started(supervisor: Supervisor) -> None:
    with pytest.raises(NotFound, match="portfolio"):
        supervisor.start(["portfollio"])

    assert not supervisor.is_running


def test_a_killed_daemon_is_there_again_at_once(supervisor: Supervisor) -> None:
    supervisor.start(TWO)
    before = pid_of(supervisor, "market_data")

    began = perf_counter()
    os.kill(before, signal.SIGKILL)

    assert pid_of(supervisor, "market_data", other_than=before)
    assert (perf_counter() - began) < 2


def test_a_daemon_that_crashes_is_started_for_ever_and_its_last_words_are_kept(
    supervisor: Supervisor, home: Path
) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "portfolio.crash").touch()
    supervisor.start(["portfolio"])
    soon(lambda: supervisor.log_tail().count("exited: portfolio") >= 4)

    (home / "run" / "portfolio.crash").unlink()

    pid_of(supervisor, "portfolio")
    assert "portfolio cannot go on" in (home / "log" / "portfolio.out.log").read_text()


def test_a_supervisor_that_was_killed_is_followed_by_another(supervisor: Supervisor, home: Path) -> None:
    supervisor.start(TWO)
    before = {name: pid_of(supervisor, name) for name in TWO}

    os.kill(supervisord_of(home), signal.SIGKILL)
    soon(lambda: not supervisor.is_running)
    supervisor.start(TWO)

    after = {name: pid_of(supervisor, name, other_than=before[name]) for name in TWO}
    assert [pid for name, pid in before.items() if runs(pid, name)] == []
    assert not set(before.values()) & set(after.values())


def test_a_daemon_without_a_supervisor_is_not_started_twice(
    supervisor: Supervisor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lct.supervisor.ORPHAN_SECONDS", 0.5)
    supervisor.start(["portfolio"])
    supervisor.stop()
    alone = subprocess.Popen([sys.executable, Path(__file__).with_name("stand_in.py"), "portfolio"])
    try:
        soon(lambda: told_by(supervisor, "portfolio"))

        with pytest.raises(NoAnswer, match=rf"portfolio \(process {alone.pid}\)"):
            supervisor.start(["portfolio"])
        supervisor.start(["market_data"])
        pid_of(supervisor, "market_data")
        killed = supervisor.stop()
    finally:
        code = alone.wait(10)

    assert killed == []
    assert code == 0


def test_a_deaf_daemon_is_killed_and_named(supervisor: Supervisor, home: Path) -> None:
    supervisor.start(TWO)
    pid_of(supervisor, "market_data")
    (home / "run" / "market_data.deaf").touch()

    killed = supervisor.stop(1)

    assert "market_data" in killed
    assert not supervisor.is_running


def test_a_hung_supervisor_is_refused_and_can_be_ended(
    supervisor: Supervisor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lct.supervisor.rpc.Rpc.__init__.__defaults__", (None, 0.3))
    monkeypatch.setattr("lct.supervisor.CHILD_STOP_SECONDS", 0.5)
    supervisor.start(TWO)
    pid_of(supervisor, "market_data")
    os.kill(supervisord_of(home), signal.SIGSTOP)

    with pytest.raises(NoAnswer, match="supervisord"):
        supervisor.start(TWO)
    killed = supervisor.stop(1)

    assert "supervisord" in killed
    assert not runs(supervisord_of(home), str(home / "run" / NAME))


def test_restart_gives_new_processes_to_those_named(supervisor: Supervisor) -> None:
    supervisor.start(TWO)
    before = {name: pid_of(supervisor, name) for name in TWO}

    assert supervisor.restart(["market_data"]) == ["market_data"]

    assert pid_of(supervisor, "market_data", other_than=before["market_data"])
    assert pid_of(supervisor, "strategy_engine") == before["strategy_engine"]
    with pytest.raises(NotFound):
        supervisor.restart(["portfolio"])


def test_restart_of_nothing_says_so(supervisor: Supervisor) -> None:
    with pytest.raises(NoAnswer, match="lct up"):
        supervisor.restart()


def test_a_conductor_comes_with_a_replay_and_not_later(supervisor: Supervisor) -> None:
    supervisor.start(TWO, conductor=True, environment={"LCT_TIME": "replayed"})
    pid_of(supervisor, CONDUCTOR)

    with pytest.raises(Refused):
        supervisor.start(TWO, conductor=True)

    assert set(pids(supervisor)) == {*TWO, CONDUCTOR}


def test_files_are_for_their_owner_alone_and_the_socket_wants_a_password(supervisor: Supervisor, home: Path) -> None:
    supervisor.start(TWO)
    open_ = [path for path in home.rglob("*") if S_IMODE(path.lstat().st_mode) & 0o077]

    bare = subprocess.run(
        [
            sys.executable,
            "-m",
            "supervisor.supervisorctl",
            "-s",
            f"unix://{socket_folder(home)}/supervisor.sock",
            "pid",
        ],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )

    assert open_ == []
    assert "password" in (home / "run" / NAME).read_text()
    assert "authentication" in bare.stdout + bare.stderr


def test_no_letter_of_a_path_breaks_it(tmp_path: Path) -> None:
    home = tmp_path / "a home; with 100 %s #letters"

    with supervised(home, settings(tmp_path)) as supervisor:
        supervisor.start(["portfolio"])
        pid_of(supervisor, "portfolio")

        assert (home / "log" / "portfolio.out.log").exists()


def test_a_long_path_gets_a_short_socket_and_leaves_no_folder_for_it(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)

    with supervised(home, settings(tmp_path)) as supervisor:
        supervisor.start(["portfolio"])
        pid_of(supervisor, "portfolio")
        folder = socket_folder(home)

        (folder / "portfolio.lock").touch()  # as a daemon leaves one there
        supervisor.stop()

        assert folder != home / "run"
        assert not folder.exists()


def test_in_the_foreground_supervisord_is_a_child(supervisor: Supervisor) -> None:
    supervisor.start(TWO, foreground=True)
    pid_of(supervisor, "market_data")

    supervisor.stop()

    assert supervisor.wait() == 0


def test_settings_that_supervisord_refuses_are_said(home: Path, tmp_path: Path) -> None:
    path = settings(tmp_path)
    path.write_text(path.read_text().replace("stopwaitsecs=15", "stopwaitsecs=soon"))

    with supervised(home, path) as supervisor, pytest.raises(LctError, match="soon"):
        supervisor.start()


def test_a_plain_supervisord_is_found_and_stopped_too(home: Path, tmp_path: Path) -> None:
    (home / "run").mkdir(parents=True)
    home.chmod(0o700)
    (home / "run").chmod(0o700)
    path = plain_settings(tmp_path)
    subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", path], check=True)

    with supervised(home, path) as supervisor:
        for name in MEMBERS:
            pid_of(supervisor, name)
        found = {process.name for process in supervisor.processes()}
        killed = supervisor.stop()

    assert found == set(MEMBERS)
    assert killed == []
    assert not (tmp_path / ".supervisor.sock").exists()


def test_a_plain_supervisord_of_another_home_is_left_alone(home: Path, tmp_path: Path) -> None:
    path = plain_settings(tmp_path)
    (home / "run").mkdir(parents=True, mode=0o700)
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True, mode=0o700)
    subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", path], check=True)

    with supervised(home, path) as supervisor:
        pid_of(supervisor, "portfolio")
        stale = (home / "run" / "portfolio.json").read_text()
        stranger = Supervisor(other, path)
        (other / "run" / "portfolio.json").write_text(
            stale.replace(f'"pid": {pid_of(supervisor, "portfolio")}', '"pid": 0')
        )

        assert supervisor.is_running
        assert not stranger.is_running
