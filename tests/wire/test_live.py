"""Living on the wall clock: small daemons over real sockets, whose messages are lost and whose lives end."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lct.bus.zeromq import Post
from lct.daemon import Daemon, on
from lct.messages.base import Envelope, Event, tag_of
from tests.wire.live_house import Hand, Resident
from tests.wire.postbox import on_a_loop


class Ticked(Event, frozen=True, tag="metronome.ticked"):
    n: int


class Beat(Event, frozen=True, tag="hand.beat"):
    n: int


class Booked(Event, frozen=True, tag="books.booked"):
    durable = True
    n: int


class Filed(Event, frozen=True, tag="books.filed"):
    durable = True
    n: int


class Read(Event, frozen=True, tag="reader.read"):
    durable = True
    n: int


class Metronome(Daemon):
    name = "metronome"

    @on(Beat)
    def tick(self, beat: Beat, now_ns: int) -> tuple[Event, ...]:
        return (Ticked(beat.n),)


class Books(Daemon):
    """Files every tick and books every third."""

    name = "books"
    durable = True

    def __init__(self) -> None:
        self.kept: list[int] = []

    def apply(self, event: Event) -> None:
        self.kept.append(event.n)  # type: ignore[attr-defined]

    @on(Ticked)
    def book(self, ticked: Ticked, now_ns: int) -> Iterator[Event]:
        yield Filed(ticked.n)
        if ticked.n % 3 == 0:
            yield Booked(ticked.n)


class Reader(Daemon):
    """Durable: keeps what was booked, and what it heard in this life."""

    name = "reader"
    durable = True

    def __init__(self) -> None:
        self.read: list[int] = []

    def apply(self, event: Event) -> None:
        self.read.append(event.n)  # type: ignore[attr-defined]

    @on(Booked)
    def keep(self, booked: Booked, now_ns: int) -> tuple[Event, ...]:
        return (Read(booked.n),)


class Ear(Daemon):
    """Volatile: writes down the ticks that it hears."""

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[int] = []

    @on(Ticked)
    def hear(self, ticked: Ticked, now_ns: int) -> None:
        self.heard.append(ticked.n)


NAMES = ("metronome", "books", "reader", "ear")


class House:
    """Who lives in it now, by name."""

    def __init__(self, home: Path, makes: dict[str, Any]) -> None:
        self.home, self.makes = home, makes
        self.people: dict[str, Resident] = {}

    def __getitem__(self, name: str) -> Resident:
        return self.people[name]

    async def begin(self, *names: str) -> None:
        """Let some begin a life, and wait until they are ready."""
        for name in names:
            ports = (Hand(name),) if name == "metronome" else ()
            resident = Resident(self.home, self.makes[name](), *ports, speakers=NAMES)
            self.people[name] = await resident.begin()
        for name in names:
            await self.people[name].ready()

    async def meet(self, hearer: str, speaker: str) -> None:
        """Wait until one can be heard by another."""
        await self[hearer].comes(lambda: speaker not in self[hearer].living.absent)

    async def die(self, name: str) -> None:
        await self.people.pop(name).die()


@asynccontextmanager
async def house(home: Path, *names: str, **makes: Any) -> AsyncIterator[House]:
    made = House(home, {"metronome": Metronome, "books": Books, "reader": Reader, "ear": Ear} | makes)
    await made.begin(*names)
    for hearer in names:
        for speaker in names:
            await made.meet(hearer, speaker)
    try:
        yield made
    finally:
        for person in made.people.values():
            await person.end()


def loses(monkeypatch: pytest.MonkeyPatch, tag: str, *which: int) -> None:
    """Lose some of the events of a type on the way, by number."""
    tell = Post.tell

    def lossy(post: Post, envelope: Envelope, of: str) -> bool:
        return True if of == tag and envelope.seq in which else tell(post, envelope, of)

    monkeypatch.setattr(Post, "tell", lossy)


def beats(first: int, last: int) -> list[Event]:
    return [Beat(n) for n in range(first, last + 1)]


# --- hearing


@on_a_loop
async def test_what_is_told_arrives_in_order_and_facts_are_told_on(home: Path):
    async with house(home, "metronome", "books", "reader", "ear") as here:
        here["metronome"].hears(*beats(1, 30))
        await here["reader"].comes(lambda: here["reader"].daemon.read[-1:] == [30])
        await here["ear"].comes(lambda: here["ear"].daemon.heard[-1:] == [30])

        assert here["ear"].daemon.heard == list(range(1, 31))
        assert here["reader"].daemon.read == list(range(3, 31, 3))


@on_a_loop
async def test_a_gap_is_pulled_from_the_speaker(home: Path, monkeypatch: pytest.MonkeyPatch):
    loses(monkeypatch, tag_of(Ticked), 2, 3, 7)
    async with house(home, "metronome", "ear") as here:
        here["metronome"].hears(*beats(1, 8))
        await here["ear"].comes(lambda: here["ear"].daemon.heard[-1:] == [8])

        assert here["ear"].daemon.heard == list(range(1, 9))


@on_a_loop
async def test_a_lost_end_is_noticed_by_the_next_heartbeat(home: Path, monkeypatch: pytest.MonkeyPatch):
    loses(monkeypatch, tag_of(Ticked), 3)
    loses(monkeypatch, tag_of(Booked), 1)
    async with house(home, "metronome", "books", "reader", "ear") as here:
        here["metronome"].hears(*beats(1, 3))
        await here["ear"].comes(lambda: here["ear"].daemon.heard == [1, 2, 3])
        await here["reader"].comes(lambda: here["reader"].daemon.read == [3])


@on_a_loop
async def test_who_comes_late_begins_with_the_last_and_with_all_facts(home: Path):
    async with house(home, "metronome", "books") as here:
        here["metronome"].hears(*beats(1, 9))
        await here["books"].comes(lambda: here["books"].daemon.kept[-1:] == [9])

        await here.begin("reader", "ear")
        await here["reader"].comes(lambda: here["reader"].daemon.read == [3, 6, 9])
        here["metronome"].hears(Beat(10))
        await here["ear"].comes(lambda: here["ear"].daemon.heard[-1:] == [10])

        assert here["ear"].daemon.heard == [9, 10]


# --- lives


@on_a_loop
async def test_the_next_life_of_a_speaker_is_followed_from_its_beginning(home: Path):
    async with house(home, "metronome", "ear") as here:
        here["metronome"].hears(*beats(1, 3))
        await here["ear"].comes(lambda: here["ear"].daemon.heard == [1, 2, 3])

        await here.die("metronome")
        await here.begin("metronome")
        here["metronome"].hears(*beats(101, 103))
        await here["ear"].comes(lambda: here["ear"].daemon.heard[-1:] == [103])

        assert here["ear"].daemon.heard == [1, 2, 3, 101, 102, 103]


@on_a_loop
async def test_a_hearer_that_dies_again_and_again_misses_no_fact_and_doubles_none(home: Path):
    async with house(home, "metronome", "books", "reader") as here:
        for n in range(1, 16):
            here["metronome"].hears(Beat(n))
            if n % 4 == 0:
                await here.die("reader")
                await here.begin("reader")
            if n % 7 == 0:
                await here["books"].comes(lambda n=n: n in here["books"].daemon.kept)
                await here.die("books")
                await here.begin("books")
                await here.meet("books", "metronome")
        await here["reader"].comes(lambda: here["reader"].daemon.read[-1:] == [15])

        assert here["reader"].daemon.read == [3, 6, 9, 12, 15]


@on_a_loop
async def test_a_daemon_is_ready_without_those_who_are_not_there_and_says_who_is_missing(home: Path):
    async with house(home, "ear") as here:
        missing = here["ear"].shell.reasons
        await here.begin("metronome")
        await here.meet("ear", "metronome")

        assert missing == ("metronome is not there",)
        assert here["ear"].shell.reasons == ()
