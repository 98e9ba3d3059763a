"""Session: what one life of a daemon on the wall clock hears and says, kept so that it can be lived again.

It stands between a room and its journal and ports: what a turn hears is written before the turn is committed, and what
is said before it is told.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from lct.bus.heard import NS_PER_US, Head, HeardLog, Ports, Word
from lct.bus.room import Room
from lct.bus.said import Direct, SaidLog
from lct.bus.seat import Heard
from lct.bus.streams import Telling
from lct.errors import JournalError
from lct.messages.base import Command, Event, Message, RequestRefused, encode
from lct.messages.market_data import BarsClosed
from lct.ports.base import TimedPort
from lct.store.journal import Cursor, Fact, Journal, Row

NowNs = Callable[[], int]


class Overheard:
    """A port whose results a session keeps."""

    def __init__(self, port: TimedPort, keep: Callable[[str, list[Event]], None]) -> None:
        """Take a port, and what is called with its role and results."""
        self.role = port.role
        self.owner = port.owner
        self.takes_again = port.takes_again
        self.again: list[Event] = []
        """What it gave again at the start."""
        self._port = port
        self._keep = keep

    @property
    def given(self) -> int:
        """Return how many results were given so far."""
        return self._port.given

    def due_ns(self) -> int | None:
        """Return when the next result is due."""
        return self._port.due_ns()

    def results(self, now_ns: int) -> list[Event]:
        """Return the results due by `now_ns`."""
        found = self._port.results(now_ns)
        self._keep(self.role, found)
        return found

    def do(self, command: Command, now_ns: int) -> None:
        """Carry out a command."""
        self._port.do(command, now_ns)

    def resume(self, heard: int) -> None:
        """Start again after the first `heard` results."""
        self._port.resume(heard)

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return the results first..last again."""
        found = self._port.heard_again(first, last)
        self.again += found
        return found


class Session:
    """Keeps one life of one daemon; `journal` and `ports` are what its room is to be made of."""

    def __init__(
        self,
        name: str,
        folder: Path | None,
        journal: Journal,
        ports: Sequence[TimedPort],
        now_ns: NowNs,
        made_of: str = "",
        speakers: Sequence[str] = (),
    ) -> None:
        """Begin the next life of the daemon of a journal; its logs lie in `folder`, beside the journal.

        Without a folder nothing is kept. `made_of` tells its settings apart, `speakers` are the daemons of the house:
        who lives it again needs both.
        """
        cursor = journal.cursor()
        self.name = name
        self.epoch = cursor.epoch + 1
        self.began_ns = truncated(now_ns())
        self.heard: HeardLog | None = None
        self.said: SaidLog | None = None
        if folder is not None:
            heard, said = folders(folder, name)
            began = msgspec.msgpack.encode(cursor)
            head = Head(name, self.epoch, cursor.round, self.began_ns, began, made_of, tuple(speakers))
            self.heard = HeardLog(heard, head, now_ns)
            self.said = SaidLog(said, name, self.epoch, now_ns)
        self.journal = Witnessed(journal, self._before_commit)
        self.ports = [Overheard(port, self._port_gave) for port in ports]
        self._turn: tuple[int, Sequence[Word]] | None = None
        self._results: list[tuple[str, tuple[bytes, ...]]] = []
        self._is_recovered = False
        self._directs = 0

    def begins(self, now_ns: int) -> None:
        """Keep that the life begins to speak."""
        if self.heard is not None:
            self.heard.begun(now_ns)

    def hears_again(self, now_ns: int, bodies: Sequence[bytes]) -> None:
        """Keep what is heard again, outputs dropped."""
        if self.heard is not None:
            self.heard.again(now_ns, bodies)

    def turn(self, now_ns: int, words: Sequence[Word]) -> None:
        """Keep what the turn hears that comes now; its port results come to it while it is lived."""
        self._turn = now_ns, words

    def turned(self) -> None:
        """Keep that the turn is over."""
        if self._turn is not None and self.heard is not None:
            now_ns, words = self._turn
            self.heard.batch(now_ns, words, tuple(self._results))
        self._turn = None
        self._results.clear()

    def attend(self, telling: Telling) -> None:
        """Keep what is told from now on."""
        if self.said is not None and telling.keep != self.keep:
            self.said.seqs.update(telling.seqs)
            telling.keep = self.keep

    def keep(self, tag: str, body: bytes) -> None:
        """Keep an event that is about to be told."""
        if self.said is not None:
            self.said.say(tag, body)
            self.said.write()

    def keep_direct(self, word: Direct) -> int:
        """Keep a request or reply that is about to be sent; return its number."""
        self._directs += 1
        if self.said is not None:
            self.said.say_to(word)
            self.said.write()
        return self._directs

    def flush(self) -> None:
        """Write what was heard since the last time, without waiting for the disk."""
        if self.heard is not None:
            self.heard.write()

    def lose(self) -> None:
        """Forget what is not written yet, as a kill does."""
        self._turn = None
        if self.heard is not None:
            self.heard.lose()

    def close(self) -> None:
        """Write what is left, where the disk takes it, and close the files."""
        self.turned()
        for log in (self.heard, self.said):
            with suppress(JournalError):  # a full disk is why this life ends
                if log is not None:
                    log.close()

    def _port_gave(self, role: str, results: list[Event]) -> None:
        if results and self.heard is not None:
            self._results.append((role, tuple(map(encode, results))))

    def _before_commit(self) -> None:
        self.turned()
        if self.heard is None:
            return
        if not self._is_recovered:
            self._is_recovered = True
            began = [(port.role, port.given, tuple(map(encode, port.again))) for port in self.ports]
            self.heard.ports(Ports(tuple(began)))
        self.heard.write(sync=True)


