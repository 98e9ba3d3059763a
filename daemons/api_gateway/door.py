"""The door: what every request passes before it comes to a route, and where each answer is counted."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from litestar.types import ASGIApp, Message, Receive, Send

from lct.clock import monotonic_ns
from lct.messages.api_gateway import RequestServed

HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?\Z", re.IGNORECASE)
"""Whose names a browser may call this gateway by: a page that had its own name point here comes with that name."""
PATH_BYTES_MAX = 512
QUERY_BYTES_MAX = 2_048
HEADER_BYTES_MAX = 16_384
HEADERS_MAX = 64
ANSWER_SECONDS = 10.0
"""How long a whole request may take, its body included."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER = "other"
HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), (b"connection", b"close"))
"""What every answer carries; one request a connection leaves a slow caller nothing to hold on to."""

Tell: TypeAlias = Callable[[RequestServed], None]


class Door:
    """An ASGI app around another: refuses what no route should see, ends what takes too long, and counts."""

    def __init__(self, app: ASGIApp, tell: Tell, close: Callable[[], None]) -> None:
        """`tell` hears of each request once it is answered; `close` lets go of what the app holds."""
        self.app = app
        self.close = close
        self._tell = tell

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        began_ns = monotonic_ns()
        status = 0
        whole = False

        async def heard() -> Any:
            nonlocal whole
            message: Any = await receive()
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        refusal = refused(scope)
        try:
            if refusal is not None:
                await answer(counted, *refusal)
            else:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self.app(scope, heard, counted)
        except TimeoutError:
            if not status:
                await answer(counted, 503 if whole else 408, f"the request took longer than {ANSWER_SECONDS:g} s")
        finally:
            took_ms = (monotonic_ns() - began_ns) / 1e6
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._tell(RequestServed(method, scope.get("path_template") or OTHER, status, took_ms))


def refused(scope: Any) -> tuple[int, str] | None:
    """Return the status and the reason to refuse a request by its head alone, None where it may come in."""
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    hosts = [value for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1 or HOST.match(hosts[0].decode("latin-1")) is None:
        return 400, "this gateway is called 127.0.0.1 or localhost"
    if len(scope.get("raw_path") or scope["path"].encode()) > PATH_BYTES_MAX:
        return 414, f"a path of more than {PATH_BYTES_MAX} bytes"
    if len(scope["query_string"]) > QUERY_BYTES_MAX:
        return 414, f"a query of more than {QUERY_BYTES_MAX} bytes"
    if len(headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX:
        return 431, f"more than {HEADERS_MAX} headers or {HEADER_BYTES_MAX} bytes of them"
    return None


async def answer(send: Send, status: int, reason: str) -> None:
    """Answer with an error, without any route."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
