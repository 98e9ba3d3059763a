"""The heard log: what one life of a daemon on the wall clock heard, and when, by reference to what others said.

A batch is what one turn heard: the time since the batch before (µs), how many words, and for each the stream it came
on, with a number only where it does not simply follow. What no stream can be asked for again stands in full: results of
ports, requests from outside of the house, history. So a hearing costs a few bytes, and a session can be lived again.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from lct.bus.segments import (
    SEGMENT_BYTES_MAX,
    Segments,
    blocks,
    get_bytes,
    get_varint,
    head_of,
    places,
    put_bytes,
    put_varint,
    unzigzag,
    zigzag,
)
from lct.errors import JournalError

FACTS = ""
"""The stream of a speaker's journal, over all its lives; its numbers are those of the rows."""
LARGE_BYTES = 256
"""What stands in full is compressed from this size on."""
NS_PER_US = 1_000

BATCH, AGAIN, BEGUN, PORTS = range(4)
KIND_BITS = 2


class Origin(NamedTuple):
    """Where a word was said: by whom (see `ears.key_of`), in which life, and on which stream of its said log."""

    speaker: str
    epoch: int
    tag: str


class Ref(NamedTuple):
    """A word by its place."""

    stream: Origin
    seq: int


class Whole(msgspec.Struct, frozen=True, array_like=True):
    """A word in full, as it was heard."""

    speaker: str
    to: str | None
    answers: str | None
    body: bytes


Word = Ref | Whole
Results = tuple[tuple[str, tuple[bytes, ...]], ...]
"""What ports gave: their roles, and the encoded events of each."""


class Begun(NamedTuple):
    """The daemon said and did what a fresh life must."""

    now_ns: int


class Again(NamedTuple):
    """The daemon heard again, outputs dropped, what it had heard in earlier lives."""

    now_ns: int
    bodies: tuple[bytes, ...]


class Ports(NamedTuple):
    """How the ports began: of each its role, how many results it had given, and the encoded ones it gave again."""

    ports: tuple[tuple[str, int, tuple[bytes, ...]], ...]


class Batch(NamedTuple):
    """What one turn heard."""

    now_ns: int
    words: tuple[Word, ...]
    results: Results


Record = Begun | Again | Ports | Batch


class Head(msgspec.Struct, frozen=True):
    """The first block of a segment: whose life this is, and what it began with.

    `cursor` is that of the journal at the start of the life, encoded, and empty in all segments but the first;
    `made_of` tells settings apart; `speakers` are the daemons of the house then; `round` and `now_ns` are those before
    the first batch.
    """

    daemon: str
    epoch: int
    round: int
    now_ns: int
    cursor: bytes
    made_of: str = ""
    speakers: tuple[str, ...] = ()
    number: int = 1


class HeardLog:
    """Writes what is heard; `write` comes before each commit that follows from it."""

    def __init__(
        self, folder: Path, head: Head, now_ns: Callable[[], int], *, segment_bytes_max: int = SEGMENT_BYTES_MAX
    ) -> None:
        """Begin the log of the life that `head` tells of."""
        self.hearings = 0
        self.bytes_written = 0
        self._first = head
        self._number = 0
        self._round = head.round
        self._last_us = head.now_ns // NS_PER_US
        self._streams: dict[Origin, int] = {}
        self._next: list[int] = []
        self._buffer = bytearray()
        self._segments = Segments(folder, head.epoch, self._head, now_ns, segment_bytes_max=segment_bytes_max)

    def begun(self, now_ns: int) -> None:
        """Keep that the life began to speak."""
        self._begin_record(BEGUN, now_ns)

    def again(self, now_ns: int, bodies: Sequence[bytes]) -> None:
        """Keep what is heard again."""
        self._begin_record(AGAIN, now_ns)
        self._put_whole(msgspec.msgpack.encode(bodies))

    def ports(self, ports: Ports) -> None:
        """Keep how the ports begin."""
        self._begin_record(PORTS, self._last_us * NS_PER_US)
        self._put_whole(msgspec.msgpack.encode(ports.ports))

    def batch(self, now_ns: int, words: Sequence[Word], results: Results) -> None:
        """Keep one turn; its time never lies before that of the turn before."""
        self._begin_record(BATCH | bool(results) << KIND_BITS | len(words) << (KIND_BITS + 1), now_ns)
        for word in words:
            if isinstance(word, Whole):
                put_varint(self._buffer, 0)
                self._put_whole(msgspec.msgpack.encode(word))
            else:
                self._put_ref(word)
        if results:
            self._put_whole(msgspec.msgpack.encode(results))
        self._round += 1
        self.hearings += len(words)

    def write(self, *, sync: bool = False) -> None:
        """Write what was kept since the last time; JournalError where the disk does not take it."""
        if self._buffer:
            self._segments.write(bytes(self._buffer), sync=sync)
            self.bytes_written += len(self._buffer)
            self._buffer.clear()

    def lose(self) -> None:
        """Forget what was kept since the last time it was written."""
        self._buffer.clear()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.write()
        self._segments.close()

    def _begin_record(self, head: int, now_ns: int) -> None:
        if not self._buffer:
            self._segments.make_room()
        put_varint(self._buffer, head)
        now_us = now_ns // NS_PER_US
        assert now_us >= self._last_us, "the time of a daemon never goes back"
        put_varint(self._buffer, now_us - self._last_us)
        self._last_us = now_us

    def _put_ref(self, ref: Ref) -> None:
        number = self._streams.get(ref.stream)
        if number is None:
            self._streams[ref.stream] = len(self._streams) + 1
            put_varint(self._buffer, len(self._streams) << 1)
            put_bytes(self._buffer, msgspec.msgpack.encode(ref.stream))
            put_varint(self._buffer, ref.seq)
            self._next.append(ref.seq + 1)
            return
        jump = ref.seq - self._next[number - 1]
        put_varint(self._buffer, number << 1 | bool(jump))
        if jump:
            put_varint(self._buffer, zigzag(jump))
        self._next[number - 1] = ref.seq + 1

    def _put_whole(self, data: bytes) -> None:
        small = zlib.compress(data) if len(data) >= LARGE_BYTES else data
        put_varint(self._buffer, len(small) << 1 | (small is not data))
        self._buffer += small

    def _head(self) -> bytes:
        self._number += 1
        self._streams.clear()
        self._next.clear()
        cursor = self._first.cursor if self._number == 1 else b""
        now_ns = self._last_us * NS_PER_US
        return msgspec.msgpack.encode(
            msgspec.structs.replace(self._first, number=self._number, round=self._round, now_ns=now_ns, cursor=cursor)
        )


