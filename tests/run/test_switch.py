"""The kill switch: what its file says, when execution hears of it, and which of three ways took effect."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import now_ns
from lct.domain.risk import Standing
from lct.errors import NoAnswer, Refused
from lct.messages.base import encode
from lct.messages.exchange import HaltOrdered
from lct.messages.execution import Done, Halt, StandingSet
from lct.run import switch
from lct.run.switch import FILE, Switch, folders_in_hand, halt, pull, release, standing
from lct.store.journal import Cursor, Fact
from lct.store.sqlite import SqliteJournal


def silent(request: Halt) -> Done:
    raise NoAnswer("execution is not running")


def test_the_file_says_who_and_why_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = now_ns()
    path = pull(tmp_path / "paper-x", "too hot", "ada")

    found = standing(tmp_path / "paper-x")
    assert found is not None
    assert (found.reason, found.by) == ("too hot", "ada")
    assert before <= found.time_ns <= now_ns()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(json.loads(path.read_text())) == ["reason", "by", "time_ns"]
    assert [one.name for one in path.parent.iterdir()] == [FILE]


def test_pulling_twice_leaves_the_newer_order_and_releasing_leaves_nothing(tmp_path: Path) -> None:
    pull(tmp_path, "one", "ada")
    pull(tmp_path, "two", "bob")

    assert standing(tmp_path)[:2] == ("two", "bob")  # type: ignore[index]
    assert [release(tmp_path), release(tmp_path)] == [True, False]
    assert standing(tmp_path) is None


@given(st.binary(max_size=400))
def test_whatever_the_file_holds_it_halts_and_its_words_can_be_journaled(raw: bytes) -> None:
    order = switch._read(raw)  # noqa: SLF001 - a file for each example would take longer

    assert encode(HaltOrdered(1, 0, order.reason, order.by))
    assert "\x1b" not in order.reason + order.by


VALUES = st.sampled_from([None, -1, 7, 2**80, float("inf"), "", "9" * 5_000, "\ud800", "\x1b[2J", "ada", [], {}])


@given(st.dictionaries(st.sampled_from(["reason", "by", "time_ns"]), VALUES))
def test_whatever_json_the_file_holds_it_halts(told: dict[str, object]) -> None:
    order = switch._read(json.dumps(told).encode())  # noqa: SLF001 - as above

    assert encode(HaltOrdered(1, 0, order.reason, order.by))
    assert order.time_ns >= 0


def test_a_file_that_was_only_touched_halts(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()

    assert standing(tmp_path) == ("", f"the file {FILE}", 0)


def test_a_file_that_cannot_be_read_halts(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()

    assert "cannot be read" in standing(tmp_path).reason  # type: ignore[union-attr]


# -- the port ------------------------------------------------------------------------------------------------------


def given_by(port: Switch) -> list[HaltOrdered]:
    """Look, and take what is due."""
    port.look()
    port.offer()
    return port.results(7) if port.due_ns() is not None else []  # type: ignore[return-value]


def test_each_content_of_the_file_is_given_once(tmp_path: Path) -> None:
    port = Switch(tmp_path)
    nothing = given_by(port)
    pull(tmp_path, "one", "ada")
    first, again = given_by(port), given_by(port)
    pull(tmp_path, "two", "ada")
    second = given_by(port)
    release(tmp_path)
    gone = given_by(port)

    assert nothing == again == gone == []
    assert first == [HaltOrdered(1, 7, "one", "ada")]
    assert second == [HaltOrdered(2, 7, "two", "ada")]
    assert port.given == 2


def test_a_file_that_still_stands_is_given_to_the_next_life_too(tmp_path: Path) -> None:
    pull(tmp_path, "one", "ada")
    given_by(Switch(tmp_path))
    port = Switch(tmp_path)
    port.resume(1)

    assert given_by(port) == [HaltOrdered(2, 7, "one", "ada")]


def test_the_same_file_halts_again_after_it_was_gone(tmp_path: Path) -> None:
    port = Switch(tmp_path)
    (tmp_path / FILE).write_text("stop")
    first = given_by(port)
    release(tmp_path)
    given_by(port)
    (tmp_path / FILE).write_text("stop")

    assert [one.number for one in (*first, *given_by(port))] == [1, 2]


def test_what_was_seen_is_not_due_before_it_is_offered(tmp_path: Path) -> None:
    """Rounds of an earlier life are lived again between the two."""
    port = Switch(tmp_path)
    pull(tmp_path, "one", "ada")

    assert port.look()
    assert (port.due_ns(), port.results(7)) == (None, [])
    port.offer()
    assert port.due_ns() == 0


def test_execution_looks_when_a_signal_comes_and_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "LOOK_SECONDS", 0.02)

    async def live() -> None:
        looked, told = asyncio.Event(), asyncio.Event()
        with ExitStack() as stack:
            by_itself, by_signal = Switch(tmp_path / "a"), Switch(tmp_path / "b")
            by_itself.attend(stack, looked.set)
            pull(tmp_path / "a", "", "ada")
            await looked.wait()
            monkeypatch.setattr(switch, "LOOK_SECONDS", 60)
            by_signal.attend(stack, told.set)
            pull(tmp_path / "b", "", "ada")
            os.kill(os.getpid(), signal.SIGUSR1)
            await told.wait()

    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        asyncio.run(asyncio.wait_for(live(), 10))
    finally:
        signal.signal(signal.SIGUSR1, before)


# -- pulling it from outside ---------------------------------------------------------------------------------------


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder of an account in a home that has a run directory."""
    (tmp_path / "run").mkdir()
    folder = tmp_path / "journal" / "paper-paper-main"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def process(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that looks like execution, and ends with 7 when it is told to look."""
    code = "import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7)); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "execution"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one
        one.kill()


def say_hello(home: Path, pid: int) -> None:
    presence.write(home / "run", Presence("execution", pid, 1, True, now_ns(), now_ns()))


def test_with_nobody_there_the_file_stands_and_nothing_is_confirmed(tmp_path: Path, account: Path) -> None:
    found = halt(tmp_path, [account], Halt("too hot", "ada"), silent)

    assert found.files == (account / FILE,)
    assert (found.pid, found.reply, found.is_confirmed) == (None, None, False)
    assert found.unanswered == "execution is not running"


def test_the_file_is_written_before_anybody_is_asked(tmp_path: Path, account: Path) -> None:
    found: list[bool] = []

    def look(request: Halt) -> Done:
        found.append((account / FILE).exists())
        return Done(Standing.HALTED, True, "halted")

    assert halt(tmp_path, [account], Halt("", "ada"), look).is_confirmed
    assert found == [True]


def test_execution_is_told_by_a_signal(
    tmp_path: Path, account: Path, process: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "JOURNAL_SECONDS", 0.0)
    say_hello(tmp_path, process.pid)
    found = halt(tmp_path, [account], Halt("", "ada"), silent)

    assert found.pid == process.pid
    assert process.wait(10) == 7


def test_another_process_under_the_number_of_execution_gets_no_signal(tmp_path: Path, account: Path) -> None:
    """SIGUSR1 ends a process that does not know it, and a number is reused."""
    with subprocess.Popen([sys.executable, "-c", "input()", "portfolio"], stdin=subprocess.PIPE) as other:
        say_hello(tmp_path, other.pid)
        found = halt(tmp_path, [account], Halt("", "ada"), silent)

        assert found.pid is None
        assert other.poll() is None
        other.kill()


def journaled(account: Path, *standings: StandingSet) -> SqliteJournal:
    journal = SqliteJournal(account / "execution.db", synchronous="NORMAL")
    facts = [Fact("execution", "x:0:0", "execution.standing_set", encode(one)) for one in standings]
    journal.commit(facts, Cursor(1, 1, 0, 0))
    return journal


HALTED = StandingSet(1, 0, Standing.HALTED, None, "too hot", "ada")
FROZEN = StandingSet(2, 0, Standing.REDUCING, "BTC/USDT", "an order is unknown", "execution")
ACTIVE = StandingSet(2, 0, Standing.ACTIVE, None, "", "ada")


def test_the_journal_confirms_what_execution_does_not_answer(
    tmp_path: Path, account: Path, process: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "JOURNAL_SECONDS", 0.0)
    say_hello(tmp_path, process.pid)
    journal = journaled(account, HALTED, FROZEN)
    alive = halt(tmp_path, [account], Halt("", "ada"), silent)
    journal.close()
    dead = halt(tmp_path, [account], Halt("", "ada"), silent)

    assert (alive.is_journaled, alive.was_halted) == (True, True)
    assert alive.is_confirmed
    assert not dead.is_confirmed, "nobody holds the journal: what it says is of a life that is over"


def test_a_journal_that_was_resumed_confirms_nothing(tmp_path: Path, account: Path) -> None:
    journal = journaled(account, HALTED, ACTIVE)
    found = halt(tmp_path, [account], Halt("", "ada"), silent)
    journal.close()

    assert not found.is_confirmed


def test_a_folder_that_cannot_be_written_stops_neither_the_signal_nor_the_question(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "file").write_text("")
    found = halt(tmp_path, [tmp_path / "file" / "x"], Halt("", "ada"), lambda _: Done(Standing.HALTED, True, "halted"))

    assert found.files == ()
    assert len(found.unwritten) == 1
    assert found.is_confirmed


def test_a_refusal_is_no_confirmation(tmp_path: Path, account: Path) -> None:
    def refuse(request: Halt) -> Done:
        raise Refused("no")

    assert not halt(tmp_path, [account], Halt("", "ada"), refuse).is_confirmed


def test_the_accounts_in_hand_are_those_whose_journals_are_locked(tmp_path: Path, account: Path) -> None:
    (tmp_path / "journal" / "paper-paper-other").mkdir()
    before = folders_in_hand(tmp_path)
    journal = journaled(account)
    during = folders_in_hand(tmp_path)
    journal.close()

    assert (before, during, folders_in_hand(tmp_path)) == ([], [account], [])
