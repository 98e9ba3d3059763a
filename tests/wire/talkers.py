"""Small daemons that use all of a daemon's words: events, facts, requests of both kinds, timers and a port."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lct.clock import NS_PER_SECOND
from lct.daemon import Ask, Daemon, Do, Later, NoReply, Said, answers, on
from lct.messages.base import Event, Request
from tests.bus.small_house import Act
from tests.wire.live_house import Hand, Resident

MS = 1_000_000


class Beat(Event, frozen=True, tag="hand.beat"):
    n: int


class Ticked(Event, frozen=True, tag="metronome.ticked"):
    n: int


class Filed(Event, frozen=True, tag="books.filed"):
    durable = True
    n: int


class Booked(Event, frozen=True, tag="books.booked"):
    durable = True
    n: int


class Read(Event, frozen=True, tag="reader.read"):
    durable = True
    n: int


class Wanted(Event, frozen=True, tag="buyer.wanted"):
    durable = True
    n: int


class Owned(Event, frozen=True, tag="buyer.owned"):
    durable = True
    n: int


class Sold(Event, frozen=True, tag="shop.sold"):
    durable = True
    n: int


class Bought(Event, frozen=True, tag="shop.bought"):
    n: int


class Buy(Request[Bought], frozen=True, tag="shop.buy"):
    n: int


class Sales(Event, frozen=True, tag="shop.sales"):
    sold: list[int]


class GetSales(Request[Sales], frozen=True, tag="shop.get_sales"):
    pass


class Looked(Event, frozen=True, tag="clerk.looked"):
    n: int
    found: str


class Rang(Event, frozen=True, tag="clerk.rang"):
    n: int


class Metronome(Daemon):
    """Volatile: tells on what its port gives."""

    name = "metronome"

    @on(Beat)
    def tick(self, beat: Beat, now_ns: int) -> tuple[Event, ...]:
        return (Ticked(beat.n),)


class Books(Daemon):
    """Durable: files every tick and books every third."""

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
    """Durable: keeps what was booked."""

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


class Buyer(Daemon):
    """Durable: asks for what it wants until it owns it."""

    name = "buyer"
    durable = True

    def __init__(self) -> None:
        self.wanted: list[int] = []
        self.owned: list[int] = []

    def apply(self, event: Event) -> None:
        (self.wanted if isinstance(event, Wanted) else self.owned).append(event.n)  # type: ignore[attr-defined]

    @on(Ticked)
    def want(self, ticked: Ticked, now_ns: int) -> Iterator[Said]:
        if ticked.n not in self.wanted:
            yield Wanted(ticked.n)
            yield Ask(Buy(ticked.n))

    @on(Bought)
    def own(self, bought: Bought, now_ns: int) -> Iterator[Said]:
        if bought.n not in self.owned:
            yield Owned(bought.n)


class Shop(Daemon):
    """Durable: sells each thing once, however often it is asked for; its port delivers."""

    name = "shop"
    durable = True

    def __init__(self) -> None:
        self.sold: list[int] = []

    def apply(self, event: Event) -> None:
        self.sold.append(event.n)  # type: ignore[attr-defined]

    @answers(Buy)
    def sell(self, request: Buy, now_ns: int) -> Generator[Said, None, Bought]:
        if request.n not in self.sold:
            yield Sold(request.n)
            yield Do("hand", Act(f"deliver {request.n}"))
        return Bought(request.n)

    @answers(GetSales)
    def tell(self, request: GetSales, now_ns: int) -> Sales:
        return Sales(list(self.sold))


class Clerk(Daemon):
    """Volatile: looks into the shop on each tick and again a little later, and says what it found."""

    name = "clerk"
    patience_ns = NS_PER_SECOND // 5

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    @on(Ticked)
    def look(self, ticked: Ticked, now_ns: int) -> Iterator[Any]:
        yield Later(f"again {ticked.n}", now_ns + 15 * MS, Rang(ticked.n))
        yield from self._look(ticked.n, now_ns)

    @on(Rang)
    def again(self, rang: Rang, now_ns: int) -> Iterator[Any]:
        yield from self._look(-rang.n, now_ns)

    def _look(self, n: int, now_ns: int) -> Iterator[Any]:
        try:
            sales = yield Ask(GetSales(), now_ns + self.patience_ns)
            found = str(len(sales.sold))
        except NoReply:
            found = "nobody"
        self.found.append((n, found))
        yield Looked(n, found)


MAKES: dict[str, Any] = {kind.name: kind for kind in (Metronome, Books, Reader, Ear, Buyer, Shop, Clerk)}
WITH_HANDS = {"metronome", "shop"}


class House:
    """Who lives in it now, by name."""

    def __init__(self, home: Path, makes: dict[str, Any]) -> None:
        self.home, self.makes = home, makes
        self.people: dict[str, Resident] = {}
        self.done: list[str] = []
        self.ends: list[Callable[[], Any]] = []

    def __getitem__(self, name: str) -> Resident:
        return self.people[name]

    async def begin(self, *names: str) -> None:
        """Let some begin a life, and wait until they are ready."""
        for name in names:
            ports = (Hand(name, done=self.done),) if name in WITH_HANDS else ()
            resident = Resident(self.home, self.makes[name](), *ports, speakers=tuple(self.makes))
            self.people[name] = await resident.begin()
        for name in names:
            await self.people[name].ready()

    async def meet(self, hearer: str, speaker: str) -> None:
        """Wait until one can be heard by another."""
        await self[hearer].comes(lambda: speaker not in self[hearer].living.absent)

    async def die(self, name: str) -> None:
        await self.people.pop(name).die()

    def also_ends(self, end: Callable[[], Any]) -> None:
        """Call this too when the house ends, however it does."""
        self.ends.append(end)

    async def end(self) -> None:
        for end in self.ends:
            end()
        while self.people:
            await self.people.popitem()[1].end()


@asynccontextmanager
async def house(home: Path, *names: str, **makes: Any) -> AsyncIterator[House]:
    """A house in which these live and know each other."""
    made = House(home, MAKES | makes)
    await made.begin(*names)
    for hearer in names:
        for speaker in names:
            await made.meet(hearer, speaker)
    try:
        yield made
    finally:
        await made.end()


def beats(first: int, last: int) -> list[Event]:
    return [Beat(n) for n in range(first, last + 1)]
