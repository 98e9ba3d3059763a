"""Serving: the gateway on a socket of loopback, one request a connection, and no connection for long."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemons.api_gateway.door import HEADER_BYTES_MAX, Door
from lct.errors import Refused

HEAD_SECONDS = 5.0
"""How long a caller may take to send the head of its request; uvicorn itself would wait for ever."""
CONNECTIONS_MAX = 200
FAREWELL_SECONDS = 2
"""How long the requests under way may take once the gateway is told to end."""


class Prompt(H11Protocol):
    """HTTP that hangs up on who does not say what it wants."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head."""
        super().connection_made(transport)
        self._hang_up = self.loop.call_later(HEAD_SECONDS, self._hang_up_unless_asked)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._hang_up.cancel()
        super().connection_lost(exc)

    def _hang_up_unless_asked(self) -> None:
        asked: Any = self.cycle  # None before the first head, whatever its type says
        if asked is None:
            self.transport.close()


class Server(uvicorn.Server):
    """A server inside of a process that has its own way with signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


async def serve(app: Door, host: str, port: int, *, listening: Callable[[int], None] | None = None) -> None:
    """Serve until cancelled; `listening` is told the port once it is taken (0 asks for any free one).

    Raises Refused for an address that is not of loopback, and for a port that is taken.
    """
    with listening_socket(host, port) as taken:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a caller's malformed requests fill no log
        config = uvicorn.Config(
            app,
            http=Prompt,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            timeout_graceful_shutdown=FAREWELL_SECONDS,
        )
        server = Server(config)
        if listening is not None:
            listening(taken.getsockname()[1])
        try:
            await server.serve(sockets=[taken])
        except asyncio.CancelledError:
            if server.started:
                await server.shutdown(sockets=[taken])
            raise
        finally:
            app.close()


def listening_socket(host: str, port: int) -> socket.socket:
    """Take a port of loopback; raises Refused for any other address, and where the port is taken."""
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise Refused(f'{host!r} is no address; set host = "127.0.0.1" in api_gateway.toml') from None
    if not address.is_loopback:
        raise Refused(
            f"the gateway of this version listens on loopback alone, not on {host}: "
            'set host = "127.0.0.1" in api_gateway.toml, and reach it through a tunnel'
        )
    taken = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((str(address), port))
        taken.listen()
    except OSError as error:
        taken.close()
        reason = f"{error.strerror}); set http_port in api_gateway.toml to a free one"
        raise Refused(f"cannot listen on {host}:{port} ({reason}") from None
    return taken
