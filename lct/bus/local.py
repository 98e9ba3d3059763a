"""The local bus: a house in one process, in replayed time, where messages travel as objects in rounds."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, TypeVar, cast

import msgspec

from lct.bus.foresight import Foresight, foresight_of
from lct.bus.room import errands_again, own_codec, recorded
from lct.bus.seat import NEVER_NS, Heard, Seat
from lct.daemon import Daemon, Do
from lct.errors import JournalError, LctError
from lct.messages.base import Event, Message, Request, encode, tag_of
from lct.messages.market_data import BarsClosed
from lct.ports.base import TimedPort
from lct.store.journal import Cursor, Errand, Fact, Journal, Word

ROUNDS_AT_ONE_TIME_MAX = 10_000
CLIENT = "client"
"""Who asks from outside of the house; it hears only the reply to what it asks."""

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
        self._facts: list[Fact] = []
        self._commands: list[Do] = []
        self._due_ns = NEVER_NS
        self._replies: dict[str | None, Event] = {}
        self._asked = 0
        self._commits = 0
        self._is_sound = True
        self._hears = self._routes()
        self._owners = {kind: seat for seat in self.seats.values() for kind in seat.answerers}
        self._seats = tuple(self.seats.values())
        self._foresight = foresight_of(self._seats, self._hears)

    def _routes(self) -> dict[type[Message], tuple[tuple[Seat, Callable[[Any, int], Any]], ...]]:
        routes: dict[type[Message], list[tuple[Seat, Callable[[Any, int], Any]]]] = {}
        for seat in self.seats.values():
            for kind, handler in seat.hearers.items():
                routes.setdefault(kind, []).append((seat, handler))
        return {kind: tuple(found) for kind, found in routes.items()}

    # -- time ---------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        until_md_seq: int | None = None,
        until_ns: int = NEVER_NS - 1,
        on_time: Callable[[int], None] | None = None,
    ) -> None:
        """Run rounds until nothing is due any more, or all that the bars of `until_md_seq` caused has been done.

        Nothing that is due after `until_ns` happens. `on_time` is called with the time each time it moves.
        """
        self._begin()
        self._come_to_rest()
        while self._due_ns <= until_ns and (until_md_seq is None or self.md_seq < until_md_seq):
            if on_time is None and self._pass_by(until_md_seq, until_ns):
                continue
            self.now_ns = self._due_ns
            if on_time is not None:
                on_time(self.now_ns)
            self._come_to_rest()
        self._is_sound = True

    def _pass_by(self, until_md_seq: int | None, until_ns: int) -> bool:
        """Let what a recording gives next go by at once, as far as it is foreseen that nothing follows from it.

        The house is as it would be after those rounds. Where something follows at once from what comes alone, it is
        played from what is foreseen; False where nothing is.
        """
        foresight = self._foresight
        if foresight is None or foresight.seat.timers or foresight.seat.waiting:
            return False
        others_due_ns = self._next_due_ns(but=foresight.seat)
        most = NEVER_NS if until_md_seq is None else until_md_seq - foresight.port.given
        passed = foresight.pass_by(min(until_ns, others_due_ns - 1), most)
        if passed is None:
            return self._due_ns < others_due_ns and self._play_foreseen(foresight)
        self.now_ns = passed.now_ns
        self.round += passed.rounds
        self.counts.update(map(type, chain.from_iterable(passed.words)))
        self.md_seq = passed.md_seq or self.md_seq
        self._due_ns = self._next_due_ns()
        return True

    def _play_foreseen(self, foresight: Foresight) -> bool:
        """Let the round of the recording go by and play those that follow; False where it is not foreseen."""
        said = foresight.open_round()
        if said is None:
            return False
        self.now_ns = self._due_ns
        self.round += 1
        self._words = [Heard(foresight.seat.name, n, word, None, None) for n, word in enumerate(said)]
        self._due_ns = self._next_due_ns()
        self._come_to_rest()
        return True

    def _come_to_rest(self) -> None:
        """Run rounds until nobody has said anything and nothing is due by now."""
        for _ in range(ROUNDS_AT_ONE_TIME_MAX):
            if not self._words and self._due_ns > self.now_ns:
                return
            self._one_round()
        if self._words or self._due_ns <= self.now_ns:
            msg = f"the house talked for {ROUNDS_AT_ONE_TIME_MAX} rounds at {self.now_ns} without coming to rest"
            raise LctError(msg)

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask a daemon from outside, now: rounds are run until the reply is there; time does not move.

        A question that changes nothing leaves no trace, not even in the count of rounds. LctError without an answer.
        """
        if type(request) not in self._owners:
            raise LctError(f"nobody in this house answers {tag_of(type(request))}")
        self._begin()
        before = self.round, self._commits
        self._asked += 1
        key = f"{CLIENT}:{self.epoch}:{self._asked}"
        self._words.append(Heard(CLIENT, 0, request, None, key))
        self._replies.clear()
        for _ in range(ROUNDS_AT_ONE_TIME_MAX):
            self._one_round()
            if key in self._replies:
                self._is_sound = True
                if self._commits == before[1] and not self._words and not any(s.waiting for s in self._seats):
                    self.round = before[0]
                return cast(ReplyT, self._replies.pop(key))
        msg = f"no reply to {tag_of(type(request))}"
        raise LctError(msg)

    @property
    def due_ns(self) -> int:
        """When something is due next, NEVER_NS where nothing is."""
        for seat in self._seats:
            seat.look()
        return self._next_due_ns()

    def _begin(self) -> None:
        """Go on, unless an error or an interruption broke off a round: memory is ahead of the journal then."""
        if not self._is_sound:
            raise LctError("this house broke off in the middle of a round; start it anew, and it goes on from there")
        self._is_sound = False
        for seat in self._seats:
            seat.look()
        self._due_ns = self._next_due_ns()

    def checkpoint(self) -> None:
        """Commit the cursor, so that the next life goes on exactly here."""
        if not self._is_sound:
            raise LctError(
                "a house that broke off in the middle of a round goes on from its last commit, not from here"
            )
        self.journal.commit([], self._cursor(()))

    def _next_due_ns(self, but: Seat | None = None) -> int:
        earliest = NEVER_NS
        for seat in self._seats:
            if seat.due_ns < earliest and seat is not but:
                earliest = seat.due_ns
        return earliest

    # -- recovery -----------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Start: apply the journal, bring back what is not durable, and take the outbox; the only way to start."""
        cursor = self.journal.cursor()
        codec = own_codec()
        for row in self.journal.rows():
            seat = self.seats.get(row.daemon)
            if seat is None:
                msg = f"the journal has rows of {row.daemon}, which is not part of this house"
                raise JournalError(msg)
            seat.daemon.apply(cast(Event, recorded(codec, row.body)))
        self.epoch = cursor.epoch + 1
        self.round, self.now_ns, self.md_seq = cursor.round, cursor.now_ns, cursor.md_seq
        self._words = [Heard(w.speaker, w.n, recorded(codec, w.body), w.destination, w.answers) for w in cursor.outbox]
        for name, port in self.ports.items():
            port.resume(cursor.ports.get(name, 0))
        # in the order in which they were said: a venue numbers orders as they come
        self._carry_out(errands_again(cursor, self.ports, codec))
        self._rehear()
        for seat in self._seats:
            seat.begin(self.now_ns, self.round)
            self._collect(seat)
        self._commit()

    def _rehear(self) -> None:
        """Let daemons hear what their recorded ports gave, outputs dropped, up to the last bars delivered."""
        hearers = [seat for seat in self._seats if seat.daemon.rehears]
        # all from where the first must: what one needs another may have to say again
        first = min((seat.daemon.rehears_since(self.md_seq) for seat in hearers), default=self.md_seq) + 1
        undelivered = [word.message for word in self._words]
        for seat in self._seats:
            for port in seat.ports:
                for event in port.heard_again(first, port.given) if port.given else ():
                    self._cascade(seat.replies_of(event, self.now_ns), hearers, undelivered)

    def _cascade(self, said: list[Message], hearers: list[Seat], undelivered: list[Message]) -> None:
        """Let the words that bars caused be heard again, in the order of rounds, but those that are still to come."""
        bars = next((message for message in said if isinstance(message, BarsClosed)), None)
        if bars is None or bars.md_seq > self.md_seq:
            return
        while said:
            heard, said = said, []
            if bars.md_seq == self.md_seq:
                heard = [message for message in heard if message not in undelivered]
            for seat in hearers:
                for message in heard:
                    if type(message) in seat.daemon.rehears:
                        said += seat.replies_of(message, bars.time_ns)

    # -- a round ------------------------------------------------------------------------------------------------

    def _one_round(self) -> None:
        self.round += 1
        words, self._words = self._words, []
        if len(words) == 1 and self._due_ns > self.now_ns:
            word = words[0]
            if word.to is None and type(word.message) in self._hears:
                self._one_word(word)
                return
        deliver = self._deliver
        for word in words:
            deliver(word)
        now_ns, look_again = self.now_ns, False
        for seat in self._seats:
            if seat.due_ns <= now_ns:
                seat.is_due = True
            elif not seat.inbox:
                continue
            if seat.hear(now_ns, self.round):
                seat.look()
                look_again = True
            self._collect(seat)
        if look_again or self._facts or self._commands:
            self._end_round()

    def _deliver(self, word: Heard) -> None:
        """Put a word into the inboxes of those who hear it."""
        kind = type(word.message)
        self.counts[kind] += 1
        if kind is BarsClosed:
            self.md_seq = word.message.md_seq  # type: ignore[attr-defined]
        if word.to is None and kind in self._hears:
            for seat, handler in self._hears[kind]:
                seat.inbox.append((handler, word))
        else:
            self._deliver_to_one(word)

    def _one_word(self, word: Heard) -> None:
        """Do what a round does when one event is all that was said and nothing is due, as on most rounds: at once."""
        message, now_ns, look_again = word.message, self.now_ns, False
        kind = type(message)
        self.counts[kind] += 1
        if kind is BarsClosed:
            self.md_seq = message.md_seq  # type: ignore[attr-defined]
        for seat, handler in self._hears[kind]:
            said = handler(message, now_ns)
            if said is not None:
                seat.take(said, word, self.round)
                if seat.times_changed:
                    seat.times_changed = False
                    seat.look()
                    look_again = True
                self._collect(seat)
        if look_again or self._facts or self._commands:
            self._end_round()

    def _collect(self, seat: Seat) -> None:
        """Take what a seat has said into the round's words, and what must be committed before they are told."""
        if seat.words:
            self._words += seat.words
            seat.words = []
        if seat.durable:
            self._facts += seat.durable
            seat.durable = []
        if seat.commands:
            self._commands += seat.commands
            seat.commands = []

    def _end_round(self) -> None:
        """Commit what must last before it is told, and look when the next thing is due."""
        if self._facts or self._commands:
            self._commit()
        self._due_ns = self._next_due_ns()

    def _deliver_to_one(self, word: Heard) -> None:
        """Deliver a request to its owner, or a reply to who asked; an event that nobody hears is dropped."""
        message = word.message
        if word.to == CLIENT:
            self._replies[word.answers] = cast(Event, message)
            return
        if isinstance(message, Request):
            assert type(message) in self._owners, f"nobody answers {tag_of(type(message))} of {word.speaker}"
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
        seat.inbox.append((handler, word))

    def _commit(self) -> None:
        """Make the round's durable events, cursor and outbox durable; only then carry out its commands."""
        facts, self._facts = self._facts, []
        commands, self._commands = self._commands, []
        self.journal.commit(facts, self._cursor(commands))
        self._commits += 1
        if commands:
            self._carry_out(commands)
            for seat in self._seats:
                if seat.ports:
                    seat.look()

    def _carry_out(self, commands: Iterable[Do]) -> None:
        if not self.journal.is_read_only:
            for port, command in commands:
                self.ports[port].do(command, self.now_ns)

    def _cursor(self, commands: Iterable[Do]) -> Cursor:
        if not self.journal.keeps_outbox:
            return Cursor(self.epoch, self.round, self.now_ns, self.md_seq)
        outbox = tuple(Word(w.speaker, w.n, msgspec.Raw(encode(w.message)), w.to, w.answers) for w in self._words)
        errands = tuple(Errand(port, msgspec.Raw(encode(command))) for port, command in commands)
        heard = {name: port.given for name, port in self.ports.items()}
        return Cursor(self.epoch, self.round, self.now_ns, self.md_seq, heard, outbox, errands)
