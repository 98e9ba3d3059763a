"""`lct daemon`: lists what is there, runs one, and writes a ninth that works without a change to any other file."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lct.bus.presence import read
from lct.cli.daemon_files import next_port
from lct.supervisor import Supervisor, conf
from tests.supervisor.troupe import DAEMONS, soon

ROOT = conf.shipped().parent
PARTS = ("lct", "daemons", "plugins", "configs", "tests")
FILES = ("pyproject.toml", "supervisord.conf", "README.md", "LICENSE", ".gitignore", "dev.py")
LONGEST = "abcdefghijklmnopqrstuvwxyzabcdef"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout."""
    copy = tmp_path / "checkout"
    for name in PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "__snapshots__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture
def inside(checkout: Path, home: Path) -> Iterator[Any]:
    """Run a program in the copy, with the copy's packages; nothing runs afterwards."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "LCT_HOME": str(home), "LCT_HTTP_PORTS": "auto"}
    env["PYTHONDONTWRITEBYTECODE"] = ""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words], cwd=checkout, env=env, capture_output=True, text=True, check=False
        )

    try:
        yield run
    finally:
        Supervisor(home, checkout / "supervisord.conf").stop()


def sources(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


def test_the_list_has_every_daemon_with_its_port(document: Any) -> None:
    rows = {row["name"]: row for row in document("daemon", "list")}

    assert set(rows) == set(DAEMONS)
    assert rows["api_gateway"]["http_port"] == 8000
    assert rows["execution"]["http_port"] == 8006
    assert len({row["http_port"] for row in rows.values()}) == len(rows)
    assert {row["state"] for row in rows.values()} == {"down"}
    assert list(rows["portfolio"]) == ["name", "http_port", "state", "pid", "where"]


def test_one_runs_in_the_foreground_until_it_is_told_to_end(home: Path, document: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lct", "daemon", "run", "token_discovery", "--json"],
        env={**os.environ, "LCT_HOME": str(home), "LCT_HTTP_PORTS": "auto"},
        stdout=subprocess.PIPE,
        text=True,
    ) as verb:
        try:
            assert verb.stdout is not None
            said = json.loads(verb.stdout.readline())
            told = soon(lambda: (about := read(home / "run").get("token_discovery")) and about.ready and about, 30)
            (row,) = (row for row in document("daemon", "list") if row["name"] == "token_discovery")
            verb.send_signal(signal.SIGTERM)
            code = verb.wait(20)
        finally:
            verb.kill()

    assert said == {"name": "token_discovery", "pid": verb.pid}
    assert told.pid == verb.pid
    assert (row["state"], row["pid"], row["http_port"]) == ("up", verb.pid, told.http_port)
    assert code == 0


def test_what_is_no_daemon_is_not_run(lct: Any) -> None:
    result = lct("daemon", "run", "portfollio")

    assert result.exit_code == 5
    assert "did you mean 'portfolio'" in result.stderr


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Tax", 2),
        ("2tax", 2),
        ("tax-free", 2),
        ("tax/../x", 2),
        ("", 2),
        ("x" * 33, 2),
        ("class", 2),
        ("portfolio", 4),
        ("status", 4),
        ("options", 4),
        ("base", 4),
        ("house", 4),
        ("conductor", 4),
    ],
)
def test_a_name_that_cannot_be_writes_nothing(
    name: str, code: int, checkout: Path, lct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "shipped", lambda: checkout / "supervisord.conf")
    before = sources(checkout)

    assert lct("daemon", "new", name).exit_code == code

    assert sources(checkout) == before
    assert (checkout / "supervisord.conf").read_bytes() == conf.shipped().read_bytes()


def test_an_installed_lct_has_no_place_for_a_daemon(tmp_path: Path, lct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "shipped", lambda: tmp_path / "supervisord.conf")

    assert lct("daemon", "new", "tax").exit_code == 4


def test_the_next_port_is_free(tmp_path: Path) -> None:
    assert next_port(tmp_path) == 8000

    (tmp_path / "a.toml").write_text("# http_port = 8003\n")
    (tmp_path / "b.toml").write_text("http_port = 0\nother_port = 9000\n")

    assert next_port(tmp_path) == 8004
    assert next_port(ROOT / "configs") == 8000 + len(DAEMONS)


def test_a_ninth_daemon_is_sound(checkout: Path, inside: Any) -> None:
    before = sources(checkout)
    written = [json.loads(inside("-m", "lct", "daemon", "new", name, "--json").stdout) for name in ("tax", LONGEST)]
    files = [path for facts in written for path in facts.values() if path.endswith(".py")]

    formed = inside("-m", "ruff", "format", "--check", *files)
    linted = inside("-m", "ruff", "check", "--no-cache", *files)
    tested = inside("-m", "pytest", "-q", "-p", "no:cacheprovider", *(facts["test"] for facts in written))
    held = inside(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_house.py", "-k", "companions or too_long or command"
    )

    after = sources(checkout)
    assert {name: text for name, text in after.items() if name in before} == before
    assert len(after) == len(before) + 2 * 4
    assert [done.returncode for done in (formed, linted)] == [0, 0], formed.stdout + linted.stdout
    assert [done.returncode for done in (tested, held)] == [0, 0], tested.stdout + held.stdout
    assert f"[program:{LONGEST}]" in (checkout / "supervisord.conf").read_text()


def test_a_ninth_daemon_runs_and_answers(checkout: Path, inside: Any) -> None:
    inside("-m", "lct", "daemon", "new", "tax")

    up = inside("-m", "lct", "up", "--only", "tax", "--json")
    answer = inside("-m", "lct", "tax", "--json")
    listed = inside("-m", "lct", "daemon", "list", "--json")
    down = inside("-m", "lct", "down", "--json")

    assert up.returncode == 0, up.stderr
    assert json.loads(answer.stdout) == {"fills": 0, "fees": {}}
    assert [row["state"] for row in json.loads(listed.stdout) if row["name"] == "tax"] == ["up"]
    assert json.loads(down.stdout) == {"stopped": ["tax"], "killed": []}


@pytest.mark.slow
def test_a_ninth_daemon_has_its_types_right(inside: Any) -> None:
    inside("-m", "lct", "daemon", "new", "tax")
    inside("-m", "lct", "daemon", "new", LONGEST)

    done = inside("-m", "mypy", "--no-error-summary")

    assert done.returncode == 0, done.stdout
