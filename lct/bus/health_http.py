"""Health over HTTP: `GET /health` on a loopback port, answered by a few lines, for a browser or a watchdog."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from lct.errors import Refused

HOST = "127.0.0.1"
HEAD_BYTES_MAX = 8_192
PATIENCE_SECONDS = 2.0
CONNECTIONS_MAX = 64

Document = dict[str, Any]


class HealthPort:
    """A loopback port that tells one document; 200 while the daemon is ready, 503 while it is not."""

    def __init__(self, tell: Callable[[], tuple[bool, Document]]) -> None:
        """`tell` returns whether the daemon is ready, and what to say."""
        self._tell = tell
        self._server: asyncio.Server | None = None
        self._open = 0

    async def bind(self, port: int) -> int:
        """Listen on a port (0: any free one) and return it; Refused where it is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, HOST, port, limit=HEAD_BYTES_MAX)
        except OSError as error:
            raise Refused(f"cannot listen on {HOST}:{port} ({error.strerror}); set http_port to a free one") from None
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._reply(head))
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever asks like that is not answered
        finally:
            self._open -= 1
            writer.close()

    def _reply(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/health":
            return _response("404 Not Found", {"error": "only /health is here"})
        if method not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", {"error": "GET it"})
        ready, document = self._tell()
        return _response("200 OK" if ready else "503 Service Unavailable", document, with_body=method == b"GET")


def _response(status: str, document: Document, *, with_body: bool = True) -> bytes:
    body = json.dumps(document).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
