"""What the conductor of a house in replayed time answers."""

from lct.messages.base import Event, Request


class Replay(Event, frozen=True, tag="conductor.replay"):
    """How far a replay is: its round, the house's time, the last bars told, and who has to answer before it goes on.

    `finished` means that nothing is due any more; `words` counts all that was said in this life of the conductor.
    """

    round: int
    time_ns: int
    md_seq: int
    finished: bool
    waits_for: tuple[str, ...]
    words: int
    counts: dict[str, int]


class GetReplay(Request[Replay], frozen=True, tag="conductor.get_replay"):
    """How far is the replay?"""
