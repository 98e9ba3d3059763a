"""Living on the wall clock: small daemons over real sockets, whose messages are lost and whose lives end."""

from pathlib import Path

import pytest

from lct.bus.zeromq import Post
from lct.errors import JournalError
from lct.messages.base import Codec, Envelope, tag_of
from lct.store.journal import Cursor, Fact
from lct.store.sqlite import SqliteJournal
from tests.wire.postbox import Box, on_a_loop, request
from tests.wire.talkers import Beat, Booked, GetSales, Sales, Ticked, beats, house


def loses(monkeypatch: pytest.MonkeyPatch, tag: str, *which: int) -> None:
    """Lose some of the events of a type on the way, by number."""
    tell = Post.tell

    def lossy(post: Post, envelope: Envelope, of: str) -> bool:
        return True if of == tag and envelope.seq in which else tell(post, envelope, of)

    monkeypatch.setattr(Post, "tell", lossy)


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


# --- requests


@on_a_loop
async def test_a_durable_daemon_asks_until_it_is_answered_and_is_served_once(home: Path):
    async with house(home, "metronome", "buyer") as here:
        here["metronome"].hears(*beats(1, 3))
        await here["buyer"].comes(lambda: here["buyer"].daemon.wanted == [1, 2, 3])
        unanswered = list(here["buyer"].daemon.owned)

        await here.begin("shop")
        await here["buyer"].comes(lambda: sorted(here["buyer"].daemon.owned) == [1, 2, 3])

        assert unanswered == []
        assert sorted(here["shop"].daemon.sold) == [1, 2, 3]
        assert sorted(here.done) == ["deliver 1", "deliver 2", "deliver 3"]


@on_a_loop
async def test_what_was_asked_survives_the_death_of_who_asked(home: Path):
    async with house(home, "metronome", "buyer") as here:
        here["metronome"].hears(*beats(1, 2))
        await here["buyer"].comes(lambda: here["buyer"].daemon.wanted == [1, 2])
        await here.die("buyer")
        await here.begin("buyer")
        await here.die("buyer")

        await here.begin("shop", "buyer")
        await here["buyer"].comes(lambda: sorted(here["buyer"].daemon.owned) == [1, 2])

        assert sorted(here["shop"].daemon.sold) == [1, 2]


@on_a_loop
async def test_a_reply_that_is_lost_is_asked_for_again_and_nothing_is_sold_twice(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    answer, lost = Post.answer, []

    def lossy(post: Post, route: bytes, envelope: Envelope) -> bool:
        if post.name == "shop" and not lost and envelope.seq:
            lost.append(envelope)
            return True
        return answer(post, route, envelope)

    monkeypatch.setattr(Post, "answer", lossy)
    async with house(home, "metronome", "buyer", "shop") as here:
        here["metronome"].hears(Beat(7))
        await here["buyer"].comes(lambda: here["buyer"].daemon.owned == [7])

        assert len(lost) == 1
        assert here.done == ["deliver 7"]


@on_a_loop
async def test_a_volatile_daemon_waits_for_a_reply_until_its_deadline(home: Path):
    async with house(home, "metronome", "clerk") as here:
        here["metronome"].hears(Beat(1))
        await here["clerk"].comes(lambda: len(here["clerk"].daemon.found) == 2)
        await here.begin("shop")
        here["metronome"].hears(Beat(2))
        await here["clerk"].comes(lambda: len(here["clerk"].daemon.found) == 4)

        assert sorted(here["clerk"].daemon.found) == [(-2, "0"), (-1, "nobody"), (1, "nobody"), (2, "0")]


@on_a_loop
async def test_a_question_from_outside_is_answered(home: Path, folder: Path):
    async with house(home, "metronome", "buyer", "shop") as here:
        here["metronome"].hears(*beats(1, 2))
        await here["buyer"].comes(lambda: sorted(here["buyer"].daemon.owned) == [1, 2])
        client = Box("client", folder)
        here.also_ends(client.post.close)
        await client.reaches("shop")

        client.post.ask("shop", request("client", "shop", GetSales()))
        reply = await client.replies.get()

        assert Codec((Sales,)).decode(reply.body) == Sales(here["shop"].daemon.sold)


@on_a_loop
async def test_a_commit_that_fails_ends_the_process_and_nothing_was_sent(home: Path, monkeypatch: pytest.MonkeyPatch):
    commit = SqliteJournal.commit

    def full(journal: SqliteJournal, facts: list[Fact], cursor: Cursor) -> None:
        if any(fact.type == tag_of(Booked) for fact in facts):
            raise JournalError("disk full; nothing was sent")
        commit(journal, facts, cursor)

    monkeypatch.setattr(SqliteJournal, "commit", full)
    # the last to begin hears of what goes wrong on the loop that they share
    async with house(home, "metronome", "reader", "books") as here:
        here["metronome"].hears(*beats(1, 2))
        await here["books"].comes(lambda: here["books"].daemon.kept == [1, 2])
        here["metronome"].hears(Beat(3))

        with pytest.raises(JournalError, match="disk full"):
            await here["books"].task
        assert here["reader"].daemon.read == []
        assert here["books"].shell.telling.journal_seq == 2
