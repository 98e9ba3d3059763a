"""`lct bus` shows who is in the house, and what is said there."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lct.bus.presence import read
from tests.wire.processes import Processes, configure

THERE = ("conductor", "portfolio")
ROW = ["name", "instance", "pid", "epoch", "ready", "heartbeat_age_seconds", "md_seq", "lag", "http_port"]


@pytest.fixture
def house(home: Path) -> Iterator[Processes]:
    """A conductor and one daemon."""
    configure(home, house="[feeds.synthetic]\ndays = 1\n")
    with Processes(home, THERE) as processes:
        until = time.perf_counter() + 60
        while not all(name in (told := read(home / "run")) and told[name].ready for name in THERE):
            assert time.perf_counter() < until
            time.sleep(0.05)
        yield processes


def test_who_is_there_is_listed_and_who_is_gone_is_not(house: Processes, lct: Any, document: Any) -> None:
    there = document("bus", "who")
    house.kill("portfolio")
    left = document("bus", "who")
    house.kill("conductor")
    nobody = lct("bus", "who")

    assert [list(row) for row in there] == [ROW, ROW]
    assert [(row["name"], row["pid"]) for row in there] == [(name, house.running[name].pid) for name in THERE]
    assert [row["name"] for row in left] == ["conductor"]
    assert nobody.exit_code == 3
    assert "nobody is there" in nobody.stderr


def test_what_is_said_is_decoded_line_by_line(house: Processes, lct: Any) -> None:
    heard = lct("bus", "tap", "--count", "3", "--seconds", "20", "--json")
    plain = lct("bus", "tap", "--count", "1", "--seconds", "20", "--type", "house.heartbeat")

    lines = [json.loads(line) for line in heard.stdout.splitlines()]
    assert heard.exit_code == 0
    assert [line["type"] for line in lines] == ["house.heartbeat"] * 3
    assert {line["body"]["daemon"] for line in lines} <= {*THERE}
    assert " house.heartbeat " in plain.stdout


def test_nothing_is_tapped_where_nobody_speaks(home: Path, house: Processes, lct: Any) -> None:
    for name in THERE:
        house.kill(name)

    tapped = lct("bus", "tap", "--count", "1", "--seconds", "20")

    assert tapped.exit_code == 3
    assert "`lct up` starts the house" in tapped.stderr
