"""The wire: what a frame is, how large it may be, and how an envelope goes into it and comes out; no socket here."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from lct.messages.base import Envelope, encode

COMMAND_BYTES_MAX = 65_536
"""Of a request; what asks a daemon to do something is small."""
DATA_BYTES_MAX = 262_144
"""Of an event: a bar of all symbols in columns."""
HISTORY_BYTES_MAX = 4_194_304
"""Of a reply, which may hold history."""
FRAMES_MAX = 4
TOGETHER_MAX = 128
"""Events in one frame."""
TOPIC_BYTES_MAX = 64
END_OF_TOPIC = b" "
TOPICS_KEPT = 1_024

_EVENTS = msgspec.msgpack.Decoder(
    Envelope | Annotated[list[Envelope], msgspec.Meta(min_length=1, max_length=TOGETHER_MAX)]
)
_DECODER = msgspec.msgpack.Decoder(Envelope)


def pack(envelope: Envelope) -> bytes:
    """Return the frame of an envelope: a msgpack map, its `body` the map of the message."""
    return encode(envelope)


def unpack(frame: bytes) -> Envelope:
    """Return the envelope in a frame, its body not decoded yet; raises ValueError for anything unsound."""
    try:
        return _DECODER.decode(frame)
    except RecursionError:
        raise ValueError("frame nested too deep") from None


@lru_cache(maxsize=TOPICS_KEPT)
def topic(tag: str) -> bytes:
    """Return what a subscription to `tag` begins with; "" is the topic of everything.

    It ends with a space, so that no tag is the beginning of another. Raises ValueError for what cannot be a tag.
    """
    if not tag:
        return b""
    found = tag.encode() + END_OF_TOPIC
    if len(found) > TOPIC_BYTES_MAX or END_OF_TOPIC in found[:-1]:
        raise ValueError(f"{tag[:TOPIC_BYTES_MAX]!r} is no tag: at most {TOPIC_BYTES_MAX - 1} bytes without a space")
    return found


def tag_in(subscription: bytes) -> str:
    """Return the tag that a subscription asks for, "" for everything; ValueError where it is the topic of no tag."""
    if not subscription:
        return ""
    tag, end, rest = subscription.partition(END_OF_TOPIC)
    if not tag or not end or rest or len(subscription) > TOPIC_BYTES_MAX:
        raise ValueError(f"{subscription[:TOPIC_BYTES_MAX]!r} is the topic of no tag")
    return tag.decode()


def announce(tag: str, envelope: Envelope) -> bytes:
    """Return the frame of one event: its topic, then its envelope."""
    return topic(tag) + encode(envelope)


def frame_of(beginning: bytes, packed: Sequence[bytes]) -> bytes:
    """Return the frame of packed events of one topic: it, then the one envelope or a msgpack array of them."""
    if len(packed) == 1:
        return beginning + packed[0]
    count = len(packed)
    return b"".join((beginning, bytes((0x90 | count,)) if count < 16 else struct.pack(">BH", 0xDC, count), *packed))


def announced(frame: bytes) -> list[Envelope]:
    """Return the envelopes in a frame of events; raises ValueError for anything unsound."""
    end = frame.find(END_OF_TOPIC, 0, TOPIC_BYTES_MAX)
    if end < 1:
        raise ValueError("an event without a topic")
    try:
        found = _EVENTS.decode(frame[end + 1 :])
    except RecursionError:
        raise ValueError("frame nested too deep") from None
    return [found] if isinstance(found, Envelope) else found
