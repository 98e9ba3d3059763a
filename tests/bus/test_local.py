"""The local bus: in which order words are delivered, when time moves, and what must last before it leaves."""

from collections.abc import Iterator
from typing import Any

import pytest

from lct.bus import local
from lct.daemon import Ask, Daemon, Do, Later, Never, answers, on
from lct.errors import JournalError, LctError
from lct.messages.base import Event
from lct.messages.market_data import BarsClosed
from lct.store.journal import Cursor, Fact, MemoryJournal
from tests.bus.small_house import (
    Act,
    Clock,
    DiesAfter,
    Kept,
    Ledger,
    Listener,
    Oracle,
    Question,
    Reply,
    Script,
    Tick,
    Unanswered,
    Word,
    seated,
)

# --- order and time


def test_a_round_is_heard_by_speaker_and_by_place_then_results_then_timers():
    class Both(Listener):
        name = "both"

        def recovered(self, now_ns: int) -> Iterator[Later]:
            yield Later("b", 10, Tick("timer b, set first"))
            yield Later("a", 10, Tick("timer a"))
            yield Later("z", 9, Tick("timer z, due earlier"))

    class Late(Daemon):
        """Makes two words fall into the round in which results and timers are due."""

        name = "zeta"

        def recovered(self, now_ns: int) -> Iterator[Later]:
            yield Later("go", 9, Kept("go"))

        @on(Kept)
        def go(self, kept: Kept, now_ns: int) -> tuple[Event, ...]:
            return (Word("zeta 1"), Word("zeta 2"))

    class Alpha(Late):
        name = "alpha"

        @on(Kept)
        def go(self, kept: Kept, now_ns: int) -> tuple[Event, ...]:
            return (Word("alpha 1"), Word("alpha 2"))

    both = Both()
    port = Script("both", (9, Tick("result 1")), (9, Tick("result 2")), role="first")
    bus = seated(both, Late(), Alpha(), ports=(port,))

    bus.run()

    assert [text for _, text in both.heard] == [
        "result 1",
        "result 2",
        "timer z, due earlier",
        "alpha 1",
        "alpha 2",
        "zeta 1",
        "zeta 2",
        "timer a",
        "timer b, set first",
    ]


def test_words_come_before_results_and_those_before_timers_of_one_round():
    class Ear(Listener):
        name = "ear"

        @on(BarsClosed)
        def never(self, _: Any, now_ns: int) -> None: ...

        def recovered(self, now_ns: int) -> Iterator[Any]:
            yield Later("t", 0, Tick("timer"))
            yield Word("word")

    ear = Ear()

    seated(ear, ports=(Script("ear", (0, Tick("result"))),)).run()

    assert [text for _, text in ear.heard] == ["word", "result", "timer"]


def test_time_moves_only_when_all_is_quiet_and_to_the_smallest_due_time():
    class Chatter(Listener):
        name = "chatter"

        @on(Tick)
        def hear(self, tick: Tick, now_ns: int) -> Iterator[Event]:
            self.heard.append((now_ns, tick.text))
            left = int(tick.text or 0)
            if left:
                yield Tick(str(left - 1))

    times: list[int] = []
    chatter = Chatter()
    bus = seated(chatter, ports=(Script("chatter", (5, Tick("3")), (6, Tick("1"))),))

    bus.run(on_time=times.append)

    assert times == [5, 6]
    assert chatter.heard == [(5, "3"), (5, "2"), (5, "1"), (5, "0"), (6, "1"), (6, "0")]


def test_a_timer_of_the_same_id_is_replaced_and_a_forgotten_one_never_rings():
    clock = Clock(
        Later("a", 5, Tick("old")), Later("a", 7, Tick("new")), Later("b", 6, Tick("forgotten")), Never("b"), Never("c")
    )

    seated(clock).run()

    assert clock.heard == [(7, "new")]


def test_a_timer_can_forget_or_replace_another_that_is_due_with_it():
    clock = Clock(
        *(Later(name, 5, Tick(name)) for name in ("a", "b", "c")),
        then={"a": (Never("b"), Later("c", 8, Tick("c, later")))},
    )

    seated(clock).run()

    assert clock.heard == [(5, "a"), (8, "c, later")]


def test_a_timer_that_is_due_at_once_is_heard_in_the_next_round():
    clock = Clock(
        Later("a", 5, Tick("a")), Later("b", 5, Tick("b")), then={"a": (Word("said"), Later("c", 5, Tick("at once")))}
    )

    seated(clock).run()

    assert [text for _, text in clock.heard] == ["a", "b", "said", "at once"]


def test_a_house_that_never_rests_is_stopped_with_an_error(monkeypatch):
    monkeypatch.setattr(local, "ROUNDS_AT_ONE_TIME_MAX", 50)
    bus = seated(Clock(Word("echo"), then={"echo": (Word("echo"),)}))

    with pytest.raises(LctError, match="without coming to rest"):
        bus.run()


