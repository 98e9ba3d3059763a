"""The round log: what every round of replayed time hears, written before anyone hears it."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lct.errors import JournalError, Refused
from lct.store.sqlite import lock_of

USER_VERSION = 1
SCHEMA_SQL = """
create table round (
  number integer primary key, now_ns integer not null, md_seq integer not null, words blob not null
) strict;
create table bars (
  position integer primary key, number integer not null, now_ns integer not null, md_seq integer not null,
  tag text not null, word blob not null
) strict;
create index bars_of on bars (md_seq);
create table conductor (id integer primary key check (id = 1), epoch integer not null) strict;
"""


class Spoken(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A word of a round: the n-th that `speaker` said, to all or to one; `tag` is the type of its body."""

    speaker: str
    n: int
    tag: str
    body: msgspec.Raw
    to: str | None = None
    answers: str | None = None


class Round(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A round: its number, the house's time, the `md_seq` of the last bars told up to it, and the words it hears."""

    number: int
    now_ns: int
    md_seq: int
    words: tuple[Spoken, ...]


_WORDS = msgspec.msgpack.Decoder(tuple[Spoken, ...])
_WORD = msgspec.msgpack.Decoder(Spoken)


def _round(row: tuple[int, int, int, bytes]) -> Round:
    number, now_ns, md_seq, words = row
    return Round(number, now_ns, md_seq, _WORDS.decode(words))


class RoundLog:
    """Rounds in SQLite (WAL, NORMAL: a killed process loses nothing), alone.

    Words of the types that are heard again for a long time (`kept`, by tag) are kept apart, by the `md_seq` of the bars
    that were told last; whole rounds are forgotten as soon as nobody can need them.
    """

    def __init__(self, path: Path | None, kept: Sequence[str] = ()) -> None:
        """Open or make the file, or with None keep all in memory; JournalError where it cannot be used."""
        self._lock = None if path is None else lock_of(path)
        self._kept = frozenset(kept)
        try:
            self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, timeout=2.0)
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version not in {0, USER_VERSION}:
                raise Refused(f"{path} has schema {version}; this lct reads {USER_VERSION}")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            if not version:
                self._db.executescript(f"begin immediate; {SCHEMA_SQL} pragma user_version = {USER_VERSION}; commit;")
            self.epoch = 1 + (self._db.execute("select max(epoch) from conductor").fetchone()[0] or 0)
            self._db.execute(
                "insert into conductor values (1, ?) on conflict (id) do update set epoch = excluded.epoch",
                (self.epoch,),
            )
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"cannot use the round log {path}: {error}") from error

    def last(self) -> Round:
        """Return the round in progress; that of a new house is number 0."""
        found = self._db.execute("select number, now_ns, md_seq, words from round order by number desc limit 1")
        row = found.fetchone()
        return _round(row) if row else Round(0, 0, 0, ())

    def begin(self, round_: Round) -> None:
        """Write a round down for good; JournalError, and nothing written, where the disk does not take it."""
        kept = [word for word in round_.words if word.tag in self._kept]
        try:
            self._db.execute("begin immediate")
            body = msgspec.msgpack.encode(round_.words)
            self._db.execute(
                "insert into round values (?, ?, ?, ?)", (round_.number, round_.now_ns, round_.md_seq, body)
            )
            for word in kept:
                about = (round_.number, round_.now_ns, round_.md_seq, word.tag, msgspec.msgpack.encode(word))
                self._db.execute("insert into bars (number, now_ns, md_seq, tag, word) values (?, ?, ?, ?, ?)", about)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise JournalError(f"cannot write the round log: {error}; nothing was told") from error

    def between(self, first: int, last: int) -> Iterator[Round]:
        """Yield the rounds first..last; JournalError where one is forgotten already."""
        expected = first
        rows = self._db.execute(
            "select number, now_ns, md_seq, words from round where number between ? and ? order by number",
            (first, last),
        )
        for row in rows:
            if row[0] != expected:
                break
            expected += 1
            yield _round(row)
        if expected <= last:
            raise JournalError(f"round {expected} is not in the round log any more; the house cannot go on from there")

    def of_bars(self, tags: Sequence[str], after_md_seq: int, until_round: int) -> Iterator[tuple[int, Spoken]]:
        """Yield (now_ns, word) of some kept types since the bars after `after_md_seq`, heard up to a round."""
        marks = ",".join("?" * len(tags))
        rows = self._db.execute(
            f"select now_ns, word from bars where md_seq > ? and number <= ? and tag in ({marks}) order by position",  # noqa: S608
            (after_md_seq, until_round, *tags),
        )
        for now_ns, word in rows:
            yield now_ns, _WORD.decode(word)

    def forget(self, before_round: int, upto_md_seq: int) -> None:
        """Forget whole rounds before one, and kept words of the bars up to an `md_seq`."""
        self._db.execute("delete from round where number < ?", (before_round,))
        self._db.execute("delete from bars where md_seq <= ? and number < ?", (upto_md_seq, before_round))

    def close(self) -> None:
        """Close the file and let another process have it."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            self._lock.close()
