"""The local bus: a house in one process, in replayed time, where messages travel as objects in rounds."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from lct.bus.seat import NEVER_NS, Heard, Seat
from lct.daemon import Daemon
from lct.errors import JournalError, LctError
from lct.messages.base import Codec, Event, Message, Request, encode, tag_of
from lct.messages.market_data import BarsClosed
from lct.ports.base import TimedPort
from lct.store.journal import Cursor, Fact, Journal, Word

ROUNDS_AT_ONE_TIME_MAX = 10_000
CLIENT = "client"
"""Who asks from outside of the house; it hears only replies."""

SEAT_NAME = attrgetter("name")

ReplyT = TypeVar("ReplyT", bound=Event)


class LocalBus:
    """Carries the words of daemons in rounds, commits before it delivers, and moves the time.

    In round k a daemon hears all that was said in round k-1, sorted by (speaker, n), then its ports' due results,
    then its due timers. Only when all are quiet does the time move, to the smallest due time of ports and timers.
    """

    def __init__(self, daemons: Iterable[Daemon], ports: Iterable[TimedPort], journal: Journal) -> None:
        """Seat finished daemons and ports; `recover` must come before `run`."""
        ports = list(ports)
        self.seats = {
            d.name: Seat(d, [p for p in ports if p.owner == d.name]) for d in sorted(daemons, key=lambda d: d.name)
        }
        self.ports = {port.role: port for port in ports}
        assert len(self.ports) == len(ports), "two ports share a role"
        self.journal = journal
        self.now_ns = 0
        self.round = 0
        self.epoch = 0
        self.md_seq = 0
        self.counts: Counter[type[Message]] = Counter()
        self._words: list[Heard] = []
        self._due_ns = NEVER_NS
        self._replies: list[Heard] = []
        self._hears = self._routes()
        self._owners = {kind: seat for seat in self.seats.values() for kind in seat.answerers}
        self._seats = tuple(self.seats.values())

    def _routes(self) -> dict[type[Message], tuple[tuple[Seat, Callable[[Any, int], Any]], ...]]:
        routes: dict[type[Message], list[tuple[Seat, Callable[[Any, int], Any]]]] = {}
        for seat in self.seats.values():
            for kind, handler in seat.hearers.items():
                routes.setdefault(kind, []).append((seat, handler))
        return {kind: tuple(found) for kind, found in routes.items()}

    # -- time ---------------------------------------------------------------------------------------------------

    def run(self, *, until_md_seq: int | None = None, on_time: Callable[[int], None] | None = None) -> None:
        """Run rounds until nothing is due any more, or all that the bars of `until_md_seq` caused has been done.

        `on_time` is called with the time each time it moves.
        """
        rounds_now = 0
        self._due_ns = self._next_due_ns()
        while True:
            if not self._words and self._due_ns > self.now_ns:
                if self._due_ns == NEVER_NS or (until_md_seq is not None and self.md_seq >= until_md_seq):
                    return
                self.now_ns = self._due_ns
                rounds_now = 0
                if on_time is not None:
                    on_time(self.now_ns)
            rounds_now += 1
            if rounds_now > ROUNDS_AT_ONE_TIME_MAX:
                msg = f"the house talked for {ROUNDS_AT_ONE_TIME_MAX} rounds at {self.now_ns} without coming to rest"
                raise LctError(msg)
            self._one_round()

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask a daemon from outside, now: rounds are run until the reply is there; time does not move."""
        self._words.append(Heard(CLIENT, 0, request, None, CLIENT))
        for _ in range(ROUNDS_AT_ONE_TIME_MAX):
            self._one_round()
            if self._replies:
                return self._replies.pop().message  # type: ignore[return-value]
        msg = f"no reply to {tag_of(type(request))}"
        raise LctError(msg)

    def checkpoint(self) -> None:
        """Commit the cursor, so that the next life goes on exactly here."""
        self.journal.commit([], self._cursor())

    def _next_due_ns(self) -> int:
        earliest = NEVER_NS
        for seat in self._seats:
            if seat.ports or seat.timers or seat.waiting:
                due = seat.due_ns()
                earliest = min(earliest, due)
        return earliest

    # -- recovery -----------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Start: apply the journal, bring back what is not durable, and take the outbox; the only way to start."""
        cursor = self.journal.cursor()
        codec = Codec(tuple(kind for kind in _kinds(Message) if "." in str(kind.__struct_config__.tag)))
        for row in self.journal.rows():
            seat = self.seats.get(row.daemon)
            if seat is None:
                msg = f"the journal has rows of {row.daemon}, which is not part of this house"
                raise JournalError(msg)
            seat.daemon.apply(codec.decode(row.body))  # type: ignore[arg-type]
        self.epoch = cursor.epoch + 1
        self.round, self.now_ns, self.md_seq = cursor.round, cursor.now_ns, cursor.md_seq
        self._words = [Heard(w.speaker, w.n, codec.decode(w.body), w.destination, w.answers) for w in cursor.outbox]
        for name, port in self.ports.items():
            port.resume(cursor.ports.get(name, 0))
        if self.md_seq:
            self._rehear()
        for seat in self._seats:
            seat.begin(self.now_ns, self.round)
            self._words += seat.words
            seat.words = []
        self._commit()

    def _rehear(self) -> None:
        """Let daemons hear recorded bars again, outputs dropped, up to the last bars that were delivered."""
        since = {s.name: s.daemon.rehears_since(self.md_seq) for s in self._seats if s.daemon.rehears}
        if not since:
            return
        undelivered = [word.message for word in self._words]
        for seat in self._seats:
            for port in seat.ports:
                for event in port.heard_again(min(since.values()) + 1, self.md_seq):
                    self._cascade(seat.replies_of(event, self.now_ns), since, undelivered)

    def _cascade(self, said: list[Message], since: dict[str, int], undelivered: list[Message]) -> None:
        md_seq = 0
        while said:
            heard, said = said, []
            for message in heard:
                if message in undelivered:
                    continue
                if isinstance(message, BarsClosed):
                    md_seq = message.md_seq
                for seat in self._seats:
                    if type(message) in seat.daemon.rehears and md_seq > since[seat.name]:
                        said += seat.replies_of(message, self.now_ns)

    # -- a round ------------------------------------------------------------------------------------------------

    def _one_round(self) -> None:
        self.round += 1
        words, self._words = self._words, []
        if len(words) == 1 and words[0].to is None and self._due_ns > self.now_ns:
            self._one_word(words[0])
            return
        awake: list[Seat] = []
        for word in words:
            kind = type(word.message)
            self.counts[kind] += 1
            if word.to is None and kind in self._hears:
                for seat, handler in self._hears[kind]:
                    if not seat.inbox:
                        awake.append(seat)
                    seat.inbox.append((handler, word))
                if kind is BarsClosed:
                    self.md_seq = word.message.md_seq  # type: ignore[attr-defined]
            else:
                self._deliver_to_one(word, awake)
        if self._due_ns <= self.now_ns:
            self._wake_due(awake)
        if len(awake) > 1:
            awake.sort(key=SEAT_NAME)
        must_commit = look_again = False
        for seat in awake:
            look_again |= seat.hear(self.now_ns, self.round)
            must_commit |= self._collect(seat)
        self._end_round(must_commit=must_commit, look_again=look_again)

    def _one_word(self, word: Heard) -> None:
        """Do what a round does when one event is all that was said and nothing is due, as on most rounds: at once."""
        message = word.message
        kind = type(message)
        self.counts[kind] += 1
        if kind is BarsClosed:
            self.md_seq = message.md_seq  # type: ignore[attr-defined]
        elif kind in self._owners:
            awake: list[Seat] = []
            self._deliver_to_one(word, awake)
            awake[0].hear(self.now_ns, self.round)
            self._end_round(must_commit=self._collect(awake[0]), look_again=True)
            return
        must_commit = look_again = False
        for seat, handler in self._hears.get(kind, ()):
            said = handler(message, self.now_ns)
            if said is not None:
                seat.take(said, word, self.round)
                look_again |= seat.times_changed
                must_commit |= self._collect(seat)
        if must_commit or look_again:
            self._end_round(must_commit=must_commit, look_again=look_again)

    def _collect(self, seat: Seat) -> bool:
        """Take what a seat has said into the round's words; return whether there is something to commit."""
        if seat.words:
            self._words += seat.words
            seat.words = []
        return bool(seat.durable or seat.commands)

    def _end_round(self, *, must_commit: bool, look_again: bool) -> None:
        """Commit what must last before it is told, and look when the next thing is due."""
        if must_commit:
            self._commit()
        if must_commit or look_again:
            self._due_ns = self._next_due_ns()

    def _wake_due(self, awake: list[Seat]) -> None:
        for seat in self._seats:
            if (seat.ports or seat.timers or seat.waiting) and seat.due_ns() <= self.now_ns:
                seat.is_due = True
                if not seat.inbox:
                    awake.append(seat)

    def _deliver_to_one(self, word: Heard, awake: list[Seat]) -> None:
        """Deliver a request to its owner, or a reply to who asked; an event that nobody hears is dropped."""
        message = word.message
        if word.to == CLIENT:
            self._replies.append(word)
            return
        if isinstance(message, Request):
            seat = self._owners[type(message)]
            handler: Callable[[Any, int], Any] = partial(seat.answer, word, self.round)
        elif word.to is None:
            return
        else:
            seat = self.seats[word.to]
            if word.answers in seat.waiting:
                handler = partial(seat.reply_came, word, self.round)
            elif isinstance(message, Event) and type(message) in seat.hearers:
                handler = seat.hearers[type(message)]
            else:
                return
        if not seat.inbox:
            awake.append(seat)
        seat.inbox.append((handler, word))

    def _commit(self) -> None:
        """Make the round's durable events, cursor and outbox durable; only then carry out its commands."""
        facts: list[Fact] = []
        for seat in self._seats:
            if seat.durable:
                facts += seat.durable
                seat.durable = []
        self.journal.commit(facts, self._cursor())
        for seat in self._seats:
            if seat.commands:
                commands, seat.commands = seat.commands, []
                for command in commands:
                    self.ports[command.port].do(command.command, self.now_ns)

    def _cursor(self) -> Cursor:
        if not self.journal.keeps_outbox:
            return Cursor(self.epoch, self.round, self.now_ns, self.md_seq)
        outbox = tuple(Word(w.speaker, w.n, msgspec.Raw(encode(w.message)), w.to, w.answers) for w in self._words)
        heard = {name: port.given for name, port in self.ports.items()}
        return Cursor(self.epoch, self.round, self.now_ns, self.md_seq, heard, outbox)


def _kinds(root: type[Message]) -> list[type[Message]]:
    """Return all message types that are known in this process."""
    found: list[type[Message]] = []
    for kind in root.__subclasses__():
        found += [kind, *_kinds(kind)]
    return found
