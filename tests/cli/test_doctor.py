"""`lct doctor` names what is wrong in the accounts of a home and in the house that runs there, each with its fix."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import now_ns
from lct.run.config import journal_folder, keep_or_compare
from lct.run.house import Settings, load_settings
from lct.run.switch import pull
from lct.store.sqlite import SqliteJournal
from plugins.exchanges._paper_books import PaperBooks
from tests.cli.wire_home import furnish


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with an account that two processes and the paper venue have begun."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("LCT_HTTP_PORTS", "auto")
    before = os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        root = Path(folder)
        account = journal_folder(root, furnish(root).house)
        for name in ("execution", "portfolio"):
            SqliteJournal(account / f"{name}.db").close()
        PaperBooks(account / "paper.db").close()
        keep_or_compare(account / "house.json", load_settings(root / "config").house)
        yield root
    os.umask(before)


def account(home: Path) -> Path:
    return home / "journal" / "paper-paper-main"


def findings(lct: Any) -> dict[str, dict[str, Any]]:
    """Return what is wrong, by check."""
    result = lct("doctor", "--json")
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    wrong = {name: row for name, row in rows.items() if not row["passed"]}
    assert result.exit_code == (1 if wrong else 0)
    assert all(row["fix"] for row in wrong.values()), "a finding without a fix"
    return wrong


def test_a_house_of_processes_that_is_gone_is_well(lct: Any, home: Path) -> None:
    assert findings(lct) == {}


def overwrite(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in folder.glob(f"{name}-*"):
            path.unlink()
        (folder / name).write_bytes(b"x" * 8192)

    return damage


def lose(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def run_it_in_one_process_too(folder: Path) -> None:
    SqliteJournal(folder / "house.db").close()


@pytest.mark.parametrize(
    ("harm", "check", "said", "fix"),
    [
        (overwrite("portfolio.db"), "journal", "portfolio.db: file is not a database", "restore a backup"),
        (overwrite("house.json"), "account", "house.json cannot be read", "restore it"),
        (lose("house.json"), "account", "no house.json", "restore it"),
        (run_it_in_one_process_too, "account", "of `lct run` and of `lct up`", "move its folder"),
        (overwrite("paper.db"), "venue", "paper.db: file is not a database", "from one backup"),
    ],
    ids=["journal", "house.json", "no house.json", "both kinds", "paper.db"],
)
def test_harm_to_an_account_is_found(
    lct: Any, home: Path, harm: Callable[[Path], None], check: str, said: str, fix: str
) -> None:
    harm(account(home))

    wrong = findings(lct)

    assert list(wrong) == [check]
    assert said in wrong[check]["detail"]
    assert fix in wrong[check]["fix"]


def test_a_halt_that_stands_is_found(lct: Any, home: Path) -> None:
    pull(account(home), "too hot \x1b[2J", "ada")

    wrong = findings(lct)

    assert list(wrong) == ["halt"]
    assert wrong["halt"]["detail"] == "paper-paper-main is halted (ada, too hot [2J)"
    assert "lct trading resume --i-checked" in wrong["halt"]["fix"]


def test_a_page_of_the_paper_account_that_was_overwritten_is_found(lct: Any, home: Path) -> None:
    path = account(home) / "paper.db"
    db = sqlite3.connect(path)
    db.execute("pragma writable_schema = on")
    db.execute("update sqlite_schema set rootpage = 99 where name = 'orders'")
    db.commit()
    db.close()

    assert list(findings(lct)) == ["venue"]


def say_hello(home: Path, name: str, **about: Any) -> None:
    """Leave the presence of a daemon whose heart beats on: a busy machine may take seconds from here to the look."""
    now = now_ns()
    facts = {"pid": os.getpid(), "epoch": 1, "ready": True, "started_ns": now, "beat_ns": now + 60 * 10**9, **about}
    presence.write(home / "run", Presence(daemon=name, **facts))


def test_an_unreadable_presence_is_found_and_those_of_ended_daemons_are_not_held_against_anyone(
    lct: Any, home: Path
) -> None:
    say_hello(home, "portfolio", pid=2**22)
    ended = findings(lct)
    (home / "run" / "execution.json").write_text("{")
    torn = findings(lct)

    assert ended == {}
    assert list(torn) == ["processes"]
    assert torn["processes"]["fix"].startswith(f"rm {home / 'run' / 'execution.json'}")


def test_a_folder_of_sockets_that_others_may_enter_is_found(lct: Any, home: Path) -> None:
    say_hello(home, "portfolio", pid=2**22)
    (home / "run").chmod(0o755)

    wrong = findings(lct)

    assert "sockets" in wrong
    assert "chmod 700" in wrong["sockets"]["fix"]


@pytest.fixture
def process() -> Iterator[int]:
    """The pid of a process that looks like execution, and says nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()", "execution"], stdin=subprocess.PIPE) as one:
        yield one.pid
        one.kill()


def test_a_daemon_that_keeps_silent_is_found(lct: Any, home: Path, process: int) -> None:
    say_hello(home, "execution", pid=process, beat_ns=now_ns() - 60 * 10**9)

    wrong = findings(lct)

    assert list(wrong) == ["processes"]
    assert wrong["processes"]["detail"].startswith("execution is down (")
    assert "lct restart execution" in wrong["processes"]["fix"]


def test_a_daemon_whose_supervisor_is_gone_is_found(lct: Any, home: Path, process: int) -> None:
    say_hello(home, "execution", pid=process, supervisor="unix:///nowhere/supervisor.sock")

    wrong = findings(lct)

    assert list(wrong) == ["supervisor", "processes"]
    assert wrong["supervisor"]["detail"].endswith("what it started runs: execution")
    assert wrong["processes"]["detail"] == "execution is late (its supervisor has ended)"


def test_a_port_that_the_daemon_itself_has_is_well(
    lct: Any, home: Path, process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {field.name for field in msgspec.structs.fields(Settings)} - {"house", "execution"}
    for name in others:
        (home / "config" / f"{name}.toml").write_text("http_port = 0\n")
    monkeypatch.delenv("LCT_HTTP_PORTS")
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        (home / "config" / "execution.toml").write_text(f"http_port = {port}\n")
        say_hello(home, "execution", pid=process, http_port=port)

        assert findings(lct) == {}


def test_a_port_that_somebody_else_has_is_found(lct: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LCT_HTTP_PORTS")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        (home / "config" / "execution.toml").write_text(f"http_port = {port}\n")
        wrong = findings(lct)

    assert f"{port} (execution)" in wrong["ports"]["detail"]
    assert "http_port" in wrong["ports"]["fix"]
