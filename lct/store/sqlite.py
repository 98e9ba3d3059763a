"""The journal in SQLite: WAL, one connection, one writer, the hash chain checked when it is opened."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from lct.errors import JournalError
from lct.store.journal import Chain, Cursor, Fact, Row

USER_VERSION = 1
COLUMNS = "daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body"
SCHEMA_SQL = """
create table journal (
  position integer primary key,
  daemon text not null, journal_seq integer not null, epoch integer not null,
  prev_hash blob not null, hash blob not null, heard_ref text not null, round integer not null,
  now_ns integer not null, type text not null, schema integer not null, body blob not null,
  unique (daemon, journal_seq)
) strict;
create table cursor (id integer primary key check (id = 1), body blob not null) strict;
"""


class SqliteJournal:
    """A journal file. `synchronous` is FULL on the wall clock and NORMAL in replayed time.

    In both a killed process loses nothing; NORMAL may lose the last commits in a power cut.
    """

    keeps_outbox = True

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        """Open or make the file, alone: JournalError while another process writes it, or if its chain is broken."""
        assert synchronous in {"FULL", "NORMAL"}, synchronous
        self.path = path
        self._lock = _lock(path)
        self._chain = Chain()
        try:
            self._db = _connect(path)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute(f"pragma synchronous = {synchronous}")
            self._make_or_check()
            for row in self.rows():
                self._chain.take(row)
        except sqlite3.Error as error:
            self._lock.close()
            msg = f"cannot open the journal {path}: {error}"
            raise JournalError(msg) from error
        except JournalError:
            self.close()
            raise

    def _make_or_check(self) -> None:
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version == USER_VERSION:
            return
        if version != 0:
            msg = f"{self.path} has schema {version}; this lct reads {USER_VERSION}. Use the lct that wrote it."
            raise JournalError(msg)
        self._db.executescript(f"begin immediate; {SCHEMA_SQL} pragma user_version = {USER_VERSION}; commit;")
        self.path.chmod(0o600)

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Write facts and cursor in one transaction."""
        heads = dict(self._chain.heads)
        rows = [self._chain.link(fact, cursor) for fact in facts]
        try:
            self._db.execute("begin immediate")
            self._db.executemany(f"insert into journal ({COLUMNS}) values (?,?,?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608
            self._db.execute(
                "insert into cursor values (1, ?) on conflict (id) do update set body = excluded.body",
                (msgspec.msgpack.encode(cursor),),
            )
            self._db.execute("commit")
        except sqlite3.Error as error:
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
    """A journal file that another process may be writing, to read only; a commit is dropped."""

    keeps_outbox = True

    def __init__(self, path: Path) -> None:
        """Open an existing file; JournalError where there is none."""
        self._db = open_to_read(path)

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Change nothing: who reads does not write."""

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        yield from read_rows(self._db, daemon, after)

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit."""
        return read_cursor(self._db)

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex, once they are verified."""
        chain = Chain()
        for row in self.rows():
            chain.take(row)
        return chain.digests()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def read_cursor(db: sqlite3.Connection) -> Cursor:
    """Return the cursor of an open database."""
    found = db.execute("select body from cursor").fetchone()
    return msgspec.msgpack.decode(found[0], type=Cursor) if found else Cursor()


def read_rows(db: sqlite3.Connection, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
    """Yield the journal rows of an open database in the order of commit."""
    sql = f"select {COLUMNS} from journal where journal_seq > ?"  # noqa: S608 - the columns are ours
    if daemon is None:
        found = db.execute(f"{sql} order by position", (after,))
    else:
        found = db.execute(f"{sql} and daemon = ? order by position", (after, daemon))
    yield from map(Row._make, found)


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that another process may be writing, to read only; JournalError where there is none."""
    if not path.exists():
        msg = f"no journal at {path}"
        raise JournalError(msg)
    return _connect(path, read_only=True)


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}{'?mode=ro' if read_only else ''}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0)
    db.execute("pragma trusted_schema = off")
    db.execute("pragma cell_size_check = on")
    return db


def _lock(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.fdopen(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        msg = f"{path} is in use by another lct process; stop it first"
        raise JournalError(msg) from None
    return handle