def test_a_run_stops_at_the_bars_it_was_asked_for_and_goes_on_from_there():
    def bars(n: int) -> BarsClosed:
        return BarsClosed(n, n, n - 1, "1m", (), [], [], [], [], [])

    class Ear(Daemon):
        name = "ear"
        count = 0

        @on(Tick)
        def tell(self, tick: Tick, now_ns: int) -> tuple[Event, ...]:
            return (bars(now_ns), Word("beside it")) if now_ns % 2 else (bars(now_ns),)

        @on(BarsClosed)
        def hear(self, heard: BarsClosed, now_ns: int) -> tuple[Event, ...]:
            self.count += 1
            return (Word(f"caused by {heard.md_seq}"),)

    listener = Listener()
    bus = seated(Ear(), listener, ports=(Script("ear", *((n, Tick()) for n in range(1, 9))),))

    bus.run(until_md_seq=3)
    first = (bus.md_seq, bus.now_ns, listener.heard[-1])
    bus.run(until_md_seq=3)
    bus.run()

    assert first == (3, 3, (3, "caused by 3"))
    assert (bus.md_seq, bus.now_ns) == (8, 8)
    assert [t for _, t in listener.heard if t.startswith("caused")] == [f"caused by {n}" for n in range(1, 9)]


# --- asking


def test_a_client_asks_without_leaving_a_trace():
    def run(*, asks: bool) -> tuple[int, dict[str, str]]:
        bus = seated(Ledger(), Oracle(), ports=(Script("ledger", (1, Tick("a")), (2, Tick("b"))),))
        bus.run(until_md_seq=0)
        if asks:
            assert [bus.ask(Question("x")).text for _ in range(3)] == ["X", "X", "X"]
        bus.run()
        return bus.round, bus.journal.digests()

    assert run(asks=True) == run(asks=False)


def test_a_question_in_the_middle_of_a_run_changes_no_digest():
    def run(*, asks: bool) -> tuple[int, dict[str, str]]:
        class Bars(Ledger):
            @on(Word)
            def beat(self, word: Word, now_ns: int) -> tuple[Event, ...]:
                return (BarsClosed(now_ns, now_ns, 0, "1m", (), [], [], [], [], []), Kept(word.text))

        bus = seated(Bars(), Oracle(), ports=(Script("ledger", *((n, Word(str(n))) for n in range(1, 9))),))
        for n in range(1, 9):
            bus.run(until_md_seq=n)
            if asks:
                bus.ask(Question())
        return bus.round, bus.journal.digests()

    assert run(asks=True) == run(asks=False)


def test_a_question_that_nobody_answers_is_an_error_and_not_silence():
    bus = seated(Oracle())

    with pytest.raises(LctError, match=r"nobody in this house answers bus_test.unanswered"):
        bus.ask(Unanswered())

    assert bus.ask(Question("still there")).text == "STILL THERE"


@pytest.mark.parametrize("more", [(), (Word("x"),)], ids=["alone", "among others"])
def test_a_request_that_nobody_answers_ends_the_house(more):
    bus = seated(Clock(Ask(Unanswered()), *more))

    with pytest.raises(AssertionError, match=r"nobody answers bus_test.unanswered of clock"):
        bus.run()


def test_a_reply_to_an_earlier_life_is_not_taken_for_this_one():
    class Clerk(Ledger):
        @answers(Question)
        def note(self, question: Question, now_ns: int) -> Iterator[Any]:
            yield Kept(question.text)
            return Reply(f"noted {question.text}")

    journal = DiesAfter(2)
    with pytest.raises(KeyboardInterrupt):
        seated(Clerk(), journal=journal).ask(Question("first"))  # its reply is in the outbox

    again = seated(Clerk(), journal=journal.crash())

    assert again.ask(Question("second")).text == "noted second"


# --- what must last before it leaves


class Watched(MemoryJournal):
    """Notes what had been done outside when each commit came."""

    def __init__(self, port: Script) -> None:
        super().__init__()
        self.port = port
        self.seen: list[tuple[int, int]] = []

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        self.seen.append((len(facts), len(self.port.done)))
        super().commit(facts, cursor)


