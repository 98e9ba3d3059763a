"""The gateway of a home: its keys, and its HTTP over the home's own house."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from daemons.api_gateway import Config
from daemons.api_gateway.keys import SECRET_BYTES, Key, KeyStore
from lct.clock import now_ns
from lct.domain.risk import Standing
from lct.errors import NoAnswer
from lct.messages.api_gateway import RequestServed
from lct.messages.base import Event, Request
from lct.messages.execution import Done, Halt

if TYPE_CHECKING:
    from daemons.api_gateway.asking import Ask

ReplyT = TypeVar("ReplyT", bound=Event)


def key_store(home: Path) -> KeyStore:
    """Return the keys of a home."""
    return KeyStore(home / "keys" / "gateway.json")


def create_key(home: Path, scopes: Iterable[str]) -> tuple[Key, str]:
    """Make a key of 256 random bits and keep its hash; its text is told this once.

    Raises ConfigError for a scope that there is not.
    """
    return key_store(home).add(os.urandom(SECRET_BYTES), scopes, now_ns())


class Switching:
    """An Ask that takes a halt by file and signal too, so that it does not need execution to listen."""

    def __init__(self, home: Path, ask: "Ask") -> None:
        """Ask the house of a home, whose accounts are those that its processes have in hand."""
        self._home = home
        self._ask = ask

    def __call__(self, request: Request[ReplyT], /) -> ReplyT:
        """Ask; NoAnswer says of a halt whether its file stands."""
        from lct.run.switch import folders_in_hand, halt

        if not isinstance(request, Halt):
            return self._ask(request)
        found = halt(self._home, folders_in_hand(self._home), request, self._ask)
        if found.reply is not None:
            return cast("ReplyT", Done(found.reply.standing, not found.was_halted, found.in_words))
        if found.is_journaled:
            return cast("ReplyT", Done(Standing.HALTED, True, found.in_words))
        raise NoAnswer(f"{found.unanswered} {found.in_words}")


async def serve_gateway(
    home: Path, config: Config, port: int, tell: Callable[[RequestServed], None], listening: Callable[[int], None]
) -> None:
    """Serve the gateway on a port (0: any free one) until cancelled; `listening` is told the port once it is taken.

    `tell` hears of each request that was served. Raises Refused where it may not or cannot listen there, ConfigError
    where the keys cannot be read.
    """
    from daemons.api_gateway.asking import ClientPerThread
    from daemons.api_gateway.http import gateway  # here, for whoever makes a key needs no web framework
    from daemons.api_gateway.serving import serve
    from lct.client import Client

    keys = key_store(home)
    keys.listed()
    ask = Switching(home, ClientPerThread(partial(Client, home, name="api_gateway")))
    await serve(gateway(ask, keys, tell), config.host, port, listening=listening)
