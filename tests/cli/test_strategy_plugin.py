"""Strategies and plugins on the command line: listed, shown, and begun."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PARAMETER = ["name", "type", "default", "min", "above", "max", "below", "search", "description"]


def test_strategies_are_listed(document: Any) -> None:
    rows = document("strategy", "list")

    assert [row["name"] for row in rows] == ["ema_cross", "mean_reversion", "trend"]
    assert all(list(row) == ["name", "origin", "warmup", "timeframes", "summary"] for row in rows)


def test_a_broken_strategy_is_listed_with_what_is_wrong(document: Any, home: Path) -> None:
    folder = home / "plugins" / "strategies"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text("import nothing_like_this\n")

    rows = {row["name"]: row["summary"] for row in document("strategy", "list")}

    assert "does not load" in rows["broken"]
    assert "nothing_like_this" in rows["broken"]


def test_a_strategy_is_shown_with_its_parameters(document: Any, lct: Any) -> None:
    found = document("strategy", "show", "ema_cross")

    keys = ["name", "summary", "origin", "where", "parameters", "warmup", "block_bars", "timeframes"]
    assert list(found) == keys
    assert found["block_bars"] >= max(64, found["warmup"])
    assert [list(parameter) for parameter in found["parameters"]] == [PARAMETER, PARAMETER]
    fast = found["parameters"][0]
    assert (fast["name"], fast["type"], fast["min"], fast["search"]) == ("fast", "int", 2, [5, 30])
    assert "bars of the fast average" in lct("strategy", "show", "ema_cross").stdout
    assert lct("strategy", "show", "ema_crss").exit_code == 5


def test_plugins_are_listed_and_shown(document: Any, lct: Any) -> None:
    rows = document("plugin", "list")

    assert all(list(row) == ["group", "name", "origin", "where"] for row in rows)
    assert {("feeds", "replay"), ("exchanges", "paper")} <= {(row["group"], row["name"]) for row in rows}
    assert {row["group"] for row in document("plugin", "list", "feed")} == {"feeds"}
    assert document("plugin", "show", "feed", "synthetic")["parameters"][0]["name"] == "seed"
    assert lct("plugin", "list", "feedz").exit_code == 5


def test_a_new_strategy_runs_and_its_test_passes(document: Any, lct: Any, home: Path) -> None:
    written = document("plugin", "new", "strategy", "my_idea")
    result = document("backtest", "my_idea", "--days", "1", "--symbols", "BTC/USDT")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", written["test"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={name: value for name, value in os.environ.items() if name != "LCT_HOME"},
    )

    assert result["trades"] > 0
    assert tested.returncode == 0, tested.stdout
    assert [row["name"] for row in document("strategy", "list")][2] == "my_idea"
    assert Path(written["test"]).parent == home / "plugins" / "tests"


def test_a_new_token_source_tells_tokens_and_its_test_passes(document: Any, home: Path) -> None:
    written = document("plugin", "new", "token_source", "my_list")
    shown = document("plugin", "show", "token_source", "my_list")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", written["test"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={name: value for name, value in os.environ.items() if name != "LCT_HOME"},
    )

    assert Path(written["token_source"]) == home / "plugins" / "token_sources" / "my_list.py"
    assert [parameter["name"] for parameter in shown["parameters"]] == ["mints", "hours"]
    assert tested.returncode == 0, tested.stdout
    assert {row["name"] for row in document("plugin", "list", "token_source")} == {"my_list", "synthetic"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("strategy", "../evil"), 2),
        (("strategy", "%2e%2e%2fevil"), 2),
        (("strategy", "Big"), 2),
        (("strategy", "class"), 2),
        (("strategy", "x" * 33), 2),
        (("strategy", "a\x00b"), 2),
        (("strategy", "ｘ"), 2),
        (("strategy", "trend"), 4),
        (("token_source", "synthetic"), 4),
        (("token_source", "../evil"), 2),
        (("feed", "mine"), 2),
        (("strateg", "mine"), 5),
    ],
)
def test_a_bad_or_taken_name_is_refused(lct: Any, home: Path, words: tuple[str, str], code: int) -> None:
    result = lct("plugin", "new", *words)

    assert result.exit_code == code, result.stderr
    assert not home.exists()


def test_nothing_is_overwritten(lct: Any, home: Path) -> None:
    lct("plugin", "new", "strategy", "mine")
    file = home / "plugins" / "strategies" / "mine.py"
    file.write_text("# changed\n")

    assert lct("plugin", "new", "strategy", "mine").exit_code == 4
    assert file.read_text() == "# changed\n"
