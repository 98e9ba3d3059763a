"""A daemon: hears messages, decides, and yields what should be said; it owns no socket, clock or randomness."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from lct.messages.base import Command, Event, Request

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


class Ask(NamedTuple):
    """Carry a request to its owner.

    In a daemon without durable state, `reply = yield Ask(...)` suspends that one handler until the reply comes or
    `deadline_ns` (of the house's time) raises `NoReply` inside it. In a durable one the handler goes on at once and
    the reply is heard by `@on`.
    """

    request: Request[Any]
    deadline_ns: int | None = None


class Later(NamedTuple):
    """Hear `message` at `at_ns`; a timer of the same id is replaced. Not journaled: `recovered` yields it again."""

    id: str
    at_ns: int
    message: Event


class Never(NamedTuple):
    """Forget the timer of this id, if there is one."""

    id: str


class Do(NamedTuple):
    """Have a port do something outside; carried out after the commit."""

    port: str
    command: Command


Said = Event | Ask | Later | Never | Do
Saying = Iterable[Said] | None
"""What a handler gives back: a generator, a tuple, or None when it has nothing to say."""
Words = Sequence[Event]
"""What is heard, or said, in one round, in order."""


class NoReply(Exception):
    """The deadline of an Ask passed before its reply came."""


def on(*kinds: type[Event]) -> Callable[[HandlerT], HandlerT]:
    """Mark a method `(self, message, now_ns) -> Saying` as the hearer of these event types."""

    def mark(handler: HandlerT) -> HandlerT:
        handler.hears = kinds  # type: ignore[attr-defined]
        return handler

    return mark


def answers(kind: type[Request[Any]]) -> Callable[[HandlerT], HandlerT]:
    """Mark a method `(self, request, now_ns)` as the one that answers: it returns the reply, perhaps after yields."""

    def mark(handler: HandlerT) -> HandlerT:
        handler.replies_to = kind  # type: ignore[attr-defined]
        return handler

    return mark


class Daemon:
    """A pure function of what was heard.

    Handlers decide: they read state and yield. `apply` is the only place where durable state changes; it is also
    all that recovery runs. State that is not durable is rebuilt by hearing recorded bars again (`rehears`).
    """

    name: ClassVar[str]
    durable: ClassVar[bool] = False
    rehears: ClassVar[tuple[type[Event], ...]] = ()
    """Event types that are heard again after a restart, outputs dropped, to rebuild state that is not durable."""
    on_wall_clock: ClassVar[bool] = False
    """Whether it hears and is timed by the wall clock also where the house is replayed: it watches processes, not
    markets."""

    def apply(self, event: Event) -> None:
        """Change durable state by one durable event of this daemon; pure, and the same live and in recovery."""
        msg = f"{self.name} has no durable state, so it cannot apply {type(event).__name__}"
        raise AssertionError(msg)

    def rehears_since(self, md_seq: int) -> int:
        """Return the `md_seq` after which bars must be heard again; `md_seq` was the last one delivered."""
        return md_seq

    def recall(self, message: Event) -> bool:
        """Take a message that is heard again, in a shorter way than its handler; False where that one has to."""
        return False

    def foresee(self, heard: Sequence[Words]) -> Sequence[Words]:
        """Return what will be said on the words of each of some rounds to come, for as many as it can be told.

        Nothing changes by it. Rounds that do anything but tell events that are not durable cannot be told. Asked only
        of a daemon that hears nothing but what a recording gives, and others like it.
        """
        return ()

    def silent_for(self, heard: Sequence[Words]) -> int:
        """Return how many of some rounds to come, by their words, will cause nothing here but remembering them."""
        return 0

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Remember what rounds that were foreseen, or silent, would have left behind; `said` is what was foreseen."""
        msg = f"{self.name} foresaw nothing, and is not silent either"
        raise AssertionError(msg)

    def recovered(self, now_ns: int) -> Iterator[Said]:
        """Yield what a fresh life must say or do again: timers, and commands whose outcome is not known."""
        yield from ()


def hearers(daemon: Daemon) -> dict[type[Event], Callable[[Any, int], Saying]]:
    """Return the bound `@on` methods of a daemon by event type; two for one type is a bug."""
    found: dict[type[Event], Callable[[Any, int], Saying]] = {}
    for method in _methods(daemon):
        for kind in getattr(method, "hears", ()):
            assert kind not in found, f"{daemon.name} hears {kind.__name__} twice"
            found[kind] = method
    return found


def answerers(daemon: Daemon) -> dict[type[Request[Any]], Callable[[Any, int], Any]]:
    """Return the bound `@answers` methods of a daemon by request type; two for one type is a bug."""
    found: dict[type[Request[Any]], Callable[[Any, int], Any]] = {}
    for method in _methods(daemon):
        kind = getattr(method, "replies_to", None)
        if kind is not None:
            assert kind not in found, f"{daemon.name} answers {kind.__name__} twice"
            found[kind] = method
    return found


def _methods(daemon: Daemon) -> Generator[Callable[..., Any], None, None]:
    for name in dir(type(daemon)):
        if not name.startswith("__") and callable(getattr(type(daemon), name)):
            yield getattr(daemon, name)
