"""A room: one daemon with its journal and ports: hears a batch, decides, applies, commits, then carries out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import msgspec

from lct.bus.points import reached
from lct.bus.seat import NEVER_NS, Heard, Seat
from lct.daemon import Daemon, Do
from lct.errors import JournalError
from lct.messages.base import Codec, Command, Event, Message, Request, encode, tag_of
from lct.messages.market_data import BarsClosed
from lct.ports.base import TimedPort
from lct.store.journal import Cursor, Errand, Fact, Journal, Word

CHECKPOINT_ROUNDS = 1_000
"""A daemon with nothing to commit commits where it stands now and then, so that a restart hears little again."""


class Room:
    """Runs one daemon for a bus that delivers words to it, by rounds or as they arrive.

    Between two turns everything that was said before is durable, and everything commanded has been carried out.
    """

    def __init__(self, daemon: Daemon, ports: Iterable[TimedPort], journal: Journal) -> None:
        """Take finished parts; `recover` and `begin` must come before the first turn."""
        self.seat = Seat(daemon, list(ports))
        self.daemon = daemon
        self.name = daemon.name
        self.journal = journal
        self.ports = {port.role: port for port in self.seat.ports}
        assert len(self.ports) == len(self.seat.ports), "two ports share a role"
        self.epoch = 0
        self.round = self.now_ns = self.md_seq = self.journal_seq = 0
        self.committed_round = 0
        self.commits_results = False
        """Whether a turn that took a port's result is committed in any case: on the wall clock none comes again."""
        self._is_broken = False
        """Whether something failed in the middle of hearing: memory is ahead of the journal then, or behind it."""
        self.since = 0
        """After which `md_seq` the next life would have to hear bars again."""
        self.outbox: tuple[Heard, ...] = ()
        self.pending: tuple[Word, ...] = ()
        """What the cursor keeps beside the outbox: requests whose reply has not come yet (live time only)."""
        self.heard: dict[str, int] = {}
        """Up to which `journal_seq` the facts of each speaker were heard for good (live time only)."""

    # -- recovery -----------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Apply the journal, let the ports resume, carry out again what was under way, and commit the new epoch."""
        cursor, codec = self.journal.cursor(), own_codec()
        for row in self.journal.rows():
            if row.daemon != self.name:
                raise JournalError(f"the journal of {self.name} has rows of {row.daemon}")
            self.daemon.apply(cast(Event, recorded(codec, row.body)))
            self.journal_seq = row.journal_seq
        self.epoch = cursor.epoch + 1
        self.round = self.committed_round = cursor.round
        self.now_ns, self.md_seq, self.heard = cursor.now_ns, cursor.md_seq, dict(cursor.heard)
        self.outbox = tuple(
            Heard(w.speaker, w.n, recorded(codec, w.body), w.destination, w.answers) for w in cursor.outbox
        )
        for name, port in self.ports.items():
            port.resume(cursor.ports.get(name, 0))
            first = self.daemon.rehears_since(port.given) + 1
            for event in port.heard_again(first, port.given) if port.given else ():
                self.seat.replies_of(event, self.now_ns)
        self._carry_out(errands_again(cursor, self.ports, codec))
        self.since = self._since()
        reached("folded")
        self.journal.commit([], self._cursor(self.outbox, ()))
        reached("recovered")

    def hear_again(self, message: Message, now_ns: int) -> None:
        """Let the daemon hear something it heard for good in an earlier life, to rebuild what is not durable."""
        with self._whole():
            if type(message) is BarsClosed:
                self.md_seq = max(self.md_seq, message.md_seq)
            if type(message) in self.daemon.rehears and not self.daemon.recall(cast(Event, message)):
                self.seat.replies_of(message, now_ns)

    def begin(self) -> list[Heard]:
        """Let a fresh life say and do what it must; return its words."""
        with self._whole():
            self.seat.begin(self.now_ns, self.round)
            words, self.seat.words = self.seat.words, []
            for word in words:
                word.n += len(self.outbox)
            if self.seat.durable or self.seat.commands:
                self._commit([*self.outbox, *words])
        return words

    def assert_whole(self) -> None:
        """Hold that nothing failed halfway: what a broken room says or commits would be wrong."""
        assert not self._is_broken, f"{self.name} failed before, and must not go on in this life"

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self.assert_whole()
        self._is_broken = True
        yield
        self._is_broken = False

    # -- a turn -------------------------------------------------------------------------------------------------

    def turn(self, words: Sequence[Heard], now_ns: int, round_: int, *, checkpoint: bool = True) -> list[Heard]:
        """Hear words, then the due results of the ports and the due timers; return what was said, committed.

        `round_` grows by each turn. With `checkpoint` a turn long after the last commit is committed in any case.
        """
        with self._whole():
            return self._turn(words, now_ns, round_, checkpoint=checkpoint)

    def _turn(self, words: Sequence[Heard], now_ns: int, round_: int, *, checkpoint: bool) -> list[Heard]:
        given = [port.given for port in self.seat.ports]
        self._hear(words, now_ns, round_)
        reached("heard", self.seat.durable)
        said, self.seat.words = self.seat.words, []
        for word in said:
            if type(word.message) is BarsClosed:
                self.md_seq = word.message.md_seq
        is_new = self.commits_results and given != [port.given for port in self.seat.ports]
        is_stale = checkpoint and round_ - self.committed_round >= CHECKPOINT_ROUNDS and not self.seat.waiting
        if self.seat.durable or self.seat.commands or is_stale or is_new:
            self._commit(said)
        return said

    def turn_again(self, words: Sequence[Heard], now_ns: int, round_: int) -> None:
        """Live through a turn of an earlier life that committed nothing; what it said the others have heard."""
        with self._whole():
            self._hear(words, now_ns, round_)
            seat = self.seat
            assert not seat.durable, f"{self.name} now decides {seat.durable[0].type} in round {round_}, as it did not"
            assert not seat.commands, f"{self.name} now commands {seat.commands[0]} in round {round_}, as it did not"
            seat.words = []

    def due_ns(self) -> int:
        """Return when the next port result, timer or deadline of this daemon is due."""
        return self.seat.look()

    def _hear(self, words: Sequence[Heard], now_ns: int, round_: int) -> None:
        assert round_ >= self.round, f"{self.name}: round {round_} after round {self.round}"
        self.round, self.now_ns = round_, now_ns
        seat = self.seat
        for word in words:
            handler = self._handler(word, round_)
            if handler is not None:
                seat.inbox.append((handler, word))
                if type(word.message) is BarsClosed:
                    self.md_seq = word.message.md_seq
        seat.is_due = seat.look() <= now_ns
        seat.hear(now_ns, round_)

    def _handler(self, word: Heard, round_: int) -> Callable[[Any, int], Any] | None:
        """Return what hears a word: an answer to a request, a handler that waits for this reply, or `@on`."""
        message, seat = word.message, self.seat
        if isinstance(message, Request):
            assert type(message) in seat.answerers, f"{self.name} does not answer {tag_of(type(message))}"
            return partial(seat.answer, word, round_)
        if word.answers is not None and word.answers in seat.waiting:
            return partial(seat.reply_came, word, round_)
        return seat.hearers.get(type(message))  # type: ignore[arg-type]

    # -- what lasts ---------------------------------------------------------------------------------------------

    def _commit(self, said: Sequence[Heard]) -> None:
        """Make durable events, cursor and outbox durable; only then carry out the commands."""
        facts: list[Fact] = self.seat.durable
        commands: list[Do] = self.seat.commands
        self.seat.durable, self.seat.commands = [], []
        self.outbox = tuple(said)
        self.journal.commit(facts, self._cursor(said, commands))
        self.journal_seq += len(facts)
        self.committed_round = self.round
        self.since = self._since()
        reached("committed", facts)
        self._carry_out(commands)
        reached("carried_out", facts)

    def _carry_out(self, commands: Iterable[Do]) -> None:
        for port, command in commands:
            self.ports[port].do(command, self.now_ns)

    def _since(self) -> int:
        return self.daemon.rehears_since(self.md_seq) if self.daemon.rehears else NEVER_NS

    def _cursor(self, said: Iterable[Heard], commands: Iterable[Do]) -> Cursor:
        outbox = tuple(Word(w.speaker, w.n, msgspec.Raw(encode(w.message)), w.to, w.answers) for w in said)
        errands = tuple(Errand(port, msgspec.Raw(encode(command))) for port, command in commands)
        given = {name: port.given for name, port in self.ports.items()}
        return Cursor(
            self.epoch,
            self.round,
            self.now_ns,
            self.md_seq,
            given,
            (*outbox, *self.pending),
            errands,
            dict(self.heard),
        )


def errands_again(cursor: Cursor, ports: Mapping[str, TimedPort], codec: Codec) -> list[Do]:
    """Return the commands of the last commit that may be given again.

    Whether they were carried out nobody knows: what must not be done twice is for its daemon to find out (`recovered`).
    """
    errands = [errand for errand in cursor.errands if ports[errand.port].takes_again]
    return [Do(errand.port, cast(Command, recorded(codec, errand.body))) for errand in errands]


def own_codec() -> Codec:
    """Return what reads everything that this house may have written itself."""
    return Codec(tuple(kind for kind in all_kinds(Message) if "." in tag_of(kind)), is_ours=True)


def recorded(codec: Codec, body: bytes | msgspec.Raw) -> Message:
    """Decode what this house wrote once; the hash chain says that it did."""
    try:
        return codec.decode(body)
    except ValueError as error:
        msg = f"the journal holds a message that this lct cannot read: {error}"
        raise JournalError(msg) from error


def all_kinds(root: type[Message]) -> list[type[Message]]:
    """Return all message types that are known in this process."""
    found: list[type[Message]] = []
    for kind in root.__subclasses__():
        found += [kind, *all_kinds(kind)]
    return found
