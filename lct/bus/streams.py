"""Streams: numbers what one life of a daemon tells all, and keeps the end of it for who missed something."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from lct.messages.base import (
    Envelope,
    Event,
    FromJournal,
    FromSeq,
    GetLast,
    Request,
    Told,
    encode,
    tag_of,
)
from lct.store.journal import Row

RING_MAX = 512
"""How many of the last envelopes of each volatile type can be told again."""
PAGE_MAX = 1_024
"""Envelopes of a page, whatever is asked for."""
PAGE_BYTES_MAX = 524_288
ROWS_LOOKED_AT_MAX = 20_000
"""Rows of a journal that one page looks at: who asks waits, and so does all that the daemon hears."""

Rows = Callable[[int], Iterable[Row]]
"""Returns the journal rows of the speaker after a `journal_seq`, in order."""


class Page:
    """Envelopes for one reply, as many as were asked for and fit."""

    def __init__(self, limit: int) -> None:
        """Take up to `limit` envelopes."""
        self.frames: list[bytes] = []
        self._left = min(max(limit, 1), PAGE_MAX)
        self._bytes_left = PAGE_BYTES_MAX

    def take(self, frame: bytes) -> bool:
        """Take one more; return False, and leave it out, where there is no room. The first always has room."""
        self._left -= 1
        self._bytes_left -= len(frame)
        if self.frames and (self._left < 0 or self._bytes_left < 0):
            return False
        self.frames.append(frame)
        return True


class Telling:
    """The telling side of all streams of one life: (source, instance, epoch, type), each numbered from 1.

    Durable events carry their `journal_seq` too; those are told again from the journal, the others from a ring.
    """

    def __init__(
        self,
        source: str,
        epoch: int,
        rows: Rows,
        *,
        journal_seq: int = 0,
        instance: int = 0,
        ring_max: int = RING_MAX,
    ) -> None:
        """Begin after the durable event `journal_seq`, the last that the journal has."""
        self.source = source
        self.epoch = epoch
        self.instance = instance
        self.journal_seq = journal_seq
        self.seqs: dict[str, int] = {}
        """The last number of each stream, by tag: what a heartbeat tells."""
        self.keep: Callable[[str, bytes], Any] = _forget
        """Is given the tag and body of each volatile event before it is told."""
        self._rows = rows
        self._ring_max = ring_max
        self._rings: dict[str, deque[tuple[int, bytes]]] = {}
        self._knows_rows = False

    def tell(
        self, event: Event, time_ns: int, *, causation: str | None = None, correlation: str | None = None
    ) -> Envelope:
        """Return the envelope of the next event; a durable one must be in the journal by now, in this order."""
        kind = type(event)
        tag = tag_of(kind)
        seq = self.seqs[tag] = self.seqs.get(tag, 0) + 1
        body, journal_seq = encode(event), None
        if kind.durable:
            journal_seq = self.journal_seq = self.journal_seq + 1
        else:
            self.keep(tag, body)
        envelope = Envelope(
            id=fact_id(self.source, journal_seq) if journal_seq else f"{self.source}:{self.epoch}:{tag}:{seq}",
            source=self.source,
            epoch=self.epoch,
            seq=seq,
            time_ns=time_ns,
            body=msgspec.Raw(body),
            instance=self.instance,
            correlation=correlation,
            causation=causation,
            journal_seq=journal_seq,
        )
        ring = self._rings.get(tag)
        if ring is None:
            ring = self._rings[tag] = deque(maxlen=1 if kind.durable else self._ring_max)
        ring.append((seq, encode(envelope)))
        return envelope

    def answer(self, request: Request[Told]) -> Told:
        """Answer GetLast, FromSeq or FromJournal."""
        if isinstance(request, GetLast):
            return self._last(request)
        if isinstance(request, FromSeq):
            return self._from_seq(request)
        assert isinstance(request, FromJournal), f"{request} asks for no stream"
        return self._from_journal(request)

    def _last(self, request: GetLast) -> Told:
        """Tell the last envelope of each type; `upto` is the last `journal_seq`."""
        if not self._knows_rows and any(tag not in self._rings for tag in request.tags):
            self._look_into_the_journal()
        page, complete = Page(PAGE_MAX), True
        for tag in request.tags[:PAGE_MAX]:
            if tag in self._rings:
                complete &= page.take(self._rings[tag][-1][1])
        return Told(page.frames, self.journal_seq, complete)

    def _look_into_the_journal(self) -> None:
        """Find the last of each durable type that this life has not told, once."""
        self._knows_rows = True
        found = {row.type: row for row in self._rows(0)} if self.journal_seq else {}
        for tag, row in found.items():
            if tag not in self._rings:
                self._rings[tag] = deque([(0, encode(self._fact(row)))], maxlen=1)

    def _from_seq(self, request: FromSeq) -> Told:
        if request.epoch != self.epoch:
            return Told([], 0, complete=False)
        page, upto = Page(request.limit), request.after
        ring = self._rings.get(request.tag_asked, ())
        complete = not ring or ring[0][0] <= request.after + 1
        for seq, frame in ring:
            if seq > request.after:
                if not page.take(frame):
                    break
                upto = seq
        return Told(page.frames, min(upto, self.seqs.get(request.tag_asked, 0)), complete)

    def _from_journal(self, request: FromJournal) -> Told:
        page, upto = Page(request.limit), min(request.after, self.journal_seq)
        tags = frozenset(request.tags)
        for looked_at, row in enumerate(self._rows(request.after)):
            if looked_at == ROWS_LOOKED_AT_MAX or (row.type in tags and not page.take(encode(self._fact(row)))):
                break
            upto = row.journal_seq
        return Told(page.frames, upto)

    def _fact(self, row: Row) -> Envelope:
        return Envelope(
            id=fact_id(self.source, row.journal_seq),
            source=self.source,
            epoch=row.epoch,
            seq=0,
            time_ns=row.now_ns,
            body=msgspec.Raw(row.body),
            instance=self.instance,
            journal_seq=row.journal_seq,
        )


def fact_id(source: str, journal_seq: int) -> str:
    """Return the id of a durable event, the same however it is told."""
    return f"{source}#{journal_seq}"


def _forget(_tag: str, _body: bytes) -> None:
    """Keep nothing of what is told."""
