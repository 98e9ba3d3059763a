"""The client: asks the daemons of a house and listens to them from outside; synchronous, one per thread."""

import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType, UnionType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Union, get_args, get_origin

import msgspec

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import NS_PER_SECOND, monotonic_ns, now_ns
from lct.errors import LctError, NoAnswer, NotFound, Refused
from lct.messages.base import Codec, Envelope, Event, Message, Request, RequestRefused, encode, tag_of

if TYPE_CHECKING:
    from lct.bus.asking import Asker, Listener

PATIENCE_MS = 3_000
BEAT_AGE_NS_MAX = 5 * NS_PER_SECOND
"""A presence that is older belongs to somebody who is gone."""
LOOK_EVERY_MS = 1_000
"""How often a listener looks for speakers that came later."""
CONDUCTOR = "conductor"
EVERYBODY = "house"
"""Owner of what every process answers by itself, its end included."""

ReplyT = TypeVar("ReplyT", bound=Event)
_NUMBERS = count(1)


class Client:
    """Asks and listens, in the house whose home this is; a context manager."""

    def __init__(self, home: Path, *, name: str = "client", patience_ms: int = PATIENCE_MS) -> None:
        """Speak as `name`; a question waits `patience_ms` for its reply. Nothing is connected yet."""
        self.home = home
        self.name = name
        self.patience_ms = patience_ms
        self._run = home / "run"
        self._epoch = now_ns()
        self._codecs: dict[type[Message], Codec] = {}
        self._asker: Asker | None = None
        self._listeners: list[Listener] = []

    def ask(self, request: Request[ReplyT], to: str | None = None) -> ReplyT:
        """Ask the owner of a request (or `to`, which must be named for what any daemon answers) and return its reply.

        Raises NoAnswer where nobody is there or no reply comes in time, Refused where the request was refused, NotFound
        where that is because it names something that is not there.
        """
        spoken_by = tag_of(type(request)).partition(".")[0]
        owner = to or spoken_by
        assert owner != EVERYBODY, f"{tag_of(type(request))} can be asked of any daemon: say of which"
        waits_for_its_turn = request.changes and spoken_by != EVERYBODY and self._has_conductor()
        through = CONDUCTOR if waits_for_its_turn else owner
        if self._asker is None:
            from lct.bus.asking import Asker

            self._asker = Asker(presence.socket_folder(self.home))
        asked = self._enveloped(request, owner)
        reply = self._asker.ask(through, asked, self.patience_ms)
        message = self._decoded(request, reply)
        if isinstance(message, RequestRefused):
            if asked.expires_ns is not None and asked.expires_ns <= now_ns():
                raise NoAnswer(f"{through} did not answer within {self.patience_ms} ms: {message.reason}")
            if message.is_missing:
                raise NotFound(message.reason)
            raise Refused(f"{reply.source} refused: {message.reason}")
        return message  # type: ignore[return-value]  # the codec takes nothing else

    def listen(
        self,
        kinds: tuple[type[Event], ...] | None = None,
        speakers: Iterable[str] | None = None,
        timeout_ms: int | None = None,
    ) -> Iterator[tuple[Envelope, Any] | None]:
        """Yield what the daemons tell as it comes, with its envelope; None after each `timeout_ms` of silence.

        Without `kinds` everything is heard and messages are plain dicts. Without `speakers` all who are there are
        heard, and who comes later. What cannot be read is left out.
        """
        from lct.bus.asking import Listener

        listener = Listener(presence.socket_folder(self.home))
        self._listeners.append(listener)
        read = _as_dict if kinds is None else Codec(kinds, is_ours=True).decode
        tags = ("",) if kinds is None else tuple(tag_of(kind) for kind in kinds)
        named = None if speakers is None else tuple(speakers)
        try:
            for envelope in self._heard(listener, tags, named, timeout_ms):
                if envelope is None:
                    yield None
                    continue
                try:
                    message = read(envelope.body)
                except ValueError:
                    listener.malformed += 1
                    continue
                yield envelope, message
        finally:
            listener.close()

    def who(self) -> dict[str, Presence | None]:
        """Return who says that it is in the house, by name; None where that cannot be read."""
        return presence.read(self._run)

    def close(self) -> None:
        """Hang up."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _heard(
        self, listener: "Listener", tags: tuple[str, ...], named: tuple[str, ...] | None, timeout_ms: int | None
    ) -> Iterator[Envelope | None]:
        """Yield what a listener hears, looking from time to time who else has come."""
        silent_since = looked = monotonic_ns()
        for speaker in self.who() if named is None else named:
            listener.hear(speaker, tags)
        while True:
            wait_ms = LOOK_EVERY_MS if timeout_ms is None else min(timeout_ms, LOOK_EVERY_MS)
            for envelope in listener.heard(wait_ms):
                silent_since = monotonic_ns()
                yield envelope
            now = monotonic_ns()
            if timeout_ms is not None and now - silent_since >= timeout_ms * 1_000_000:
                silent_since = now
                yield None
            if named is None and now - looked >= LOOK_EVERY_MS * 1_000_000:
                looked = now
                for speaker in self.who():
                    listener.hear(speaker, tags)

    def _has_conductor(self) -> bool:
        """Whether a conductor moves this house's time, so that what changes it waits for its turn there."""
        found = self.who().get(CONDUCTOR)
        return found is not None and now_ns() - found.beat_ns < BEAT_AGE_NS_MAX

    def _enveloped(self, request: Request[Any], owner: str) -> Envelope:
        now = now_ns()
        return Envelope(
            id=f"{self.name}:{os.getpid()}:{self._epoch}:{next(_NUMBERS)}",
            source=self.name,
            epoch=self._epoch,
            seq=0,
            time_ns=now,
            body=msgspec.Raw(encode(request)),
            destination=owner,
            expires_ns=now + self.patience_ms * 1_000_000,
        )

    def _decoded(self, request: Request[Any], reply: Envelope) -> Message:
        kind = type(request)
        codec = self._codecs.get(kind)
        if codec is None:  # a daemon's money has as many digits as it has; the socket limits the size of a reply
            codec = self._codecs[kind] = Codec((*reply_kinds(kind), RequestRefused), is_ours=True)
        try:
            return codec.decode(reply.body)
        except ValueError as error:
            raise LctError(f"{reply.source} gave a reply that this lct cannot read: {error}") from None


def reply_kinds(kind: type[Request[Any]]) -> tuple[type[Event], ...]:
    """Return what a request may be answered with: the types in its brackets."""
    for base in getattr(kind, "__orig_bases__", ()):
        if get_origin(base) is Request:
            (reply,) = get_args(base)
            return get_args(reply) if isinstance(reply, UnionType) or get_origin(reply) is Union else (reply,)
    raise AssertionError(f"{kind.__name__} does not say what it is answered with")


def _as_dict(body: msgspec.Raw) -> Any:
    """Read a message as any reader of msgpack does; raises ValueError."""
    import msgpack

    return msgpack.unpackb(memoryview(body))