def lives(folder: Path) -> list[int]:
    """Return the lives that a log has anything of, oldest first."""
    return sorted({place.epoch for place in places(folder)})


def start_of(folder: Path, epoch: int) -> Head:
    """Return what a life began with; JournalError where its beginning is not kept (any more)."""
    segments = places(folder, epoch)
    head = head_of(segments[0].path, Head) if segments and segments[0].number == 1 else None
    if head is None:
        raise JournalError(f"the beginning of session {epoch} is not in {folder} any more; it cannot be replayed")
    return head


def records(folder: Path, epoch: int) -> Iterator[Record]:
    """Yield what a life heard, in order, up to where the log was torn off; JournalError where a segment is missing."""
    for expected, place in enumerate(places(folder, epoch), 1):
        if place.number != expected:
            raise JournalError(f"segment {expected} of session {epoch} is missing in {folder}; it ends before it")
        whole = blocks(place.path)
        first = next(whole, None)
        if first is not None:
            head = msgspec.msgpack.decode(first, type=Head)
            reader = _Reader(head.now_ns // NS_PER_US)
            for block in whole:
                yield from reader.records(block)


class _Reader:
    """Reads the blocks of one segment."""

    def __init__(self, last_us: int) -> None:
        self._last_us = last_us
        self._streams: list[Origin] = []
        self._next: list[int] = []

    def records(self, block: bytes) -> Iterator[Record]:
        at = 0
        while at < len(block):
            head, at = get_varint(block, at)
            passed_us, at = get_varint(block, at)
            self._last_us += passed_us
            now_ns = self._last_us * NS_PER_US
            kind = head & ((1 << KIND_BITS) - 1)
            if kind == BATCH:
                words = []
                for _ in range(head >> (KIND_BITS + 1)):
                    word, at = self._word(block, at)
                    words.append(word)
                results: Results = ()
                if head >> KIND_BITS & 1:
                    data, at = _whole(block, at)
                    results = msgspec.msgpack.decode(data, type=Results)
                yield Batch(now_ns, tuple(words), results)
            elif kind == BEGUN:
                yield Begun(now_ns)
            else:
                data, at = _whole(block, at)
                if kind == AGAIN:
                    yield Again(now_ns, msgspec.msgpack.decode(data, type=tuple[bytes, ...]))
                else:
                    yield Ports(msgspec.msgpack.decode(data, type=tuple[tuple[str, int, tuple[bytes, ...]], ...]))

    def _word(self, block: bytes, at: int) -> tuple[Word, int]:
        code, at = get_varint(block, at)
        if not code:
            data, at = _whole(block, at)
            return msgspec.msgpack.decode(data, type=Whole), at
        place = (code >> 1) - 1
        if place == len(self._streams):
            data, at = get_bytes(block, at)
            seq, at = get_varint(block, at)
            self._streams.append(msgspec.msgpack.decode(data, type=Origin))
            self._next.append(seq)
        elif code & 1:
            jump, at = get_varint(block, at)
            self._next[place] += unzigzag(jump)
        seq = self._next[place]
        self._next[place] += 1
        return Ref(self._streams[place], seq), at


def _whole(block: bytes, at: int) -> tuple[bytes, int]:
    code, at = get_varint(block, at)
    data = block[at : at + (code >> 1)]
    return (zlib.decompress(data) if code & 1 else data), at + (code >> 1)
