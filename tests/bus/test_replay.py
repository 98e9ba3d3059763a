"""Replay: a session lived again decides the same, and the first decision that differs is found."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lct.bus import heard
from lct.bus.replay import Bodies, Differs, Relived, Reliving
from lct.bus.said import SaidLog, SaidReader
from lct.bus.seat import Heard
from lct.bus.segments import places
from lct.bus.session import folders, in_order
from lct.daemon import Said, on
from lct.errors import JournalError
from lct.messages.base import encode, tag_of
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored
from tests.wire.live_house import journals
from tests.wire.postbox import Box, request, until
from tests.wire.talkers import (
    MAKES,
    Beat,
    Books,
    Buyer,
    Clerk,
    Filed,
    GetSales,
    Looked,
    Reader,
    Ticked,
    house,
)

EVERYONE = tuple(MAKES)


def relived(home: Path, name: str, session: int | None = None, make: Any = None) -> Relived:
    """Live a session of a daemon again, by what `make` makes, else as it was."""
    bodies = Bodies(journals(home))
    try:
        epoch = session or heard.lives(folders(journals(home), name)[0])[-1]
        return Reliving(name, journals(home), epoch, bodies).live((make or MAKES[name])())
    finally:
        bodies.close()


def lives(home: Path, name: str) -> list[int]:
    return heard.lives(folders(journals(home), name)[0])


async def talk(home: Path, *, kills: bool = False) -> None:
    """Let everybody talk for a while, and some die in the middle of it."""
    async with house(home, *EVERYONE) as here:
        client = Box("client", here["shop"].shell.run)
        here.also_ends(client.post.close)
        for n in range(1, 13):
            here["metronome"].hears(Beat(n))
            await asyncio.sleep(0.005)
            if n % 4 == 0:
                await until(lambda: client.post.reach("shop"))
                client.post.ask("shop", request("client", "shop", GetSales()))
                await client.replies.get()
            if kills and n in {3, 7}:
                name = "buyer" if n == 3 else "shop"
                await here.die(name)
                await here.begin(name)
                await here.meet(name, "metronome")
        buyer = here["buyer"].daemon
        await here["buyer"].comes(lambda: sorted(buyer.owned) == buyer.wanted and buyer.wanted[-1] == 12)
        await here["reader"].comes(lambda: here["reader"].daemon.read[-1:] == [12])
        await here["clerk"].comes(lambda: len(here["clerk"].daemon.found) == 24)


def talked(*, kills: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lct") as name:
        asyncio.run(asyncio.wait_for(talk(Path(name), kills=kills), 60))
        yield Path(name)


@pytest.fixture(scope="module")
def quiet_session() -> Iterator[Path]:
    yield from talked(kills=False)


@pytest.fixture
def session(quiet_session: Path, tmp_path: Path) -> Path:
    """A home in which everybody has talked."""
    shutil.copytree(journals(quiet_session), journals(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def deadly_session() -> Iterator[Path]:
    """A home in which some have died in the middle of talking."""
    yield from talked(kills=True)


def test_everybodys_session_is_lived_again_without_a_difference(session: Path):
    found = {name: relived(session, name) for name in EVERYONE}

    assert {name: one.facts for name, one in found.items()} == {
        **dict.fromkeys(EVERYONE, 0),
        "books": 16,
        "reader": 4,
        "buyer": 24,
        "shop": 12,
    }
    assert found["metronome"].said == 12
    assert found["clerk"].said == 48
    assert found["ear"].hearings == 12
    assert all(one.after == 0 for one in found.values())


def test_sessions_with_deaths_in_the_middle_are_lived_again_life_by_life(deadly_session: Path):
    found = [relived(deadly_session, name, epoch) for name in EVERYONE for epoch in lives(deadly_session, name)]

    assert [(one.daemon, one.session) for one in found if one.session > 1] == [("buyer", 2), ("shop", 2)]
    assert sum(one.facts for one in found if one.daemon == "shop") == 12


def test_a_daemon_that_decides_otherwise_now_is_found_at_its_first_decision_that_differs(session: Path):
    class Changed(Books):
        @on(Ticked)
        def book(self, ticked: Ticked, now_ns: int) -> Iterator[Any]:
            yield Filed(ticked.n if ticked.n != 5 else 55)

    with pytest.raises(Differs) as found:
        relived(session, "books", make=Changed)

    # the third tick was booked too, as fact 4
    assert found.value.what == "fact 4"
    assert "books.booked" in found.value.then
    assert '"n":4' in found.value.now


def test_a_daemon_that_says_another_word_is_found_too(session: Path):
    class Changed(Clerk):
        @on(Ticked)
        def look(self, ticked: Ticked, now_ns: int) -> Iterator[Any]:
            if ticked.n == 3:
                yield Looked(3, "not even looked")
            yield from super().look(ticked, now_ns)

    with pytest.raises(Differs, match=r"clerk differs at clerk.looked .*; now came .*not even looked"):
        relived(session, "clerk", make=Changed)


def test_a_request_that_is_not_made_any_more_is_found(session: Path):
    class Changed(Buyer):
        @on(Ticked)
        def want(self, ticked: Ticked, now_ns: int) -> Iterator[Said]:
            return (said for said in super().want(ticked, now_ns) if ticked.n != 2)

    with pytest.raises(Differs, match="buyer differs at"):
        relived(session, "buyer", make=Changed)


def test_a_fact_that_was_decided_then_and_not_now_is_found_at_the_end(session: Path):
    class Changed(Reader):
        @on(*())
        def keep(self, booked: Any, now_ns: int) -> None: ...

    with pytest.raises(Differs, match=r"reader differs at fact 1: recorded was .*reader.read.*; now came nothing"):
        relived(session, "reader", make=Changed)


def test_a_word_that_somebody_changed_is_found_by_who_heard_it(session: Path):
    told = folders(journals(session), "metronome")[1]
    reader = SaidReader(told, 1)
    bodies = [reader.body(tag_of(Ticked), n) or b"" for n in range(1, 13)]
    for place in places(told):
        place.path.unlink()
    log = SaidLog(told, "metronome", 1, lambda: 0)
    for n, body in enumerate(bodies, 1):
        log.say(tag_of(Ticked), encode(Ticked(600)) if n == 6 else body)
    log.close()

    with pytest.raises(Differs, match=r'books differs at fact 7: recorded was .*"n":6.*; now came .*"n":600'):
        relived(session, "books")


def test_a_word_that_is_gone_ends_the_replay_by_name(session: Path):
    for place in places(folders(journals(session), "metronome")[1]):
        place.path.unlink()

    with pytest.raises(JournalError, match=r"ear heard metronome.ticked 1 of metronome \(session 1\), which is not on"):
        relived(session, "ear")


def test_what_is_said_of_bars_is_heard_behind_them_though_it_came_first():
    def word(message: Any) -> tuple[Heard, heard.Word]:
        return Heard("somebody", 0, message, None, None), heard.Whole("somebody", None, None, b"")

    def bars(md_seq: int) -> BarsClosed:
        return BarsClosed(md_seq, 0, 0, "1m", (), [], [], [], [], [])

    def scored(md_seq: int) -> Scored:
        return Scored("simple", md_seq, 0, (), [])

    came = [scored(6), Ticked(1), scored(5), bars(5), scored(7), bars(6), Ticked(2)]

    ordered = in_order([word(message) for message in came])

    assert [one.message for one, _ in ordered] == [
        Ticked(1),
        bars(5),
        scored(5),
        scored(7),
        bars(6),
        scored(6),
        Ticked(2),
    ]
    assert [one.n for one, _ in ordered] == list(range(7))


def forget(home: Path, name: str, first: int) -> None:
    """Take the last rows out of a journal, as if they had not been committed."""
    with closing(sqlite3.connect(journals(home) / f"{name}.db")) as db:
        db.execute("delete from journal where journal_seq >= ?", (first,))
        db.commit()


def test_only_the_last_turn_may_come_to_more_than_was_committed_for_a_kill_may_have_cut_it_off(session: Path):
    forget(session, "books", 15)
    cut_off = relived(session, "books")

    forget(session, "books", 14)
    with pytest.raises(Differs, match=r'books differs at fact 14: recorded was nothing; now came .*"n":11'):
        relived(session, "books")

    assert cut_off.facts == 14
