"""What a conductor and the daemons of a house in replayed time say to each other, in msgpack frames."""

import msgspec

from lct.store.rounds import Round, Spoken

PAGE_BYTES_MAX = 4_194_304
"""How large a frame between them may be."""
PAGE_ROUNDS = 64
"""How many rounds, or kept words, a page of the past holds at most,"""
PAGE_BODY_BYTES = 1_048_576
"""and after how many bytes of words it is full."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A daemon introduces this life of its: up to which round it has lived, and what it said in that one.

    `is_fresh` asks for the words of `rehears` since the bars after `since` too, for state that is not durable.
    """

    daemon: str
    epoch: int
    lived: int
    said: tuple[Spoken, ...]
    due_ns: int
    hears: tuple[str, ...]
    answers: tuple[str, ...]
    rehears: tuple[str, ...]
    since: int
    is_fresh: bool
    cursor: int


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """What a daemon said in a round, when its next thing is due, and from where it would have to hear again."""

    daemon: str
    epoch: int
    round: int
    said: tuple[Spoken, ...]
    due_ns: int
    cursor: int
    since: int


class Here(msgspec.Struct, frozen=True, tag="here"):
    """A daemon that has nothing to do lives, and has lived up to a round."""

    daemon: str
    epoch: int
    lived: int


class Turn(msgspec.Struct, frozen=True, tag="turn"):
    """The round in progress, with the words for one daemon; `after` is the last round told to this life before."""

    round: Round
    after: int


class Past(msgspec.Struct, frozen=True, tag="past"):
    """Rounds of an earlier life, to live again, in order."""

    rounds: tuple[Round, ...]


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """Words that were heard for good, with their times, to hear again; pages from 0, `complete` on the last."""

    words: tuple[tuple[int, Spoken], ...]
    page: int
    complete: bool


class Introduce(msgspec.Struct, frozen=True, tag="introduce"):
    """The conductor does not know this life: who is it?"""


FromDaemon = Hello | Reply | Here
FromConductor = Turn | Past | Recall | Introduce

encode = msgspec.msgpack.Encoder().encode
from_daemon: msgspec.msgpack.Decoder[FromDaemon] = msgspec.msgpack.Decoder(FromDaemon)
from_conductor: msgspec.msgpack.Decoder[FromConductor] = msgspec.msgpack.Decoder(FromConductor)
