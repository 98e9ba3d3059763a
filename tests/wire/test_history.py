"""History: bars that closed before are heard again by who comes late or comes back, and each is news once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemons.market_data import MarketData
from lct.bus import following, streams
from lct.daemon import Daemon, on
from lct.messages.base import Event
from lct.messages.feed import Rows
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored
from tests.wire.live_house import Hand, Resident
from tests.wire.postbox import on_a_loop

MINUTE_NS = 60_000_000_000
SPEAKERS = ("market_data", "strategy_engine", "keeper", "listener")


class Marked(Event, frozen=True, tag="keeper.marked"):
    durable = True
    md_seq: int


class Noted(Event, frozen=True, tag="listener.noted"):
    md_seq: int


class Keeper(Daemon):
    """Durable: marks each bar once; what it hears again it only sees."""

    name = "keeper"
    durable = True
    rehears = (BarsClosed, Scored)

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.marked: list[int] = []

    def apply(self, event: Event) -> None:
        self.marked.append(event.md_seq)  # type: ignore[attr-defined]

    def rehears_since(self, md_seq: int) -> int:
        return max(0, md_seq - 3)

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Iterator[Event]:
        self.seen.append(f"bars {bars.md_seq}")
        yield Marked(bars.md_seq)

    @on(Scored)
    def score(self, scored: Scored, now_ns: int) -> None:
        self.seen.append(f"score {scored.md_seq}")


class Listener(Keeper):
    """Volatile: notes what is news."""

    name = "listener"
    durable = False
    rehears = (BarsClosed,)

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[int] = []

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Iterator[Event]:
        self.seen.append(f"bars {bars.md_seq}")
        yield Noted(bars.md_seq)

    @on(Noted)
    def hear_itself(self, noted: Noted, now_ns: int) -> None:
        self.noted.append(noted.md_seq)


class Scorer(Daemon):
    name = "strategy_engine"

    @on(BarsClosed)
    def score(self, bars: BarsClosed, now_ns: int) -> tuple[Event, ...]:
        return (Scored("simple", bars.md_seq, bars.time_ns, bars.symbols, [0.5]),)


MAKES: dict[str, Any] = {
    "market_data": MarketData,
    "strategy_engine": Scorer,
    "keeper": Keeper,
    "listener": Listener,
}


class Market:
    """A house whose recording outlives its market data."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.recording: list[Event] = []
        self.people: dict[str, Resident] = {}

    def __getitem__(self, name: str) -> Any:
        return self.people[name].daemon

    async def begin(self, *names: str) -> None:
        for name in names:
            is_market = name == "market_data"
            ports = (Hand(name, role="feed", kept=self.recording),) if is_market else ()
            fresh = MarketData if is_market else None
            one = Resident(self.home, MAKES[name](), *ports, speakers=SPEAKERS, fresh=fresh)
            self.people[name] = await one.begin()
        for name in names:
            await self.people[name].ready()

    async def die(self, *names: str) -> None:
        for name in names:
            await self.people.pop(name).die()

    def close_bars(self, last: int) -> None:
        """Let bars close up to a number."""
        market = self.people["market_data"]
        given = market.ports[0].given
        numbers = range(given + 1, last + 1)
        one = [1.0]
        market.hears(*(Rows(n, "1m", n * MINUTE_NS, ("BTC/USDT",), one, one, one, one, one) for n in numbers))

    async def comes(self, name: str, condition: Any) -> None:
        await self.people[name].comes(condition)

    async def end(self) -> None:
        while self.people:
            await self.people.popitem()[1].end()


def market(test: Any) -> Any:
    """Run a test in a market."""

    @on_a_loop
    async def run(home: Path, **fixtures: Any) -> None:
        here = Market(home)
        try:
            await test(here, **fixtures)
        finally:
            await here.end()

    def wrapped(home: Path) -> None:
        run(home)

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


def bars(first: int, last: int) -> list[str]:
    return [f"bars {n}" for n in range(first, last + 1)]


@market
async def test_a_daemon_that_is_new_hears_what_went_before_only_again(here: Market):
    await here.begin("market_data")
    here.close_bars(5)

    await here.begin("keeper")
    await here.comes("keeper", lambda: here["keeper"].seen == bars(3, 5))
    here.close_bars(7)
    await here.comes("keeper", lambda: here["keeper"].marked == [6, 7])

    assert here["keeper"].seen == bars(3, 7)


