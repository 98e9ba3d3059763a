"""Asks: the requests of one daemon on the wall clock that wait for their reply, and when they are sent once more."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from lct.bus.seat import Heard
from lct.clock import NS_PER_SECOND
from lct.messages.base import Envelope, Message, tag_of
from lct.store.journal import Word

RESEND_NS = NS_PER_SECOND
"""A durable daemon repeats what it asked after this long, until it is answered: who answers knows it by its own id."""
EXPIRES_NS = 2 * NS_PER_SECOND
"""A request that arrives later than this is refused on the way; the next one comes in time."""
WIRES_KEPT = 4
"""Attempts of one request that a reply may still come to; older ones have expired."""
ATTEMPT, LIFE = "~", "@"

Send = Callable[[str, Envelope], bool]


@dataclass
class Asked:
    """One request; `key` is how its daemon knows it, `id` how the house does, in all lives of the asker."""

    id: str
    key: str
    owner: str
    body: bytes
    number: int
    """Its place in the said log of this life."""
    repeats: bool
    until_ns: int | None = None
    """When nobody waits for the reply any more (wall clock); None: somebody always does."""
    sent_ns: int | None = None
    attempts: int = 0
    is_refused: bool = False
    """Whether a refusal was noted already: the next ones say nothing new."""
    wires: list[str] = field(default_factory=list)


class Asks:
    """All requests of one life that wait; owns no socket and no clock."""

    def __init__(self, source: str, epoch: int, send: Send) -> None:
        """Ask as `source`, by what sends an envelope to a daemon and says whether it left."""
        self._source = source
        self._epoch = epoch
        self._send = send
        self._waiting: dict[str, Asked] = {}
        self._wires: dict[str, Asked] = {}

    def ask(self, asked: Asked, now_ns: int) -> None:
        """Send a request, now or as soon as its owner is there."""
        self._waiting[asked.id] = asked
        self._attempt(asked, now_ns)

    def reached(self, owner: str, now_ns: int) -> None:
        """Send what could not leave before."""
        for asked in list(self._waiting.values()):
            if asked.owner == owner and asked.sent_ns is None:
                self._attempt(asked, now_ns)

    def tick(self, now_ns: int) -> None:
        """Repeat what may be repeated and has waited long enough; forget what nobody waits for."""
        for asked in list(self._waiting.values()):
            if asked.until_ns is not None and asked.until_ns <= now_ns:
                self._forget(asked)
            elif asked.sent_ns is None or (asked.repeats and now_ns - asked.sent_ns >= RESEND_NS):
                self._attempt(asked, now_ns)

    def find(self, wire: str | None) -> Asked | None:
        """Return what a reply to the envelope of this id answers; None where nobody waits for it (any more)."""
        return self._wires.get(wire or "")

    def answered(self, asked: Asked) -> None:
        """Wait for a reply no longer."""
        self._forget(asked)

    def pending(self) -> tuple[Word, ...]:
        """Return what a next life has to ask again."""
        return tuple(
            Word(self._source, n, msgspec.Raw(asked.body), None, asked.id)
            for n, asked in enumerate(self._waiting.values())
            if asked.repeats
        )

    def _attempt(self, asked: Asked, now_ns: int) -> None:
        asked.attempts += 1
        wire = f"{asked.id}{ATTEMPT}{asked.attempts}"
        expires_ns = now_ns + EXPIRES_NS
        if not asked.repeats and asked.until_ns is not None:
            expires_ns = asked.until_ns
        envelope = Envelope(
            id=wire,
            source=self._source,
            epoch=self._epoch,
            seq=asked.number,
            time_ns=now_ns,
            body=msgspec.Raw(asked.body),
            destination=asked.owner,
            correlation=asked.id,
            expires_ns=expires_ns,
        )
        # known before it leaves: the reply may come at once
        self._wires[wire] = asked
        asked.wires.append(wire)
        while len(asked.wires) > WIRES_KEPT:
            self._wires.pop(asked.wires.pop(0), None)
        if self._send(asked.owner, envelope):
            asked.sent_ns = now_ns
        else:
            asked.sent_ns = None
            asked.wires.pop()
            del self._wires[wire]

    def _forget(self, asked: Asked) -> None:
        self._waiting.pop(asked.id, None)
        for wire in asked.wires:
            self._wires.pop(wire, None)


def id_of(word: Heard, epoch: int) -> str:
    """Return how the house knows a request that a seat said in a life; one that was kept before has its id already."""
    key = word.answers
    assert key is not None, "a request has a key"
    return key if LIFE in key else f"{key}{LIFE}{epoch}"


def key_in(request_id: str) -> str:
    """Return the key under which a seat knows the request of an id."""
    return request_id.partition(LIFE)[0]


def first_id(wire: str) -> str:
    """Return the id of a request, whichever attempt this is."""
    return wire.partition(ATTEMPT)[0]


def owner_of(request: Message) -> str:
    """Return who answers a request."""
    return tag_of(type(request)).partition(".")[0]
