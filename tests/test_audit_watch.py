"""The checker beside a house that runs: on new rows only, and a halt that says why."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import tracemalloc
from itertools import count
from pathlib import Path

import pytest

from lct.audit import Audit
from lct.audit.beating import Beat
from lct.audit.watching import Watch
from lct.messages.base import Event, encode, tag_of
from lct.run.switch import standing as ordered
from lct.store.journal import Cursor, Fact
from lct.store.sqlite import SqliteJournal
from tests.audited import GOOD, OURS, Said, filled, held_by_both, intended, journal_of, moved, proposed, told

NOBODYS: list[Event] = [filled("t7", "w7", "buy", "1", "9", "filled")]
MIB = 1024 * 1024


def watch_of(folder: Path) -> Watch:
    return Watch(folder, lambda: Audit(OURS, kept=100), folder / "HALT", folder / "audit")


def in_one_file(folder: Path, said: list[Said]) -> SqliteJournal:
    made: SqliteJournal = journal_of(said, SqliteJournal(folder / "house.db", synchronous="NORMAL"))
    return made


def in_files(folder: Path, said: list[Said]) -> None:
    """A house of processes: a journal for each daemon."""
    for name in ("execution", "portfolio", "trading_engine"):
        made = journal_of([one for one in said if one.daemon == name], SqliteJournal(folder / f"{name}.db"))
        made.close()


def test_only_new_rows_are_folded_while_the_journal_is_being_written(tmp_path: Path) -> None:
    said = told(GOOD)
    watch = watch_of(tmp_path)
    assert watch.look() == []

    journal = SqliteJournal(tmp_path / "house.db", synchronous="NORMAL")
    seen = []
    for number in sorted({one.round for one in said}):
        journal_of([one for one in said if one.round == number], journal)
        assert watch.look() == []
        seen.append(watch.audit.chains.rows)
    journal.close()

    assert seen == sorted(set(seen)), "each look took what was new"
    assert seen[-1] == len(said)
    assert not (tmp_path / "HALT").exists()


def test_a_violation_writes_the_halt_whole_and_a_dump_and_only_once(tmp_path: Path) -> None:
    journal = in_one_file(tmp_path, told(GOOD))
    watch = watch_of(tmp_path)
    assert watch.look() == []

    journal_of([one for one in told([*GOOD, NOBODYS]) if one.round > 2 * len(GOOD)][:1], journal)
    found = watch.look()
    journal.close()

    assert [violation.invariant for violation in found] == ["I01"]
    order = ordered(tmp_path)
    assert order is not None, "execution reads the same file"
    assert order.by == "audit"
    assert order.reason.startswith("I01 does not hold")
    assert stat.S_IMODE((tmp_path / "HALT").stat().st_mode) == 0o600
    dumps = list((tmp_path / "audit").iterdir())
    document = json.loads(dumps[0].read_text())
    assert [len(dumps), document["invariant"], document["state"]["fills"]] == [1, "I01", 6]
    assert document["newest_rows"][-1]["type"] == "execution.filled"

    (tmp_path / "HALT").unlink()  # a person looked, and resumed
    assert watch.look() == []
    assert watch_of(tmp_path).look() == [], "another life of the watch finds it again, and knows it"
    assert not (tmp_path / "HALT").exists()


def test_a_house_of_processes_is_checked_across_its_files(tmp_path: Path) -> None:
    said = told(GOOD)
    (tmp_path / "sound").mkdir()
    (tmp_path / "lacking").mkdir()
    in_files(tmp_path / "sound", said)
    lost = next(one for one in said if one.daemon == "portfolio" and hasattr(one.event, "fill"))
    in_files(tmp_path / "lacking", [one for one in said if one is not lost])

    assert watch_of(tmp_path / "sound").look() == []
    assert [found.invariant for found in watch_of(tmp_path / "lacking").look()] == ["I17"]


def test_a_cut_tail_is_seen_by_the_seal(tmp_path: Path) -> None:
    in_one_file(tmp_path, told(GOOD)).close()
    db = sqlite3.connect(tmp_path / "house.db")
    db.execute("delete from journal where position = (select max(position) from journal)")
    db.commit()
    db.close()

    assert [found.invariant for found in watch_of(tmp_path).look()] == ["I16"]


def test_an_account_that_was_put_aside_is_followed_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "paper-paper-main"
    folder.mkdir()
    in_one_file(folder, told(GOOD)).close()
    watch = watch_of(folder)
    assert watch.look() == []

    folder.rename(tmp_path / "aside")
    folder.mkdir()
    in_one_file(folder, told(GOOD[:4])).close()

    assert watch.look() == []
    assert watch.audit.chains.rows == len(told(GOOD[:4]))


def test_a_journal_that_is_taken_away_is_missed(tmp_path: Path) -> None:
    in_files(tmp_path, told(GOOD))
    watch = watch_of(tmp_path)
    assert watch.look() == []

    (tmp_path / "portfolio.db").unlink()

    assert [found.detail for found in watch.look()] == ["portfolio.db: taken away, or replaced"]


def test_what_cannot_be_read_now_is_no_violation_and_is_not_left_out(tmp_path: Path) -> None:
    """Without execution's journal the others would seem to hold what nobody said."""
    in_files(tmp_path, told(GOOD))
    holder = sqlite3.connect(tmp_path / "execution.db", isolation_level=None)
    holder.execute("pragma locking_mode = exclusive")
    holder.execute("begin exclusive")
    watch = watch_of(tmp_path)

    assert watch.look() == []
    assert watch.blind == "database is locked"
    holder.close()
    assert watch.look() == []
    assert (watch.blind, watch.audit.chains.rows) == ("", len(told(GOOD)))