class Witnessed:
    """A journal whose commits wait until what they follow from is written."""

    def __init__(self, journal: Journal, before: Callable[[], None]) -> None:
        """Take a journal, and what is called before each commit."""
        self.keeps_outbox = journal.keeps_outbox
        self.is_read_only = journal.is_read_only
        self._journal = journal
        self._before = before

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Make the facts and the cursor durable."""
        self._before()
        self._journal.commit(facts, cursor)

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        return self._journal.rows(daemon, after)

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit."""
        return self._journal.cursor()

    def digests(self) -> dict[str, str]:
        """Return the head of each hash chain."""
        return self._journal.digests()

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()


def folders(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where the heard log and the said log of a daemon lie, beside its journal."""
    return folder / f"{name}.heard", folder / f"{name}.said"


def truncated(time_ns: int) -> int:
    """Return a time in whole microseconds, as the heard log keeps it; in ns."""
    return time_ns - time_ns % NS_PER_US


def in_order(batch: list[tuple[Heard, Word]]) -> list[tuple[Heard, Word]]:
    """Return a batch numbered, with what is said of bars behind those bars: two sockets know no order."""
    coming = {word.message.md_seq for word, _ in batch if type(word.message) is BarsClosed}
    found: list[tuple[Heard, Word]] = []
    early: list[tuple[Heard, Word]] = []
    for entry in batch:
        message = entry[0].message
        md_seq = getattr(message, "md_seq", None)
        if type(message) is BarsClosed:
            coming.discard(message.md_seq)
            found += [entry, *(other for other in early if other[0].message.md_seq == md_seq)]  # type: ignore[attr-defined]
        else:
            (early if md_seq in coming else found).append(entry)
    for n, (word, _) in enumerate(found):
        word.n = n
    return found


def begin(room: Room, now: int) -> list[Heard]:
    """Let a fresh life say what it must, at this time."""
    room.now_ns = now
    return room.begin()


def hear_again(room: Room, messages: Iterable[Message]) -> None:
    """Let a room hear history, each message at its own time."""
    for message in messages:
        room.hear_again(message, int(getattr(message, "time_ns", 0)))


def live_turn(room: Room, words: Sequence[Heard], now: int) -> list[Heard]:
    """Live one turn; a request of a volatile daemon that was refused counts as not answered."""
    waiting, taken = room.seat.waiting, []
    for word in words:
        if isinstance(word.message, RequestRefused) and word.answers in waiting:
            waiting[word.answers] = waiting[word.answers]._replace(deadline_ns=now)
        else:
            taken.append(word)
    return room.turn(taken, now, room.round + 1)
