"""Every message: what it is called, that it comes back from the wire as it went, and what the door refuses."""

import random
from decimal import Decimal
from enum import Enum
from importlib import import_module
from math import inf, nan
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from msgspec import inspect

import lct.messages
from lct.messages import feed, trading_engine
from lct.messages.base import FRAME_BYTES_MAX, Codec, Command, Event, Message, Request, encode, tag_of
from lct.messages.exchange import Place
from lct.messages.execution import Filled, GetOrders, OrderMoved, Propose
from lct.messages.market_data import BarsClosed, GetDataQuality
from lct.messages.portfolio import DayClosed, Profit
from lct.messages.strategy_engine import Scored

FILES = tuple(
    import_module(f"lct.messages.{path.stem}")
    for path in sorted(Path(lct.messages.__path__[0]).glob("[a-z]*.py"))
    if path.stem != "base"
)
KINDS: tuple[type[Message], ...] = tuple(
    kind
    for file in FILES
    for kind in vars(file).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind.__module__ == file.__name__
)
CODEC = Codec(KINDS)
OURS = Codec(KINDS, is_ours=True)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

SHORTER = {
    "DataQuality": "data_quality",
    "GetTradingStatus": "get_status",
    "TradingStatus": "status",
}
"""Where the owner's name already says a part of it."""


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


SIMPLE: dict[type[inspect.Type], list[Any]] = {
    inspect.FloatType: [0.0, -0.0, 0.1, 1e-300, 1.7e308, -5.0],
    inspect.IntType: [0, 1, -1, 2**62, 1_000_000_007],
    inspect.StrType: ["", "BTC/USDT", "é漢", "x" * 40],
    inspect.BoolType: [True, False],
    inspect.BytesType: [b"", b"\x00\xff", bytes(300)],
    inspect.NoneType: [None],
    inspect.CustomType: [Decimal("0.10"), Decimal(-3), Decimal("1E-8"), Decimal("123456789.000000001")],
}


def some(kind: inspect.Type, chance: random.Random) -> Any:
    """Make a value of a type, by chance."""
    if type(kind) in SIMPLE:
        return chance.choice([value for value in SIMPLE[type(kind)] if within(value, kind)])
    if isinstance(kind, inspect.EnumType | inspect.LiteralType):
        return chance.choice(list(kind.cls) if isinstance(kind, inspect.EnumType) else kind.values)
    if isinstance(kind, inspect.UnionType):
        return some(chance.choice(kind.types), chance)
    if isinstance(kind, inspect.StructType):
        return kind.cls(**{field.name: some(field.type, chance) for field in kind.fields})
    return some_of_many(kind, chance)


def within(value: Any, kind: inspect.Type) -> bool:
    """Whether a value keeps the bounds of its type."""
    low, high = getattr(kind, "ge", None), getattr(kind, "le", None)
    short, long = getattr(kind, "min_length", None), getattr(kind, "max_length", None)
    if isinstance(value, int | float):
        return (low is None or value >= low) and (high is None or value <= high)
    if isinstance(value, str):
        return (short is None or len(value) >= short) and (long is None or len(value) <= long)
    return True


def some_of_many(kind: inspect.Type, chance: random.Random) -> Any:
    if isinstance(kind, inspect.TupleType):
        return tuple(some(item, chance) for item in kind.item_types)
    if isinstance(kind, inspect.DictType):
        return {f"k{i}": some(kind.value_type, chance) for i in range(chance.randint(0, 3))}
    assert isinstance(kind, inspect.ListType | inspect.VarTupleType), f"no message had a {kind} before"
    items = [some(kind.item_type, chance) for _ in range(chance.randint(0, 3))]
    return items if isinstance(kind, inspect.ListType) else tuple(items)


def example(kind: type[Message], seed: int = 0) -> Any:
    return some(inspect.type_info(kind), random.Random(seed))


def wire(message: Message, **changes: Any) -> bytes:
    """Return the frame of a message with some fields changed, as a stranger might send it."""
    found: bytes = msgpack.packb({**msgpack.unpackb(encode(message)), **changes})
    return found


# --- every type


@EACH
def test_its_tag_is_its_owner_and_its_name(kind):
    owner = kind.__module__.rpartition(".")[2]

    assert tag_of(kind) == f"{owner}.{SHORTER.get(kind.__name__, snake(kind.__name__))}"


@EACH
def test_it_is_an_event_a_request_or_a_command_and_frozen(kind):
    assert sum(issubclass(kind, what) for what in (Event, Request, Command)) == 1
    assert kind.__struct_config__.frozen
    assert kind.__doc__


@EACH
def test_it_comes_back_from_the_wire_as_it_went(kind):
    for seed in range(20):
        message = example(kind, seed)

        assert CODEC.decode(encode(message)) == message
        assert OURS.decode(encode(message)) == message


@EACH
def test_any_reader_of_msgpack_reads_it(kind):
    for seed in range(20):
        message = example(kind, seed)
        frame = encode(message)

        read = msgpack.unpackb(frame)

        assert msgpack.packb(read) == frame
        assert read["tag"] == tag_of(kind)
        assert set(read) == {"tag", *kind.__struct_fields__}
        for name, value in read.items():
            if name != "tag":
                assert plain(getattr(message, name)) == value


