"""The supervisor's remote calls: XML-RPC over its unix socket; by hand, for xmlrpc.client alone costs 50 ms."""

import socket
from binascii import b2a_base64
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from lct.errors import LctError, NoAnswer

PATIENCE_SECONDS = 5.0
REPLY_BYTES_MAX = 4_194_304
PIECE_BYTES = 65_536
SCHEME = "unix://"
CONTAINERS: dict[str, Callable[[], Any]] = {"array": list, "struct": dict}
TYPES: dict[str, Callable[[str], Any]] = {"int": int, "i4": int, "i8": int, "string": str, "boolean": "1".__eq__}
ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


class Fault(LctError):
    """The supervisor understood a call and says no; `code` is that of supervisor.xmlrpc.Faults."""

    def __init__(self, code: int, text: str) -> None:
        """Keep the code for whoever can act on it."""
        super().__init__(f"the supervisor says {text}")
        self.code = code


BAD_NAME, NOT_RUNNING, ALREADY_STARTED, ALREADY_ADDED = 10, 70, 60, 90


@dataclass(frozen=True)
class Rpc:
    """The way to one supervisor: its address as in `unix:///path/to.sock`, and what it wants to hear first."""

    url: str
    password: str | None = None
    patience_seconds: float = PATIENCE_SECONDS

    def call(self, method: str, *arguments: str | bool | int) -> Any:
        """Call a method, as in `supervisor.getPID`, and return its answer: dicts, lists, texts, numbers and bools.

        Raises NoAnswer where nobody listens or no answer comes in time, and Fault where the answer is no.
        """
        body = _request(method, arguments)
        try:
            reply = self._exchange(body)
        except (OSError, ValueError) as error:
            raise NoAnswer(f"no supervisor answers at {self.url} ({error}); `lct up` starts one") from None
        head, _, document = reply.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].split(b" ")
        if len(status) < 2 or status[1] != b"200":
            raise NoAnswer(f"what listens at {self.url} does not answer as a supervisor: {status!r}")
        try:
            return _answer(document)
        except (ExpatError, ValueError, LookupError, TypeError) as error:
            raise NoAnswer(f"what listens at {self.url} does not answer as a supervisor: {error}") from None

    def _exchange(self, body: bytes) -> bytes:
        if not self.url.startswith(SCHEME):
            msg = "not a unix socket"
            raise ValueError(msg)
        head = ["POST /RPC2 HTTP/1.0", "Content-Type: text/xml", f"Content-Length: {len(body)}"]
        if self.password is not None:
            secret = b2a_base64(f"lct:{self.password}".encode(), newline=False).decode()
            head.append(f"Authorization: Basic {secret}")
        reply = bytearray()
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
            line.settimeout(self.patience_seconds)
            line.connect(self.url.removeprefix(SCHEME))
            line.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            while piece := line.recv(PIECE_BYTES):
                reply += piece
                if len(reply) > REPLY_BYTES_MAX:
                    msg = "too long an answer"
                    raise ValueError(msg)
        return bytes(reply)


def _request(method: str, arguments: tuple[str | bool | int, ...]) -> bytes:
    params = "".join(f"<param><value>{_written(value)}</value></param>" for value in arguments)
    call = f"<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    return f"<?xml version='1.0'?>{call}".encode()


def _written(value: str | bool | int) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    if isinstance(value, int):
        return f"<int>{value}</int>"
    for letter, escape in ESCAPES:
        value = value.replace(letter, escape)
    return f"<string>{value}</string>"


def _answer(document: bytes) -> Any:
    reader = _Reader()
    reader.read(document)
    if reader.is_fault:
        raise Fault(int(reader.value["faultCode"]), str(reader.value["faultString"]))
    return reader.value


class _Reader:
    """Reads the values of an answer as they end; what has no type is a text."""

    def __init__(self) -> None:
        self.value: Any = None
        self.is_fault = False
        self._text = ""
        self._is_bare = True
        """Whether the value that ends had no type."""
        self._around: list[Any] = []
        """The arrays and structs around what is being read."""
        self._names: list[str] = []

    def read(self, document: bytes) -> None:
        parser = ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._hear
        parser.EndElementHandler = self._end
        parser.Parse(document, True)

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._text = ""
        if tag in CONTAINERS:
            self._around.append(CONTAINERS[tag]())
        elif tag == "value":
            self._is_bare = True
        elif tag == "fault":
            self.is_fault = True

    def _hear(self, text: str) -> None:
        self._text += text

    def _end(self, tag: str) -> None:
        if tag == "name":
            self._names.append(self._text)
        elif tag in CONTAINERS:
            self.value, self._is_bare = self._around.pop(), False
        elif tag in TYPES:
            self.value, self._is_bare = TYPES[tag](self._text), False
        elif tag == "value":
            if self._is_bare:
                self.value = self._text
            self._is_bare = False
            self._put()

    def _put(self) -> None:
        if not self._around:
            return
        around = self._around[-1]
        if isinstance(around, list):
            around.append(self.value)
        else:
            around[self._names.pop()] = self.value
