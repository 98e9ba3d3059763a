"""Replay: lives a session of one daemon again from what it heard, and compares all that it decides with the record."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lct.bus import heard
from lct.bus.asks import id_of, key_in
from lct.bus.ears import HOUSE
from lct.bus.heard import Again, Batch, Begun, Ports, Whole
from lct.bus.room import Room, own_codec, recorded
from lct.bus.said import DIRECT, Direct, SaidReader
from lct.bus.seat import Heard
from lct.bus.session import begin, folders, hear_again, live_turn
from lct.clock import rfc3339
from lct.daemon import Daemon
from lct.errors import JournalError, LctError
from lct.messages.base import Command, Event, Message, Request, encode, tag_of
from lct.store.journal import Cursor, Fact, Row
from lct.store.sqlite import open_to_read, read_rows

SHOWN_CHARACTERS = 400
NOTHING = "nothing"


class Differs(LctError):
    """A daemon decides now something else than it did then; the first such decision."""

    def __init__(self, daemon: str, what: str, then: str, now: str) -> None:
        """Name the decision, and tell what was recorded and what came now."""
        super().__init__(f"{daemon} differs at {what}: recorded was {then}; now came {now}")
        self.daemon, self.what, self.then, self.now = daemon, what, then, now


@dataclass
class Relived:
    """What was lived again: `until_ns` is the time of the last turn, `after` how many words were said after that."""

    daemon: str
    session: int
    made_of: str
    turns: int = 0
    hearings: int = 0
    facts: int = 0
    said: int = 0
    until_ns: int = 0
    after: int = 0


class Bodies:
    """What every speaker of a house said and decided, by its place; reads what others may still be writing."""

    def __init__(self, folder: Path) -> None:
        """Read the logs and journals in a folder as they are asked for."""
        self._folder = folder
        self._said: dict[tuple[str, int], SaidReader] = {}
        self._journals: dict[str, sqlite3.Connection] = {}
        self._stack = ExitStack()

    def said(self, speaker: str, epoch: int) -> SaidReader:
        """Return what a life of a speaker said."""
        key = (speaker, epoch)
        if key not in self._said:
            self._said[key] = SaidReader(folders(self._folder, speaker)[1], epoch)
        return self._said[key]

    def rows(self, speaker: str, after: int = 0) -> Iterator[Row]:
        """Yield the rows of a speaker's journal; JournalError where there is none."""
        if speaker not in self._journals:
            self._journals[speaker] = open_to_read(self._folder / f"{speaker}.db")
            self._stack.callback(self._journals[speaker].close)
        return read_rows(self._journals[speaker], speaker, after)

    def fact(self, speaker: str, journal_seq: int) -> Row | None:
        """Return one row of a speaker's journal; None beyond its end."""
        row = next(self.rows(speaker, journal_seq - 1), None)
        return row if row is not None and row.journal_seq == journal_seq else None

    def close(self) -> None:
        """Close the journals."""
        self._stack.close()


class RecordedPort:
    """A port that gives what the session had of it; commands go nowhere."""

    owner = ""
    takes_again = True

    def __init__(self, role: str, given: int, again: Sequence[Event]) -> None:
        """Begin as the port did."""
        self.role = role
        self.given = given
        self.coming: list[Event] = []
        self._again = list(again)

    def due_ns(self) -> int | None:
        """Return that something is due where this turn had a result."""
        return 0 if self.coming else None

    def results(self, now_ns: int) -> list[Event]:
        """Return the results of this turn."""
        told, self.coming = self.coming, []
        self.given += len(told)
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Do nothing: what came of it is on record."""

    def resume(self, heard: int) -> None:
        """Stay where the port began."""

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return what the port gave again."""
        return self._again


class _Beyond(NamedTuple):
    what: str
    now: str


