"""The token source port: where new tokens come from, and how a bus hears of them in replayed time."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from typing import Any, ClassVar

import msgspec

from lct.domain.screening import Facts
from lct.domain.text import clean
from lct.errors import LctError
from lct.messages.base import Command, Event
from lct.messages.token_source import TokenSeen

__all__ = ["Facts", "TokenPort", "TokenSeen", "TokenSource", "sound"]

TEXT_WIDTH = 200


class TokenSource(ABC):
    """A source of tokens seen in a period, made from a `Config` of its class."""

    name: ClassVar[str]
    summary: ClassVar[str]
    Config: ClassVar[type[msgspec.Struct]]

    @abstractmethod
    def __init__(self, config: Any, from_ns: int, to_ns: int | None) -> None:
        """Take a `Config` and the period, from inclusive to exclusive; None is without an end.

        Raises ConfigError or NotFound for settings that cannot be.
        """

    @abstractmethod
    def tokens(self) -> Iterator[TokenSeen]:
        """Yield the tokens of the period in the order of `seen_at_ns`: the same ones each time it is called."""


def sound(token: TokenSeen) -> TokenSeen:
    """Return a token as the house may hear and record it: text that is clean and short, numbers that are numbers.

    An address is never cleaned into another one: what is not ASCII in it becomes `?`.
    """
    facts = {name: getattr(token.facts, name) for name in Facts.__struct_fields__}
    odd = {name: None for name, value in facts.items() if isinstance(value, float) and not isfinite(value)}
    return TokenSeen(
        chain=_ascii(token.chain),
        mint=_ascii(token.mint),
        symbol=clean(token.symbol, TEXT_WIDTH),
        name=clean(token.name, TEXT_WIDTH),
        source=clean(token.source, TEXT_WIDTH),
        seen_at_ns=token.seen_at_ns,
        facts=msgspec.structs.replace(token.facts, **odd),
    )


def _ascii(text: str) -> str:
    return text[:TEXT_WIDTH].encode("ascii", "replace").decode("ascii")


class TokenPort:
    """Tells the tokens of a source, made sound, when they were seen; result n is token n (see ports.base.TimedPort)."""

    role = "tokens"
    owner = "token_discovery"
    takes_again = True

    def __init__(self, source: TokenSource, *, begins_now: bool = False) -> None:
        """Take a source; `begins_now` where its period begins with this life, so that all in it is new."""
        self.source = source
        self.given = 0
        self._begins_now = begins_now
        self._begin(0)

    def _begin(self, heard: int) -> None:
        self.given = heard
        self._coming = islice(self.source.tokens(), 0 if self._begins_now else heard, None)
        self._next = next(self._coming, None)

    def due_ns(self) -> int | None:
        """Return when the next token is seen, None after the last."""
        return None if self._next is None else self._next.seen_at_ns

    def results(self, now_ns: int) -> list[Event]:
        """Return the tokens seen by now; LctError where the source does not keep their order."""
        told: list[Event] = []
        while self._next is not None and self._next.seen_at_ns <= now_ns:
            token, self._next = self._next, next(self._coming, None)
            if self._next is not None and self._next.seen_at_ns < token.seen_at_ns:
                raise LctError(f"token source {self.source.name} tells {self._next.mint!r} after a later one")
            self.given += 1
            told.append(sound(token))
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: a source of this kind takes no commands."""
        raise AssertionError(f"a token source cannot do {command}")

    def resume(self, heard: int) -> None:
        """Go on after the first `heard` tokens."""
        self._begin(heard)

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return the tokens first..last once more, where the source still has them."""
        if self._begins_now or not 0 < first <= last:
            return []
        return [sound(token) for token in islice(self.source.tokens(), first - 1, last)]
