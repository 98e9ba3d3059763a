"""Ears: takes what other daemons tell as it comes, delivers it in order and once, and says what must be pulled.

A speaker's socket is a hint and the fast path; what it lost, doubled or brought too early is found out by numbers:
facts by `journal_seq`, everything else by the `seq` of its stream, which begins anew with each life of the speaker.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from lct.bus.order import Arrival, Facts, Lost, Stream
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
    Message,
    Request,
    Told,
    tag_of,
)

HOUSE = "house"
"""Owner of the types that every daemon tells."""


class Hears(NamedTuple):
    """What is heard of one speaker: tags of durable types, and of the others."""

    facts: frozenset[str]
    streams: frozenset[str]


class Pull(NamedTuple):
    """What to ask of whom; each speaker is asked one thing at a time."""

    speaker: str
    request: Request[Told]


class _Tag(msgspec.Struct):
    tag: str


_tag = msgspec.msgpack.Decoder(_Tag)


def hears_of(kinds: Iterable[type[Message]], speakers: Iterable[str]) -> dict[str, Hears]:
    """Return what is heard of each speaker by who hears these types; those of no speaker come from ports and timers."""
    events = [kind for kind in kinds if issubclass(kind, Event)]
    found = {}
    for speaker in speakers:
        of_it = [kind for kind in events if tag_of(kind).partition(".")[0] in {speaker, HOUSE}]
        facts = frozenset(tag_of(kind) for kind in of_it if kind.durable)
        streams = frozenset(tag_of(kind) for kind in of_it if not kind.durable)
        if facts or streams:
            found[speaker] = Hears(facts, streams)
    return found


class Speaker:
    """All that is heard of one (daemon, instance)."""

    def __init__(self, hears: Hears, at: int | None, held: frozenset[str]) -> None:
        """Know nothing of its lives yet; facts begin after `at`."""
        self.epoch = 0
        self.facts = Facts(hears.facts, at)
        self.streams = {tag: Stream(tag, is_held=tag in held) for tag in sorted(hears.streams)}
        self.needs_snapshot = bool(self.streams) or at is None
        self.asked: Request[Told] | None = None

    @property
    def misses(self) -> bool:
        """Whether something must be pulled before all that it told has been delivered."""
        return self.needs_snapshot or self.facts.misses or any(stream.misses for stream in self.streams.values())

    def wants(self) -> Request[Told] | None:
        """Return what to ask it next."""
        if self.needs_snapshot:
            facts = () if self.facts.at is not None else self.facts.tags
            return GetLast(tuple(sorted((*self.streams, *facts))))
        if self.facts.misses:
            assert self.facts.at is not None, "facts without a place begin with the snapshot"
            return FromJournal(tuple(sorted(self.facts.tags)), self.facts.at)
        for stream in self.streams.values():
            if stream.misses:
                assert stream.next is not None, "a stream that misses something has begun"
                return FromSeq(stream.tag, self.epoch, stream.next - 1)
        return None


class Ears:
    """The hearing side of one daemon; owns no socket and no clock.

    Facts are delivered exactly once and in order, from the saved place on. Of the rest each number is delivered once,
    in order, or stands in `lost`. A hearer that comes late begins with the last of each type.
    """

    def __init__(
        self,
        hears: dict[str, Hears],
        codec: Codec,
        heard: dict[str, int] | None,
        *,
        held: frozenset[str] = frozenset(),
        held_again: frozenset[str] = frozenset(),
    ) -> None:
        """Hear speakers by key (see `key_of`); `heard` are the saved places, None for a daemon that saves none.

        Streams of the tags `held` wait to be released, those of `held_again` with each new life of their speaker: what
        went before is to be heard first, and comes from elsewhere.
        """
        self.speakers = {
            key: Speaker(of, None if heard is None else heard.get(key, 0), held | held_again)
            for key, of in sorted(hears.items())
        }
        self.lost: list[Lost] = []
        self.malformed = 0
        self._codec = codec
        self._held_again = held_again

    @property
    def heard(self) -> dict[str, int]:
        """Return up to which `journal_seq` the facts of each speaker are delivered."""
        return {key: s.facts.at for key, s in self.speakers.items() if s.facts.tags and s.facts.at is not None}

    def hear(self, envelope: Envelope) -> list[Arrival]:
        """Take what came on the fast path; return what has its turn now."""
        key = key_of(envelope.source, envelope.instance)
        speaker = self.speakers.get(key)
        if speaker is None:
            return []
        tag = self._tag(envelope)
        if tag is None:
            return []
        self._meet(key, speaker, envelope.epoch)
        if envelope.journal_seq is not None:
            if not speaker.facts.tags:
                return []
            arrival = self._opened(envelope) if tag in speaker.facts.tags else None
            if arrival is None and tag in speaker.facts.tags:
                # it is pulled, and refused there by name
                speaker.facts.upto = max(speaker.facts.upto, envelope.journal_seq)
                return []
            speaker.facts.take(envelope.journal_seq, arrival)
            return list(speaker.facts.turns())
        stream = speaker.streams.get(tag)
        if stream is None or envelope.epoch < speaker.epoch:
            return []
        stream.take(envelope.seq, self._opened(envelope))
        return self._turns(key, speaker, stream)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Learn from a heartbeat what should have come by now."""
        key = key_of(heartbeat.daemon, heartbeat.instance)
        speaker = self.speakers.get(key)
        if speaker is None or heartbeat.epoch < speaker.epoch:
            return
        speaker.facts.upto = max(speaker.facts.upto, heartbeat.journal_seq)
        self.reach(key, heartbeat.epoch, heartbeat.streams)

    def reach(self, key: str, epoch: int, seqs: dict[str, int]) -> None:
        """Learn how far the streams of a speaker have come, by tag."""
        speaker = self.speakers[key]
        self._meet(key, speaker, epoch)
        for tag, seq in seqs.items():
            if tag in speaker.streams:
                speaker.streams[tag].upto = max(speaker.streams[tag].upto, seq)

    # -- what must be pulled ------------------------------------------------------------------------------------

    def pull(self, key: str) -> Request[Told] | None:
        """Return what to ask a speaker now, None while nothing is missing; it must come back as `told` or `silent`."""
        speaker = self.speakers[key]
        if speaker.asked is not None:
            return None
        speaker.asked = speaker.wants()
        return speaker.asked

    def pulls(self) -> list[Pull]:
        """Return what to ask of whom now."""
        found = ((key, self.pull(key)) for key in self.speakers)
        return [Pull(key, request) for key, request in found if request is not None]

    def silent(self, key: str) -> None:
        """Hear that a speaker did not answer; it may be asked again."""
        self.speakers[key].asked = None

    def told(self, key: str, epoch: int, told: Told) -> list[Arrival]:
        """Take the answer of a speaker, in the life `epoch` of its; return what has its turn now.

        Raises JournalError where its journal is not the one whose facts were heard before, or holds what cannot be
        read.
        """
        speaker = self.speakers[key]
        asked, speaker.asked = speaker.asked, None
        if epoch < speaker.epoch:
            return []
        if self._meet(key, speaker, epoch) and isinstance(asked, FromSeq):
            return []  # a stream of a life that is over by now
        envelopes = list(map(unpack, told.envelopes))
        if isinstance(asked, GetLast):
            return self._snapshot(key, speaker, envelopes, told)
        if isinstance(asked, FromJournal):
            return self._facts(key, speaker, asked, envelopes, told)
        assert isinstance(asked, FromSeq), f"{key} was not asked"
        return self._from_seq(key, speaker, asked, envelopes, told)

    # -- streams that wait for what went before -----------------------------------------------------------------

    def held(self) -> list[tuple[str, str]]:
        """Return the streams, as (speaker, tag), that wait to be released by who has heard what went before.

        All up to their `snapshot`, the number of the last that was told, went before.
        """
        return [
            (key, stream.tag)
            for key, speaker in self.speakers.items()
            for stream in speaker.streams.values()
            if stream.is_held and not speaker.needs_snapshot
        ]

    def release(self, key: str, tag: str, epoch: int) -> list[Arrival]:
        """Let a stream go on after its snapshot; in a later life than `epoch` it goes on waiting."""
        speaker = self.speakers[key]
        stream = speaker.streams[tag]
        if speaker.epoch != epoch or not stream.is_held or speaker.needs_snapshot:
            return []
        stream.begin(stream.snapshot + 1)
        return self._turns(key, speaker, stream)

    def hold(self, key: str, tag: str) -> None:
        """Let a stream wait once more, after a new snapshot, for something of it is lost."""
        speaker = self.speakers[key]
        speaker.streams[tag].is_held = speaker.needs_snapshot = True

    # -- answers ------------------------------------------------------------------------------------------------

    def _snapshot(self, key: str, speaker: Speaker, envelopes: list[Envelope], told: Told) -> list[Arrival]:
        speaker.needs_snapshot = False
        found: list[Arrival] = []
        begins = speaker.facts.at is None
        lasts = {self._tag(envelope): envelope for envelope in envelopes}
        if begins:
            facts = (lasts[tag] for tag in speaker.facts.tags & lasts.keys())
            found += map(self._fact, sorted(facts, key=lambda e: e.journal_seq or 0))
            speaker.facts.reach(told.upto)
            speaker.facts.is_checked = True
            found += speaker.facts.turns()
        for tag, stream in speaker.streams.items():
            last = lasts.get(tag)
            if last is not None:
                stream.snapshot = last.seq
                stream.take(last.seq, self._opened(last), always=True)
            if stream.next is None and not stream.is_held:
                # what came before the snapshot was told while this life heard already
                stream.begin(min(stream.early, default=1))
            found += self._turns(key, speaker, stream)
        return found

    def _facts(
        self, key: str, speaker: Speaker, asked: FromJournal, envelopes: list[Envelope], told: Told
    ) -> list[Arrival]:
        facts = speaker.facts
        assert facts.at is not None, "facts were asked for by their place"
        if told.upto < asked.after:
            msg = f"the journal of {key} ends at {told.upto}, but {asked.after} of it were heard: {APART}"
            raise JournalError(msg)
        found = []
        # all are read before the place moves: one that cannot be must not take those before it along
        read = [(envelope.journal_seq, self._fact(envelope)) for envelope in envelopes]
        for number, arrival in read:
            assert number is not None, "a fact has its place in the journal"
            if number > facts.at:
                found.append(arrival)
                facts.at = number
        if told.upto == asked.after:
            facts.is_checked = True
            facts.upto = max(told.upto, 0, *facts.early)
        facts.reach(told.upto)
        return [*found, *facts.turns()]

    def _from_seq(
        self, key: str, speaker: Speaker, asked: FromSeq, envelopes: list[Envelope], told: Told
    ) -> list[Arrival]:
        stream = speaker.streams[asked.tag_asked]
        for envelope in envelopes:
            stream.take(envelope.seq, self._opened(envelope), always=True)
        found = self._turns(key, speaker, stream)
        first = envelopes[0].seq if envelopes else told.upto + 1
        while not told.complete or not envelopes:
            gone = stream.skip(max(first, asked.after + 1))
            if gone is None:
                break
            self.lost.append(Lost(key, stream.tag, speaker.epoch, *gone))
            found += self._turns(key, speaker, stream)
        if not envelopes:
            stream.upto = max(told.upto, 0, *stream.early)
        return found

    # -- what it is made of -------------------------------------------------------------------------------------

    def _meet(self, key: str, speaker: Speaker, epoch: int) -> bool:
        """Turn to a new life of a speaker, if it is one; return whether it is."""
        if epoch <= speaker.epoch:
            return False
        is_turn = speaker.epoch > 0
        for stream in speaker.streams.values() if is_turn else ():
            if stream.next is not None:
                self.lost.append(Lost(key, stream.tag, speaker.epoch, stream.next, None))
            stream.end(is_held=stream.tag in self._held_again)
        speaker.epoch = epoch
        speaker.needs_snapshot |= bool(speaker.streams)
        return is_turn

    def _turns(self, key: str, speaker: Speaker, stream: Stream) -> list[Arrival]:
        found = []
        for arrival in stream.turns():
            if arrival is None:
                assert stream.next is not None, "it has begun"
                self.lost.append(Lost(key, stream.tag, speaker.epoch, stream.next - 1, stream.next - 1))
            else:
                found.append(arrival)
        return found

    def _tag(self, envelope: Envelope) -> str | None:
        tag = tag_in(envelope)
        self.malformed += tag is None
        return tag

    def _opened(self, envelope: Envelope) -> Arrival | None:
        try:
            return Arrival(envelope, self._codec.decode(envelope.body))
        except ValueError:
            self.malformed += 1
            return None

    def _fact(self, envelope: Envelope) -> Arrival:
        try:
            return Arrival(envelope, self._codec.decode(envelope.body))
        except ValueError as error:
            msg = f"{envelope.source} tells a fact that this lct cannot read ({envelope.id}): {error}"
            raise JournalError(msg) from error


APART = "they are not of one house; restore both, or `lct portfolio reset` begins anew"


def key_of(source: str, instance: int = 0) -> str:
    """Return the name under which one instance of a daemon is heard."""
    return source if not instance else f"{source}.{instance}"


def tag_in(envelope: Envelope) -> str | None:
    """Return the tag of the message in an envelope, None where there is none."""
    try:
        return _tag.decode(envelope.body).tag
    except ValueError:
        return None
