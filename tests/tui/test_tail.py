"""The tail reads each line once, in bounded pieces, through rotation, and whatever stands in the files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lct.tui.tail import FACTS_WIDTH, PIECE_BYTES_MAX, Tail


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    """The tail of the logs in a folder of its own."""
    reading = Tail(tmp_path)
    yield reading
    reading.close()


def line(at: int, service: str = "execution", **facts: object) -> str:
    """A line of a log, at a second of a day."""
    stamp = f"2024-01-03T{at // 3_600:02d}:{at // 60 % 60:02d}:{at % 60:02d}Z"
    head = {"timestamp": stamp, "service": service, "level": "info", "message": f"m{at}"}
    return json.dumps({**head, **facts}) + "\n"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_line_has_its_time_service_level_message_and_facts(tail: Tail, tmp_path: Path) -> None:
    append(tmp_path / "execution.log", line(7, symbol="BTC/USDT", price=1.5, tags=["a"]))

    (found,) = tail.fresh()

    assert found.time_ns == 1_704_240_007_000_000_000
    assert (found.service, found.level, found.message) == ("execution", "info", "m7")
    assert found.facts == 'symbol=BTC/USDT price=1.5 tags=["a"]'


def test_a_line_is_read_once_and_only_when_it_is_whole(tail: Tail, tmp_path: Path) -> None:
    path = tmp_path / "execution.log"
    append(path, line(1) + line(2)[:20])
    first = tail.fresh()
    append(path, line(2)[20:] + line(3))

    assert [found.message for found in first] == ["m1"]
    assert [found.message for found in tail.fresh()] == ["m2", "m3"]
    assert tail.fresh() == []


def test_a_folder_that_is_not_there_yet_is_empty(tail: Tail, tmp_path: Path) -> None:
    tmp_path.rmdir()
    before = tail.fresh()
    tmp_path.mkdir()
    append(tmp_path / "portfolio.log", line(1))

    assert before == []
    assert [found.message for found in tail.fresh()] == ["m1"]


@pytest.mark.parametrize("how", ["renamed", "truncated"])
def test_a_rotated_file_is_read_from_its_beginning(how: str, tail: Tail, tmp_path: Path) -> None:
    path = tmp_path / "execution.log"
    append(path, line(1) + line(2))
    tail.fresh()
    if how == "renamed":
        path.rename(tmp_path / "execution.log.1")
    else:
        os.truncate(path, 0)
    append(path, line(3))

    assert [found.message for found in tail.fresh()] == ["m3"]


def test_of_a_large_file_only_the_end_is_read_and_no_half_line(tail: Tail, tmp_path: Path) -> None:
    path = tmp_path / "execution.log"
    for _ in range(2):  # at the first look, and when it grows by more than a piece
        append(path, "".join(line(at, room="x" * 50) for at in range(10_000)))

        found = tail.fresh()

        assert found[-1].message == "m9999"
        assert len(found) < PIECE_BYTES_MAX // 100
        assert {one.service for one in found} == {"execution"}
        assert all(one.message.startswith("m") for one in found)


def test_a_line_longer_than_a_piece_costs_no_more_than_a_piece(tail: Tail, tmp_path: Path) -> None:
    path = tmp_path / "execution.log"
    append(path, line(1))
    tail.fresh()
    append(path, "x" * (3 * PIECE_BYTES_MAX))
    assert tail.fresh() == []
    append(path, "x" * PIECE_BYTES_MAX + "\n" + line(2))

    *rest, last = tail.fresh()
    assert last.message == "m2"
    assert all(len(found.message) <= FACTS_WIDTH for found in rest)


def test_what_is_no_fact_is_shown_as_it_stands_at_the_time_of_the_line_before(tail: Tail, tmp_path: Path) -> None:
    odd = (
        "Traceback (most recent call last):",
        "[1, 2]",
        '{"timestamp": 5}',
        '{"timestamp": "yesterday"}',
        '{"message": "timeless"}',
        "[" * 5_000,
        "\x1b[31mred",
    )
    text = line(1) + "".join(f"{words}\n" for words in odd)
    (tmp_path / "portfolio.log").write_bytes(text.encode() + b"\xff\xfe\n")

    first, *rest = tail.fresh()

    assert [found.time_ns for found in rest] == [first.time_ns] * (len(odd) + 1)
    assert {found.service for found in rest} == {"portfolio"}
    assert rest[0].message == odd[0]
    assert rest[6].message == "[31mred"


def test_every_word_of_a_line_is_cleaned(tail: Tail, tmp_path: Path) -> None:
    evil = "\x1b]8;;http://evil.example\x1b\\\u202e\u200b"
    facts = json.dumps(
        {"timestamp": "2024-01-03T12:00:00Z", "service": evil, "level": evil, "message": evil, evil: evil}
    )
    append(tmp_path / "x.log", facts + "\n")

    (found,) = tail.fresh()

    assert all(words.isprintable() for words in (found.service, found.level, found.message, found.facts))
