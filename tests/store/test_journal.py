"""The journal: what is committed is there, whole, and nothing that was changed goes unnoticed."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lct.errors import JournalError, Refused
from lct.store.journal import Cursor, DigestJournal, Fact, Journal, MemoryJournal, verify
from lct.store.sqlite import ReadJournal, SqliteJournal

DAEMONS = ("execution", "portfolio", "trading_engine")


def facts(n: int) -> list[Fact]:
    return [Fact(DAEMONS[i % 3], f"bus:{n}:{i}", "test.kept", bytes([n % 256, i])) for i in range(n % 4)]


def fill(journal: Journal, commits: int, first: int = 1) -> None:
    for n in range(first, first + commits):
        journal.commit(facts(n), Cursor(1, n, n * 1_000, n))


def written(path: Path, commits: int = 20) -> Path:
    """Make a journal and fold its WAL into the file."""
    journal = SqliteJournal(path / "house.db", synchronous="NORMAL")
    fill(journal, commits)
    journal.close()
    return path / "house.db"


def content(path: Path) -> tuple[list, Cursor]:
    journal = SqliteJournal(path)
    try:
        rows = list(journal.rows())
        assert sorted(rows) == sorted(row for daemon in DAEMONS for row in journal.rows(daemon))
        return rows, journal.cursor()
    finally:
        journal.close()


@pytest.fixture
def opened() -> Iterator[Callable[..., SqliteJournal]]:
    """Opens journals and closes them in the end."""
    with ExitStack() as stack:

        def open_one(path: Path, kind: Any = SqliteJournal) -> Any:
            return stack.enter_context(closing(kind(path)))

        yield open_one


# --- what all journals share


def test_all_journals_agree_on_the_digests_of_the_same_commits(tmp_path, opened):
    journals = [DigestJournal(), MemoryJournal(), MemoryJournal(sync_every=7), opened(tmp_path / "house.db")]

    for journal in journals:
        fill(journal, 20)

    assert len({tuple(journal.digests().items()) for journal in journals}) == 1
    assert list(journals[1].rows()) == list(journals[3].rows())
    assert journals[1].cursor() == journals[3].cursor() == Cursor(1, 20, 20_000, 20)


def test_rows_of_one_daemon_begin_after_a_number(tmp_path, opened):
    journals = [MemoryJournal(), opened(tmp_path / "house.db")]
    for journal in journals:
        fill(journal, 20)

    for journal in journals:
        seqs = [row.journal_seq for row in journal.rows("execution", after=5)]
        assert seqs == list(range(6, verify(journal.rows())["execution"] + 1))


@given(st.integers(1, 6), st.integers(0, 30), st.integers(0, 40))
def test_a_power_cut_takes_only_what_was_not_synced(sync_every, commits, lost):
    journal = MemoryJournal(sync_every=sync_every)
    fill(journal, commits)

    left = journal.crash(lost)

    synced = commits - commits % sync_every
    kept = max(synced, commits - lost)
    assert left.cursor().round == kept
    assert list(left.rows()) == [row for row in journal.rows() if row.round <= kept]
    if sync_every == 1:
        assert left.digests() == journal.digests()
    verify(left.rows())


# --- changes


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_changed_byte_of_a_row_is_noticed(data, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("journal"), 8)
    db = sqlite3.connect(path)
    names = [row[1] for row in db.execute("pragma table_info(journal)")]
    position = data.draw(st.integers(1, db.execute("select count(*) from journal").fetchone()[0]))
    name = data.draw(st.sampled_from(names))
    value = db.execute(f"select {name} from journal where position = ?", (position,)).fetchone()[0]
    if isinstance(value, int):
        value ^= 1 << data.draw(st.integers(0, 40))
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 6))
        value = raw.decode("utf-8", "replace") if name in {"daemon", "heard_ref", "type"} else bytes(raw)
    try:
        db.execute(f"update journal set {name} = ? where position = ?", (value, position))
    except sqlite3.IntegrityError:
        return
    db.commit()
    db.close()

    with pytest.raises(JournalError):
        content(path)


DAMAGES = {
    "a row is missing": "delete from journal where position = 7",
    "the last row is missing": "delete from journal where position = (select max(position) from journal)",
    "the first row is missing": "delete from journal where position = 1",
    "all rows are missing": "delete from journal",
    "a row is doubled": "insert into journal select 1000, daemon, journal_seq + 100, epoch, prev_hash, hash, "
    "heard_ref, round, now_ns, type, schema, body from journal where position = 7",
    "two rows are swapped": "update journal set position = case position when 5 then -8 when 8 then -5 end "
    "where position in (5, 8); update journal set position = -position where position < 0",
    "the cursor is missing": "delete from cursor",
    "the cursor was changed": "update cursor set body = cast(substr(body, 1, length(body) - 1) || x'07' as blob)",
    "the cursor is of an earlier commit": "update cursor set (body, seal) = (select body, seal from kept)",
}


@pytest.mark.parametrize("sql", DAMAGES.values(), ids=DAMAGES.keys())
def test_missing_doubled_and_reordered_rows_are_noticed(sql, tmp_path):
    path = written(tmp_path, 10)
    db = sqlite3.connect(path)
    db.execute("create temp table kept as select * from cursor")
    kept = db.execute("select * from cursor").fetchall()
    db.close()
    journal = SqliteJournal(path)
    fill(journal, 10, first=11)
    journal.close()
    db = sqlite3.connect(path)
    db.execute("create temp table kept (id, body, seal)")
    db.executemany("insert into kept values (?, ?, ?)", kept)

    db.executescript(sql)
    db.commit()
    db.close()

    with pytest.raises(JournalError):
        SqliteJournal(path)
    with pytest.raises(JournalError):
        ReadJournal(path)


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_byte_of_the_file_is_refused_or_changes_nothing(seed, tmp_path):
    path = written(tmp_path)
    whole, (rows, cursor) = path.read_bytes(), content(path)
    noticed = 0

    for at in range(seed, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        try:
            assert content(path) == (rows, cursor), f"byte {at}"
        except JournalError:
            noticed += 1

    assert noticed > 10


@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(left, tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left)])

    if left == 0.0:
        assert content(path) == ([], Cursor())  # nothing is left that could tell
    else:
        with pytest.raises(JournalError):
            SqliteJournal(path)


def test_without_its_wal_a_journal_is_an_earlier_one_and_whole(tmp_path, opened):
    path = written(tmp_path, 10)
    journal = opened(path)
    fill(journal, 10, first=11)
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())

    rows, cursor = content(copy)

    assert rows == list(journal.rows())[: len(rows)]
    assert cursor.round == 10


# --- files that are not ours, and others that want ours


@pytest.mark.parametrize("junk", [b"not a database", b"SQLite format 3\0" + b"x" * 5000, bytes(8192)])
def test_a_foreign_file_is_refused_and_left_alone(junk, tmp_path):
    path = tmp_path / "house.db"
    path.write_bytes(junk)

    for kind in (SqliteJournal, ReadJournal):
        with pytest.raises(JournalError):
            kind(path)

    assert path.read_bytes() == junk


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "house.db"
    db = sqlite3.connect(path)
    db.executescript("create table diary (day text); insert into diary values ('monday');")
    db.close()
    before = path.read_bytes()

    for kind in (SqliteJournal, ReadJournal):
        with pytest.raises(JournalError, match="not a journal of lct"):
            kind(path)

    assert path.read_bytes() == before


def test_a_newer_schema_is_named(tmp_path):
    path = written(tmp_path)
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 9")
    db.close()

    for kind in (SqliteJournal, ReadJournal):
        with pytest.raises(JournalError, match=r"has schema 9; this lct reads 1. Use the lct that wrote it"):
            kind(path)


def test_a_folder_that_cannot_be_made_is_a_journal_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalError, match="cannot use the journal"):
        SqliteJournal(tmp_path / "file" / "house.db")


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    path = tmp_path / "house.db"
    hold = "import sys; from pathlib import Path; from lct.store.sqlite import SqliteJournal\n"
    hold += "journal = SqliteJournal(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()

    with pytest.raises(Refused, match="in use by another lct process"):
        SqliteJournal(path)
    other.kill()
    other.wait()
    other.stdout.close()
    if other.stdin:
        other.stdin.close()

    SqliteJournal(path).close()


def test_who_reads_sees_one_commit_while_another_writes(tmp_path, opened):
    journal = opened(tmp_path / "house.db")
    fill(journal, 9)
    reader = opened(tmp_path / "house.db", ReadJournal)
    rows = list(journal.rows())

    fill(journal, 9, first=10)
    reader.commit(facts(3), Cursor(99))

    assert list(reader.rows()) == rows
    assert reader.cursor() == Cursor(1, 9, 9_000, 9)
    assert opened(tmp_path / "house.db", ReadJournal).digests() == journal.digests() != reader.digests()


def test_there_is_nothing_to_read_where_nothing_was_written(tmp_path):
    (tmp_path / "empty.db").write_bytes(b"")

    with pytest.raises(JournalError, match="no journal at"):
        ReadJournal(tmp_path / "house.db")
    with pytest.raises(JournalError, match="is empty"):
        ReadJournal(tmp_path / "empty.db")


def test_nobody_else_can_read_a_journal(tmp_path, opened):
    before = os.umask(0o022)
    try:
        journal = opened(tmp_path / "home" / "house.db")
        fill(journal, 3)
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").iterdir()}

    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert modes == dict.fromkeys(("house.db", "house.db-shm", "house.db-wal", "house.lock"), 0o600)


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from lct.errors import JournalError
from lct.store.journal import Cursor, Fact
from lct.store.sqlite import SqliteJournal

journal = SqliteJournal(Path(sys.argv[1]), synchronous="NORMAL")
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))
for n in range(1, 1000):
    before = journal.digests()
    try:
        journal.commit([Fact("execution", f"x:{n}:{i}", "test.kept", b"x" * 900) for i in range(9)], Cursor(1, n))
    except JournalError as error:
        assert "nothing was sent" in str(error), error
        assert journal.digests() == before
        print(n - 1)
        break
"""


def test_a_full_disk_fails_the_commit_and_leaves_no_half_of_it(tmp_path, opened):
    path = tmp_path / "house.db"

    done = subprocess.run([sys.executable, "-c", FILL_THE_DISK, path], capture_output=True, text=True, check=True)

    journal = opened(path)
    commits = int(done.stdout)
    assert journal.cursor().round == commits > 2
    assert verify(journal.rows()) == {"execution": 9 * commits}
    fill(journal, 3, first=commits + 1)
