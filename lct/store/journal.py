"""The journal: durable events in one hash chain per daemon, with the cursor and the outbox of the last commit."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from lct.errors import JournalError

HASH_BYTES = 16
GENESIS = bytes(HASH_BYTES)
SCHEMA = 1


class Row(NamedTuple):
    """One durable event of one daemon. `heard_ref` names what made the daemon say it; `body` is msgpack."""

    daemon: str
    journal_seq: int
    epoch: int
    prev_hash: bytes
    hash: bytes
    heard_ref: str
    round: int
    now_ns: int
    type: str
    schema: int
    body: bytes


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One message of the outbox: the n-th that `speaker` said in the round, to all or to one."""

    speaker: str
    n: int
    body: msgspec.Raw
    destination: str | None = None
    answers: str | None = None


class Errand(msgspec.Struct, frozen=True, array_like=True):
    """A command for a port, which the commit that holds it allows to be carried out."""

    port: str
    body: msgspec.Raw


class Cursor(msgspec.Struct, frozen=True):
    """Where a process stood at its last commit.

    `md_seq` is that of the last bars delivered, `ports` the number of results heard from each port, `outbox` all that
    was said in the round `round` and is not delivered yet, `errands` its commands: whether they were carried out is not
    known, so the next life repeats them first, in this order. `heard` says up to which `journal_seq` the facts of each
    speaker were heard for good; rounds need it not, for there the round says it.
    """

    epoch: int = 0
    round: int = 0
    now_ns: int = 0
    md_seq: int = 0
    ports: dict[str, int] = {}
    outbox: tuple[Word, ...] = ()
    errands: tuple[Errand, ...] = ()
    heard: dict[str, int] = {}


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A durable event on its way into the journal."""

    daemon: str
    heard_ref: str
    type: str
    body: bytes


class Journal(Protocol):
    """Where a process that hosts one or more daemons keeps their durable events."""

    keeps_outbox: bool
    """Whether the outbox is kept at all; a digest cannot be recovered from, so it is spared the work."""
    is_read_only: bool
    """Whether commits are dropped; then nothing may be commanded either."""

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Make the facts and the cursor durable together, or raise JournalError and have done nothing."""
        ...

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows of one daemon, or of all, in the order of commit."""
        ...

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit; that of a new journal has epoch 0."""
        ...

    def digests(self) -> dict[str, str]:
        """Return the head of each daemon's hash chain, in hex."""
        ...

    def close(self) -> None:
        """Let go of the file, if there is one."""
        ...


class Chain:
    """The hash chains of a journal: each row's hash covers the row and the hash before it."""

    def __init__(self) -> None:
        """Start with no chain; a daemon's begins at GENESIS."""
        self.heads: dict[str, tuple[int, bytes]] = {}

    def fold(self, fact: Fact, cursor: Cursor) -> tuple[int, bytes, bytes]:
        """Append a fact to its daemon's chain; return its number, the hash before it, and its own."""
        daemon = fact.daemon
        seq, prev = self.heads.get(daemon, (0, GENESIS))
        seq += 1
        tail = (fact.heard_ref, cursor.round, cursor.now_ns, fact.type, SCHEMA, fact.body)
        digest = row_hash((daemon, seq, cursor.epoch, prev), tail)
        self.heads[daemon] = (seq, digest)
        return seq, prev, digest

    def link(self, fact: Fact, cursor: Cursor) -> Row:
        """Append a fact to its daemon's chain and return it as a row."""
        seq, prev, digest = self.fold(fact, cursor)
        head = (fact.daemon, seq, cursor.epoch, prev, digest)
        return Row(*head, fact.heard_ref, cursor.round, cursor.now_ns, fact.type, SCHEMA, fact.body)

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return {daemon: head.hex() for daemon, (_, head) in sorted(self.heads.items())}

    def seal(self, cursor: bytes) -> bytes:
        """Return blake2b-128 over an encoded cursor and all heads: a cursor counts only for the rows it came with."""
        heads = [f"\0{daemon}\0{seq}\0".encode() + digest for daemon, (seq, digest) in sorted(self.heads.items())]
        return blake2b(b"".join((cursor, *heads)), digest_size=HASH_BYTES).digest()

    def take(self, row: Row) -> None:
        """Follow an existing row, raising JournalError where it does not continue its chain."""
        seq, prev = self.heads.get(row.daemon, (0, GENESIS))
        if row.journal_seq != seq + 1:
            msg = f"journal of {row.daemon}: row {row.journal_seq} follows row {seq}; rows are missing or doubled"
            raise JournalError(msg)
        if row.schema != SCHEMA:
            msg = f"journal of {row.daemon}: row {row.journal_seq} has schema {row.schema}; this lct reads {SCHEMA}"
            raise JournalError(msg)
        if row.prev_hash != prev or row.hash != row_hash(row[:4], row[5:]):
            msg = f"journal of {row.daemon}: row {row.journal_seq} ({row.type}) does not match its hash; it was changed"
            raise JournalError(msg)
        self.heads[row.daemon] = (row.journal_seq, row.hash)