def test_its_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    """A hundred finished orders are remembered here; ten times as many rows need no more."""
    journal = in_one_file(tmp_path, told(GOOD))
    watch = watch_of(tmp_path)
    watch.look()
    seq, at = watch.audit.chains.heads["execution"][0], count(1_000)

    def trade(times: int) -> int:
        nonlocal seq
        for _ in range(times):
            name = f"m{next(at)}"
            asked = proposed(name, "buy", "1")
            pair: list[Event] = [intended(name, "buy", "1"), moved(name, "rejected")]
            facts = [Fact("trading_engine", "", tag_of(type(asked)), encode(asked))]
            for event in pair:
                seq += 1
                facts.append(Fact("execution", "", tag_of(type(event)), encode(_numbered(event, seq))))
            journal.commit(facts, Cursor(1, next(at)))
        assert watch.look() == []
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = trade(300)
        last = trade(3_000)
    finally:
        tracemalloc.stop()
        journal.close()
    assert last - first < MIB / 4


def _numbered(event: Event, seq: int) -> Event:
    from msgspec.structs import replace

    return replace(event, journal_seq=seq)  # type: ignore[call-arg] # both kinds have one


@pytest.mark.timeout(60)
def test_the_process_halts_a_house_within_a_look(tmp_path: Path) -> None:
    said = told(GOOD)
    journal = in_one_file(tmp_path, said)
    words = [sys.executable, "-m", "lct.audit", str(tmp_path), "--watch", "0.1"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        time.sleep(1.0)
        assert process.poll() is None
        assert not (tmp_path / "HALT").exists()
        journal_of([one for one in told([*GOOD, NOBODYS]) if one.round > 2 * len(GOOD)][:1], journal)
        assert process.stdout is not None, "it is a pipe"
        assert process.stdout.readline().startswith("I01")
        assert (tmp_path / "HALT").exists()
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
        journal.close()
    assert code == 0


def test_what_a_hearer_has_before_it_was_said_is_found_at_the_look(tmp_path: Path) -> None:
    said = told(GOOD)
    early = next(held_by_both(_numbered(filled("t8", "w8", "buy", "1", "9", "filled"), 999), 900, 0))
    in_one_file(tmp_path, [*said, early]).close()

    assert [found.invariant for found in watch_of(tmp_path).look()] == ["I17"]


def test_a_heartbeat_counts_lives_and_one_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.json"
    for _ in range(2):
        Beat(path, "audit", os.getppid())(True, "")
    Beat(tmp_path / "gone" / "audit.json", "audit", None)(True, "")

    told = json.loads(path.read_text())
    assert (told["daemon"], told["pid"], told["epoch"], told["ready"]) == ("audit", os.getpid(), 2, True)
    assert "no heartbeat" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["audit.json"]


def test_a_watch_ends_with_its_supervisor(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        Beat(tmp_path / "audit.json", "audit", os.getppid() + 1)(True, "")
