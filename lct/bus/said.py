"""The said log: what one life of a daemon said and no journal holds, once, for who replays those that heard it."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

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
)

DIRECT = "@"
"""The stream of all requests and replies of a daemon, whatever their types."""
DIGEST_BYTES = 8
SEGMENTS_READ_MAX = 16


class Direct(msgspec.Struct, frozen=True, array_like=True):
    """A request or reply: to whom, which request it answers (or is), and its body.

    Of a reply to somebody outside of the house only a digest is kept: nobody in it hears that.
    """

    to: str | None
    answers: str | None
    body: bytes

    @classmethod
    def outside(cls, to: str | None, answers: str | None, body: bytes) -> "Direct":
        """Return what is kept of a reply that leaves the house."""
        return cls(to, answers, blake2b(body, digest_size=DIGEST_BYTES).digest())


class _Head(msgspec.Struct, frozen=True):
    daemon: str
    epoch: int
    seqs: dict[str, int]


class SaidLog:
    """Writes what is said, each stream in its order; numbers follow from the order."""

    def __init__(
        self,
        folder: Path,
        daemon: str,
        epoch: int,
        now_ns: Callable[[], int],
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Begin the log of a life in a folder of the daemon."""
        self.seqs: dict[str, int] = {}
        self._daemon = daemon
        self._streams: dict[str, int] = {}
        self._waiting: list[tuple[str, bytes]] = []
        self._segments = Segments(folder, epoch, self._head, now_ns, segment_bytes_max=segment_bytes_max)

    def say(self, tag: str, body: bytes) -> int:
        """Keep an event for the next `write`; return its number in its stream."""
        self._waiting.append((tag, body))
        seq = self.seqs[tag] = self.seqs.get(tag, 0) + 1
        return seq

    def say_to(self, word: Direct) -> int:
        """Keep a request or reply for the next `write`; return its number."""
        return self.say(DIRECT, msgspec.msgpack.encode(word))

    def write(self) -> None:
        """Write what was said since the last time; nothing may be told before. JournalError where that fails."""
        if self._waiting:
            self._segments.make_room()
            self._segments.write(self._block())

    def close(self) -> None:
        """Write what is left and close the file."""
        self.write()
        self._segments.close()

    def _block(self) -> bytes:
        block = bytearray()
        for tag, body in self._waiting:
            number = self._streams.get(tag)
            if number is None:
                number = self._streams[tag] = len(self._streams) + 1
                put_varint(block, number)
                put_bytes(block, tag.encode())
            else:
                put_varint(block, number)
            put_bytes(block, body)
        self._waiting.clear()
        return bytes(block)

    def _head(self) -> bytes:
        """Begin a segment; what waits is going to be in it."""
        self._streams.clear()
        before = Counter(self.seqs)
        before.subtract(tag for tag, _ in self._waiting)
        return msgspec.msgpack.encode(_Head(self._daemon, self._segments.epoch, dict(before)))


class SaidReader:
    """Reads what one life of a daemon said."""

    def __init__(self, folder: Path, epoch: int) -> None:
        """Find the segments of a life; they are read as they are asked for."""
        self._heads = [(head_of(place.path, _Head), place.path) for place in places(folder, epoch)]
        self._read: OrderedDict[Path, dict[tuple[str, int], bytes]] = OrderedDict()

    def body(self, tag: str, seq: int) -> bytes | None:
        """Return what was said as number `seq` of a stream; None where that is not in the log (any more)."""
        path = next((path for head, path in reversed(self._heads) if head and head.seqs.get(tag, 0) < seq), None)
        return None if path is None else self._bodies(path).get((tag, seq))

    def direct(self, seq: int) -> Direct | None:
        """Return a request or reply by its number; None where it is not in the log (any more)."""
        body = self.body(DIRECT, seq)
        return None if body is None else msgspec.msgpack.decode(body, type=Direct)

    def lasts(self) -> dict[str, int]:
        """Return the last number of each stream."""
        found: Counter[str] = Counter()
        for head, path in self._heads[-1:]:
            found.update({} if head is None else head.seqs)
            for tag, seq in self._bodies(path):
                found[tag] = max(found[tag], seq)
        return dict(found)

    def _bodies(self, path: Path) -> dict[tuple[str, int], bytes]:
        found = self._read.get(path)
        if found is None:
            found = self._read[path] = _bodies_in(path)
            if len(self._read) > SEGMENTS_READ_MAX:
                self._read.popitem(last=False)
        self._read.move_to_end(path)
        return found


def _bodies_in(path: Path) -> dict[tuple[str, int], bytes]:
    """Return all that a segment holds, by stream and number."""
    whole = blocks(path)
    seqs = dict(msgspec.msgpack.decode(next(whole), type=_Head).seqs)
    tags: list[str] = []
    found: dict[tuple[str, int], bytes] = {}
    for block in whole:
        at = 0
        while at < len(block):
            number, at = get_varint(block, at)
            if number > len(tags):
                name, at = get_bytes(block, at)
                tags.append(name.decode())
            tag = tags[number - 1]
            seqs[tag] = seqs.get(tag, 0) + 1
            found[tag, seqs[tag]], at = get_bytes(block, at)
    return found
