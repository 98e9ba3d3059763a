"""The overview joins a process with what it told last; what another process told does not count."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lct.bus.presence import Presence
from lct.clock import NS_PER_SECOND
from lct.supervisor import Process, Supervisor
from lct.supervisor.overview import await_ready, judged, overview, restarts_in_all, restarts_since
from tests.supervisor.troupe import pid_of, soon

NOW = 1_700_000_000 * NS_PER_SECOND
LOG = """\
2023-11-14 22:00:00,000 INFO supervisord started with pid 1
2023-11-14 22:00:01,000 WARN exited: portfolio (exit status 1; not expected)
2023-11-14 22:10:00,000 INFO supervisord started with pid 2
2023-11-14 22:12:20,500 INFO spawned: 'portfolio' with pid 7
2023-11-14 22:13:10,000 WARN exited: portfolio (terminated by SIGKILL; not expected)
2023-11-14 22:13:12,000 INFO exited: portfolio (exit status 0; expected)
2023-11-14 22:13:13,000 INFO stopped: execution (exit status 0)
"""


def process(state: str = "RUNNING", pid: int | None = 7, age_seconds: float = 1, reason: str = "") -> Process:
    return Process("portfolio", state, pid, NOW - int(age_seconds * NS_PER_SECOND), reason)


def told(pid: int = 7, age_seconds: float = 0.5, *, ready: bool = True) -> Presence:
    return Presence("portfolio", pid, 1, ready, 0, NOW - int(age_seconds * NS_PER_SECOND))


@pytest.mark.parametrize(
    ("by_supervisor", "by_itself", "state", "reason"),
    [
        (process(), told(), "up", ""),
        (process(), told(age_seconds=4), "late", "no heartbeat for 4.0 s"),
        (process(), told(age_seconds=40), "down", "no heartbeat for 40.0 s"),
        (process(), told(ready=False), "late", "not ready"),
        (process(), told(pid=6), "late", "starting for 1 s"),
        (process(), None, "late", "starting for 1 s"),
        (process(age_seconds=60), None, "down", "starting for 60 s"),
        (process("STOPPED", None), told(), "down", "stopped"),
        (process("EXITED", None), told(), "down", "ended"),
        (process("BACKOFF", None, reason="no such file"), told(), "down", "does not start: no such file"),
        (process("FATAL", None), told(), "down", "given up"),
        (None, told(), "down", "not started"),
    ],
)
def test_a_daemon_is_judged_by_its_process_and_by_what_that_told(
    by_supervisor: Process | None, by_itself: Presence | None, state: str, reason: str
) -> None:
    found = judged("portfolio", by_supervisor, by_itself, NOW)

    assert (found.state, ", ".join(found.reasons)) == (state, reason)


def test_a_daemon_without_a_supervisor_is_judged_by_what_it_tells() -> None:
    assert judged("portfolio", None, told(), NOW, runs_alone=True).state == "up"


def test_restarts_are_counted_in_a_minute_and_in_a_life(monkeypatch: pytest.MonkeyPatch) -> None:
    minute_before = int(datetime(2023, 11, 14, 22, 13, 11, tzinfo=UTC).timestamp()) * NS_PER_SECOND
    local = datetime.fromtimestamp(minute_before / NS_PER_SECOND, UTC).astimezone().utcoffset()
    assert local is not None
    since = minute_before - int(local.total_seconds()) * NS_PER_SECOND

    assert restarts_since(LOG, since) == {"portfolio": 1}
    assert restarts_in_all(LOG) == {"portfolio": 2}
    assert restarts_since("", since) == restarts_in_all("") == {}


def test_a_house_where_nothing_runs_lists_who_could(home: Path) -> None:
    found = overview(Supervisor(home), ["portfolio", "execution"])

    assert (found.verdict, found.runs) == ("down", False)
    assert [(d.name, d.reasons) for d in found.daemons] == [
        ("execution", ("not started",)),
        ("portfolio", ("not started",)),
    ]
    assert not home.exists()


def test_a_house_is_as_bad_as_its_worst_daemon(supervisor: Supervisor, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "portfolio.slow").touch()
    supervisor.start(["portfolio", "trading_engine"])
    slow = await_ready(supervisor, ["portfolio", "trading_engine"], 2, lambda _: None, lambda: 0)
    late = overview(supervisor).document()

    (home / "run" / "portfolio.slow").unlink()
    counts: list[int] = []
    left = await_ready(supervisor, ["portfolio", "trading_engine"], 10, counts.append, lambda: 0)

    assert slow == ["portfolio"]
    assert late["verdict"] == "late"
    assert [(row["name"], row["state"], row["reasons"]) for row in late["daemons"]] == [
        ("portfolio", "late", ["not ready"]),
        ("trading_engine", "up", []),
    ]
    assert left == []
    assert counts[-1] == 2
    assert overview(supervisor).verdict == "up"


def test_a_restart_is_told_of_for_a_minute(supervisor: Supervisor) -> None:
    supervisor.start(["portfolio"])
    before = pid_of(supervisor, "portfolio")
    supervisor.restart(["portfolio"])
    between = pid_of(supervisor, "portfolio", other_than=before)
    calm = overview(supervisor).daemons[0].reasons

    os.kill(between, signal.SIGKILL)
    pid_of(supervisor, "portfolio", other_than=between)

    soon(lambda: overview(supervisor).daemons[0].reasons == ("restarted once in the last minute",))
    assert calm == ()


def test_who_crashes_again_and_again_is_not_waited_for(supervisor: Supervisor, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "portfolio.crash").touch()
    supervisor.start(["portfolio", "execution"])

    assert await_ready(supervisor, ["portfolio", "execution"], 60, lambda _: None, lambda: 0) == ["portfolio"]


def test_a_wait_is_broken_off_by_a_signal(supervisor: Supervisor) -> None:
    assert await_ready(supervisor, ["portfolio"], 60, lambda _: None, lambda: 2) == ["portfolio"]
