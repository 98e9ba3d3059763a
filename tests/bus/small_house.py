"""Tiny daemons and ports for tests of the bus."""

from collections.abc import Iterator
from typing import Any

from lct.bus.local import LocalBus
from lct.daemon import Daemon, Do, answers, on
from lct.messages.base import Command, Event, Request
from lct.store.journal import Cursor, Fact, MemoryJournal


class Word(Event, frozen=True, tag="bus_test.word"):
    text: str


class Kept(Event, frozen=True, tag="bus_test.kept"):
    durable = True
    text: str


class Tick(Event, frozen=True, tag="bus_test.tick"):
    text: str = ""


class Reply(Event, frozen=True, tag="bus_test.reply"):
    text: str


class Question(Request[Reply], frozen=True, tag="bus_test.question"):
    text: str = ""


class Unanswered(Request[Reply], frozen=True, tag="bus_test.unanswered"):
    pass


class Act(Command, frozen=True, tag="bus_test.act"):
    text: str


class Script:
    """A port that gives events at fixed times, and remembers what it was told to do."""

    def __init__(self, owner: str, *results: tuple[int, Event], role: str = "script") -> None:
        self.owner, self.role = owner, role
        self.takes_again = True
        self.given = 0
        self.done: list[tuple[int, str]] = []
        self._results = sorted(results, key=lambda result: result[0])

    def due_ns(self) -> int | None:
        return self._results[self.given][0] if self.given < len(self._results) else None

    def results(self, now_ns: int) -> list[Event]:
        told = []
        while self.given < len(self._results) and self._results[self.given][0] <= now_ns:
            told.append(self._results[self.given][1])
            self.given += 1
        return told

    def do(self, command: Command, now_ns: int) -> None:
        assert isinstance(command, Act)
        self.done.append((now_ns, command.text))

    def resume(self, heard: int) -> None:
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        return []


def seated(*daemons: Daemon, ports: tuple[Script, ...] = (), journal: Any = None) -> LocalBus:
    bus = LocalBus(daemons, ports, journal or MemoryJournal())
    bus.recover()
    return bus


class Listener(Daemon):
    """Writes down what it hears."""

    name = "listener"

    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []

    @on(Word, Kept, Tick, Reply)
    def hear(self, word: Word, now_ns: int) -> None:
        self.heard.append((now_ns, word.text))


class Clock(Listener):
    """Says once what it was made with, then listens."""

    name = "clock"

    def __init__(self, *said: Any, then: dict[str, tuple[Any, ...]] | None = None) -> None:
        super().__init__()
        self.said, self.then = said, then or {}

    def recovered(self, now_ns: int) -> Iterator[Any]:
        yield from self.said

    @on(Tick, Word)
    def hear(self, word: Any, now_ns: int) -> Iterator[Any]:
        self.heard.append((now_ns, word.text))
        yield from self.then.get(word.text, ())


class Oracle(Daemon):
    name = "oracle"
    answered = 0

    @answers(Question)
    def answer(self, question: Question, now_ns: int) -> Reply:
        self.answered += 1
        return Reply(question.text.upper())


class Ledger(Daemon):
    """Durable: keeps what it hears."""

    name = "ledger"
    durable = True

    def __init__(self) -> None:
        self.kept: list[str] = []

    def apply(self, event: Kept) -> None:
        self.kept.append(event.text)

    @on(Tick)
    def keep(self, tick: Tick, now_ns: int) -> Iterator[Any]:
        yield Kept(f"{tick.text} after {len(self.kept)}")
        yield Kept(f"{tick.text} after {len(self.kept)}")
        yield Do("script", Act(tick.text))


class DiesAfter(MemoryJournal):
    """The process ends right after so many commits."""

    def __init__(self, commits: int) -> None:
        super().__init__()
        self.commits = commits

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        super().commit(facts, cursor)
        self.commits -= 1
        if not self.commits:
            raise KeyboardInterrupt
