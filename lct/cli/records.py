"""Records: what the journal files of an account tell by themselves, without a house that plays them."""

import heapq
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lct.clock import rfc3339
from lct.errors import JournalError, NotFound, nearest
from lct.store.journal import Chain, Row, verify
from lct.store.sqlite import ReadJournal, open_to_read, read_rows

if TYPE_CHECKING:
    from lct.domain.orders import Order
    from lct.messages.execution import Filled

HOUSE, EXECUTION = "house", "execution"
STEPS_BETWEEN_SIGNALS = 100_000
STARTS = "`lct run --cycles 100` or `lct up` makes one"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal to read; NotFound where there is none, JournalError where it is none."""
    if not path.exists():
        raise NotFound(f"no journal at {path}; {STARTS}")
    db = open_to_read(path)
    try:
        yield db
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: {error}. Is it a journal of lct, and whole?") from None
    finally:
        db.close()


def files(path: Path) -> dict[str, Path]:
    """Return the journals of an account's folder by name: `house` alone, or one for each daemon; a file is itself.

    Raises NotFound where there is none.
    """
    from lct.run.account import journals

    found = journals(path) if path.is_dir() else {path.stem: path} if path.exists() else {}
    if not found:
        raise NotFound(f"no journal at {path}; {STARTS}")
    return found


def file_of(folder: Path, daemon: str) -> Path:
    """Return the file that has a daemon's rows; NotFound for a daemon that has none."""
    found = files(folder)
    if HOUSE in found:
        _check_name(daemon, found)
        return found[HOUSE]
    if daemon not in found:
        raise NotFound(f"no journal of {daemon!r} in {folder}; {nearest(daemon, found)}")
    return found[daemon]


def files_with(folder: Path, daemon: str | None) -> list[Path]:
    """Return the files that may have rows of a daemon (None: of any); NotFound for one that there is none of."""
    found = files(folder)
    if daemon is not None:
        _check_name(daemon, found)
    return [path for name, path in found.items() if daemon is None or name in {daemon, HOUSE}]


def _check_name(daemon: str, found: dict[str, Path]) -> None:
    """Raise NotFound, with the nearest name, for a daemon that neither this lct has nor these journals know."""
    import pkgutil

    import daemons

    known = {module.name for module in pkgutil.iter_modules(daemons.__path__)} | set(found) - {HOUSE}
    if HOUSE in found and daemon not in known:
        with reading(found[HOUSE]) as db:
            known |= {name for (name,) in db.execute("select distinct daemon from journal")}
    if daemon not in known:
        raise NotFound(f"no daemon named {daemon!r}; {nearest(daemon, known)}")


def count_by_type(path: Path) -> dict[str, int]:
    """Return how many rows of each type a journal has."""
    with reading(path) as db:
        return dict(db.execute("select type, count(*) from journal group by type"))


def verified(path: Path) -> dict[str, int]:
    """Return how many rows each daemon has in one file, after walking its hash chains.

    JournalError names the file, and the row that is wrong. A daemon that has said nothing durable has 0 rows.
    """
    try:
        with reading(path) as db:
            counted = verify(read_rows(db))
        ReadJournal(path).close()  # it looks at more than the rows: the schema, the cursor
    except JournalError as error:
        text = str(error)
        raise JournalError(text if str(path) in text else f"{path}: {text}") from None
    return counted if counted or path.stem == HOUSE else {path.stem: 0}


def all_verified(path: Path) -> list[dict[str, Any]]:
    """Return a row for each daemon in each journal of a folder; JournalError names every file that does not hold."""
    rows, wrong = [], []
    for file in files(path).values():
        try:
            rows += [{"daemon": name, "rows": n, "file": file.name} for name, n in verified(file).items()]
        except JournalError as error:
            wrong.append(str(error))
    if wrong:
        raise JournalError("; ".join(wrong))
    return rows


def broken_chains(paths: Iterable[Path]) -> list[str]:
    """Return whose chain does not hold: a daemon, or the name of a file that is wrong in another way."""
    return [name for path in paths if (name := _broken_chain(path)) is not None]


def _broken_chain(path: Path) -> str | None:
    try:
        ReadJournal(path).close()
    except JournalError:
        try:
            return _first_wrong(path) or path.name
        except JournalError:  # not even its rows can be read
            return path.name
    return None


def _first_wrong(path: Path) -> str | None:
    """Return whose row is the first that does not continue its chain, None where all do."""
    chain = Chain()
    with reading(path) as db:
        for row in read_rows(db):
            try:
                chain.take(row)
            except JournalError:
                return row.daemon
    return None


def newest_rows(paths: Iterable[Path], daemon: str | None, kind: str | None, last: int) -> list[dict[str, Any]]:
    """Return the last rows of journals, merged by their time, oldest first, with their bodies decoded."""
    merged = list(heapq.merge(*(_newest(path, daemon, kind, last) for path in paths), key=_moment))
    return [_shown(row) for row in merged[-last:]]


def _newest(path: Path, daemon: str | None, kind: str | None, last: int) -> list[Row]:
    with reading(path) as db:
        sql = (
            "select daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body "
            "from journal where (?1 is null or daemon = ?1) and (?2 is null or type glob ?2) "
            "order by position desc limit ?3"
        )
        found = list(db.execute(sql, (daemon, kind, last)))
    return [Row._make(row) for row in reversed(found)]


def _moment(row: Row) -> tuple[int, int]:
    return row.now_ns, row.round


def _shown(row: Row) -> dict[str, Any]:
    return {
        "daemon": row.daemon,
        "journal_seq": row.journal_seq,
        "epoch": row.epoch,
        "round": row.round,
        "time": rfc3339(row.now_ns),
        "type": row.type,
        "heard_ref": row.heard_ref,
        "hash": row.hash.hex(),
        "body": _body(row.body),
    }


def _body(body: bytes) -> dict[str, Any]:
    """Return a message as a table, without its tag; one that somebody changed may be unreadable."""
    import msgpack

    try:
        return {key: value for key, value in dict(msgpack.unpackb(body)).items() if key != "tag"}
    except (ValueError, TypeError):
        return {"unreadable": body.hex()}


def fills(path: Path) -> list["Filled"]:
    """Return all fills of a journal, oldest first; JournalError where one cannot be read."""
    from lct.bus.room import recorded
    from lct.messages.base import Codec
    from lct.messages.execution import Filled

    codec = Codec((Filled,), is_ours=True)
    with reading(path) as db:
        found = db.execute("select body from journal where type = 'execution.filled' order by position")
        return [recorded(codec, body) for (body,) in found]  # type: ignore[misc] # the codec knows one type


def all_orders(path: Path) -> list["Order"]:
    """Return every order of a journal as it stands, oldest first: execution's own fold of its rows.

    Raises JournalError where the journal does not hold: what was changed cannot be folded.
    """
    from daemons.execution import state
    from lct.bus.room import recorded
    from lct.messages.base import Codec, Event

    codec = Codec(state.KINDS, is_ours=True)
    book = state.Book(sent_kept=1, over_kept=sys.maxsize)
    verified(path)
    with reading(path) as db:
        for row in read_rows(db, EXECUTION):
            event = recorded(codec, row.body)
            assert isinstance(event, Event), "a journal holds events"
            book.apply(event)
    orders = [leg.order for leg in (*book.over.values(), *book.legs.values())]
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
