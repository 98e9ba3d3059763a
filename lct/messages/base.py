"""What every message is: Event and Request, the envelope, and the codec at the door."""

import sys
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import chain
from math import isfinite
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import inspect

from lct.domain.money import Money, money_hook

SCHEMA_VERSION = 1
FRAME_BYTES_MAX = 262_144

ReplyT = TypeVar("ReplyT", bound="Event")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""A name in an envelope; held at the door, as are the counts, which SQLite must be able to keep."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Message(msgspec.Struct, frozen=True, gc=False, tag_field="tag"):
    """Anything that can be said; its tag is `<owner>.<what>`, so the address follows from the type."""


class Event(Message, frozen=True, gc=False):
    """Something that happened, in the past tense, told to all who hear it; replies are events told to one.

    `durable` events are journaled before anything leaves the daemon that said them.
    """

    durable: ClassVar[bool] = False


class Request(Message, Generic[ReplyT], frozen=True, gc=False, forbid_unknown_fields=True):
    """Something asked of the daemon that owns the type, in the imperative; its reply type is in the brackets.

    `changes` requests change what the house does: in replayed time they wait for their turn in a round, and the gateway
    asks for more than the right to read. The others are answered at once, between two rounds.
    """

    changes: ClassVar[bool] = False


class Command(Message, frozen=True, gc=False, forbid_unknown_fields=True):
    """Something a daemon wants done outside, by one of its ports; carried out after the commit, by `Do`."""


class Envelope(msgspec.Struct, frozen=True):
    """What travels around a message: who said it, in which life, where in which stream, and why.

    `seq` counts the stream (source, instance, epoch, type) from 1; `journal_seq` is that of a durable event in the
    journal of its source. `causation` is the id of the message that made the source say this one (for a reply: of the
    request), `correlation` the id of the first in that chain. `expires_ns` is for requests.
    """

    id: Name
    source: Name
    epoch: Count
    seq: Count
    time_ns: Count
    body: msgspec.Raw
    instance: Count = 0
    destination: Name | None = None
    correlation: Name | None = None
    causation: Name | None = None
    expires_ns: Count | None = None
    journal_seq: Count | None = None
    version: Count = SCHEMA_VERSION


class Heartbeat(Event, frozen=True, tag="house.heartbeat"):
    """A daemon lives; told every second of the wall clock, in replayed time too.

    `streams` holds the last `seq` of each stream of its (by tag), so that a lost last message is noticed; `heard` and
    `said` count messages of this life, `latency_ms` the times from hearing to having committed, by upper bound of the
    bucket. `last_ns` says when (wall clock) something of a kind last happened: "cycle", "bar", "order", ...
    """

    daemon: str
    instance: int
    epoch: int
    pid: int
    ready: bool
    time_ns: int
    md_seq: int = 0
    journal_seq: int = 0
    heard: int = 0
    said: int = 0
    malformed: int = 0
    streams: dict[str, int] = {}
    latency_ms: dict[str, int] = {}
    last_ns: dict[str, int] = {}
    reasons: tuple[str, ...] = ()


class Ready(Event, frozen=True, tag="house.ready"):
    """A daemon has recovered and goes on; a house whose members differ in these should not trade."""

    daemon: str
    instance: int
    epoch: int
    version: str
    schema: int
    config: str


class Health(Event, frozen=True, tag="house.health"):
    """How one daemon is, as it says itself: its last heartbeat."""

    heartbeat: Heartbeat


class GetHealth(Request[Health], frozen=True, tag="house.get_health"):
    """How are you? Any daemon answers."""


class RequestRefused(Event, frozen=True, tag="house.request_refused"):
    """The reply to a request that is not carried out: unreadable, expired, not for this daemon, or against a rule.

    `is_missing` says that it names something that is not there: a symbol, a strategy.
    """

    reason: str
    is_missing: bool = False


class Told(Event, frozen=True, tag="house.told"):
    """Envelopes (encoded), oldest first; `complete` is false where the speaker no longer has all that was asked for.

    `upto` is the position (seq or journal_seq) up to which nothing is missing now.
    """

    envelopes: list[bytes]
    upto: int
    complete: bool = True


class GetLast(Request[Told], frozen=True, tag="house.get_last"):
    """What did you say last of each of these types (by tag)? For who comes late: the snapshot before following."""

    tags: tuple[str, ...]


class FromSeq(Request[Told], frozen=True, tag="house.from_seq"):
    """What did you say of this stream after number `after`? For a gap in a stream that is not durable."""

    tag_asked: str
    epoch: int
    after: int
    limit: int = 256


class FromJournal(Request[Told], frozen=True, tag="house.from_journal"):
    """Which durable events of these types have you after `after` (a journal_seq)? For facts: exactly once, in order."""

    tags: tuple[str, ...]
    after: int
    limit: int = 256


class Stopping(Event, frozen=True, tag="house.stopping"):
    """The daemon ends after this."""


