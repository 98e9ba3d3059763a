"""The calls to supervisord: every kind of answer is read as xmlrpc.client reads it, and nonsense is no answer."""

import socket
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.errors import NoAnswer
from lct.supervisor.rpc import Fault, Rpc, _answer, _request

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))
NUMBERS = st.integers(-(2**31), 2**31 - 1)
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@contextmanager
def answering(reply: bytes | None) -> Iterator[str]:
    """Something that listens, and gives every caller the same answer; None never says a word."""
    with TemporaryDirectory() as folder, closing(socket.socket(socket.AF_UNIX)) as ear:
        path = Path(folder) / "s"
        ear.bind(str(path))
        ear.listen()
        done = threading.Event()

        def serve() -> None:
            line, _ = ear.accept()
            with line:
                line.recv(65_536)
                if reply is None:
                    done.wait(5)
                else:
                    line.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{path}"
        done.set()
        thread.join()


def reply(body: str) -> bytes:
    return f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@given(VALUES)
def test_an_answer_is_read_as_xmlrpc_reads_it(value: Any) -> None:
    written = xmlrpc.client.dumps((value,), methodresponse=True)

    assert _answer(written.encode()) == xmlrpc.client.loads(written)[0][0]


@given(st.lists(st.booleans() | NUMBERS | TEXTS, max_size=3))
def test_a_call_is_read_by_xmlrpc(arguments: list[Any]) -> None:
    assert xmlrpc.client.loads(_request("supervisor.x", tuple(arguments))) == (tuple(arguments), "supervisor.x")


def test_a_text_without_a_type_is_a_text() -> None:
    document = b"<methodResponse><params><param><value>plain</value></param></params></methodResponse>"

    assert _answer(document) == "plain"


def test_a_fault_has_its_code() -> None:
    written = xmlrpc.client.dumps(xmlrpc.client.Fault(10, "BAD_NAME: x"))

    with answering(reply(written)) as url, pytest.raises(Fault, match="BAD_NAME") as caught:
        Rpc(url).call("supervisor.stopProcess", "x")

    assert caught.value.code == 10


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"hello",
        b"HTTP/1.0 401 Unauthorized\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n<a><b></a>",
        b"HTTP/1.0 200 OK\r\n\r\n<methodResponse><fault><value>bare</value></fault></methodResponse>",
        b"HTTP/1.0 200 OK\r\n\r\n<methodResponse><params><param><value><int>x</int></value></param></params>",
        None,
    ],
)
def test_nonsense_and_silence_are_no_answer(nonsense: bytes | None) -> None:
    with answering(nonsense) as url, pytest.raises(NoAnswer, match="unix://"):
        Rpc(url, patience_seconds=0.2).call("supervisor.getPID")


def test_an_endless_answer_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lct.supervisor.rpc.REPLY_BYTES_MAX", 100)

    with answering(reply("x" * 1_000)) as url, pytest.raises(NoAnswer, match="too long"):
        Rpc(url).call("supervisor.getPID")


@pytest.mark.parametrize("url", ["unix:///nowhere/at/all", "http://127.0.0.1:9001"], ids=["absent", "inet"])
def test_nobody_there_is_no_answer(url: str) -> None:
    calls: list[Callable[[], Any]] = [lambda: Rpc(url).call("supervisor.getPID")]

    for call in calls:
        with pytest.raises(NoAnswer, match="lct up"):
            call()
