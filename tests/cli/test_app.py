"""The command line as a whole: what it imports, how it fails, and what it cleans."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lct.cli import global_options_first, verbs
from lct.cli.output import write_csv
from lct.domain.text import clean

HEAVY = ("ccxt", "pandas", "textual", "talib", "pyarrow", "zmq", "sqlite_utils", "structlog")
HEAVIER_THAN_HELP = (*HEAVY, "numpy", "msgspec", "lct.run", "lct.config")


def imported(words: list[str], names: tuple[str, ...], home: Path) -> list[str]:
    """Which of these modules `lct` has imported when it is done."""
    ask = f"""
import sys
from lct.cli import app
try:
    app({words!r})
except SystemExit as end:
    assert not end.code, end.code
print("imported", [name for name in {names!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LCT_HOME": str(home)},
    )
    return eval(done.stderr.rpartition("imported ")[2])


def test_help_imports_nothing_heavy(home: Path) -> None:
    assert imported(["--help"], HEAVIER_THAN_HELP, home) == []
    assert imported(["backtest", "--help"], HEAVIER_THAN_HELP, home) == []


@pytest.mark.parametrize(
    "words",
    [
        ["init"],
        ["config", "show"],
        ["config", "check"],
        ["doctor"],
        ["plugin", "list"],
        ["strategy", "list"],
        ["strategy", "show", "ema_cross"],
        ["plugin", "show", "exchange", "paper"],
    ],
    ids=" ".join,
)
def test_a_light_verb_imports_nothing_heavy(words: list[str], home: Path) -> None:
    assert imported(words, HEAVY, home) == []


def commands(verb: str) -> Iterator[Any]:
    """Every command of a verb, those of its groups too."""
    found = [typer.main.get_command(__import__(f"lct.cli.{verb}", fromlist=["app"]).app)]
    for command in found:
        inner = getattr(command, "commands", None)
        found += [] if inner is None else inner.values()
        yield from [command] if inner is None else []


def test_every_verb_has_help_with_an_example(lct: Any) -> None:
    lines = []
    for verb in verbs():
        for command in commands(verb):
            lines += [f"{verb} {command.name}"] if "Example: lct " not in command.help else []
        assert lct(verb, "--help").exit_code == 0

    assert lines == []
    assert {"backtest", "run", "demo", "init", "doctor"} <= set(verbs())


def test_every_verb_takes_json() -> None:
    """But the dashboard, which draws what other verbs print."""
    lacking = []
    for verb in verbs():
        for command in commands(verb):
            options = [word for parameter in command.params for word in parameter.opts]
            lacking += [] if "--json" in options else [f"{verb} {command.name}"]

    assert lacking == ["tui tui"]


def test_version_and_usage(lct: Any) -> None:
    assert lct("--version").stdout.startswith("lct ")
    assert lct("bogus").exit_code == 2
    assert "backtest" in lct("backtst", "x").stderr
    assert lct("backtest").exit_code == 2


def test_global_options_stand_anywhere() -> None:
    words = ["run", "--cycles", "3", "--home", "x", "--quiet", "--", "--debug"]

    assert global_options_first(words) == ["--home", "x", "--quiet", "run", "--cycles", "3", "--", "--debug"]


def test_home_is_taken_from_the_option(lct: Any, tmp_path: Path) -> None:
    result = lct("init", "--home", str(tmp_path / "other"))

    assert result.exit_code == 0
    assert (tmp_path / "other" / "config" / "house.toml").exists()


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_debug(
    lct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst() -> None:
        secret = "shh"  # noqa: F841 - must not be shown
        raise RuntimeError("boom \x1b[31m")

    monkeypatch.setattr("lct.cli.plugins.strategy_rows", burst)
    plain, debug = lct("strategy", "list"), lct("strategy", "list", "--debug")

    assert (plain.exit_code, debug.exit_code) == (1, 1)
    assert plain.stderr.count("\n") == 1
    assert "\x1b" not in plain.stderr
    assert "--debug" in plain.stderr
    assert "Traceback" in debug.stderr
    assert "shh'" not in debug.stderr


def test_an_interrupt_exits_with_130(lct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lct.cli.plugins.strategy_rows", interrupt)

    assert lct("strategy", "list").exit_code == 130


def test_a_broken_pipe_is_silent(home: Path) -> None:
    command = f"{sys.executable} -m lct config show | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_no_color_and_pipes_give_plain_text(spawn: Any) -> None:
    assert "\x1b" not in spawn("strategy", "list").stdout


def test_completion_names_strategies_and_symbols(home: Path) -> None:
    def complete(line: str) -> str:
        env = {**os.environ, "_LCT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        program = "import sys; sys.argv = ['lct']; from lct.cli import app; app(prog_name='lct')"
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False
        ).stdout

    assert "backtest" in complete("lct back")
    assert "ema_cross" in complete("lct backtest ema")
    assert "BTC/USDT" in complete("lct backtest ema_cross --symbols BT")


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "]8;;http://evil\\click]8;;\\"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("US\u200bDT", "USDT"),
        ("ＵＳＤＴ", "USDT"),
        ("a\u0301\u0301\u0301\u0301\u0301b", "á\u0301\u0301b"),
        ("line\nbreak\r\u2028x", "line break x"),
        ("\ue000\ud800x", "x"),
    ],
)
def test_foreign_text_is_cleaned(foreign: str, shown: str) -> None:
    assert clean(foreign) == shown


def test_wide_foreign_text_is_cut() -> None:
    assert len(clean("W" * 10_000, 24)) == 24


def test_csv_cells_are_no_formulas(tmp_path: Path) -> None:
    evil = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", "fine"]

    write_csv(tmp_path / "x.csv", ("name", "n"), [{"name": name, "n": -1.5} for name in evil])

    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[0] for row in rows] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'x", "'x", "fine"]
    assert {row[1] for row in rows} == {"-1.5"}


def test_a_closed_stdout_ends_quietly(home: Path) -> None:
    def closed(words: str) -> tuple[int, str]:
        line = f"{sys.executable} -m lct {words} >&-"
        done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr

    assert closed("--help") == (0, "")
    assert closed("config show") == (1, "")
    assert closed("nonsense")[0] == 2
