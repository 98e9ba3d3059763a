"""The conductor: the hub of replayed time; collects what a round said, writes it down, and lets the next one hear it.

It owns no socket and no clock: every method returns what is to be sent to whom.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from lct.bus.points import reached
from lct.bus.room import CHECKPOINT_ROUNDS
from lct.bus.rounds import (
    PAGE_BODY_BYTES,
    PAGE_ROUNDS,
    FromConductor,
    Hello,
    Here,
    Introduce,
    Past,
    Recall,
    Reply,
    Turn,
)
from lct.bus.seat import NEVER_NS
from lct.errors import JournalError, LctError
from lct.messages.base import tag_of
from lct.messages.market_data import BarsClosed
from lct.store.rounds import Round, RoundLog, Spoken

FORGET_EVERY_ROUNDS = 500
ROUNDS_AT_ONE_TIME_MAX = 10_000
CLIENT = "client"
BARS = tag_of(BarsClosed)


class _MdSeq(msgspec.Struct):
    md_seq: int


_md_seq = msgspec.msgpack.Decoder(_MdSeq)


@dataclass
class Member:
    """A daemon as the conductor knows it: this life, what it hears, when it is due, and what it would need again."""

    epoch: int
    heeds: frozenset[str] = frozenset()
    """Which words that are for all it takes, by tag: events that it hears, requests that it answers."""
    answers: frozenset[str] = frozenset()
    due_ns: int = NEVER_NS
    told: int = 0
    """The last round that it was told and has lived, by its replies; or will have, when it has heard its past."""
    cursor: int = 0
    since: int = 0


@dataclass(frozen=True)
class Sending:
    """A frame for one life of one daemon."""

    daemon: str
    epoch: int
    frame: FromConductor


@dataclass
class Conductor:
    """Moves rounds for a fixed set of daemons; a round is held until all that it woke have answered.

    Replies of a life that is over are dropped: they are addressed by (daemon, epoch).
    """

    names: tuple[str, ...]
    log: RoundLog
    members: dict[str, Member] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    answered: list[Spoken] = field(default_factory=list)
    """Replies to clients, for the shell to take."""

    def __post_init__(self) -> None:
        """Go on with the round that was in progress; everyone has to introduce themselves."""
        self.round = self.log.last()
        self._said: dict[str, tuple[Spoken, ...]] = {}
        self._waiting = set(self.names)
        self._from_clients: list[Spoken] = []
        self._rounds_now = 0

    # -- what it hears ------------------------------------------------------------------------------------------

    def hello(self, hello: Hello) -> list[Sending]:
        """Take a new life in: tell it what it must hear again and the round in progress, or take what it said."""
        known = self.members.get(hello.daemon)
        if hello.daemon not in self.names or (known is not None and hello.epoch <= known.epoch):
            self.counts["hellos dropped"] += 1
            return []
        if hello.lived > self.round.number:
            raise JournalError(
                f"{hello.daemon} has lived up to round {hello.lived}, the conductor knows {self.round.number}: the "
                "round log was lost or restored without the journals; `lct portfolio reset` begins anew"
            )
        self.members[hello.daemon] = Member(
            hello.epoch,
            frozenset(hello.hears + hello.answers),
            frozenset(hello.answers),
            hello.due_ns,
            max(hello.lived, self.round.number - 1),
            hello.cursor,
            hello.since,
        )
        told = [self._to(hello.daemon, page) for page in self._past(hello)]
        if hello.lived < self.round.number:
            self._waiting.add(hello.daemon)
            return [*told, self._turn(hello.daemon), *self.go_on()]
        self._said.setdefault(hello.daemon, hello.said)
        self._waiting.discard(hello.daemon)
        return [*told, *self.go_on()]

    def reply(self, reply: Reply) -> list[Sending]:
        """Take what a daemon said in the round in progress, once."""
        member = self.members.get(reply.daemon)
        if member is None or member.epoch != reply.epoch:
            self.counts["late replies dropped"] += 1
            return []
        if reply.round != self.round.number or reply.daemon not in self._waiting:
            self.counts["repeated replies dropped"] += 1
            return []
        member.due_ns, member.told, member.cursor, member.since = reply.due_ns, reply.round, reply.cursor, reply.since
        self._said.setdefault(reply.daemon, reply.said)
        self._waiting.discard(reply.daemon)
        return self.go_on()

    def here(self, here: Here) -> list[Sending]:
        """Ask a life that is not known who it is; tell one that owes a reply the round in progress once more."""
        member = self.members.get(here.daemon)
        if member is None or member.epoch < here.epoch:
            return [Sending(here.daemon, here.epoch, Introduce())]
        if member.epoch == here.epoch and here.daemon in self._waiting and here.lived <= self.round.number:
            return [self._turn(here.daemon)]
        return []

    def ask(self, tag: str, body: bytes, key: str) -> list[Sending]:
        """Let a request from outside be heard in the next round; its reply comes into `answered`."""
        self._from_clients.append(Spoken(CLIENT, len(self._from_clients), tag, msgspec.Raw(body), None, key))
        return self.go_on()

    def answerable(self, tag: str) -> bool:
        """Whether a daemon that has introduced itself answers this request."""
        return any(tag in member.answers for member in self.members.values())

    # -- what moves ---------------------------------------------------------------------------------------------

    @property
    def waits_for(self) -> list[str]:
        """Return who has to answer before the round is over."""
        return sorted(self._waiting)

    @property
    def next_ns(self) -> int:
        """Return the time that comes next when all is quiet; NEVER_NS when nothing is due any more."""
        return min((member.due_ns for member in self.members.values()), default=NEVER_NS)

    @property
    def is_quiet(self) -> bool:
        """Whether the round is over and nobody has said anything, so that only the time can bring something."""
        return not self._waiting and not self._from_clients and not any(self._said.values())

    def go_on(self, until_ns: int | None = None) -> list[Sending]:
        """Begin the next round if this one is over; the time moves only where `until_ns` allows it."""
        if self._waiting:
            return []
        words = sorted((word for said in self._said.values() for word in said), key=lambda w: (w.speaker, w.n))
        words += self._from_clients
        now_ns = self.round.now_ns
        if not words and self.next_ns > now_ns:
            if until_ns is None or self.next_ns > until_ns or self.next_ns == NEVER_NS:
                return []
            now_ns, self._rounds_now = self.next_ns, 0
        self._rounds_now += 1
        if self._rounds_now > ROUNDS_AT_ONE_TIME_MAX:
            raise LctError(f"the house talked for {ROUNDS_AT_ONE_TIME_MAX} rounds at {now_ns} without coming to rest")
        return self._begin(now_ns, words)

    def _begin(self, now_ns: int, words: Sequence[Spoken]) -> list[Sending]:
        md_seq = max((_md_seq.decode(w.body).md_seq for w in words if w.tag == BARS), default=self.round.md_seq)
        heard = tuple(word for word in words if word.to != CLIENT)
        round_ = Round(self.round.number + 1, now_ns, md_seq, heard)
        self.log.begin(round_)
        self.round = round_
        reached("written")
        self.answered += [word for word in words if word.to == CLIENT]
        self._from_clients = []
        self._said = {}
        self.counts["words"] += len(words)
        # a part of a house may lack who would answer; in a whole one this stays zero
        self.counts["requests to nobody"] += sum(
            w.to is None and w.answers is not None and not self.answerable(w.tag) for w in words
        )
        self._waiting = {name for name, member in self.members.items() if self._wakes(name, member)}
        if self.round.number % FORGET_EVERY_ROUNDS == 0:
            self._forget()
        if not self._waiting:
            return self.go_on()
        return [self._turn(name) for name in sorted(self._waiting)]

    def _wakes(self, name: str, member: Member) -> bool:
        """Whether a daemon has a part in the round: something to hear, or due, or a commit that is too long ago.

        Rounds are kept until everyone has committed since, also who seldom hears anything.
        """
        is_old = self.round.number - member.cursor > 2 * CHECKPOINT_ROUNDS and not self.round.number % CHECKPOINT_ROUNDS
        return is_old or member.due_ns <= self.round.now_ns or bool(self._words_for(name, self.round.words))

    def _forget(self) -> None:
        first = min(member.cursor for member in self.members.values())
        self.log.forget(first, min(member.since for member in self.members.values()))

    # -- what it tells ------------------------------------------------------------------------------------------

    def _words_for(self, name: str, words: Sequence[Spoken]) -> tuple[Spoken, ...]:
        heeds = self.members[name].heeds
        return tuple(word for word in words if word.to == name or (word.to is None and word.tag in heeds))

    def _only_for(self, name: str, round_: Round) -> Round:
        return Round(round_.number, round_.now_ns, round_.md_seq, self._words_for(name, round_.words))

    def _turn(self, name: str) -> Sending:
        return self._to(name, Turn(self._only_for(name, self.round), self.members[name].told))

    def _to(self, name: str, frame: FromConductor) -> Sending:
        return Sending(name, self.members[name].epoch, frame)

    def _past(self, hello: Hello) -> Iterator[FromConductor]:
        """Yield what a life must hear again: kept words up to its last commit, then the rounds since."""
        if hello.is_fresh:
            words = self.log.of_bars(hello.rehears, hello.since, hello.lived) if hello.rehears else iter(())
            page: list[tuple[int, Spoken]] = []
            number = size = 0
            for word in words:
                page.append(word)
                size += len(bytes(word[1].body))
                if len(page) == PAGE_ROUNDS or size >= PAGE_BODY_BYTES:
                    yield Recall(tuple(page), number, complete=False)
                    page, number, size = [], number + 1, 0
            yield Recall(tuple(page), number, complete=True)
        rounds: list[Round] = []
        size = 0
        for round_ in self.log.between(hello.lived + 1, self.round.number - 1):
            rounds.append(self._only_for(hello.daemon, round_))
            size += sum(len(bytes(word.body)) for word in rounds[-1].words)
            if len(rounds) == PAGE_ROUNDS or size >= PAGE_BODY_BYTES:
                yield Past(tuple(rounds))
                rounds, size = [], 0
        if rounds:
            yield Past(tuple(rounds))
