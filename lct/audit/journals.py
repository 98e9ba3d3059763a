"""Journals: a reading of its own of an account's folder, of files that somebody may be writing."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import localcontext
from pathlib import Path
from typing import Any

import msgpack

from lct.audit.chain import Row
from lct.audit.checking import Audit
from lct.audit.lives import Identity
from lct.audit.numbers import CONTEXT
from lct.audit.paper import NAME as PAPER
from lct.audit.paper import WRONG, Books, Paper

NO_JOURNALS = (PAPER, "rounds")
HEARERS = ("portfolio", "trading_engine")
EXECUTION = "execution"
WAIT_SECONDS = 0.5
CACHE_KIB = 64
CHUNK = 5_000
"""Rows read in one transaction: a reader that stays long keeps the writer's log from being cut."""
SQL = (
    "select position, daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body "
    "from journal where position > ? order by position limit ?"
)


class JournalFile:
    """One file, from the row that was read last on."""

    def __init__(self, path: Path) -> None:
        """Begin before the first row."""
        self.path = path
        self.name = path.stem
        self.inode = path.stat().st_ino
        self.heard = 0
        """Up to where its daemon has heard execution, by its cursor."""
        self.results: int | None = None
        """Up to which result it has heard the venue, by its cursor; None where there is none."""
        self._position = 0
        self._daemons: set[str] = set()

    def read(self, audit: Audit) -> None:
        """Give `audit` all rows that are new, and check the cursor. Raises sqlite3.Error where it cannot be read."""
        with closing(
            sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=WAIT_SECONDS
            )
        ) as db:
            db.execute("pragma trusted_schema = off")
            db.execute(f"pragma cache_size = -{CACHE_KIB}")  # rows are read once, in order
            while self._chunk(db, audit):
                pass

    def has(self, daemon: str) -> bool:
        """Whether rows of a daemon were read from it."""
        return daemon in self._daemons

    def _chunk(self, db: sqlite3.Connection, audit: Audit) -> bool:
        """Read a chunk in one transaction; return whether there may be more."""
        db.execute("begin")
        try:
            count = 0
            for position, *fields in db.execute(SQL, (self._position, CHUNK)):
                row: Row = tuple(fields)
                if position != self._position + 1:
                    text = f"the row at place {position} follows that at place {self._position}"
                    audit.findings.add("I17", text, row[0], row[1])
                self._position = position
                self._daemons.add(row[0])
                audit.take(row)
                count += 1
            if count < CHUNK:
                self._check_cursor(db, audit)
        finally:
            db.execute("rollback")
        return count == CHUNK

    def _check_cursor(self, db: sqlite3.Connection, audit: Audit) -> None:
        found = db.execute("select body, seal from cursor").fetchone()
        if found is None:
            if self._daemons:
                audit.findings.add("I16", "there are rows, but no cursor", self.name, 0)
            return
        body, seal = found
        audit.chains.check_seal(self.name, body, seal, self._daemons)
        try:
            cursor: Any = msgpack.unpackb(body)
            audit.chains.check_epoch(self.name, int(cursor["epoch"]), self._daemons)
            self.heard = int(cursor["heard"].get(EXECUTION, 0))
            self.results = int(cursor["ports"].get("exchange", 0))
        except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
            audit.findings.add("I16", f"the cursor cannot be read: {error}", self.name, 0)


def paths(place: Path) -> list[Path]:
    """Return the journals of a folder (a file is itself), execution's last: what the others hold of it was said."""
    if not place.is_dir():
        return [place]
    found = [path for path in sorted(place.glob("*.db")) if path.stem not in NO_JOURNALS and _may_be_journal(path)]
    return sorted(found, key=lambda path: path.stem == EXECUTION)


def _may_be_journal(path: Path) -> bool:
    """Whether a file has the table of a journal, or cannot be read now or at all; an empty one is still to become one.

    What is busy must not be left out: the others would seem to hold what nobody said.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)) as db:
            return any(name == "journal" for (name,) in db.execute("select name from sqlite_schema"))
    except sqlite3.DatabaseError:
        return True


def read(files: list[JournalFile], audit: Audit, paper: Paper | None = None) -> None:
    """Read what is new in all files, and check what must hold once all is known, by a paper account too if given."""
    _read(files, audit, paper)
    if audit.execution.proposals.waits():
        _read(files, audit, paper)


def _read(files: list[JournalFile], audit: Audit, paper: Paper | None) -> None:
    books = _kept_by(paper, audit)  # first: whatever of it the journal has not heard by then is among its results
    for file in files:
        try:
            file.read(audit)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            audit.findings.add("I16", f"{file.path.name} cannot be read: {error}", file.name, 0)
    is_alone = len(files) == 1 and EXECUTION not in audit.chains.heads
    audit.settle(has_execution=not is_alone)
    if is_alone:
        return  # one journal of many: nobody knows what execution said
    last = audit.chains.heads.get(EXECUTION, (0, b""))[0]
    for file in files:
        if paper is not None and books is not None and file.results is not None and file.has(EXECUTION):
            _compare(paper, books, audit, file.results)
        for hearer in audit.hearers:
            if file.name == hearer.name:
                hearer.check_cursor(file.heard, last)


def _kept_by(paper: Paper | None, audit: Audit) -> Books | None:
    try:
        return None if paper is None else paper.read()
    except sqlite3.OperationalError:
        raise
    except WRONG as error:
        audit.findings.add("I16", f"the paper account cannot be read: {error}", EXECUTION, 0)
        return None


def _compare(paper: Paper, books: Books, audit: Audit, heard: int) -> None:
    with localcontext(CONTEXT):
        try:
            found = paper.objections(books, audit.execution, heard)
        except WRONG as error:
            found = [("I22", f"a result of the paper account is malformed: {type(error).__name__} {error}")]
    for invariant, detail in found:
        audit.findings.add(invariant, detail, EXECUTION, 0)


def identity_of(place: Path, install_id: str | None, told: dict[str, Any] | None) -> Identity | None:
    """Return whose orders a folder has: by its house.json and the home's install_id, or as told; None if unknown."""
    folder = place if place.is_dir() else place.parent
    known = dict(_kept(folder / "house.json") or told or {})
    if install_id is None:
        path = folder.parent.parent / "install_id"
        install_id = path.read_text().strip() if path.is_file() else (told or {}).get("install_id")
    if install_id is None or not {"venue", "account"} <= known.keys():
        return None
    return Identity(install_id, known["venue"], known["account"])


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def files(place: Path) -> Iterator[JournalFile]:
    """Yield the journals of a folder, unread."""
    yield from map(JournalFile, paths(place))
