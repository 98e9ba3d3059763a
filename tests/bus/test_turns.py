"""One daemon's side of replayed time, told frames by hand: what it lives, says once more, and does not accept."""

from typing import Any

import msgspec
import pytest

from lct.bus.room import Room
from lct.bus.rounds import Hello, Introduce, Past, Recall, Reply, Turn
from lct.bus.turns import ConductorLost, Turns
from lct.errors import JournalError
from lct.messages.base import encode
from lct.store.journal import Cursor, Fact, MemoryJournal
from lct.store.rounds import Round, Spoken
from tests.bus.small_house import Ledger, Script, Tick

NOTHING_BEFORE = Recall((), 0, complete=True)


def tick(text: str) -> Spoken:
    return Spoken("clock", 0, "bus_test.tick", msgspec.Raw(encode(Tick(text))))


def round_(number: int, *words: Spoken) -> Round:
    return Round(number, 10 * number, 0, words)


def life(journal: MemoryJournal | None = None) -> tuple[Turns, Script, MemoryJournal]:
    journal, port = journal or MemoryJournal(), Script("ledger")
    room = Room(Ledger(), [port], journal)
    room.recover()
    return Turns(room), port, journal


def said(frame: Any) -> list[str]:
    assert isinstance(frame, Hello | Reply)
    return [msgspec.msgpack.decode(word.body)["text"] for word in frame.said]


def test_a_turn_is_lived_once_however_often_it_is_told():
    turns, port, journal = life()
    turns.hear(NOTHING_BEFORE)

    first = turns.hear(Turn(round_(1, tick("a")), 0))
    again = turns.hear(Turn(round_(1, tick("a")), 0))

    assert said(first) == said(again) == ["a after 0", "a after 1"]
    assert [text for _, text in port.done] == ["a"]
    assert len(list(journal.rows())) == 2


def test_a_new_life_brings_what_the_last_one_committed():
    turns, _, journal = life()
    turns.hear(NOTHING_BEFORE)
    turns.hear(Turn(round_(1, tick("a")), 0))

    after, port, _ = life(journal.crash())

    assert (after.hello().lived, after.hello().epoch) == (1, 2)
    assert said(after.hello()) == ["a after 0", "a after 1"]
    assert [text for _, text in port.done] == ["a"], "the command is carried out again"


def test_rounds_of_an_earlier_life_that_decide_otherwise_end_this_one():
    turns, _, _ = life()
    turns.hear(NOTHING_BEFORE)

    with pytest.raises(AssertionError, match="now decides"):
        turns.hear(Past((round_(1, tick("it kept nothing then")),)))


def test_a_turn_after_rounds_that_were_not_told_is_not_lived():
    turns, _, journal = life()
    turns.hear(NOTHING_BEFORE)

    with pytest.raises(ConductorLost, match="before round 7"):
        turns.hear(Turn(round_(7, tick("a")), 3))
    assert list(journal.rows()) == []


def test_a_turn_before_all_was_heard_again_is_not_lived():
    turns, _, _ = life()

    with pytest.raises(ConductorLost):
        turns.hear(Turn(round_(1), 0))


def test_a_hole_in_the_past_is_noticed():
    turns, _, _ = life()
    turns.hear(NOTHING_BEFORE)
    turns.hear(Past((round_(1), round_(2))))

    with pytest.raises(ConductorLost):
        turns.hear(Past((round_(4),)))


def test_a_page_that_is_missing_is_noticed():
    turns, _, _ = life()
    turns.hear(Recall((), 0, complete=False))

    with pytest.raises(ConductorLost):
        turns.hear(Recall((), 2, complete=True))


def test_a_conductor_that_ends_while_it_tells_the_past_costs_this_life():
    turns, _, _ = life()
    turns.hear(Recall((), 0, complete=False))

    with pytest.raises(ConductorLost):
        turns.hear(Introduce())


def test_who_was_told_all_introduces_itself_to_a_new_conductor_as_it_is():
    turns, _, _ = life()
    turns.hear(NOTHING_BEFORE)
    turns.hear(Turn(round_(1, tick("a")), 0))

    hello = turns.hear(Introduce())

    assert isinstance(hello, Hello)
    assert (hello.is_fresh, hello.lived, said(hello)) == (False, 1, ["a after 0", "a after 1"])


class FailsOnce(MemoryJournal):
    """A disk that is full for one commit."""

    fails = False

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        if self.fails:
            self.fails = False
            raise JournalError("no room")
        super().commit(facts, cursor)


def test_a_life_that_failed_commits_and_answers_nothing_any_more():
    journal = FailsOnce()
    turns, port, _ = life(journal)
    turns.hear(NOTHING_BEFORE)
    turns.hear(Turn(round_(1, tick("a")), 0))
    journal.fails = True
    with pytest.raises(JournalError):
        turns.hear(Turn(round_(2, tick("b")), 1))

    with pytest.raises(AssertionError, match="must not go on"):
        turns.hear(Turn(round_(2, tick("b")), 1))
    with pytest.raises(AssertionError, match="must not go on"):
        turns.hear(Turn(round_(3, tick("c")), 1))
    assert len(list(journal.rows())) == 2
    assert [text for _, text in port.done] == ["a"]


def test_a_life_that_decided_otherwise_commits_nothing_of_it_later():
    turns, port, journal = life()
    turns.hear(NOTHING_BEFORE)
    with pytest.raises(AssertionError, match="now decides"):
        turns.hear(Past((round_(1, tick("it kept nothing then")),)))

    with pytest.raises(AssertionError, match="must not go on"):
        turns.hear(Turn(round_(2, tick("b")), 1))
    assert list(journal.rows()) == []
    assert port.done == []