class Full(MemoryJournal):
    """A disk that fills up after some commits."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        if not self.room:
            raise JournalError("disk full")
        self.room -= 1
        super().commit(facts, cursor)


def test_a_durable_event_is_seen_by_the_next_message_of_its_batch():
    ledger = Ledger()

    seated(ledger, ports=(Script("ledger", (1, Tick("a")), (1, Tick("b"))),)).run()

    assert ledger.kept == ["a after 0", "a after 1", "b after 2", "b after 3"]


def test_a_round_is_committed_once_and_its_commands_are_carried_out_after_that():
    port = Script("ledger", (1, Tick("a")), (1, Tick("b")), (2, Tick("c")))
    journal = Watched(port)

    seated(Ledger(), ports=(port,), journal=journal).run()

    assert journal.seen == [(0, 0), (4, 0), (2, 2)]
    assert port.done == [(1, "a"), (1, "b"), (2, "c")]


def test_a_failed_commit_lets_nothing_out():
    port = Script("ledger", (1, Tick("a")), (2, Tick("b")))
    listener = Listener()
    journal = Full(room=2)
    bus = seated(Ledger(), listener, ports=(port,), journal=journal)

    with pytest.raises(JournalError, match="disk full"):
        bus.run()

    assert port.done == [(1, "a")]
    assert [text for _, text in listener.heard] == ["a after 0", "a after 1"]
    assert [row.now_ns for row in journal.rows()] == [1, 1]


def test_a_house_that_broke_off_neither_runs_nor_asks_nor_commits():
    port = Script("ledger", (1, Tick("a")), (2, Tick("b")))
    journal = Full(room=1)
    bus = seated(Ledger(), Oracle(), ports=(port,), journal=journal)
    with pytest.raises(JournalError):
        bus.run()
    journal.room = 10

    for again in (bus.run, bus.checkpoint, lambda: bus.ask(Question())):
        with pytest.raises(LctError, match="in the middle of a round"):
            again()

    assert port.done == []
    assert list(journal.rows()) == []


def test_the_commands_of_the_last_commit_are_repeated_first_and_in_their_order():
    class Sender(Ledger):
        @on(Tick)
        def keep(self, tick: Tick, now_ns: int) -> Iterator[Any]:
            yield Kept("1")
            yield from (Do("script", Act(text)) for text in ("z", "a", "m"))

        def recovered(self, now_ns: int) -> Iterator[Any]:
            yield Do("script", Act("recovered"))

    class Dying(Script):
        def do(self, command: Act, now_ns: int) -> None:
            if command.text == "z":
                raise KeyboardInterrupt
            super().do(command, now_ns)

    journal = MemoryJournal()
    bus = seated(Sender(), ports=(Dying("ledger", (1, Tick())),), journal=journal)
    with pytest.raises(KeyboardInterrupt):
        bus.run()

    port = Script("ledger", (1, Tick()))
    sender = Sender()
    seated(sender, ports=(port,), journal=journal.crash())

    assert port.done == [(1, "z"), (1, "a"), (1, "m"), (1, "recovered")]
    assert sender.kept == ["1"]


def test_the_outbox_of_the_last_commit_is_delivered_by_the_next_life():
    journal = DiesAfter(2)
    with pytest.raises(KeyboardInterrupt):
        seated(Ledger(), Listener(), ports=(Script("ledger", (1, Tick("a"))),), journal=journal).run()

    listener = Listener()
    for _ in range(3):  # lives that make no progress change nothing
        journal = journal.crash()
        bus = seated(Ledger(), listener, ports=(Script("ledger", (1, Tick("a"))),), journal=journal)
    bus.run()

    assert listener.heard == [(1, "a after 0"), (1, "a after 1")]
    assert bus.epoch == 4


def test_a_checkpoint_is_where_the_next_life_goes_on():
    journal = MemoryJournal()
    results = tuple((n, Tick(str(n))) for n in range(1, 5))
    whole = seated(Ledger(), ports=(Script("ledger", *results),))
    whole.run()
    bus = seated(Ledger(), ports=(Script("ledger", *results[:2]),), journal=journal)
    bus.run()
    bus.checkpoint()
    bus.checkpoint()

    ledger = Ledger()
    seated(ledger, ports=(Script("ledger", *results),), journal=journal.crash()).run()

    assert ledger.kept == [text for n in range(4) for text in (f"{n + 1} after {2 * n}", f"{n + 1} after {2 * n + 1}")]
    assert [row.body for row in journal.crash().rows()] == [row.body for row in whole.journal.rows()][:4]


def test_what_can_be_written_can_be_recovered_from():
    """A fact, and with it an outbox, larger than a frame may be."""
    text = "x" * 300_000
    journal = DiesAfter(2)
    with pytest.raises(KeyboardInterrupt):
        seated(Ledger(), ports=(Script("ledger", (1, Tick(text))),), journal=journal).run()

    ledger = Ledger()
    seated(ledger, ports=(Script("ledger", (1, Tick(text))),), journal=journal.crash())

    assert len(ledger.kept) == 2


def test_a_journal_with_a_stranger_in_it_is_refused():
    journal = MemoryJournal()
    journal.commit([Fact("stranger", "x:1:0", "bus_test.kept", b"")], Cursor(1))

    with pytest.raises(JournalError, match="rows of stranger, which is not part of this house"):
        seated(Ledger(), journal=journal)


def test_a_message_that_this_version_does_not_know_is_named():
    journal = MemoryJournal()
    journal.commit([Fact("ledger", "x:1:0", "ledger.later", b"\x81\xa3tag\xacledger.later")], Cursor(1))

    with pytest.raises(JournalError, match="cannot read"):
        seated(Ledger(), journal=journal)