class Stop(Request[Stopping], frozen=True, tag="house.stop"):
    """End now, in order; a supervisor that wants the daemon starts it again. No decision of the house hangs on it."""


def tag_of(kind: type[Message]) -> str:
    """Return the wire name `<owner>.<what>` of a message type."""
    return str(kind.__struct_config__.tag)


_ENCODER = msgspec.msgpack.Encoder(decimal_format="string", uuid_format="canonical")
encode = _ENCODER.encode


class Codec:
    """Decodes msgpack into exactly the message types it was made for; everything else is refused."""

    def __init__(
        self, kinds: tuple[type[Message], ...], *, is_ours: bool = False, bytes_max: int = FRAME_BYTES_MAX
    ) -> None:
        """Take the types that may come in; their tags must differ.

        `is_ours` is for what this house wrote into its own journal: the digits of its money and the size of a frame are
        not limited then, for a fact that could be written must be readable.
        """
        self.kinds = {tag_of(kind): kind for kind in kinds}
        assert len(self.kinds) == len(kinds), "two message types share a tag"
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        self._decoder = msgspec.msgpack.Decoder(union, dec_hook=own_money_hook if is_ours else money_hook)
        self._bytes_max = sys.maxsize if is_ours else bytes_max
        # msgspec takes NaN and infinity for numbers, and a limit in each type is easily forgotten in the next one
        floats = {kind: _floats_of(kind) for kind in kinds}
        self._floats = {kind: read for kind, read in floats.items() if read is not None}

    def decode(self, frame: bytes | msgspec.Raw) -> Message:
        """Decode one message; raises ValueError (msgspec's errors are its children) for anything unsound."""
        if len(memoryview(frame)) > self._bytes_max:
            msg = f"frame of {len(memoryview(frame))} bytes; at most {self._bytes_max} are taken"
            raise ValueError(msg)
        try:
            message: Message = self._decoder.decode(frame)
        except RecursionError:
            msg = "frame nested too deep"
            raise ValueError(msg) from None
        read = self._floats.get(type(message))
        if read is not None and not all(map(isfinite, read(message))):
            msg = f"{tag_of(type(message))}: NaN or infinity where a number is expected"
            raise ValueError(msg)
        return message


Floats = Callable[[Any], Iterable[float]]
"""Returns all floats that stand in a value of one type."""


@cache
def _floats_of(kind: type[Message]) -> Floats | None:
    return _floats_in(inspect.type_info(kind))


def _floats_in(kind: inspect.Type) -> Floats | None:
    """Return what finds the floats in a value of a type, None where there can be none."""
    if isinstance(kind, inspect.FloatType):
        return lambda value: (value,)
    if isinstance(kind, inspect.StructType):
        return _floats_in_fields(kind)
    if isinstance(kind, inspect.UnionType):
        return _floats_in_union(kind)
    if isinstance(kind, inspect.DictType):
        of_values = _floats_in(kind.value_type)
        return None if of_values is None else lambda value: chain.from_iterable(map(of_values, value.values()))
    if isinstance(kind, inspect.TupleType):
        found = [(i, _floats_in(item)) for i, item in enumerate(kind.item_types)]
        places = [(i, read) for i, read in found if read is not None]
        return (lambda value: chain.from_iterable(read(value[i]) for i, read in places)) if places else None
    if isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType | inspect.FrozenSetType):
        if isinstance(kind.item_type, inspect.FloatType):
            return lambda value: value
        of_items = _floats_in(kind.item_type)
        return None if of_items is None else lambda value: chain.from_iterable(map(of_items, value))
    return None


def _floats_in_fields(kind: inspect.StructType) -> Floats | None:
    found = [(attrgetter(field.name), _floats_in(field.type)) for field in kind.fields]
    readers = [(field, read) for field, read in found if read is not None]
    names = [field.name for field in kind.fields if isinstance(field.type, inspect.FloatType)]
    if len(names) == len(readers) > 1:
        return attrgetter(*names)  # a tuple of them all
    return (lambda value: chain.from_iterable(read(field(value)) for field, read in readers)) if readers else None


def _floats_in_union(kind: inspect.UnionType) -> Floats | None:
    """A union of None and one other type, as far as messages have them."""
    readers = [read for read in map(_floats_in, kind.types) if read is not None]
    if not readers:
        return None
    assert len(readers) == 1, f"more than one type with floats in {kind}"
    return lambda value: () if value is None else readers[0](value)


def own_money_hook(kind: type, value: Any) -> Any:
    """Decode hook for money that this house wrote itself: as many digits as it had."""
    if kind is not Money or type(value) is not str:
        return money_hook(kind, value)
    try:
        money = Decimal(value)
    except InvalidOperation:
        msg = f"not a number: {value!r}"
        raise ValueError(msg) from None
    if not money.is_finite():
        msg = f"not a finite number: {value!r}"
        raise ValueError(msg)
    return money
