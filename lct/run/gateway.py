"""The gateway of a home: its keys, and its HTTP over the home's own house."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from daemons.api_gateway import Config
from daemons.api_gateway.keys import SECRET_BYTES, Key, KeyStore
from lct.clock import now_ns
from lct.messages.api_gateway import RequestServed


def key_store(home: Path) -> KeyStore:
    """Return the keys of a home."""
    return KeyStore(home / "keys" / "gateway.json")


def create_key(home: Path, scopes: Iterable[str]) -> tuple[Key, str]:
    """Make a key of 256 random bits and keep its hash; its text is told this once.

    Raises ConfigError for a scope that there is not.
    """
    return key_store(home).add(os.urandom(SECRET_BYTES), scopes, now_ns())


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
    ask = ClientPerThread(partial(Client, home, name="api_gateway"))
    await serve(gateway(ask, keys, tell), config.host, port, listening=listening)
