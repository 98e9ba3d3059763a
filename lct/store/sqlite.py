"""The journal in SQLite: WAL, one connection, one writer, the hash chain checked when it is opened."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from lct.errors import JournalError, Refused
from lct.store.journal import Chain, Cursor, Fact, Row

USER_VERSION = 1
BROKEN = (sqlite3.Error, OSError, ValueError, TypeError)
"""What reading a damaged file may raise: bytes that are no text (also in SQLite's own words), values of other types."""
COLUMNS = "daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body"
SCHEMA_SQL = """
create table journal (
  position integer primary key,
  daemon text not null, journal_seq integer not null, epoch integer not null,
  prev_hash blob not null, hash blob not null, heard_ref text not null, round integer not null,
  now_ns integer not null, type text not null, schema integer not null, body blob not null,
  unique (daemon, journal_seq)
) strict;
create table cursor (id integer primary key check (id = 1), body blob not null, seal blob not null) strict;
"""


class SqliteJournal:
    """A journal file. `synchronous` is FULL on the wall clock and NORMAL in replayed time.

    In both a killed process loses nothing; NORMAL may lose the last commits in a power cut.
    """

    keeps_outbox = True
    is_read_only = False

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        """Open or make the file, alone: Refused while another process writes it, JournalError if a chain is broken."""
        assert synchronous in {"FULL", "NORMAL"}, synchronous
        self.path = path
        self._lock = lock_of(path)
        try:
            self._db = _connect(path)
        except sqlite3.Error as error:
            self._lock.close()
            raise _unusable(path, error) from error
        try:
            self._make_or_check()
            self._db.execute("pragma journal_mode = wal")
            self._db.execute(f"pragma synchronous = {synchronous}")
            self._chain = _verified(self._db)
        except BROKEN as error:
            self.close()
            raise _unusable(path, error) from error
        except JournalError:
            self.close()
            raise

    def _make_or_check(self) -> None:
        if not _version(self._db, self.path):
            self._db.executescript(f"begin immediate; {SCHEMA_SQL} pragma user_version = {USER_VERSION}; commit;")

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Write facts and cursor in one transaction."""
        heads = dict(self._chain.heads)
        rows = [self._chain.link(fact, cursor) for fact in facts]
        try:
            self._db.execute("begin immediate")
            self._db.executemany(f"insert into journal ({COLUMNS}) values (?,?,?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608
            body = msgspec.msgpack.encode(cursor)
            self._db.execute(
                "insert into cursor values (1, ?, ?) "
                "on conflict (id) do update set body = excluded.body, seal = excluded.seal",
                (body, self._chain.seal(body)),
            )
            self._db.execute("commit")
        except (sqlite3.Error, OverflowError) as error:
            self._chain.heads = heads
            if self._db.in_transaction:
                self._db.execute("rollback")
            msg = f"cannot write the journal {self.path}: {error}; nothing was sent"
            raise JournalError(msg) from error

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        yield from read_rows(self._db, daemon, after)

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit."""
        return read_cursor(self._db)

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return self._chain.digests()

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._db.close()
        self._lock.close()


class ReadJournal:
    """A journal file as it stood when it was opened, while another process may write on; a commit is dropped."""

    keeps_outbox = False
    is_read_only = True

    def __init__(self, path: Path) -> None:
        """Open an existing file; JournalError where there is none, or its chain is broken."""
        self._db = open_to_read(path)
        try:
            # one transaction for all that is read: rows and cursor belong to the same commit
            self._db.execute("begin")
            self._chain = _verified(self._db)
        except BROKEN as error:
            self._db.close()
            raise _unusable(path, error) from error
        except JournalError:
            self._db.close()
            raise

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Change nothing: who reads does not write."""

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        yield from read_rows(self._db, daemon, after)

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit."""
        return read_cursor(self._db)

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return self._chain.digests()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def read_cursor(db: sqlite3.Connection) -> Cursor:
    """Return the cursor of an open database; JournalError where it cannot be read."""
    try:
        found = db.execute("select body from cursor").fetchone()
        return msgspec.msgpack.decode(found[0], type=Cursor) if found else Cursor()
    except BROKEN as error:
        msg = f"the journal's cursor cannot be read: {error}"
        raise JournalError(msg) from error


def read_rows(db: sqlite3.Connection, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
    """Yield the journal rows of an open database in the order of commit; JournalError where they cannot be read."""
    sql = f"select {COLUMNS} from journal where journal_seq > ?"  # noqa: S608 - the columns are ours
    try:
        if daemon is None:
            found = db.execute(f"{sql} order by position", (after,))
        else:
            found = db.execute(f"{sql} and daemon = ? order by position", (after, daemon))
        yield from map(Row._make, found)
    except BROKEN as error:
        msg = f"the journal cannot be read: {error}"
        raise JournalError(msg) from error


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that another process may be writing, to read only; JournalError where there is none."""
    if not path.exists():
        msg = f"no journal at {path}"
        raise JournalError(msg)
    try:
        db = _connect(path, read_only=True)
        version = _version(db, path)
    except BROKEN as error:
        raise _unusable(path, error) from error
    if not version:
        msg = f"{path} is empty: no lct has written it yet"
        raise JournalError(msg)
    return db


def _version(db: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of a journal, 0 for an empty file; JournalError for anything else."""
    found: int = db.execute("pragma user_version").fetchone()[0]
    if found not in {0, USER_VERSION}:
        msg = f"{path} has schema {found}; this lct reads {USER_VERSION}. Use the lct that wrote it."
        raise JournalError(msg)
    if not found and db.execute("select count(*) from sqlite_schema").fetchone()[0]:
        msg = f"{path} is a database, but not a journal of lct"
        raise JournalError(msg)
    return found


def _verified(db: sqlite3.Connection) -> Chain:
    """Return the chains of an open journal, every row and the cursor checked; JournalError where something is off."""
    found = db.execute("pragma integrity_check (1)").fetchone()[0]
    if found != "ok":
        msg = f"the journal is damaged: {found}"
        raise JournalError(msg)
    rows, first, last = db.execute("select count(*), min(position), max(position) from journal").fetchone()
    if rows and (first, last) != (1, rows):
        msg = f"the journal has {rows} rows at the places {first} to {last}: it was changed"
        raise JournalError(msg)
    chain = Chain()
    for row in read_rows(db):
        chain.take(row)
    sealed = db.execute("select body, seal from cursor").fetchone()
    if sealed is None and chain.heads:
        msg = "the journal has rows, but no cursor: it was changed"
        raise JournalError(msg)
    if sealed is not None and chain.seal(sealed[0]) != sealed[1]:
        msg = "the journal's cursor and its rows are not of one commit: rows are missing, or it was changed"
        raise JournalError(msg)
    return chain


def _unusable(path: Path, error: Exception) -> JournalError:
    return JournalError(f"cannot use the journal {path}: {error}")


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0)
    db.execute("pragma trusted_schema = off")
    db.execute("pragma cell_size_check = on")
    return db


def lock_of(path: Path) -> IO[bytes]:
    """Make the folder and the file where they are missing, for nobody else to read, and hold the lock beside it."""
    import fcntl  # Windows has none, and needs none to backtest

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.fdopen(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # before SQLite does: -wal and -shm take over the permissions of the file
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except BlockingIOError:
        handle.close()
        msg = f"{path} is in use by another lct process; stop it first"
        raise Refused(msg) from None
    except OSError as error:
        handle.close()
        raise _unusable(path, error) from error
    return handle