def row_hash(head: tuple[str, int, int, bytes], tail: tuple[str, int, int, str, int, bytes]) -> bytes:
    """Return blake2b-128 over all fields of a row but the hash itself, the fields before `body` kept apart by NULs."""
    daemon, seq, epoch, prev = head
    ref, round_, now_ns, kind, schema, body = tail
    text = f"{daemon}\0{seq}\0{epoch}\0{ref}\0{round_}\0{now_ns}\0{kind}\0{schema}\0".encode()
    return blake2b(prev + text + body, digest_size=HASH_BYTES).digest()


def verify(rows: Iterable[Row]) -> dict[str, int]:
    """Walk rows in order and return how many each daemon has; JournalError at the first that does not hold."""
    chain = Chain()
    for row in rows:
        chain.take(row)
    return {daemon: seq for daemon, (seq, _) in sorted(chain.heads.items())}


class DigestJournal:
    """Keeps only the hash chains: enough to show that two backtests did the same, in constant memory."""

    keeps_outbox = False
    is_read_only = False

    def __init__(self) -> None:
        """Start empty."""
        self._chain = Chain()

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Fold the facts into their chains."""
        for fact in facts:
            self._chain.fold(fact, cursor)

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield nothing: the rows were not kept."""
        yield from ()

    def cursor(self) -> Cursor:
        """Return the cursor of a new journal: a digest cannot be recovered from."""
        return Cursor()

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return self._chain.digests()

    def close(self) -> None:
        """Do nothing."""


class MemoryJournal:
    """The crash-model twin of the SQLite journal: commits are kept in memory, synced ones for good.

    `crash(lost)` returns what a power cut leaves: everything synced, and all but the last `lost` unsynced commits.
    """

    keeps_outbox = True
    is_read_only = False

    def __init__(self, *, sync_every: int = 1) -> None:
        """`sync_every` 1 is SQLite's FULL (each commit is synced); larger ones model NORMAL."""
        assert sync_every >= 1, "a journal that never syncs loses everything"
        self.sync_every = sync_every
        self._commits: list[tuple[tuple[Row, ...], Cursor]] = []
        self._synced = 0
        self._chain = Chain()

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Keep the facts and the cursor."""
        self._commits.append((tuple(self._chain.link(fact, cursor) for fact in facts), cursor))
        if len(self._commits) - self._synced >= self.sync_every:
            self._synced = len(self._commits)

    def newest(self) -> tuple[Row, ...]:
        """Return the rows of the last commit."""
        return self._commits[-1][0] if self._commits else ()

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        for rows, _ in self._commits:
            for row in rows:
                if daemon in (None, row.daemon) and row.journal_seq > after:
                    yield row

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit."""
        return self._commits[-1][1] if self._commits else Cursor()

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return self._chain.digests()

    def close(self) -> None:
        """Do nothing."""

    def crash(self, lost: int = 0) -> "MemoryJournal":
        """Return the journal as found after a crash that lost the last `lost` commits, but none that was synced."""
        left = MemoryJournal(sync_every=self.sync_every)
        left._commits = self._commits[: max(self._synced, len(self._commits) - lost)]
        left._synced = len(left._commits)
        for rows, _ in left._commits:
            for row in rows:
                left._chain.take(row)
        return left
