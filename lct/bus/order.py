"""Order: puts what came of one speaker into its place, by number, however it came."""

from collections.abc import Iterator
from typing import NamedTuple

from lct.messages.base import Envelope, Message

EARLY_MAX = 1_024
"""Envelopes of one stream that came before their turn and are kept; the rest is pulled when its turn comes."""


class Arrival(NamedTuple):
    """A message whose turn has come."""

    envelope: Envelope
    message: Message


class Lost(NamedTuple):
    """Numbers of a stream that will not come any more; without `last` all from `first` on, for its speaker ended."""

    speaker: str
    tag: str
    epoch: int
    first: int
    last: int | None


class Stream:
    """One volatile type of one life of a speaker: `next` is the number whose turn it is, None before the snapshot."""

    def __init__(self, tag: str, *, is_held: bool = False) -> None:
        """Begin without knowing where the speaker is; a held stream is begun from outside."""
        self.tag = tag
        self.next: int | None = None
        self.upto = 0
        self.snapshot = 0
        self.is_held = is_held
        self.early: dict[int, Arrival | None] = {}

    @property
    def misses(self) -> bool:
        """Whether something was told and has neither come nor been given up."""
        return self.next is not None and not self.is_held and self.upto >= self.next

    def take(self, seq: int, arrival: Arrival | None, *, always: bool = False) -> None:
        """Keep what came until its turn; None stands for something unreadable."""
        self.upto = max(self.upto, seq)
        if (self.next is None or seq >= self.next) and (always or len(self.early) < EARLY_MAX or seq == self.next):
            self.early.setdefault(seq, arrival)

    def begin(self, at: int) -> None:
        """Know from where on to deliver."""
        self.next = at
        self.is_held = False
        self.early = {seq: arrival for seq, arrival in self.early.items() if seq >= at}

    def turns(self) -> Iterator[Arrival | None]:
        """Yield what has its turn, in order."""
        while self.next is not None and not self.is_held and self.next in self.early:
            arrival = self.early.pop(self.next)
            self.next += 1
            yield arrival

    def skip(self, before: int) -> tuple[int, int] | None:
        """Give up what is missing next and lies before a number; return the first and last of it, None if nothing."""
        first = self.next
        assert first is not None, "a stream is skipped in its course"
        at = min((seq for seq in self.early if seq >= first), default=before)
        at = min(at, before)
        if at <= first:
            return None
        self.next = at
        return first, at - 1

    def end(self, *, is_held: bool) -> None:
        """Go on with the next life of the speaker."""
        self.next = None if self.next is None else 1
        self.upto = self.snapshot = 0
        self.early = {}
        self.is_held |= is_held


class Facts:
    """The durable events of one speaker, of all its lives; `at` is the last that needs no delivery any more."""

    def __init__(self, tags: frozenset[str], at: int | None) -> None:
        """Begin after a saved `journal_seq`; with None, at the end of what the speaker has."""
        self.tags = tags
        self.at = at
        self.upto = 0
        self.is_checked = False
        self.early: dict[int, Arrival | None] = {}

    @property
    def misses(self) -> bool:
        """Whether there may be a fact that has not come."""
        return bool(self.tags) and self.at is not None and (not self.is_checked or self.upto > self.at)

    def take(self, number: int, arrival: Arrival | None) -> None:
        """Keep a fact until its turn; None stands for one that is not heard, but counts."""
        self.upto = max(self.upto, number)
        if (self.at is None or number > self.at) and (len(self.early) < EARLY_MAX or number - 1 == self.at):
            self.early.setdefault(number, arrival)

    def turns(self) -> Iterator[Arrival]:
        """Yield what has its turn, in order."""
        while self.at is not None and self.at + 1 in self.early:
            self.at += 1
            arrival = self.early.pop(self.at)
            if arrival is not None:
                yield arrival

    def reach(self, at: int) -> None:
        """Need nothing up to a `journal_seq` any more."""
        self.at = at if self.at is None else max(self.at, at)
        self.upto = max(self.upto, self.at)
        self.early = {number: arrival for number, arrival in self.early.items() if number > self.at}
