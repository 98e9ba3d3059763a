"""The gateway on a socket: where it listens, whom it hangs up on, and how it ends."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from daemons.api_gateway import door, serving
from daemons.api_gateway.http import gateway
from daemons.api_gateway.keys import KeyStore
from daemons.api_gateway.serving import listening_socket, serve
from lct.errors import NoAnswer, Refused
from tests.daemons.gateway_house import key_for

LIMIT_SECONDS = 20.0
Talk = Callable[[int], Coroutine[Any, Any, Any]]


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "gateway.json")


def nobody(request: Any, /) -> Any:
    raise NoAnswer("portfolio is not there")


def served(store: KeyStore, talk: Talk, told: list[Any] | None = None) -> Any:
    """Serve on a free port, talk to it, and end it."""

    async def both() -> Any:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        app = gateway(nobody, store, (told if told is not None else []).append)
        task = asyncio.create_task(serve(app, "127.0.0.1", 0, listening=port.set_result))
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await talk(await port)
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    level = logging.getLogger("uvicorn.error").level
    try:
        return asyncio.run(both())
    finally:
        logging.getLogger("uvicorn.error").setLevel(level)


async def said(port: int, text: bytes) -> bytes:
    """Send bytes and return all that comes until the gateway hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def head(port: int, line: str, *headers: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, "", ""]).encode()


def test_it_answers_one_request_a_connection_and_names_neither_itself_nor_a_version(store: KeyStore) -> None:
    async def talk(port: int) -> bytes:
        return await said(port, head(port, "GET /health") * 2)

    reply = served(store, talk)

    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.count(b'{"status":"ok"}') == 1
    assert b"server:" not in reply.lower()
    assert b"uvicorn" not in reply.lower()


def test_a_house_that_does_not_answer_is_told_with_its_reason(store: KeyStore) -> None:
    key = key_for(store, "read")

    async def talk(port: int) -> bytes:
        return await said(port, head(port, "GET /api/portfolio/positions", f"X-API-Key: {key}"))

    reply = served(store, talk)

    assert reply.startswith(b"HTTP/1.1 503 ")
    assert b"portfolio is not there" in reply


@pytest.mark.parametrize("start", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_who_does_not_say_what_it_wants_is_hung_up_on(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)

    async def talk(port: int) -> bytes:
        return await said(port, start)

    assert served(store, talk) == b""


def test_a_body_that_does_not_come_is_not_waited_for(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ANSWER_SECONDS", 0.2)
    key = key_for(store, "trade")

    async def talk(port: int) -> bytes:
        return await said(port, head(port, "POST /api/trading/stop", f"X-API-Key: {key}", "Content-Length: 9") + b"{")

    assert served(store, talk).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: nonsense\r\n\r\n0",
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_no_sound_request_is_refused(store: KeyStore, request_: bytes) -> None:
    async def talk(port: int) -> tuple[bytes, bytes]:
        return await said(port, request_), await said(port, head(port, "GET /health"))

    refused, sound = served(store, talk)

    assert refused[9:10] in {b"4", b""}  # 4xx, or hung up on without a word
    assert sound.startswith(b"HTTP/1.1 200 OK\r\n")


def test_many_slow_callers_do_not_keep_others_out(store: KeyStore) -> None:
    async def talk(port: int) -> bytes:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(serving.CONNECTIONS_MAX // 2)]
        try:
            return await said(port, head(port, "GET /health"))
        finally:
            for _, writer in slow:
                writer.close()

    assert served(store, talk).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "127.0.0.1 "])
def test_it_listens_nowhere_but_on_loopback(host: str) -> None:
    with pytest.raises(Refused, match=r"set host = \"127\.0\.0\.1\""):
        listening_socket(host, 0)


def test_a_port_that_is_taken_is_named() -> None:
    with listening_socket("localhost", 0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(Refused, match=f"cannot listen on 127.0.0.1:{port}"):
            listening_socket("127.0.0.1", port)


def test_it_loads_no_second_kind_of_types() -> None:
    make = "gateway(lambda request: request, KeyStore(Path('none')), lambda served: None)"
    ask = f"""
import sys
from pathlib import Path
from daemons.api_gateway.http import gateway
from daemons.api_gateway.keys import KeyStore
{make}
print([name for name in ("pydantic", "pandas", "textual") if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_it_ends_with_its_port_free_and_its_requests_told(store: KeyStore) -> None:
    told: list[Any] = []

    async def talk(port: int) -> int:
        await said(port, head(port, "GET /health"))
        return port

    port = served(store, talk, told)

    assert [(request.route, request.status) for request in told] == [("/health", 200)]
    listening_socket("127.0.0.1", port).close()
