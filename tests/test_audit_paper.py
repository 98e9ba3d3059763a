"""The checker by the paper account's books, by proposals and by rates: what agreeing rows cannot hide."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest
from msgspec.structs import replace

from lct.audit import Audit
from lct.audit.journals import files, read
from lct.audit.paper import Paper
from lct.audit.rates import Limits
from lct.messages.base import Event
from lct.messages.execution import Filled
from lct.store.journal import Cursor
from lct.store.sqlite import SqliteJournal
from plugins.exchanges._paper_books import SCHEMA_SQL as BOOKS_SQL
from plugins.exchanges._paper_books import USER_VERSION
from tests.audited import (
    GOOD,
    OURS,
    SYMBOL,
    D,
    Said,
    audited,
    instead,
    intended,
    journal_of,
    key,
    moved,
    proposed,
    told,
)

HEARD, CASH = 20, "10015.764"
OPEN_ORDER: list[Event] = [proposed("t6", "buy", "1"), intended("t6", "buy", "1")]
W0 = next(event for events in GOOD for event in events if isinstance(event, Filled))
Books = dict[str, Any]


def account(**changed: Any) -> Books:
    """What the paper venue holds once GOOD is over: all orders are, and everything was heard."""
    over = {"t0": "0.1", "t9": "0.1", "t1": "1", "t2": "1", "t5": "0"}
    orders = {key(name): {"filled": filled, "cancelled": True} for name, filled in over.items()}
    stops = {key("t1", leg): {"filled": "0", "cancelled": True} for leg in ("stop.w1", "stop.w2")}
    made = {"balances": {"USDT": CASH, "BTC": "0.0"}, "numbered": HEARD, "heard": HEARD, "results": {}}
    return {**made, "orders": {**orders, **stops}, "resting": {}, **changed}


def write(folder: Path, books: Books) -> None:
    with closing(sqlite3.connect(folder / "paper.db")) as db:
        db.executescript(f"{BOOKS_SQL} pragma user_version = {USER_VERSION};")
        totals = {name: books[name] for name in ("balances", "numbered", "heard")}
        db.execute("insert into account values (1, ?)", (msgpack.packb(totals),))
        for live, name in ((0, "orders"), (1, "resting")):
            for order_id, body in books[name].items():
                db.execute("insert into orders values (?, ?, ?)", (order_id, live, msgpack.packb(body)))
        for number, result in books["results"].items():
            db.execute("insert into results values (?, 0, ?)", (number, msgpack.packb(result)))
        db.commit()


def house(folder: Path, said: list[Said], *, heard: int = HEARD) -> None:
    journal = journal_of(said, SqliteJournal(folder / "house.db", synchronous="NORMAL"))
    last = said[-1]
    journal.commit([], Cursor(last.epoch, last.round + 1, ports={"exchange": heard}))
    journal.close()


def wrong(folder: Path, **settings: Any) -> set[str]:
    audit = Audit(OURS, **settings)
    read(list(files(folder)), audit, Paper(folder))
    return {violation.invariant for violation in audit.findings}


def trade(price: str = "100", fee: str = "0.1") -> dict[str, str]:
    return {
        "tag": "exchange.traded", "client_order_id": key("t6"), "symbol": SYMBOL, "side": "buy",
        "amount": "1", "price": price, "fee": fee, "fee_asset": "USDT",
    }  # fmt: skip


def resting(remaining: str) -> dict[str, Any]:
    return {"order": {"amount": "1"}, "remaining": remaining}


def without(books: Books, *names: str) -> Books:
    return {**books, "orders": {name: body for name, body in books["orders"].items() if name not in names}}


def test_books_that_agree_to_the_last_decimal_give_no_alarm(tmp_path: Path) -> None:
    house(tmp_path, told(GOOD))
    write(tmp_path, account())

    assert wrong(tmp_path) == set()


def test_what_the_journal_has_not_heard_yet_is_no_difference(tmp_path: Path) -> None:
    """The venue filled an order and said so; the house will hear it next."""
    house(tmp_path, told([*GOOD, OPEN_ORDER]))
    filled = account()["orders"] | {key("t6"): {"filled": "1", "cancelled": False}}
    balances = {"USDT": str(D(CASH) - D("100.1")), "BTC": "1"}
    write(tmp_path, account(balances=balances, numbered=HEARD + 1, results={HEARD + 1: trade()}, orders=filled))

    assert wrong(tmp_path) == set()


DIFFERENT: dict[str, tuple[set[str], Books]] = {
    "a fee of 1e-8 more": ({"I08"}, account(balances={"USDT": "10015.76399999"})),
    "coins that no row has": ({"I08"}, account(balances={"USDT": CASH, "BTC": "1"})),
    "a fill that no row has": ({"I05"}, account(orders=account()["orders"] | {key("t5"): {"filled": "0.4"}})),
    "an order that no row intended": ({"I04"}, account(resting={"f" * 32: resting("1")})),
    "an order that rests, and is over by the rows": (
        {"I04"}, without(account(resting={key("t5"): resting("1")}), key("t5")),
    ),
    "results heard that the journal lacks": ({"I17"}, account(heard=HEARD + 1, numbered=HEARD + 1)),
    "a balance that is a float": ({"I16"}, account(balances={"USDT": 1.0})),
}  # fmt: skip


@pytest.mark.parametrize(("invariants", "books"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_differs_from_the_paper_account_is_found_by_its_name(
    tmp_path: Path, invariants: set[str], books: Books
) -> None:
    house(tmp_path, told(GOOD))
    write(tmp_path, books)

    assert wrong(tmp_path) == invariants


def test_a_fee_that_all_daemons_hold_wrong_alike_is_found_by_the_account_alone(tmp_path: Path) -> None:
    """Rows agree, chains are sound: without the venue's own books nothing could tell."""
    off = replaced_fee("0.01000001")(GOOD)
    house(tmp_path, told(off))
    assert wrong(tmp_path) <= {"I10"}, "only the equity of rows that were told before may differ"
    write(tmp_path, account())

    assert "I08" in wrong(tmp_path)


