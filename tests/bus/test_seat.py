"""A seat: how a handler waits for a reply, and what it may do while it waits."""

from collections.abc import Iterator
from typing import Any

from lct.bus.seat import Heard, Seat
from lct.daemon import Ask, Daemon, NoReply, answers, on
from lct.messages.base import Request
from tests.bus.small_house import Kept, Ledger, Listener, Oracle, Question, Reply, Script, Tick, Word, seated


def test_a_reply_goes_to_the_asker_alone():
    class Asker(Daemon):
        name = "asker"
        got = ""

        @on(Tick)
        def ask(self, tick: Tick, now_ns: int) -> Iterator[Any]:
            reply = yield Ask(Question("what"))
            self.got = reply.text

    asker, listener = Asker(), Listener()

    seated(asker, listener, Oracle(), ports=(Script("asker", (1, Tick())),)).run()

    assert asker.got == "WHAT"
    assert listener.heard == []


class Riddle(Request[Reply], frozen=True, tag="bus_test.riddle"):
    pass


class Sage(Daemon):
    """Volatile, and asks another before it answers."""

    name = "sage"

    @answers(Riddle)
    def answer(self, riddle: Riddle, now_ns: int) -> Iterator[Any]:
        yield Word("let me think")
        reply = yield Ask(Question("riddle"))
        return Reply(f"{reply.text}, says the oracle")


class Patient(Daemon):
    """Asks on each Tick, and writes down how it went."""

    name = "patient"

    def __init__(self, patience_ns: int | None, request: Request[Reply]) -> None:
        self.patience_ns, self.request = patience_ns, request
        self.heard: list[tuple[int, str]] = []

    @on(Tick)
    def ask(self, tick: Tick, now_ns: int) -> Iterator[Any]:
        self.heard.append((now_ns, f"asks {tick.text}"))
        try:
            reply = yield Ask(self.request, None if self.patience_ns is None else now_ns + self.patience_ns)
        except NoReply:
            self.heard.append((now_ns, f"gave up {tick.text}"))
            yield Word("sorry")
        else:
            self.heard.append((now_ns, f"got {reply.text}"))

    @on(Word)
    def listen(self, word: Word, now_ns: int) -> None:
        self.heard.append((now_ns, word.text))


def test_only_the_handler_that_asked_waits():
    patient = Patient(None, Question("a"))

    seated(patient, Oracle(), ports=(Script("patient", (1, Tick("first")), (1, Word("meanwhile"))),)).run()

    assert patient.heard == [(1, "asks first"), (1, "meanwhile"), (1, "got A")]


def test_a_deadline_raises_inside_and_a_late_reply_is_dropped():
    patient, oracle = Patient(0, Question("a")), Oracle()

    seated(patient, oracle, ports=(Script("patient", (1, Tick("first"))),)).run()

    assert patient.heard == [(1, "asks first"), (1, "gave up first"), (1, "sorry")]
    assert oracle.answered == 1


def test_a_deadline_that_was_met_is_forgotten():
    patient = Patient(5, Question("a"))
    times: list[int] = []
    port = Script("patient", (1, Tick("first")), (9, Word("later")))

    seated(patient, Oracle(), ports=(port,)).run(on_time=times.append)

    assert patient.heard == [(1, "asks first"), (1, "got A"), (9, "later")]
    assert times == [1, 9]


def test_a_volatile_answerer_waits_for_what_it_asks_and_then_replies():
    patient = Patient(None, Riddle())

    bus = seated(patient, Sage(), Oracle(), ports=(Script("patient", (1, Tick("first"))),))
    bus.run()

    assert patient.heard == [(1, "asks first"), (1, "let me think"), (1, "got RIDDLE, says the oracle")]
    assert bus.ask(Riddle()).text == "RIDDLE, says the oracle"


def test_a_durable_daemon_goes_on_at_once_and_hears_the_reply():
    class Asker(Ledger):
        @on(Tick)
        def keep(self, tick: Tick, now_ns: int) -> Iterator[Any]:
            nothing = yield Ask(Question("what"))
            yield Kept(f"goes on with {nothing}")

        @on(Reply)
        def hear(self, reply: Reply, now_ns: int) -> tuple[Kept, ...]:
            return (Kept(f"heard {reply.text}"),)

    asker = Asker()

    seated(asker, Oracle(), ports=(Script("ledger", (1, Tick())),)).run()

    assert asker.kept == ["goes on with None", "heard WHAT"]


def test_a_durable_answerer_replies_after_its_facts_are_kept():
    class Clerk(Ledger):
        @answers(Question)
        def note(self, question: Question, now_ns: int) -> Iterator[Any]:
            yield Kept(question.text)
            return Reply(f"noted {self.kept}")

    bus = seated(Clerk())

    assert bus.ask(Question("this")).text == "noted ['this']"
    assert [row.type for row in bus.journal.rows()] == ["bus_test.kept"]


def test_who_is_told_to_halt_hears_it_before_the_words_that_came_with_it():
    """A proposal that waited for execution to start must not be let through before the halt that waited too."""
    heard: list[str] = []

    class Gate(Daemon):
        name = "gate"

        @on(Word)
        def pass_(self, word: Word, now_ns: int) -> None:
            heard.append(word.text)

        @on(Tick)
        def close(self, tick: Tick, now_ns: int) -> None:
            heard.append(tick.text)

    ports = [Script("gate", (1, Tick("halt")), role="switch"), Script("gate", (1, Tick("bar")))]
    seat = Seat(Gate(), ports)  # type: ignore[arg-type]
    seat.inbox.append((seat.hearers[Word], Heard("engine", 0, Word("proposal"), None, None)))
    seat.is_due = True
    seat.hear(1, 1)

    assert heard == ["halt", "proposal", "bar"]
