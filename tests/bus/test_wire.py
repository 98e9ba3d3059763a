"""The frames of the wire: read by any reader of msgpack, and closed to everything unsound."""

import importlib
import pkgutil
import random

import msgpack
import msgspec
import pytest

import lct.messages
from lct.bus.wire import TOGETHER_MAX, TOPIC_BYTES_MAX, announce, announced, frame_of, pack, tag_in, topic, unpack
from lct.messages.base import Codec, Command, Envelope, Event, Message, Request, encode, tag_of
from tests.messages.test_base import example

FILES = [
    importlib.import_module(f"lct.messages.{module.name}") for module in pkgutil.iter_modules(lct.messages.__path__)
]
KINDS: tuple[type[Message], ...] = tuple(
    kind
    for file in FILES
    for kind in vars(file).values()
    if isinstance(kind, type)
    and issubclass(kind, Message)
    and kind.__module__ == file.__name__
    and kind not in {Message, Event, Request, Command}
)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def said(message: Message, **fields: object) -> Envelope:
    return Envelope("alice:1:7", "alice", 1, 7, 1_700_000_000_000_000_000, msgspec.Raw(encode(message)), **fields)


def full(message: Message) -> Envelope:
    """An envelope with every field set."""
    return said(
        message,
        instance=2,
        destination="bob",
        correlation="alice:1:1",
        causation="bob:1:3",
        expires_ns=1_700_000_003_000_000_000,
        journal_seq=2**63 - 1,
    )


@EACH
def test_every_message_comes_out_of_its_frame_as_it_went_in(kind):
    codec = Codec((kind,))
    for seed in range(5):
        message = example(kind, seed)
        for envelope in (said(message), full(message)):
            for read in (unpack(pack(envelope)), *announced(announce(tag_of(kind), envelope))):
                assert msgspec.structs.replace(read, body=envelope.body) == envelope
                assert codec.decode(read.body) == message


@EACH
def test_any_reader_of_msgpack_reads_and_writes_the_frame(kind):
    for seed in range(5):
        envelope = full(example(kind, seed))
        frame = pack(envelope)

        read = msgpack.unpackb(frame)

        assert set(read) == set(Envelope.__struct_fields__)
        assert read["body"]["tag"] == tag_of(kind)
        assert {name: getattr(envelope, name) for name in read if name != "body"} == {
            name: value for name, value in read.items() if name != "body"
        }
        assert msgpack.packb(read) == frame
        assert msgspec.structs.replace(unpack(msgpack.packb(read)), body=envelope.body) == envelope


@pytest.mark.parametrize("count", [1, 2, 15, 16, TOGETHER_MAX])
def test_events_that_leave_together_are_one_array_to_any_reader(count):
    said_at_once = [said(example(KINDS[n % len(KINDS)], n)) for n in range(count)]
    packed = [pack(envelope) for envelope in said_at_once]

    frame = frame_of(b"a.b ", packed)

    assert [
        msgspec.structs.replace(read, body=one.body) for read, one in zip(announced(frame), said_at_once, strict=True)
    ] == said_at_once
    read = msgpack.unpackb(frame.removeprefix(b"a.b "))
    assert [read] if count == 1 else read == [msgpack.unpackb(one) for one in packed]


def test_too_many_events_together_are_refused():
    packed = [pack(said(example(KINDS[0])))] * (TOGETHER_MAX + 1)

    with pytest.raises(ValueError):
        announced(frame_of(b"a.b ", packed))
    with pytest.raises(ValueError):
        announced(b"a.b \x90")


def test_all_messages_are_looked_at():
    assert len(KINDS) > 60
    assert {kind.__module__ for kind in KINDS} == {file.__name__ for file in FILES}


# --- topics


def test_no_topic_is_the_beginning_of_another():
    tags = [*(tag_of(kind) for kind in KINDS), "a.b", "a.bc", "a.b_c"]
    for one in tags:
        for other in tags:
            assert one == other or not topic(other).startswith(topic(one))


def test_a_subscription_names_one_tag_or_everything():
    assert topic("") == b""
    assert tag_in(b"") == ""
    for kind in KINDS:
        assert tag_in(topic(tag_of(kind))) == tag_of(kind)


@pytest.mark.parametrize(
    "wrong", [b"a.b", b"a.b c", b"a.b  ", b" ", b"x" * 64 + b" ", b"\xff\xff ", b"x" * 1_000], ids=repr
)
def test_what_subscribes_to_no_tag_is_refused(wrong):
    with pytest.raises(ValueError):
        tag_in(wrong)


def test_a_tag_that_is_none_has_no_topic():
    for wrong in ("a b", "x" * TOPIC_BYTES_MAX):
        with pytest.raises(ValueError, match="is no tag"):
            topic(wrong)


# --- the door


def changed(**changes: object) -> bytes:
    found: bytes = msgpack.packb({**msgpack.unpackb(pack(full(example(KINDS[0])))), **changes})
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": 7},
        {"id": "x" * 129},
        {"source": None},
        {"source": "x" * 129},
        {"destination": ""},
        {"epoch": -1},
        {"epoch": 2**63},
        {"seq": 1.5},
        {"seq": "1"},
        {"time_ns": 2**64 - 1},
        {"time_ns": None},
        {"expires_ns": -5},
        {"journal_seq": 2**63},
        {"instance": True},
        {"causation": b"bytes"},
        {"version": -1},
    ],
    ids=repr,
)
def test_an_envelope_of_the_wrong_shape_is_refused(changes):
    with pytest.raises(ValueError):
        unpack(changed(**changes))


def test_an_envelope_from_a_newer_house_is_read():
    assert unpack(changed(trace="abc")).source == "alice"


@pytest.mark.parametrize("missing", ["id", "source", "epoch", "seq", "time_ns", "body"])
def test_an_envelope_that_lacks_what_it_must_have_is_refused(missing):
    read = msgpack.unpackb(pack(full(example(KINDS[0]))))
    del read[missing]

    with pytest.raises(ValueError, match=missing):
        unpack(msgpack.packb(read))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x90",
        b"\xc0",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 50_000,
        b"\x81\xa4body" * 50_000,
        b"\x81\xa2id\xa2\xff\xfe",
    ],
    ids=lambda frame: repr(frame[:8]),
)
def test_what_is_no_envelope_is_refused(frame):
    with pytest.raises(ValueError):
        unpack(frame)
    with pytest.raises(ValueError):
        announced(b"wire_test.said " + frame)


def test_an_event_without_a_topic_is_refused():
    frame = pack(said(example(KINDS[0])))
    for wrong in (b" " + frame, b"", b"x" * TOPIC_BYTES_MAX + b" " + frame):
        with pytest.raises(ValueError):
            announced(wrong)


def broken(chance: random.Random, frame: bytes) -> bytes:
    """A frame with some bits, bytes or stretches changed."""
    found = bytearray(frame)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(3):
            case 0 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                del found[at : at + chance.randint(1, 9)]
            case _:
                found[at:at] = chance.randbytes(chance.randint(1, 9))
    return bytes(found)


def test_broken_frames_raise_nothing_but_value_errors():
    chance, refused, count = random.Random(3), 0, 20_000
    frames = [pack(full(example(kind, 1))) for kind in KINDS]
    for _ in range(count):
        try:
            unpack(broken(chance, chance.choice(frames)) if chance.random() < 0.9 else chance.randbytes(40))
        except ValueError:
            refused += 1

    assert count // 4 < refused < count
