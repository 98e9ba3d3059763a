"""Streams and ears: whatever the network does to what a speaker tells, facts come once and in order."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lct.bus.ears import Ears, Hears, Pull, hears_of
from lct.bus.order import EARLY_MAX, Arrival, Lost
from lct.bus.streams import PAGE_BYTES_MAX, Telling
from lct.bus.wire import unpack
from lct.errors import JournalError
from lct.messages.base import (
    Codec,
    Envelope,
    Event,
    FromJournal,
    FromSeq,
    GetLast,
    Heartbeat,
    Told,
    encode,
    tag_of,
)
from lct.store.journal import Cursor, Fact, MemoryJournal, Row
from tests.bus.small_house import Kept, Tick, Word


class Booked(Event, frozen=True, tag="bus_test.booked"):
    durable = True
    text: str


class Unheard(Event, frozen=True, tag="bus_test.unheard"):
    durable = True
    text: str


SPEAKER = "bus_test"
CODEC = Codec((Word, Tick, Kept, Booked))
HEARS = hears_of((Word, Tick, Kept, Booked), (SPEAKER,))
WORD = tag_of(Word)
UNREADABLE_FACT = msgspec.msgpack.encode({"tag": tag_of(Kept), "text": 1})
UNREADABLE_WORD = msgspec.msgpack.encode({"tag": WORD, "text": 1})


class Speaker:
    """A daemon that tells: its journal outlives it, its streams do not."""

    def __init__(self, ring_max: int = 8) -> None:
        self.journal = MemoryJournal()
        self.ring_max = ring_max
        self.epoch = 0
        self.begin()

    def begin(self) -> None:
        self.epoch += 1
        rows = list(self.journal.rows())
        self.telling = Telling(SPEAKER, self.epoch, self.rows, journal_seq=len(rows), ring_max=self.ring_max)

    def rows(self, after: int) -> Iterator[Row]:
        return self.journal.rows(SPEAKER, after)

    def tell(self, event: Event) -> Envelope:
        if event.durable:
            fact = Fact(SPEAKER, "test:0:0", tag_of(type(event)), encode(event))
            self.journal.commit([fact], Cursor(self.epoch))
        return self.telling.tell(event, 0)

    def heartbeat(self) -> Heartbeat:
        telling = self.telling
        seqs = dict(telling.seqs)
        return Heartbeat(
            SPEAKER, 0, self.epoch, 1, ready=True, time_ns=0, journal_seq=telling.journal_seq, streams=seqs
        )


def ears(heard: dict[str, int] | None = None, **kwargs: Any) -> Ears:
    return Ears(HEARS, CODEC, {} if heard is None else heard, **kwargs)


def answered(speaker: Speaker, request: Any) -> Told:
    """Answer in small pages."""
    small = request if isinstance(request, GetLast) else msgspec.structs.replace(request, limit=3)
    return speaker.telling.answer(small)


def settle(hearer: Ears, speaker: Speaker) -> list[Arrival]:
    """Let the hearer pull until it misses nothing."""
    found = []
    for _ in range(1_000):
        pulls = hearer.pulls()
        if not pulls:
            return found
        for key, request in pulls:
            found += hearer.told(key, speaker.epoch, answered(speaker, request))
    raise AssertionError("the hearer asks without an end")


def texts(arrivals: list[Arrival]) -> list[str]:
    return [arrival.message.text for arrival in arrivals]  # type: ignore[attr-defined]


# --- telling


def test_each_type_is_numbered_from_one_and_durable_events_carry_their_place_in_the_journal():
    speaker = Speaker()

    told = [speaker.tell(event) for event in (Word("a"), Tick("b"), Word("c"), Kept("d"), Kept("e"))]

    assert [(e.seq, e.journal_seq) for e in told] == [(1, None), (1, None), (2, None), (1, 1), (2, 2)]
    assert speaker.telling.seqs == {WORD: 2, tag_of(Tick): 1, tag_of(Kept): 2}
    assert len({e.id for e in told}) == len(told)


def test_the_last_of_each_type_is_told_also_of_facts_of_an_earlier_life():
    speaker = Speaker()
    speaker.tell(Kept("before"))
    speaker.tell(Word("lost with its life"))
    speaker.begin()
    speaker.tell(Tick("now"))

    told = speaker.telling.answer(GetLast((tag_of(Kept), tag_of(Tick), WORD, "bus_test.nothing")))

    assert [CODEC.decode(unpack(frame).body) for frame in told.envelopes] == [Kept("before"), Tick("now")]
    assert (told.upto, told.complete) == (1, True)


def test_a_page_of_a_stream_says_where_it_ends_and_whether_its_beginning_is_gone():
    speaker = Speaker(ring_max=4)
    for number in range(10):
        speaker.tell(Word(str(number)))

    whole = speaker.telling.answer(FromSeq(WORD, 1, 6))
    first = speaker.telling.answer(FromSeq(WORD, 1, 6, limit=2))
    late = speaker.telling.answer(FromSeq(WORD, 1, 2))
    other_life = speaker.telling.answer(FromSeq(WORD, 2, 0))

    assert ([unpack(f).seq for f in whole.envelopes], whole.upto, whole.complete) == ([7, 8, 9, 10], 10, True)
    assert ([unpack(f).seq for f in first.envelopes], first.upto) == ([7, 8], 8)
    assert ([unpack(f).seq for f in late.envelopes], late.complete) == ([7, 8, 9, 10], False)
    assert (other_life.envelopes, other_life.upto, other_life.complete) == ([], 0, False)


def test_facts_are_paged_by_number_and_by_size():
    speaker = Speaker()
    for number in range(6):
        speaker.tell(Kept(str(number)))
        speaker.tell(Unheard("x" * (PAGE_BYTES_MAX // 4)))

    few = speaker.telling.answer(FromJournal((tag_of(Kept),), 2, limit=2))
    large = speaker.telling.answer(FromJournal((tag_of(Unheard),), 0))
    beyond = speaker.telling.answer(FromJournal((tag_of(Kept),), 99))

    assert ([unpack(f).journal_seq for f in few.envelopes], few.upto) == ([3, 5], 6)
    assert ([unpack(f).journal_seq for f in large.envelopes], large.upto) == ([2, 4, 6], 7)
    assert (beyond.envelopes, beyond.upto) == ([], 12)


# --- hearing


def test_what_comes_in_order_is_delivered_as_it_comes():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)

    found = [arrival for event in (Word("a"), Kept("b"), Word("c")) for arrival in hearer.hear(speaker.tell(event))]

    assert texts(found) == ["a", "b", "c"]
    assert hearer.pulls() == []
    assert hearer.heard == {SPEAKER: 1}


def test_a_gap_is_pulled_and_what_came_early_waits_for_its_turn():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    told = [speaker.tell(Word(text)) for text in "abcd"]

    found = [*hearer.hear(told[0]), *hearer.hear(told[3])]
    (pull,) = hearer.pulls()

    assert texts(found) == ["a"]
    assert pull == Pull(SPEAKER, FromSeq(WORD, 1, 1))
    assert texts(hearer.told(SPEAKER, 1, speaker.telling.answer(pull.request))) == ["b", "c", "d"]
    assert hearer.lost == []


def test_a_lost_tail_is_noticed_by_the_heartbeat():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    speaker.tell(Word("lost"))
    speaker.tell(Kept("lost too"))

    hearer.beat(speaker.heartbeat())

    assert sorted(texts(settle(hearer, speaker))) == ["lost", "lost too"]


def test_what_the_speaker_no_longer_has_is_reported_as_lost():
    speaker, hearer = Speaker(ring_max=3), ears()
    settle(hearer, speaker)
    for number in range(1, 9):
        speaker.tell(Word(str(number)))
    hearer.beat(speaker.heartbeat())

    assert texts(settle(hearer, speaker)) == ["6", "7", "8"]
    assert hearer.lost == [Lost(SPEAKER, WORD, 1, 1, 5)]


def test_who_comes_late_begins_with_the_last_of_each_type():
    speaker = Speaker()
    for text in "abc":
        speaker.tell(Word(text))
        speaker.tell(Tick(text))
    hearer = ears()

    found = settle(hearer, speaker)

    assert texts(found) == ["c", "c"]
    assert texts(hearer.hear(speaker.tell(Word("d")))) == ["d"]
    assert hearer.lost == []


def test_facts_of_all_lives_come_from_the_saved_place_on_and_types_that_are_not_heard_leave_no_gap():
    speaker = Speaker()
    for text in "abc":
        speaker.tell(Kept(text))
        speaker.tell(Unheard(text))
    speaker.begin()
    speaker.tell(Booked("d"))
    hearer = ears({SPEAKER: 2})

    found = settle(hearer, speaker)

    assert texts(found) == ["b", "c", "d"]
    assert hearer.heard == {SPEAKER: 7}
    assert hearer.hear(speaker.tell(Unheard("e"))) == []
    assert texts(hearer.hear(speaker.tell(Kept("f")))) == ["f"]


def test_a_daemon_that_saves_no_place_begins_with_the_last_fact_of_each_type():
    speaker = Speaker()
    for event in (Kept("a"), Kept("b"), Booked("c"), Unheard("d")):
        speaker.tell(event)
    hearer = Ears(HEARS, CODEC, None)

    found = settle(hearer, speaker)

    assert texts(found) == ["b", "c"]
    assert texts(hearer.hear(speaker.tell(Kept("e")))) == ["e"]


def test_a_new_life_begins_its_streams_anew_and_what_the_old_one_may_have_said_is_reported():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    hearer.hear(speaker.tell(Word("a")))
    old = speaker.tell(Word("b"))
    speaker.begin()
    missed, second = speaker.tell(Word("c")), speaker.tell(Word("d"))

    found = hearer.hear(second)
    (pull,) = hearer.pulls()

    assert found == []
    assert isinstance(pull.request, GetLast)
    found += hearer.told(SPEAKER, 2, speaker.telling.answer(pull.request))
    found += settle(hearer, speaker)
    assert texts(found) == ["c", "d"]
    assert hearer.hear(old) == hearer.hear(missed) == []
    assert Lost(SPEAKER, WORD, 1, 2, None) in hearer.lost


def test_an_answer_of_a_life_that_is_over_changes_nothing():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    speaker.tell(Word("a"))
    hearer.beat(speaker.heartbeat())
    (pull,) = hearer.pulls()
    late = speaker.telling.answer(pull.request)
    speaker.begin()
    hearer.hear(speaker.tell(Word("new")))

    assert hearer.told(SPEAKER, 1, late) == []
    assert settle(hearer, speaker) == []


def test_a_silent_speaker_is_asked_again():
    hearer = ears()

    (pull,) = hearer.pulls()
    none_while_one_is_on_its_way = hearer.pulls()
    hearer.silent(SPEAKER)

    assert none_while_one_is_on_its_way == []
    assert hearer.pulls() == [pull]


def test_a_journal_that_is_shorter_than_what_was_heard_of_it_is_another_house():
    speaker, hearer = Speaker(), ears({SPEAKER: 5})

    with pytest.raises(JournalError, match="ends at 0, but 5 of it were heard"):
        settle(hearer, speaker)


def test_a_fact_that_cannot_be_read_is_never_skipped():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    speaker.journal.commit([Fact(SPEAKER, "test:0:0", tag_of(Kept), UNREADABLE_FACT)], Cursor(1))
    told = msgspec.structs.replace(speaker.telling.tell(Kept(""), 0), body=msgspec.Raw(UNREADABLE_FACT))

    assert hearer.hear(told) == []
    assert hearer.malformed == 1
    with pytest.raises(JournalError, match="a fact that this lct cannot read"):
        settle(hearer, speaker)


def test_a_volatile_event_that_cannot_be_read_is_reported_as_lost():
    speaker, hearer = Speaker(), ears()
    settle(hearer, speaker)
    strange = msgspec.structs.replace(speaker.tell(Word("")), body=msgspec.Raw(UNREADABLE_WORD))

    found = [*hearer.hear(strange), *hearer.hear(speaker.tell(Word("next")))]

    assert texts(found) == ["next"]
    assert hearer.lost == [Lost(SPEAKER, WORD, 1, 1, 1)]


def test_a_flood_behind_a_gap_is_kept_within_a_limit_and_the_rest_is_pulled():
    speaker, hearer = Speaker(ring_max=2 * EARLY_MAX), ears()
    settle(hearer, speaker)
    speaker.tell(Word("0"))
    flood = [speaker.tell(Word(str(n))) for n in range(1, EARLY_MAX + 51)]

    found = [arrival for envelope in flood for arrival in hearer.hear(envelope)]

    assert found == []
    assert len(hearer.speakers[SPEAKER].streams[WORD].early) == EARLY_MAX
    assert texts(settle(hearer, speaker)) == [str(n) for n in range(EARLY_MAX + 51)]


def test_a_held_stream_waits_until_it_is_released_and_again_with_a_new_life():
    speaker = Speaker()
    hearer = ears(held_again=frozenset({WORD}))
    speaker.tell(Word("a"))
    settle(hearer, speaker)

    waiting = hearer.hear(speaker.tell(Word("b")))
    held = hearer.held()
    released = hearer.release(SPEAKER, WORD, 1)
    speaker.begin()
    again = hearer.hear(speaker.tell(Word("c")))

    assert waiting == again == []
    assert held == [(SPEAKER, WORD)]
    assert texts(released) == ["b"]
    settle(hearer, speaker)
    assert hearer.release(SPEAKER, WORD, 2) == []
    assert texts(hearer.hear(speaker.tell(Word("d")))) == ["d"]


def test_types_of_no_speaker_are_not_asked_for_and_those_of_the_house_are_heard_of_all():
    assert hears_of((Heartbeat, Word), ("a", SPEAKER)) == {
        "a": Hears(frozenset(), frozenset({"house.heartbeat"})),
        SPEAKER: Hears(frozenset(), frozenset({"house.heartbeat", WORD})),
    }


# --- whatever happens


KINDS: dict[str, type[Any]] = {"word": Word, "tick": Tick, "kept": Kept, "booked": Booked, "unheard": Unheard}


class Network:
    """Loses, doubles and reorders what is told, and the answers too; speaker and hearer die and come back."""

    def __init__(self, *, saves: bool) -> None:
        self.speaker = Speaker(ring_max=5)
        self.wire: list[Envelope] = []
        self.answers: list[tuple[str, int, Told]] = []
        self.saved: dict[str, int] = {}
        self.facts: list[str] = []
        self.saves = saves
        self.said = 0
        self.live()

    def live(self) -> None:
        """Begin a life of the hearer, from what was saved."""
        self.ears = ears(dict(self.saved)) if self.saves else Ears(HEARS, CODEC, None)
        self.answers.clear()
        self.delivered: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.new_facts: list[str] = []

    def take(self, found: list[Arrival]) -> None:
        for envelope, message in found:
            if envelope.journal_seq is not None:
                self.new_facts.append(message.text)  # type: ignore[attr-defined]
            else:
                self.delivered[envelope.epoch, tag_of(type(message))].append(envelope.seq)

    def commit(self) -> None:
        """What was heard and the place up to which it was heard are saved together."""
        self.facts += self.new_facts
        self.new_facts = []
        self.saved = self.ears.heard

    def step(self, what: str, which: int) -> None:
        if what in KINDS:
            self.said += 1
            self.wire.append(self.speaker.tell(KINDS[what](str(self.said))))
        elif what in {"deliver", "overtake", "double", "lose"}:
            if self.wire:
                self.carry(what, which % len(self.wire))
        elif what in {"answer", "silence"}:
            if self.answers:
                key, epoch, told = self.answers.pop(0)
                if what == "answer":
                    self.take(self.ears.told(key, epoch, told))
                else:
                    self.ears.silent(key)
        elif what == "pull":
            for key, request in self.ears.pulls():
                self.answers.append((key, self.speaker.epoch, answered(self.speaker, request)))
        else:
            {
                "beat": lambda: self.ears.beat(self.speaker.heartbeat()),
                "commit": self.commit,
                "speaker dies": self.speaker.begin,
                "hearer dies": self.live,
            }[what]()

    def carry(self, what: str, at: int) -> None:
        if what == "double":
            self.wire.append(self.wire[at])
            return
        envelope = self.wire.pop(0 if what == "deliver" else at)
        if what != "lose":
            self.take(self.ears.hear(envelope))

    def settle(self) -> None:
        for answer in self.answers:
            self.take(self.ears.told(*answer))
        self.answers.clear()
        self.take(settle(self.ears, self.speaker))
        self.ears.beat(self.speaker.heartbeat())
        self.take(settle(self.ears, self.speaker))
        self.commit()


STEPS = st.sampled_from([
    *("word", "tick", "kept", "booked", "unheard"),
    *("word", "word", "kept", "kept", "deliver", "deliver", "deliver", "deliver", "pull", "answer"),
    *("overtake", "double", "lose", "beat", "silence", "commit", "speaker dies", "hearer dies"),
])  # fmt: skip
SCHEDULES = st.lists(st.tuples(STEPS, st.integers(0, 20)), min_size=80, max_size=160)


@settings(max_examples=300, deadline=None)
@given(SCHEDULES)
def test_facts_are_heard_once_and_in_order_whatever_happens(schedule: list[tuple[str, int]]):
    network = Network(saves=True)

    for step in schedule:
        network.step(*step)
    network.settle()

    rows = network.speaker.rows(0)
    told = [msgspec.msgpack.decode(row.body)["text"] for row in rows if row.type != tag_of(Unheard)]
    assert network.facts == told


@settings(max_examples=300, deadline=None)
@given(SCHEDULES, st.booleans())
def test_of_the_rest_each_is_heard_once_in_order_or_reported_lost(schedule: list[tuple[str, int]], saves: bool):
    network = Network(saves=saves)

    for step in schedule:
        network.step(*step)
    network.settle()

    lost: dict[tuple[int, str], set[int]] = defaultdict(set)
    ended = set()
    for _, tag, epoch, first, last in network.ears.lost:
        lost[epoch, tag] |= set(range(first, (last or first - 1) + 1))
        ended |= {(epoch, tag)} if last is None else set()
    for stream, seqs in network.delivered.items():
        assert seqs == sorted(set(seqs)), "doubled or out of order"
        assert not lost[stream] & set(seqs), "reported lost, but it came"
        assert lost[stream] | set(seqs) >= set(range(seqs[0], seqs[-1] + 1)), "a silent gap"
        epoch, tag = stream
        if epoch == network.speaker.epoch:
            assert max(seqs[-1], *lost[stream], 0) == network.speaker.telling.seqs[tag], "a silent end"
        else:
            assert stream in ended, "a life that ended unsaid"
