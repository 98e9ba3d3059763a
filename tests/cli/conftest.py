"""What the tests of the command line share: a home of their own, and the command line as a function."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lct.cli import app

Run = Callable[..., Any]

SMALL = ("--seed", "7", "--days", "1", "--symbols", "BTC/USDT, ETH/USDT")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LCT_HOME", str(folder))
    monkeypatch.delenv("COLUMNS", raising=False)
    return folder


@pytest.fixture
def lct(home: Path) -> Run:
    """Run `lct` in this process; the result has exit_code, stdout and stderr."""

    def run(*words: str) -> Any:
        before = os.umask(0o022)
        try:
            return CliRunner().invoke(app, list(words))
        finally:
            os.umask(before)

    return run


@pytest.fixture
def document(lct: Run) -> Run:
    """Run `lct ... --json`, which must succeed, and return the document."""

    def run(*words: str) -> Any:
        result = lct(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def spawn(home: Path) -> Run:
    """Run `lct` in a process of its own."""

    def run(*words: str, **extra: Any) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "lct", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LCT_HOME": str(home)},
            **extra,
        )

    return run