class Witness:
    """A journal that compares what is committed with what was, and remembers what was said.

    At the end of the record one turn may be cut off: the process was killed in it. So what comes now and is not on
    record is a difference only once another turn follows.
    """

    keeps_outbox = True
    is_read_only = False

    def __init__(self, daemon: str, head: heard.Head, bodies: Bodies) -> None:
        """Compare with the record of the session that `head` begins."""
        self.facts = self.words = 0
        self._daemon = daemon
        self._bodies = bodies
        self._epoch = head.epoch
        self._cursor = msgspec.msgpack.decode(head.cursor, type=Cursor)
        before = [row.journal_seq for row in bodies.rows(daemon) if row.epoch < head.epoch]
        self._seq = before[-1] if before else 0
        ours = (row.journal_seq for row in bodies.rows(daemon, self._seq) if row.epoch == head.epoch)
        self._last = max(ours, default=0)
        self._seqs: Counter[str] = Counter()
        self._beyond: _Beyond | None = None

    # -- as a journal -------------------------------------------------------------------------------------------

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Compare each fact with the row that was written then."""
        for fact in facts:
            self._seq += 1
            row = self._bodies.fact(self._daemon, self._seq)
            what = f"fact {self._seq}"
            now = (fact.type, fact.heard_ref, cursor.round, cursor.now_ns, fact.body)
            if row is None or row.epoch != self._epoch:
                self._went_beyond(what, _shown(fact.body))
                continue
            then = (row.type, row.heard_ref, row.round, row.now_ns, row.body)
            if now != then:
                raise Differs(self._daemon, what, *_pair(then, now))
            self.facts += 1

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows of the lives before."""
        return (row for row in self._bodies.rows(self._daemon, after) if row.epoch < self._epoch)

    def cursor(self) -> Cursor:
        """Return where the session began."""
        return self._cursor

    def digests(self) -> dict[str, str]:
        """Return nothing: no chain is made."""
        return {}

    def close(self) -> None:
        """Do nothing."""

    # -- what was said ------------------------------------------------------------------------------------------

    def next_turn(self) -> None:
        """Know that the record goes on."""
        if self._beyond is not None:
            raise Differs(self._daemon, self._beyond.what, NOTHING, self._beyond.now)

    def hear_said(self, said: Sequence[Heard], insiders: frozenset[str]) -> None:
        """Compare the words of a turn with what the session said; `insiders` are the daemons of the house."""
        for word in said:
            message = word.message
            body = encode(message)
            if isinstance(message, Request):
                self._compare(DIRECT, msgspec.msgpack.encode(Direct(None, id_of(word, self._epoch), body)), body)
            elif word.to is not None:
                kind = Direct if word.to in insiders else Direct.outside
                self._compare(DIRECT, msgspec.msgpack.encode(kind(word.to, word.answers, body)), body)
            elif isinstance(message, Event) and not message.durable:
                self._compare(tag_of(type(message)), body, body)

    def _compare(self, tag: str, now: bytes, body: bytes) -> None:
        self._seqs[tag] += 1
        number = self._seqs[tag]
        then = self._bodies.said(self._daemon, self._epoch).body(tag, number)
        what = f"request or reply {number}" if tag == DIRECT else f"{tag} {number}"
        if then is None:
            self._went_beyond(what, _shown(body))
        elif then != now:
            raise Differs(self._daemon, what, _shown(then), _shown(now))
        else:
            self.words += 1

    def _went_beyond(self, what: str, now: str) -> None:
        self._beyond = self._beyond or _Beyond(what, now)

    def end(self) -> int:
        """Return how many words were said after the record of what was heard ends; a fact after it is a difference."""
        if self._seq < self._last:
            row = self._bodies.fact(self._daemon, self._seq + 1)
            assert row is not None, "the journal had it before"
            raise Differs(self._daemon, f"fact {row.journal_seq}", _shown(row.body), NOTHING)
        lasts = self._bodies.said(self._daemon, self._epoch).lasts()
        ours = {tag: last for tag, last in lasts.items() if tag.partition(".")[0] != HOUSE}
        return sum(max(0, last - self._seqs[tag]) for tag, last in ours.items())