def plain(value: Any) -> Any:
    """Say what a value is on the wire: money is text, an enum its value."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        body = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {value.__struct_config__.tag_field: tag, **body} if tag else body
    return value


# --- the door


@pytest.mark.parametrize(
    "money",
    [
        *(nan, inf, 1.5, True, None, [], {}, b"1"),
        *("NaN", "Infinity", "-inf", "sNaN", "", "0x1", "１", "1_0"),
        *("1e400", "1E+19", "1E-19", "9" * 41),
    ],
    ids=repr,
)
def test_what_is_not_money_is_refused(money):
    with pytest.raises(ValueError):
        CODEC.decode(wire(example(Place), amount=money))


@pytest.mark.parametrize("wrong", [nan, inf, -inf])
def test_a_number_that_is_none_is_refused_in_every_float(wrong):
    frames = [
        wire(example(BarsClosed), close=[1.0, wrong]),
        wire(example(feed.Rows), volume=[wrong]),
        wire(example(Scored), scores=[None, 0.5, wrong]),
        wire(example(DayClosed), equity=wrong),
        wire(example(Profit), daily=[[1, 1.0], [2, wrong]]),
        wire(example(DayClosed), track={**msgpack.unpackb(encode(example(DayClosed)))["track"], "peak": wrong}),
    ]

    for frame in frames:
        with pytest.raises(ValueError, match="NaN or infinity"):
            CODEC.decode(frame)


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "sideways"},
        {"stamp_ns": "now"},
        {"stamp_ns": 1.5},
        {"reduce_only": 1},
        {"client_order_id": None},
        {"symbol": 7},
        {"price": {"deep": "er"}},
        {"tag": "exchange.unheard_of"},
        {"tag": None},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_command_of_the_wrong_shape_is_refused(changes):
    with pytest.raises(ValueError):
        CODEC.decode(wire(example(Place), **changes))


def test_requests_and_commands_are_strict_and_events_are_tolerant():
    for kind in KINDS:
        frame = wire(example(kind), something_newer=1)
        if issubclass(kind, Event):
            assert CODEC.decode(frame) == example(kind)
        else:
            with pytest.raises(ValueError, match="something_newer"):
                CODEC.decode(frame)


def test_an_older_event_takes_its_defaults():
    moved = msgpack.unpackb(encode(example(OrderMoved)))
    for name in ("reason", "venue_order_id", "protective"):
        del moved[name]

    assert CODEC.decode(msgpack.packb(moved)).reason == ""


def test_deep_nests_and_large_frames_are_refused():
    deep = b"\x91" * 100_000 + b"\xc0"
    large = encode(Filled(1, 1, "x" * FRAME_BYTES_MAX, *msgspec.structs.astuple(example(Filled))[3:]))

    for frame in (deep, b"\x81\xa1x" * 80_000, encode(GetOrders())[:1] + deep, large):
        with pytest.raises(ValueError):
            CODEC.decode(frame)
    with pytest.raises(ValueError, match=f"at most {FRAME_BYTES_MAX}"):
        CODEC.decode(large)
    assert OURS.decode(large).client_order_id == "x" * FRAME_BYTES_MAX


def test_only_the_types_it_was_made_for_come_in():
    with pytest.raises(ValueError):
        Codec((GetOrders, GetDataQuality)).decode(encode(example(Propose)))
    with pytest.raises(AssertionError, match="share a tag"):
        Codec((GetOrders, GetOrders))


def test_what_this_house_wrote_may_have_more_digits_than_a_stranger_may_send():
    """The product of two numbers has the digits of both; refused, it would stop every later start of the house."""
    proposed = msgspec.structs.replace(
        example(trading_engine.Proposed), notional=Decimal("40000.12345678901") * Decimal("1.00000001")
    )

    with pytest.raises(ValueError, match="out of range"):
        CODEC.decode(encode(proposed))
    assert OURS.decode(encode(proposed)) == proposed
    for wrong in ("NaN", "Infinity", "x"):
        with pytest.raises(ValueError):
            OURS.decode(wire(proposed, notional=wrong))


def fuzz(seed: int, count: int) -> None:
    chance, refused = random.Random(seed), 0
    frames = [encode(example(kind, i)) for kind in KINDS for i in range(3)]
    for _ in range(count):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(frame) + 1)
            match chance.randrange(4):
                case 0 if at < len(frame):
                    frame[at] ^= 1 << chance.randrange(8)
                case 1:
                    del frame[at : at + chance.randint(1, 9)]
                case 2:
                    frame[at:at] = chance.randbytes(chance.randint(1, 9))
                case _:
                    frame[at : at + 1] = chance.choice([b"\xcb\x7f\xf0" + bytes(6), b"\xc0", b"\xc1", b"\xdd\xff\xff"])
        raw = bytes(frame) if chance.random() < 0.9 else chance.randbytes(chance.randint(0, 60))
        try:
            CODEC.decode(raw)
        except ValueError:
            refused += 1
    assert count // 4 < refused < count, f"seed {seed}: {refused} of {count} refused, so the frames test little"


def test_broken_frames_raise_nothing_but_value_errors():
    fuzz(1, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_very_many_broken_frames_raise_nothing_but_value_errors(seed):
    fuzz(seed, 200_000)
