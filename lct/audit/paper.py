"""Paper: the books of the paper venue as a witness that is always there (I04, I05, I08, I17).

The venue numbers what it reports; a journal's cursor says up to which number execution has heard. Balances and orders
of the venue, less what it has not been heard about yet, must be those of the rows: exactly, in a running house too.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from lct.audit.books import sign
from lct.audit.execution import Execution
from lct.audit.findings import Body
from lct.audit.lives import AT_THE_VENUE, OVER, Known
from lct.audit.numbers import ZERO, assets, number, plain

NAME = "paper"
WAIT_SECONDS = 0.5
CACHE_KIB = 64
WRONG = (sqlite3.DatabaseError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""What reading books may raise that are damaged, or that are no books."""

Broken = tuple[str, str]
"""An invariant by its id, and what breaks it."""


class Kept(NamedTuple):
    """An order in the venue's books: whether it rests, and how much of it was filled (base)."""

    rests: bool
    filled: Decimal


class Books(NamedTuple):
    """The venue's books at one moment. Results after `heard` are all in `results`, up to `numbered`."""

    balances: dict[str, Decimal]
    numbered: int
    heard: int
    results: list[tuple[int, Body]]
    orders: dict[str, Kept]
    last: int

    def pending(self, heard: int) -> Iterator[Body]:
        """Yield the results that come after one."""
        return (result for number_, result in self.results if number_ > heard)


class Paper:
    """The paper account of a folder, if it has one; orders that are over are read once, those that rest each time."""

    def __init__(self, folder: Path, kept: int | None = None) -> None:
        """Begin before the newest `kept` orders, and those that rest; None: before the first one."""
        self._path = folder / f"{NAME}.db"
        self._kept = kept
        self._seen: int | None = None
        self._resting: list[str] = []

    def read(self) -> Books | None:
        """Return the books, None where there are none. Raises what WRONG names, OperationalError for a busy file."""
        if not self._path.is_file():
            return None
        uri = f"{self._path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_SECONDS)) as db:
            db.execute("pragma trusted_schema = off")
            db.execute(f"pragma cache_size = -{CACHE_KIB}")
            db.execute("begin")
            names = {name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")}
            if not {"account", "orders", "results"} <= names:
                return None  # it is being made
            found = db.execute("select body from account").fetchone()
            return None if found is None else self._books(db, msgpack.unpackb(found[0]))

    def _books(self, db: sqlite3.Connection, totals: Body) -> Books:
        results = [(n, msgpack.unpackb(body)) for n, body in db.execute("select number, body from results order by 1")]
        balances = {asset: number(amount, asset) for asset, amount in totals["balances"].items()}
        orders = {key: _kept(live, msgpack.unpackb(body)) for key, live, body in self._rows(db)}
        last = _last(db)
        return Books(balances, int(totals["numbered"]), int(totals["heard"]), results, orders, last)

    def _rows(self, db: sqlite3.Connection) -> Iterator[tuple[str, int, bytes]]:
        sql = "select client_order_id, live, body from orders where "
        if self._seen is None:
            first = 0 if self._kept is None else _last(db) - self._kept
            yield from db.execute(f"{sql} live or rowid > ?", (first,))
            return
        yield from db.execute(f"{sql} rowid > ?", (self._seen,))
        for key in self._resting:
            yield from db.execute(f"{sql} client_order_id = ?", (key,))

    def objections(self, books: Books, execution: Execution, heard: int) -> list[Broken]:
        """Compare books that were read before the rows with the rows, whose cursor has heard result `heard`."""
        if heard < books.heard:
            text = f"the paper account was heard up to its result {books.heard}, the journal has heard {heard}"
            return [("I17", f"{text}: rows are gone")]
        if heard > books.numbered:
            return []  # the venue went on meanwhile: the next look will tell
        found = [*_drifts(books, execution, heard), *_differ(books, execution, heard)]
        self._seen = books.last
        self._resting = [key for key, kept in books.orders.items() if kept.rests]
        return found


def _last(db: sqlite3.Connection) -> int:
    return int(db.execute("select coalesce(max(rowid), 0) from orders").fetchone()[0])


def _kept(rests: int, body: Any) -> Kept:
    if rests:
        return Kept(True, number(body["order"]["amount"], "amount") - number(body["remaining"], "remaining"))
    return Kept(False, number(body["filled"], "filled"))


def _drifts(books: Books, execution: Execution, heard: int) -> Iterator[Broken]:
    """Compare every asset, where something was deposited and no row names a difference."""
    if not execution.books.sums or execution.gate.differs:
        return
    theirs: defaultdict[str, Decimal] = defaultdict(Decimal, books.balances)
    for trade in books.pending(heard):
        if trade["tag"] == "exchange.traded":
            base, quote = assets(trade["symbol"])
            amount = sign(trade["side"]) * number(trade["amount"], "amount")
            theirs[base] -= amount
            theirs[quote] += amount * number(trade["price"], "price")
            theirs[trade["fee_asset"]] += number(trade["fee"], "fee")
    for asset in sorted({*theirs, *execution.books.sums}):
        ours = execution.books.total(asset)
        if ours != theirs[asset]:
            yield "I08", f"{asset}: {plain(ours)} by the rows, {plain(theirs[asset])} in the paper account"


def _differ(books: Books, execution: Execution, heard: int) -> Iterator[Broken]:
    """Compare the orders that rest on either side, and those that are over and were not compared before."""
    coming: defaultdict[str, Decimal] = defaultdict(Decimal)
    for result in books.pending(heard):
        if "client_order_id" in result:
            coming[result["client_order_id"]] += number(result.get("amount", "0"), "amount")
    for key, kept in books.orders.items():
        known = execution.live.get(key) or execution.over.get(key)
        if known is not None:
            yield from _differs(known, kept, coming)
        elif execution.over.is_whole:
            yield "I04", f"the paper account has {key}, which no row intended"
    for key, order in execution.live.items():
        if order.state in AT_THE_VENUE and key not in coming and not books.orders.get(key, Kept(False, ZERO)).rests:
            yield "I04", f"the rows hold {key} for {order.state}, the paper account for over"


def _differs(known: Known, kept: Kept, coming: dict[str, Decimal]) -> Iterator[Broken]:
    filled = kept.filled - coming.get(known.key, ZERO)
    if filled != known.filled:
        yield "I05", f"{known.key}: {plain(known.filled)} filled by the rows, {plain(filled)} in the paper account"
    if kept.rests and known.state in OVER and known.key not in coming:
        yield "I04", f"the paper account holds {known.key} for open, the rows for {known.state}"