def replaced_fee(fee: str) -> Callable[[list[list[Event]]], list[list[Event]]]:
    return instead(W0, replace(W0, fee=D(fee)))


def test_an_order_open_by_the_rows_must_rest_in_the_account(tmp_path: Path) -> None:
    house(tmp_path, told([*GOOD, [*OPEN_ORDER, moved("t6", "open")]]))
    write(tmp_path, account())
    assert wrong(tmp_path) == {"I04"}


def test_a_moment_that_the_account_was_not_read_at_proves_nothing(tmp_path: Path) -> None:
    """The house went on between the two readings: the next look will tell."""
    house(tmp_path, told(GOOD), heard=HEARD + 1)
    write(tmp_path, account(balances={"USDT": "1"}))

    assert wrong(tmp_path) == set()


# --- proposals and rates


def test_an_entry_that_nobody_proposed_is_found(tmp_path: Path) -> None:
    house(tmp_path, told([*GOOD, [intended("t6", "buy", "1")]]))

    assert wrong(tmp_path) == {"I11"}


def test_an_entry_read_before_its_proposal_waits_for_it() -> None:
    """Journals are read one after the other: the engine's may have been read a moment before."""
    rows = list(journal_of(told([*GOOD, OPEN_ORDER])).rows())
    late = next(row for row in reversed(rows) if row.type == "trading_engine.proposed")

    audit = audited(row for row in rows if row is not late)
    assert len(audit.findings) == 0
    audit.take(late)
    audit.settle()
    audit.settle()

    assert len(audit.findings) == 0


def test_an_exit_that_nobody_proposed_is_a_persons(tmp_path: Path) -> None:
    """GOOD closes its first position by an order that the engine did not ask for, as `lct trading flatten` does."""
    house(tmp_path, told(GOOD))

    assert wrong(tmp_path) == set()


@pytest.mark.parametrize(
    ("limits", "found"),
    [(Limits(5, 3, 60), {"I23"}), (Limits(5, 60, 3), {"I23"}), (Limits(5, 4, 4), set()), (Limits(), set())],
)
def test_entries_past_the_rates_that_were_told_are_found(tmp_path: Path, limits: Limits, found: set[str]) -> None:
    """GOOD has four entries, all of the same instant."""
    house(tmp_path, told(GOOD))

    assert wrong(tmp_path, limits=limits) == found


# --- what a watch remembers


def test_a_watch_begins_with_the_newest_orders_and_those_that_rest(tmp_path: Path) -> None:
    """An account has ever more orders; reading all of them again would need ever more memory."""
    old = {f"{n:032x}": {"filled": "0", "cancelled": True} for n in range(50)}
    write(tmp_path, account(orders=old, resting={key("t5"): resting("1")}))
    with closing(sqlite3.connect(tmp_path / "paper.db")) as db:
        db.execute("update orders set live = 1, body = ? where rowid = 1", (msgpack.packb(resting("1")),))
        db.commit()

    books = Paper(tmp_path, 10).read()

    assert books is not None, "it was written"
    assert set(books.orders) == {f"{0:032x}", *(f"{n:032x}" for n in range(41, 50)), key("t5")}


def test_an_order_that_rested_at_the_last_look_is_read_again(tmp_path: Path) -> None:
    house(tmp_path, told([*GOOD, [*OPEN_ORDER, moved("t6", "open")]]))
    write(tmp_path, account(resting={key("t6"): resting("1")}))
    audit, paper, found = Audit(OURS), Paper(tmp_path), list(files(tmp_path))
    read(found, audit, paper)
    assert len(audit.findings) == 0

    with closing(sqlite3.connect(tmp_path / "paper.db")) as db:
        body = msgpack.packb({"filled": "0", "cancelled": True})
        db.execute("update orders set live = 0, body = ? where client_order_id = ?", (body, key("t6")))
        db.commit()
    read(found, audit, paper)

    assert {violation.invariant for violation in audit.findings} == {"I04"}


def test_a_watch_keeps_no_trades_whole() -> None:
    """Only a witness needs them; of a long journal they would be most of the memory."""
    rows = list(journal_of(told(GOOD)).rows())
    watched, asked = audited(rows, kept=100), audited(rows)

    assert [watched.execution.trades.get(trade) for trade in watched.execution.trades] == [None] * 5
    assert all(asked.execution.trades.get(trade) for trade in asked.execution.trades)
