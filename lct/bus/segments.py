"""Segments: the files of a log that one life of a daemon writes, block by block, and that are kept for a while.

A block is a varint with its length, two bytes of a CRC that runs over the whole file, and the payload; so the end that
a crash tore off is found and left out. A full segment is compressed. The first block of each says what is needed to
read it without those before.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from lct.errors import JournalError

SEGMENT_BYTES_MAX = 262_144
BYTES_KEPT_MAX = 1_073_741_824
"""Of all segments of one log together; the oldest go first."""
KEPT_NS = 7 * 24 * 3_600 * 1_000_000_000
"""How old a segment may become."""
COMPRESSION = 6
CRC_BYTES = 2
CRC_MASK = 0xFFFF
VARINT_BITS_MAX = 70

HeadT = TypeVar("HeadT", bound=msgspec.Struct)


class Place(NamedTuple):
    """A segment on disk: the life that wrote it, and its place among those of that life, from 1."""

    epoch: int
    number: int
    path: Path


class Segments:
    """Writes the segments of one life; what was written is there after a kill, and after a power cut once synced."""

    def __init__(
        self,
        folder: Path,
        epoch: int,
        head: Callable[[], bytes],
        now_ns: Callable[[], int],
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Begin in a folder that is made if it is missing; `head` returns the first block of each segment."""
        self.folder = folder
        self.epoch = epoch
        self._head = head
        self._now_ns = now_ns
        self._segment_bytes_max = segment_bytes_max
        self._number = 0
        self._file = -1
        self._size = self._crc = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in places(folder):
            if place.epoch == epoch:
                place.path.unlink()  # of a life that ended before it was one: its number is this one's now
            elif place.path.suffix == ".log":
                _compress(place.path)
        prune(folder, now_ns())

    def make_room(self) -> None:
        """Begin the next segment if there is none or it is full; a block that refers to its head comes after this."""
        if self._file < 0 or self._size >= self._segment_bytes_max:
            try:
                self._turn()
            except OSError as error:
                raise self._unwritable(error) from error

    def write(self, payload: bytes, *, sync: bool = False) -> None:
        """Append a block to the segment that `make_room` has begun; JournalError where the disk does not take it."""
        try:
            self._append(payload)
            if sync:
                os.fdatasync(self._file)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(f"cannot write {self.folder}: {error}; nothing was sent")

    def close(self) -> None:
        """Close the last segment; may be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _turn(self) -> None:
        """Begin the next segment; compress the one that is full, and drop what is too old."""
        if self._file >= 0:
            os.close(self._file)
            _compress(self._path())
            prune(self.folder, self._now_ns())
        self._number += 1
        self._file = os.open(self._path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size = self._crc = 0
        self._append(self._head())

    def _append(self, payload: bytes) -> None:
        self._crc = zlib.crc32(payload, self._crc)
        block = bytearray()
        put_varint(block, len(payload))
        block += (self._crc & CRC_MASK).to_bytes(CRC_BYTES, "little")
        block += payload
        view = memoryview(block)
        while view:
            view = view[os.write(self._file, view) :]
        self._size += len(block)

    def _path(self) -> Path:
        return self.folder / f"{self.epoch:08d}.{self._number:06d}.log"


def places(folder: Path, epoch: int | None = None) -> list[Place]:
    """Return the segments of a log, of one life or of all, oldest first."""
    found: dict[tuple[int, int], Place] = {}
    for path in sorted(folder.glob("*.*.*")):
        life, number, ending = path.name.split(".", 2)
        # a compressed segment counts before the one it was made of
        if life.isdigit() and number.isdigit() and ending in {"log", "z"} and epoch in {None, int(life)}:
            found[int(life), int(number)] = Place(int(life), int(number), path)
    return [found[key] for key in sorted(found)]


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the blocks of a segment; those behind a torn or damaged one are left out."""
    data = path.read_bytes()
    if path.suffix == ".z":
        data = zlib.decompress(data)
    at = crc = 0
    while at < len(data):
        try:
            length, begin = get_varint(data, at)
        except IndexError:
            return
        begin += CRC_BYTES
        payload = data[begin : begin + length]
        crc = zlib.crc32(payload, crc)
        if len(payload) < length or data[begin - CRC_BYTES : begin] != (crc & CRC_MASK).to_bytes(CRC_BYTES, "little"):
            return
        yield payload
        at = begin + length


def head_of(path: Path, kind: type[HeadT]) -> HeadT | None:
    """Return the first block of a segment as a struct; None where not even that was written whole."""
    for block in blocks(path):
        return msgspec.msgpack.decode(block, type=kind)
    return None


def prune(folder: Path, now_ns: int) -> None:
    """Remove segments that are too old, and the oldest where all together are too large."""
    kept = 0
    for place in reversed(places(folder)):
        about = place.path.stat()
        kept += about.st_size
        if now_ns - about.st_mtime_ns > KEPT_NS or kept > BYTES_KEPT_MAX:
            place.path.unlink()


def _compress(path: Path) -> None:
    """Put a compressed segment in the place of a plain one."""
    about, fresh = path.stat(), path.with_suffix(".new")
    fresh.write_bytes(zlib.compress(path.read_bytes(), COMPRESSION))
    fresh.chmod(0o600)
    os.utime(fresh, ns=(about.st_atime_ns, about.st_mtime_ns))
    fresh.replace(path.with_suffix(".z"))
    path.unlink()


def put_varint(into: bytearray, number: int) -> None:
    """Append a number from 0 on, seven bits a byte, the lowest first."""
    while number > 0x7F:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)


def get_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it; IndexError where the data ends before it does."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > VARINT_BITS_MAX:
            raise IndexError("a number without an end")


def put_bytes(into: bytearray, data: bytes) -> None:
    """Append bytes behind their length."""
    put_varint(into, len(data))
    into += data


def get_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes at a place, and the place behind them."""
    length, at = get_varint(data, at)
    return data[at : at + length], at + length


def zigzag(number: int) -> int:
    """Return a number from 0 on for one of either sign: small ones stay small."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def unzigzag(number: int) -> int:
    """Return what `zigzag` was given."""
    return number >> 1 if not number & 1 else -((number + 1) >> 1)
