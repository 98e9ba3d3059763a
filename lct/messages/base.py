"""What every message is: Event and Request, the envelope, and the codec at the door."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from lct.domain.money import money_hook

SCHEMA_VERSION = 1
FRAME_BYTES_MAX = 262_144

ReplyT = TypeVar("ReplyT", bound="Event")


class Message(msgspec.Struct, frozen=True, gc=False, tag_field="tag"):
    """Anything that can be said; its tag is `<owner>.<what>`, so the address follows from the type."""


class Event(Message, frozen=True, gc=False):
    """Something that happened, in the past tense, told to all who hear it; replies are events told to one.

    `durable` events are journaled before anything leaves the daemon that said them.
    """

    durable: ClassVar[bool] = False


class Request(Message, Generic[ReplyT], frozen=True, gc=False, forbid_unknown_fields=True):
    """Something asked of the daemon that owns the type, in the imperative; its reply type is in the brackets."""


class Command(Message, frozen=True, gc=False, forbid_unknown_fields=True):
    """Something a daemon wants done outside, by one of its ports; carried out after the commit, by `Do`."""


class Envelope(msgspec.Struct, frozen=True):
    """What travels around a message: who said it, in which life, where in which stream, and why.

    `seq` counts the stream (source, instance, epoch, type); `causation` is the id of the message that made the source
    say this one, `correlation` the id of the first in that chain. `expires_ns` is for requests.
    """

    id: str
    source: str
    epoch: int
    seq: int
    time_ns: int
    body: msgspec.Raw
    instance: int = 0
    destination: str | None = None
    correlation: str | None = None
    causation: str | None = None
    expires_ns: int | None = None
    version: int = SCHEMA_VERSION


def tag_of(kind: type[Message]) -> str:
    """Return the wire name `<owner>.<what>` of a message type."""
    return str(kind.__struct_config__.tag)


_ENCODER = msgspec.msgpack.Encoder(decimal_format="string", uuid_format="canonical")
encode = _ENCODER.encode


class Codec:
    """Decodes msgpack into exactly the message types it was made for; everything else is refused."""

    def __init__(self, kinds: tuple[type[Message], ...]) -> None:
        """Take the types that may come in; their tags must differ."""
        self.kinds = {tag_of(kind): kind for kind in kinds}
        assert len(self.kinds) == len(kinds), "two message types share a tag"
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        self._decoder = msgspec.msgpack.Decoder(union, dec_hook=money_hook)

    def decode(self, frame: bytes) -> Message:
        """Decode one message; raises ValueError (msgspec's errors are its children) for anything unsound."""
        if len(frame) > FRAME_BYTES_MAX:
            msg = f"frame of {len(frame)} bytes; at most {FRAME_BYTES_MAX} are taken"
            raise ValueError(msg)
        try:
            message: Message = self._decoder.decode(frame)
        except RecursionError:
            msg = "frame nested too deep"
            raise ValueError(msg) from None
        return message
