"""Log files: all of them read as one by time, rotated ones too, half lines and what is no log line included."""

import json
import logging.handlers
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lct.clock import NS_PER_SECOND, rfc3339
from lct.log import Rotated
from lct.logfiles import LINE_BYTES_MAX, Logs, last_lines

T0 = 1_700_000_000 * NS_PER_SECOND


def fact(second: int, message: str, service: str = "portfolio", level: str = "info", **facts: object) -> str:
    head = {"timestamp": rfc3339(T0 + second * NS_PER_SECOND), "service": service, "level": level, "message": message}
    return json.dumps({**head, **facts}) + "\n"


def write(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Logs]]:
    """Opens the logs of the test's folder."""
    with ExitStack() as stack:
        yield lambda service=None: stack.enter_context(Logs(tmp_path, service))


def messages(logs: Logs, since_ns: int = 0) -> list[str]:
    return [line.message for line in logs.history(since_ns)]


def test_lines_of_all_files_come_by_time(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", fact(1, "a"), fact(4, "d"))
    write(tmp_path / "execution.log", fact(2, "b", "execution"), fact(3, "c", "execution"))

    assert messages(opened()) == ["a", "b", "c", "d"]
    assert messages(opened("execution")) == ["b", "c"]
    assert opened().services == {"execution", "portfolio"}


def test_rotated_files_come_first_and_oldest_first(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    for number, second in ((10, 1), (2, 2), (1, 3)):
        write(tmp_path / f"portfolio.log.{number}", fact(second, f"in .{number}"))
    write(tmp_path / "portfolio.log", fact(4, "now"))
    write(tmp_path / "portfolio.log.bak", fact(0, "not ours"))

    assert messages(opened()) == ["in .10", "in .2", "in .1", "now"]


def test_only_lines_from_a_moment_on_are_read(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log.1", fact(1, "old"))
    os.utime(tmp_path / "portfolio.log.1", ns=(T0 + NS_PER_SECOND, T0 + NS_PER_SECOND))
    write(tmp_path / "portfolio.log", fact(2, "before"), fact(3, "then"))

    assert messages(opened(), T0 + 3 * NS_PER_SECOND) == ["then"]


def test_facts_beside_the_head_are_kept(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", fact(1, "fill.booked", symbol="BTC/USDT", amount="0.5"))

    (line,) = opened().history()

    assert (line.level, line.facts) == ("info", {"symbol": "BTC/USDT", "amount": "0.5"})
    assert line.record() == json.loads(fact(1, "fill.booked", symbol="BTC/USDT", amount="0.5"))


def test_a_traceback_is_an_error_at_the_time_of_its_file(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    path = tmp_path / "portfolio.out.log"
    write(path, "Traceback (most recent call last):\n", "\n", "ValueError: no\n")
    os.utime(path, ns=(T0, T0))

    lines = list(opened("portfolio").history())

    assert [(line.service, line.level, line.message) for line in lines] == [
        ("portfolio", "error", "Traceback (most recent call last):"),
        ("portfolio", "error", "ValueError: no"),
    ]
    assert {line.time_ns for line in lines} == {T0}


def test_supervisords_lines_have_their_time_and_level(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "supervisord.log", "2023-11-14 22:13:20,250 WARN exited: portfolio (exit status 1)\n", "garbage\n")

    line, garbage = opened().history()

    assert (line.service, line.level, line.message) == ("supervisord", "warning", "exited: portfolio (exit status 1)")
    assert line.time_ns % NS_PER_SECOND == 250_000_000
    assert garbage.time_ns == line.time_ns


@pytest.mark.parametrize(
    "raw",
    [
        '{"timestamp": "yesterday", "message": "x"}',
        '{"timestamp": 7}',
        '{"message": "no time"}',
        "[1, 2]",
        '{"timestamp": "2024-01-01", ',
        "{" * 5_000,
        '{"a":' * 100_000,
        "2023-99-99 99:99:99,000 INFO no such day",
        "\x00\x01 \udcff",
    ],
    ids=range(9),
)
def test_what_is_no_line_of_a_log_is_shown_as_it_is(raw: str, tmp_path: Path, opened: Callable[..., Logs]) -> None:
    (tmp_path / "portfolio.log").write_bytes(fact(1, "a").encode() + raw.encode(errors="surrogateescape") + b"\n")

    first, second = opened().history()

    assert first.message == "a"
    assert (second.time_ns, second.service) == (first.time_ns, "portfolio")
    assert second.text == raw.encode(errors="surrogateescape").decode(errors="replace")


def test_a_line_without_end_is_cut(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", "x" * (2 * LINE_BYTES_MAX + 10))

    pieces = [len(line.text) for line in opened().history()]

    assert sum(pieces) == 2 * LINE_BYTES_MAX + 10
    assert max(pieces) < LINE_BYTES_MAX + 100_000


def test_half_a_line_waits_for_its_other_half(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    path = tmp_path / "portfolio.log"
    whole = fact(1, "whole")
    write(path, fact(0, "first"), whole[:30])
    logs = opened()

    began = [line.message for line in logs.history(to_the_end=False)]
    still = logs.fresh()
    write(path, whole[30:])

    assert began == ["first"]
    assert still == []
    assert [line.message for line in logs.fresh()] == ["whole"]


def test_half_a_line_at_the_end_of_all_is_shown(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", fact(0, "first"), "half")

    assert messages(opened()) == ["first", "half"]


def test_what_comes_is_heard_once_and_new_files_too(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", fact(0, "before"))
    logs = opened()
    assert messages(logs) == ["before"]

    write(tmp_path / "portfolio.log", fact(3, "later"))
    write(tmp_path / "execution.log", fact(2, "earlier", "execution"))

    assert [line.message for line in logs.fresh()] == ["earlier", "later"]
    assert logs.fresh() == []


@pytest.mark.parametrize("looks_each", [1, 7, 40])
def test_rotation_loses_nothing_and_says_nothing_twice(
    looks_each: int, tmp_path: Path, opened: Callable[..., Logs]
) -> None:
    logs = opened()
    heard: list[str] = []
    with Rotated(tmp_path / "portfolio.log", 2_000, 5) as file:
        for number in range(200):
            file.write(fact(number, f"{number}"))
            if number % looks_each == 0:
                heard += [line.message for line in logs.fresh()]
    heard += [line.message for line in logs.fresh()]

    assert heard == [f"{number}" for number in range(200)]


def test_supervisords_way_to_rotate_loses_nothing_either(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    logs, heard = opened(), []
    handler = logging.handlers.RotatingFileHandler(tmp_path / "portfolio.log", maxBytes=2_000, backupCount=5)
    for number in range(100):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, fact(number, f"{number}").strip(), None, None))
        heard += [line.message for line in logs.fresh()]
    handler.close()

    assert heard == [f"{number}" for number in range(100)]


def test_a_file_that_was_emptied_is_read_anew(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    path = tmp_path / "portfolio.log"
    write(path, fact(0, "a long message before"), "half")
    logs = opened()
    logs.fresh()

    path.write_text(fact(1, "b"))

    assert [line.message for line in logs.fresh()] == ["b"]


def test_a_file_that_is_away_for_a_moment_is_found_again(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    path = tmp_path / "portfolio.log"
    write(path, fact(0, "a"))
    logs = opened()
    logs.fresh()

    path.rename(tmp_path / "portfolio.log.1")
    away = logs.fresh()
    write(path, fact(1, "b"))

    assert away == []
    assert [line.message for line in logs.fresh()] == ["b"]


def test_the_last_lines_of_a_service(tmp_path: Path, opened: Callable[..., Logs]) -> None:
    write(tmp_path / "portfolio.log", *(fact(number, f"{number}") for number in range(9)))

    assert [line.message for line in last_lines(tmp_path, "portfolio", 2)] == ["7", "8"]
    assert last_lines(tmp_path / "absent", "portfolio", 2) == []
