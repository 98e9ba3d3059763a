"""Records: what a journal file tells by itself, without a house that plays it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lct.clock import rfc3339
from lct.errors import JournalError, NotFound
from lct.store.journal import Row, verify
from lct.store.sqlite import ReadJournal, open_to_read, read_rows

if TYPE_CHECKING:
    from lct.domain.orders import Order
    from lct.messages.execution import Filled

STEPS_BETWEEN_SIGNALS = 100_000


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal to read; NotFound where there is none, JournalError where it is none."""
    path = _file(path)
    if not path.exists():
        raise NotFound(f"no journal at {path}; `lct run --cycles 100` makes one")
    db = open_to_read(path)
    try:
        yield db
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: {error}. Is it a journal of lct, and whole?") from None
    finally:
        db.close()


def _file(path: Path) -> Path:
    return path / "house.db" if path.is_dir() else path


def count_by_type(path: Path) -> dict[str, int]:
    """Return how many rows of each type a journal has."""
    with reading(path) as db:
        return dict(db.execute("select type, count(*) from journal group by type"))


def verified(path: Path) -> dict[str, int]:
    """Return how many rows each daemon has, after walking all hash chains; JournalError names a row that is wrong."""
    with reading(path) as db:
        counted = verify(read_rows(db))
    ReadJournal(_file(path)).close()  # it looks at more than the rows: the schema, the cursor
    return counted


def newest_rows(path: Path, daemon: str | None, kind: str | None, last: int) -> list[dict[str, Any]]:
    """Return the last rows, oldest first, with their bodies decoded."""
    with reading(path) as db:
        sql = (
            "select daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body "
            "from journal where (?1 is null or daemon = ?1) and (?2 is null or type glob ?2) "
            "order by position desc limit ?3"
        )
        found = list(db.execute(sql, (daemon, kind, last)))
    return [_shown(Row._make(row)) for row in reversed(found)]


def _shown(row: Row) -> dict[str, Any]:
    import msgpack

    body = msgpack.unpackb(row.body)
    return {
        "daemon": row.daemon,
        "journal_seq": row.journal_seq,
        "epoch": row.epoch,
        "round": row.round,
        "time": rfc3339(row.now_ns),
        "type": row.type,
        "heard_ref": row.heard_ref,
        "hash": row.hash.hex(),
        "body": {key: value for key, value in body.items() if key != "tag"},
    }


def fills(path: Path) -> list["Filled"]:
    """Return all fills of a journal, oldest first."""
    from lct.messages.base import Codec
    from lct.messages.execution import Filled

    codec = Codec((Filled,), is_ours=True)
    with reading(path) as db:
        found = db.execute("select body from journal where type = 'execution.filled' order by position")
        return [codec.decode(body) for (body,) in found]  # type: ignore[misc] # the codec knows one type


def all_orders(path: Path) -> list["Order"]:
    """Return every order of a journal as it stands, oldest first: execution's own fold of its rows."""
    import sys

    from daemons.execution.state import Book
    from lct.messages.base import Codec, Event
    from lct.messages.execution import DayStarted, Deposited, Filled, OrderIntended, OrderMoved, ProposalDenied

    codec = Codec((DayStarted, Deposited, Filled, OrderIntended, OrderMoved, ProposalDenied), is_ours=True)
    book = Book(orders_kept=sys.maxsize, sent_kept=1)
    with reading(path) as db:
        for row in read_rows(db, "execution"):
            event = codec.decode(row.body)
            assert isinstance(event, Event), "a journal holds events"
            book.apply(event)
    orders = [*book.over, *(leg.order for leg in book.legs.values())]
    return sorted(orders, key=lambda order: order.created_ns)


def query(path: Path, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a select; whatever would do more than read is refused."""
    import sqlite_utils

    from lct.errors import ConfigError

    with reading(path) as db:
        tables = sqlite_utils.Database(db)
        db.set_authorizer(_read_only)
        db.set_progress_handler(lambda: 0, STEPS_BETWEEN_SIGNALS)  # where Ctrl-C reaches a query that never ends
        try:
            rows = list(tables.query(sql))
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            if str(error) == "interrupted":
                raise KeyboardInterrupt from None
            raise ConfigError(f"{error}. Only one select is taken; the tables are journal and cursor.") from None
    return [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]


def _read_only(action: int, *about: Any) -> int:
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    allowed |= {sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_TRANSACTION}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
