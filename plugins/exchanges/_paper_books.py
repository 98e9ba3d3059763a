"""What the paper venue keeps on disk, so that it survives a crash of its house as a remote venue would."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from lct.domain.money import Money
from lct.errors import JournalError
from lct.messages.base import Event, encode, own_money_hook
from lct.ports.exchange import Account, Cancelled, Place, Placed, PlaceRefused, Sought, Traded

USER_VERSION = 1
SCHEMA_SQL = """
create table account (id integer primary key check (id = 1), body blob not null) strict;
create table orders (client_order_id text primary key, live integer not null, body blob not null) strict;
create table results (number integer primary key, due_ns integer not null, body blob not null) strict;
"""

Results = Account | Cancelled | Placed | PlaceRefused | Sought | Traded


class Totals(msgspec.Struct, frozen=True):
    """The account apart from its orders: balances by asset, and how much was numbered so far.

    `heard` results were in the journal of the house for good when it last gave a command.
    """

    balances: dict[str, Money]
    numbered: int = 0
    heard: int = 0
    orders: int = 0
    trades: int = 0


class Resting(msgspec.Struct):
    """An order that waits for its bar: `at` is the bar's index on the symbol's tape, `due_ns` when it happens.

    `age` numbers the orders, `at_market` says that it fills at the open: a market order, or a stop that was touched.
    """

    order: Place
    venue_order_id: str
    remaining: Money
    at: int
    age: int
    at_market: bool
    due_ns: int = 0


class Past(msgspec.Struct, frozen=True):
    """An order that is over, or was cancelled or refused: what it filled, and whether a cancel was answered."""

    filled: Money
    cancelled: bool = False


class PaperBooks:
    """paper.db: one connection, committed by the venue itself."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; JournalError where it cannot be used."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"begin immediate; {SCHEMA_SQL} pragma user_version = {USER_VERSION}; commit;")
                path.chmod(0o600)
            elif version != USER_VERSION:
                msg = f"{path} has schema {version}; this lct reads {USER_VERSION}"
                raise JournalError(msg)
            health = self._db.execute("pragma quick_check(1)").fetchone()[0]
            if health != "ok":
                raise JournalError(f"the paper account {path} is damaged: {health}")
        except sqlite3.Error as error:
            msg = f"cannot open the paper account {path}: {error}"
            raise JournalError(msg) from error

    def totals(self) -> Totals | None:
        """Return the account, None before the first save."""
        found = self._db.execute("select body from account").fetchone()
        return _decode(found[0], Totals) if found else None

    def orders(self) -> tuple[list[Resting], dict[str, Past]]:
        """Return the orders that wait, oldest first, and those that are over by client order id."""
        rows = self._db.execute("select client_order_id, live, body from orders order by rowid").fetchall()
        live = [_decode(body, Resting) for _, rests, body in rows if rests]
        return live, {key: _decode(body, Past) for key, rests, body in rows if not rests}

    def results_after(self, number: int) -> list[tuple[int, int, Event]]:
        """Return the results after one, as (due_ns, number, event), by due time."""
        rows = self._db.execute("select due_ns, number, body from results where number > ? order by 1, 2", (number,))
        return [(due_ns, n, _decode(body, Results)) for due_ns, n, body in rows]

    def save(
        self, totals: Totals, orders: dict[str, Resting | Past], results: list[tuple[int, int, Event]], heard: int
    ) -> None:
        """Commit the account, the orders that changed and the new results; forget results up to `heard`."""
        try:
            self._db.execute("begin immediate")
            self._write(totals, orders, results, heard)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise JournalError(f"cannot write the paper account: {error}; the next run goes on from before") from error

    def _write(
        self, totals: Totals, orders: dict[str, Resting | Past], results: list[tuple[int, int, Event]], heard: int
    ) -> None:
        self._db.execute(
            "insert into account values (1, ?) on conflict do update set body = excluded.body", (encode(totals),)
        )
        self._db.executemany(
            "insert into orders values (?, ?, ?) on conflict do update set live = excluded.live, body = excluded.body",
            [(key, isinstance(order, Resting), encode(order)) for key, order in orders.items()],
        )
        self._db.executemany("insert into results values (?, ?, ?)", [(n, due, encode(e)) for due, n, e in results])
        self._db.execute("delete from results where number <= ?", (heard,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _decode(body: bytes, kind: Any) -> Any:
    return msgspec.msgpack.decode(body, type=kind, dec_hook=own_money_hook)