class Reliving:
    """Lives one session of one daemon again."""

    def __init__(self, name: str, folder: Path, epoch: int, bodies: Bodies) -> None:
        """Find the session; JournalError where its beginning is not kept."""
        self.name = name
        self._folder = folders(folder, name)[0]
        self._bodies = bodies
        head = heard.start_of(self._folder, epoch)
        self.speakers = head.speakers
        """The daemons that the house had."""
        self._insiders = frozenset({name, *head.speakers})
        self._epoch = epoch
        self._witness = Witness(name, head, bodies)
        self.relived = Relived(name, epoch, head.made_of, until_ns=head.now_ns)

    def live(self, daemon: Daemon) -> Relived:
        """Let a daemon that has heard nothing live the session; raises Differs at the first decision that differs."""
        self._codec = own_codec()  # the types of its messages are known by now
        room: Room | None = None
        relived, witness = self.relived, self._witness
        for record in heard.records(self._folder, self._epoch):
            witness.next_turn()
            if isinstance(record, Ports):
                room = self._recovered(daemon, record)
                continue
            assert room is not None, "a session begins with its ports"
            if isinstance(record, Again):
                hear_again(room, map(self._message, record.bodies))
            elif isinstance(record, Begun):
                self._compare(begin(room, record.now_ns))
            else:
                self._compare(self._turn(room, record))
                relived.turns += 1
                relived.hearings += len(record.words)
            if not isinstance(record, Again):
                relived.until_ns = record.now_ns
        relived.facts, relived.said = witness.facts, witness.words
        relived.after = witness.end()
        return relived

    def _recovered(self, daemon: Daemon, begun: Ports) -> Room:
        """Return the room as the life began with it; what was asked before is asked again."""
        ports = [RecordedPort(role, given, [self._event(body) for body in again]) for role, given, again in begun.ports]
        room = Room(daemon, ports, self._witness)
        room.commits_results = True
        room.recover()
        if daemon.durable:
            self._compare([word for word in room.outbox if isinstance(word.message, Request)])
        return room

    def _turn(self, room: Room, batch: Batch) -> list[Heard]:
        ports = {port.role: port for port in room.seat.ports}
        for role, bodies in batch.results:
            port = ports[role]
            assert isinstance(port, RecordedPort), "all ports are recorded"
            port.coming += map(self._event, bodies)
        words = [self._heard(n, word) for n, word in enumerate(batch.words)]
        return live_turn(room, words, batch.now_ns)

    def _compare(self, said: Sequence[Heard]) -> None:
        self._witness.hear_said(said, self._insiders)

    def _heard(self, n: int, word: heard.Word) -> Heard:
        if isinstance(word, Whole):
            return self._directed(word.speaker, n, word.body, word.answers)
        (speaker, epoch, tag), seq = word
        if tag == heard.FACTS:
            row = self._bodies.fact(speaker, seq)
            body = None if row is None else row.body
        elif tag == DIRECT:
            direct = self._bodies.said(speaker, epoch).direct(seq)
            if direct is not None:
                return self._directed(speaker, n, direct.body, direct.answers)
            body = None
        else:
            body = self._bodies.said(speaker, epoch).body(tag, seq)
        if body is None:
            what = "fact" if tag == heard.FACTS else "request or reply" if tag == DIRECT else tag
            raise JournalError(
                f"{self.name} heard {what} {seq} of {speaker} (session {epoch}), which is not on record there; "
                f"lived again up to {rfc3339(self.relived.until_ns)}"
            )
        return Heard(speaker, n, self._message(body), None, None)

    def _directed(self, speaker: str, n: int, body: bytes, answers: str | None) -> Heard:
        message = self._message(body)
        if answers is None or isinstance(message, Request):
            return Heard(speaker, n, message, None, answers)
        return Heard(speaker, n, message, self.name, key_in(answers))

    def _message(self, body: bytes) -> Message:
        return recorded(self._codec, body)

    def _event(self, body: bytes) -> Event:
        message = self._message(body)
        assert isinstance(message, Event), f"a port gives events, no {message}"
        return message


def _pair(then: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[str, str]:
    """Return what differs in two facts, in words."""
    if then[-1] != now[-1] or then[0] != now[0]:
        return _shown(then[-1]), _shown(now[-1])
    names = ("type", "heard_ref", "round", "now_ns")
    differing = [(name, a, b) for name, a, b in zip(names, then, now, strict=False) if a != b]
    return tuple(", ".join(f"{name} {pick[at]}" for name, *pick in differing) for at in (0, 1))  # type: ignore[return-value]


def _shown(body: bytes) -> str:
    """Return a message as a person can read it, cut to a length."""
    try:
        plain = msgspec.msgpack.decode(body)
        if isinstance(plain, list) and isinstance(plain[-1], bytes):
            plain = [*plain[:-1], _shown(plain[-1])]
        text = msgspec.json.encode(plain, enc_hook=repr).decode()
    except (ValueError, IndexError):
        text = body.hex()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ..."
