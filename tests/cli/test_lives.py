"""The life of one order, as its journal tells it, agrees with what execution itself makes of the same rows."""

import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from lct.cli.execution import VENUES
from tests.cli.conftest import SMALL

SHOWN = ("status", "filled", "average_price", "venue_order_id", "reason", "amount", "price")


@pytest.fixture
def played(lct: Any) -> None:
    assert lct("run", "--cycles", "700", *SMALL).exit_code == 0


def test_every_order_ends_as_execution_s_own_fold_of_the_journal_has_it(played: None, document: Any) -> None:
    every = document("execution", "orders", "--all")

    assert len(every) > 5
    for expected in every:
        found = document("execution", "order", expected["client_order_id"])
        assert {name: found[name] for name in SHOWN} == {name: expected[name] for name in SHOWN}


def test_a_life_tells_why_every_state_and_every_fill(played: None, document: Any) -> None:
    fill = document("execution", "fills")[0]
    found = document("execution", "order", fill["client_order_id"])
    life = found["life"]

    assert life[0]["event"] == "intended"
    assert "decided on bars" in life[0]["detail"]
    assert life[-1]["state"] == found["status"] == "filled"
    fills = [row for row in life if row["event"] == "filled"]
    assert sum(Decimal(row["amount"]) for row in fills) == Decimal(found["filled"])
    assert any(fill["trade_id"] in row["detail"] for row in fills)
    assert [row["journal_seq"] for row in life] == sorted(row["journal_seq"] for row in life)


def test_the_beginning_of_an_id_is_enough_where_it_is_unique(played: None, document: Any, lct: Any) -> None:
    every = [row["client_order_id"] for row in document("execution", "orders", "--all")]
    ours = every[0][:4]

    assert document("execution", "order", every[3][:16])["client_order_id"] == every[3]
    several = lct("execution", "order", ours)
    assert several.exit_code == 2, "all ids of an installation begin with its tag"
    assert "type more of the one" in several.stderr


@pytest.mark.parametrize(("typed", "code"), [("f" * 32, 5), ("", 2), ("%", 5), ("x" * 65, 2)])
def test_an_order_that_there_is_not_is_not_found(played: None, lct: Any, typed: str, code: int) -> None:
    assert lct("execution", "order", typed).exit_code == code


def test_an_id_inside_of_another_text_does_not_count(played: None, document: Any, home: Any, lct: Any) -> None:
    """Rows are found by what their bytes hold; a trade id is no order."""
    trade = document("execution", "fills")[0]["trade_id"]

    assert lct("execution", "order", trade).exit_code == 5


def test_a_row_that_was_changed_is_said_to_be_wrong(played: None, document: Any, lct: Any, home: Any) -> None:
    some = document("execution", "fills")[0]["client_order_id"]
    (path,) = (home / "journal").glob("*/house.db")
    db = sqlite3.connect(path)
    db.execute("update journal set now_ns = now_ns + 1 where type = 'execution.filled' and position % 2 = 0")
    db.commit()
    db.close()
    found = lct("execution", "order", some)

    assert "the chain of execution does not hold" in found.stderr


def test_without_a_journal_it_says_how_to_make_one(lct: Any) -> None:
    result = lct("execution", "order", "f00d")

    assert result.exit_code == 5
    assert "no journal" in result.stderr


def test_venues_tell_what_their_silence_proves(document: Any) -> None:
    rows = {row["name"]: row for row in document("execution", "venues")}

    assert rows["paper"]["idempotent_forever"] is True
    assert list(rows["paper"]) == list(VENUES)


def test_execution_stands_as_its_journal_has_it_where_nothing_runs(played: None, document: Any) -> None:
    found = document("execution", "status")

    assert (found["standing"], found["unknown"], found["differences"], found["halt_files"]) == ("active", [], [], [])
