"""`lct logs`: merged, filtered, cleaned, and followed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lct.clock import NS_PER_SECOND, now_ns, rfc3339


def fact(message: str, service: str = "portfolio", level: str = "info", ago: int = 60, **facts: object) -> str:
    head = {"timestamp": rfc3339(now_ns() - ago * NS_PER_SECOND), "service": service, "level": level}
    return json.dumps({**head, "message": message, **facts}) + "\n"


@pytest.fixture
def log(home: Path) -> Path:
    """The log folder of a home with something in it."""
    folder = home / "log"
    folder.mkdir(parents=True)
    (folder / "portfolio.log.1").write_text(fact("began", ago=7_200))
    (folder / "portfolio.log").write_text(
        fact("fill.booked", ago=50, symbol="BTC/USDT") + fact("late", level="warning", ago=45)
    )
    (folder / "execution.log").write_text(fact("order.sent", "execution", "debug", ago=40))
    (folder / "execution.out.log").write_text("Traceback\nValueError: \x1b[31mred\n")
    return folder


def shown(result: Any) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [line.split(maxsplit=3)[3] for line in result.stdout.splitlines()]


def test_logs_are_merged_by_time(log: Path, lct: Any) -> None:
    assert shown(lct("logs")) == [
        "began",
        "fill.booked symbol=BTC/USDT",
        "late",
        "order.sent",
        "Traceback",
        "ValueError: [31mred",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["portfolio"], ["began", "fill.booked symbol=BTC/USDT", "late"]),
        (["portfolio", "--since", "1h"], ["fill.booked symbol=BTC/USDT", "late"]),
        (["portfolio", "--level", "warning"], ["late"]),
        (["--grep", "BTC.USDT|sent"], ["fill.booked symbol=BTC/USDT", "order.sent"]),
        (["--level", "error"], ["Traceback", "ValueError: [31mred"]),
        (["--since", "2100-01-01"], []),
    ],
    ids=" ".join,
)
def test_only_what_is_asked_for_is_shown(words: list[str], expected: list[str], log: Path, lct: Any) -> None:
    assert sorted(shown(lct("logs", *words))) == sorted(expected)


def test_json_is_one_document_a_line(log: Path, lct: Any) -> None:
    lines = [json.loads(line) for line in lct("logs", "--json").stdout.splitlines()]

    assert {tuple(line)[:4] for line in lines} == {("timestamp", "service", "level", "message")}
    assert [line["symbol"] for line in lines if line["message"] == "fill.booked"] == ["BTC/USDT"]
    assert [line["message"] for line in lines if "red" in line["message"]] == ["ValueError: \x1b[31mred"]


def test_what_cannot_be_read_is_refused(log: Path, lct: Any) -> None:
    assert lct("logs", "--since", "soon").exit_code == 2
    assert lct("logs", "--level", "loud").exit_code == 2
    assert lct("logs", "--grep", "(").exit_code == 2
    assert lct("logs", "portfollio").exit_code == 5


def test_no_log_yet_is_said(home: Path, lct: Any) -> None:
    assert (lct("logs").exit_code, lct("logs").stdout) == (0, "")
    assert "no log of portfolio yet" in lct("logs", "portfolio").stderr


def test_following_shows_what_comes_until_interrupted(log: Path, home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lct", "logs", "portfolio", "-f", "--since", "1h", "--grep", "came"],
        env={**os.environ, "LCT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as verb:
        with (log / "portfolio.log").open("a") as file:
            file.write(fact("came.once", ago=0))
        (log / "portfolio.log").rename(log / "portfolio.log.2")
        (log / "portfolio.log").write_text(fact("came.after", ago=0))
        assert verb.stdout is not None
        lines = [verb.stdout.readline(), verb.stdout.readline()]
        verb.send_signal(signal.SIGINT)
        verb.communicate(timeout=20)

    assert [line.split()[3] for line in lines] == ["came.once", "came.after"]
    assert verb.returncode == 130


def test_a_reader_that_goes_away_ends_it_without_a_word(log: Path, home: Path) -> None:
    line = f"{sys.executable} -m lct logs -f | head -n 1"  # and nothing more is written

    done = subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "LCT_HOME": str(home)},
    )

    assert (done.stdout.count("\n"), done.stderr) == (1, "")