@market
async def test_a_daemon_that_comes_back_hears_again_what_it_knew_and_as_news_what_it_missed(here: Market):
    await here.begin("market_data", "keeper")
    here.close_bars(6)
    await here.comes("keeper", lambda: here["keeper"].marked[-1:] == [6])
    known = list(here["keeper"].marked)
    await here.die("keeper")
    here.close_bars(9)

    await here.begin("keeper")
    await here.comes("keeper", lambda: here["keeper"].marked[-1:] == [9])

    assert here["keeper"].marked == [*known, 7, 8, 9]
    assert here["keeper"].seen == bars(4, 9)


@market
async def test_a_volatile_daemon_takes_the_last_bars_as_news(here: Market):
    await here.begin("market_data")
    here.close_bars(6)

    await here.begin("listener")
    await here.comes("listener", lambda: here["listener"].noted == [6])

    assert here["listener"].seen == bars(3, 6)


@market
async def test_bars_that_closed_while_nobody_told_them_are_pulled_once_market_data_is_back(here: Market):
    await here.begin("market_data", "keeper", "listener")
    here.close_bars(4)
    await here.comes("keeper", lambda: here["keeper"].marked == [1, 2, 3, 4])
    await here.die("market_data")
    one = [1.0]
    here.recording += [Rows(n, "1m", n * MINUTE_NS, ("BTC/USDT",), one, one, one, one, one) for n in (5, 6)]
    for row in here.recording:
        assert isinstance(row, Rows)

    await here.begin("market_data")
    here.people["market_data"].ports[0].given = 6
    here.close_bars(8)
    await here.comes("keeper", lambda: here["keeper"].marked[-1:] == [8])
    await here.comes("listener", lambda: here["listener"].noted[-1:] == [8])

    assert here["keeper"].marked == here["listener"].noted == list(range(1, 9))


@market
async def test_history_comes_later_where_market_data_does(here: Market):
    here.recording += [Rows(n, "1m", n * MINUTE_NS, ("BTC/USDT",), *[[1.0]] * 5) for n in range(1, 6)]
    await here.begin("keeper")
    alone = here.people["keeper"].shell.reasons

    await here.begin("market_data")
    here.people["market_data"].ports[0].given = 5
    here.close_bars(6)
    await here.comes("keeper", lambda: here["keeper"].seen[-1:] == ["bars 6"])

    assert "market_data is not there" in alone
    assert here["keeper"].seen[-3:] == bars(4, 6)
    assert here["keeper"].marked in ([], [6])


@market
async def test_scores_are_heard_again_behind_the_bars_they_are_of_as_long_as_their_speaker_lives(here: Market):
    await here.begin("market_data", "strategy_engine", "keeper")
    for n in range(1, 6):
        here.close_bars(n)
        await here.comes("keeper", lambda n=n: here["keeper"].seen[-1:] == [f"score {n}"])
    await here.die("keeper")
    here.close_bars(6)

    await here.begin("keeper")
    await here.comes("keeper", lambda: "score 6" in here["keeper"].seen and "bars 6" in here["keeper"].seen)

    again = here["keeper"].seen[:6]
    assert again == ["bars 3", "score 3", "bars 4", "score 4", "bars 5", "score 5"]
    assert here["keeper"].marked == [1, 2, 3, 4, 5, 6]


@market
async def test_bars_that_the_stream_no_longer_has_come_from_the_recording(here: Market):
    patch = pytest.MonkeyPatch()
    patch.setattr(streams, "RING_MAX", 2)
    patch.setattr(following, "PAGE_BARS", 2)
    try:
        await here.begin("market_data", "keeper")
        telling = here.people["market_data"].shell.telling
        here.close_bars(1)
        await here.comes("keeper", lambda: here["keeper"].marked == [1])
        telling._ring_max = 2  # noqa: SLF001 - a ring that is over soon
        telling._rings.clear()  # noqa: SLF001
        post = here.people["market_data"].shell.post
        tell, post.tell = post.tell, lambda envelope, tag: tag != "market_data.bars_closed" and tell(envelope, tag)
        here.close_bars(9)
        post.tell = tell
        here.close_bars(10)
        await here.comes("keeper", lambda: here["keeper"].marked[-1:] == [10])

        assert here["keeper"].marked == list(range(1, 11))
    finally:
        patch.undo()
