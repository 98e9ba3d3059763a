"""A seat: one daemon on a bus, with its handlers, its ports, and what it has said in this round."""

from collections.abc import Callable, Generator, Iterable
from types import GeneratorType
from typing import Any, NamedTuple

import msgspec

from lct.daemon import Ask, Daemon, Do, Later, Never, NoReply, Said, answerers, hearers
from lct.messages.base import Event, Message, Request, encode, tag_of
from lct.ports.base import TimedPort
from lct.store.journal import Fact

NEVER_NS = 2**63 - 1
"""A time that does not come."""
FIRST = frozenset({"switch"})
"""Ports whose results are heard before all words: who is told to halt takes no proposal that came with it."""


class Heard(msgspec.Struct, gc=False):
    """A message on its way: who said it as the n-th thing in its round, to whom, and which request it answers."""

    speaker: str
    n: int
    message: Message
    to: str | None
    answers: str | None


class Waiting(NamedTuple):
    """A handler of a volatile daemon that waits for a reply."""

    handler: Generator[Said, Any, Any]
    heard: Heard
    deadline_ns: int | None


class _Tags(dict[type[Any], str | None]):
    """The tag of durable events of a type, "" where its events are not, None for what is no event."""

    def __missing__(self, kind: type[Any]) -> str | None:
        tag = None
        if issubclass(kind, Event):
            tag = tag_of(kind) if kind.durable else ""
        self[kind] = tag
        return tag


_TAGS = _Tags()
"""Looked up for everything that is said, so a dict and not a call."""


class Seat:
    """Runs the handlers of one daemon and sorts what they yield; the bus delivers, commits and carries out."""

    def __init__(self, daemon: Daemon, ports: list[TimedPort]) -> None:
        """Seat a daemon with the ports that it owns."""
        self.daemon = daemon
        self.name = daemon.name
        self.ports = ports
        self._first = [port for port in ports if port.role in FIRST]
        self._is_durable = daemon.durable
        self.hearers = hearers(daemon)
        self.answerers = answerers(daemon)
        self.inbox: list[tuple[Callable[[Any, int], Any], Heard]] = []
        self.words: list[Heard] = []
        self.durable: list[Fact] = []
        self.commands: list[Do] = []
        self.timers: dict[str, Later] = {}
        self.waiting: dict[str, Waiting] = {}
        self.due_ns = NEVER_NS
        self.is_due = False
        self.times_changed = False

    def hear(self, now_ns: int, round_: int) -> bool:
        """Run the handlers of the inbox, then those of the ports' due results, then those of the due timers.

        What the ports of FIRST have comes before the inbox.

        Return whether what is due next may have changed.
        """
        # a timer or a deadline of this very round is due in the next
        due = self._due_timers(now_ns) if self.timers and self.is_due else ()
        late = self._late(now_ns) if self.waiting and self.is_due else ()
        if self._first and self.is_due:
            self._hear_ports(self._first, now_ns, round_)
        if self.inbox:
            inbox, self.inbox = self.inbox, []
            for handler, heard in inbox:
                said = handler(heard.message, now_ns)
                if said is not None:
                    self.take(said, heard, round_)
        changed = self.is_due or self.times_changed
        if self.is_due:
            self._hear_ports(self.ports, now_ns, round_)
            if due:
                self._ring(due, now_ns, round_)
            if late:
                self._give_up(late, round_)
            self.is_due = False
        self.times_changed = False
        return changed

    def _hear_ports(self, ports: list[TimedPort], now_ns: int, round_: int) -> None:
        for port in ports:
            due = port.due_ns()
            if due is not None and due <= now_ns:
                role, hearers = port.role, self.hearers
                for number, event in enumerate(port.results(now_ns)):
                    handler = hearers.get(type(event))
                    assert handler is not None, f"{self.name} does not hear {type(event).__name__} of {role}"
                    said = handler(event, now_ns)
                    if said is not None:
                        self.take(said, Heard(role, number, event, self.name, None), round_)

    def _due_timers(self, now_ns: int) -> list[Later]:
        return sorted((timer for timer in self.timers.values() if timer.at_ns <= now_ns), key=lambda t: (t.at_ns, t.id))

    def _ring(self, due: Iterable[Later], now_ns: int, round_: int) -> None:
        """Hear the timers that nothing in this round has forgotten or replaced."""
        for timer in due:
            if self.timers.get(timer.id) is timer:
                del self.timers[timer.id]
                handler = self.hearers.get(type(timer.message))
                assert handler is not None, f"{self.name} does not hear {type(timer.message).__name__} of its timer"
                said = handler(timer.message, now_ns)
                if said is not None:
                    self.take(said, Heard(f"timer.{timer.id}", 0, timer.message, self.name, None), round_)

    def _late(self, now_ns: int) -> list[str]:
        waiting = ((w.deadline_ns, key) for key, w in self.waiting.items() if w.deadline_ns is not None)
        return [key for deadline_ns, key in sorted(waiting) if deadline_ns <= now_ns]

    def _give_up(self, late: Iterable[str], round_: int) -> None:
        for key in late:
            waiting = self.waiting.pop(key, None)
            if waiting is not None:
                self._advance(waiting.handler, waiting.heard, round_, fault=NoReply(key))

    def look(self) -> int:
        """Return, and keep as `due_ns`, when the next port result, timer or deadline of this daemon is due."""
        earliest = NEVER_NS
        for port in self.ports:
            due = port.due_ns()
            if due is not None and due < earliest:
                earliest = due
        if self.timers or self.waiting:
            times = [timer.at_ns for timer in self.timers.values()]
            times += [waiting.deadline_ns for waiting in self.waiting.values() if waiting.deadline_ns is not None]
            earliest = min([earliest, *times])
        self.due_ns = earliest
        return earliest

    def begin(self, now_ns: int, round_: int) -> None:
        """Let a fresh life say and do again what it must."""
        self.take(self.daemon.recovered(now_ns), Heard("recovery", 0, Event(), self.name, None), round_)

    def replies_of(self, message: Message, now_ns: int) -> list[Message]:
        """Let the daemon hear a message once more and return what it would tell all; nothing else comes of it."""
        said = self.hearers[type(message)](message, now_ns)  # type: ignore[index]
        return [thing for thing in said or () if isinstance(thing, Event) and not thing.durable]

    def answer(self, request: Heard, round_: int, _message: Message, now_ns: int) -> None:
        """Run the answerer of a request; its reply goes to the asker alone."""
        result = self.answerers[type(request.message)](request.message, now_ns)  # type: ignore[index]
        if type(result) is not GeneratorType:
            self._reply(result, request)
        elif self._is_durable:
            self._reply(self._drain(result, request, round_), request)
        else:
            self._advance(result, request, round_)

    def _drain(self, handler: Generator[Said, Any, Any], heard: Heard, round_: int) -> Any:
        while True:
            try:
                thing = next(handler)
            except StopIteration as stop:
                return stop.value
            self._say(thing, heard, round_)

    def _reply(self, reply: Any, request: Heard) -> None:
        assert isinstance(reply, Event), f"{self.name} answered {type(request.message).__name__} with {reply!r}"
        self.words.append(Heard(self.name, len(self.words), reply, request.speaker, request.answers))

    def take(self, said: Any, heard: Heard, round_: int) -> None:
        """Take what a handler gave back on hearing something, one thing after the other."""
        if not self._is_durable and type(said) is GeneratorType:
            self._advance(said, heard, round_)
            return
        say = self._say
        for thing in said:
            say(thing, heard, round_)

    def _advance(
        self,
        handler: Generator[Said, Any, Any],
        heard: Heard,
        round_: int,
        reply: Any = None,
        fault: Any = None,
    ) -> None:
        """Run a volatile daemon's handler until it ends or waits for a reply."""
        try:
            thing = handler.throw(fault) if fault is not None else handler.send(reply)
            while True:
                if type(thing) is Ask:
                    key = f"{self.name}:{round_}:{len(self.words)}"
                    self.waiting[key] = Waiting(handler, heard, thing.deadline_ns)
                    self.times_changed = True
                    self.words.append(Heard(self.name, len(self.words), thing.request, None, key))
                    return
                self._say(thing, heard, round_)
                thing = next(handler)
        except StopIteration as stop:
            if isinstance(heard.message, Request):
                self._reply(stop.value, heard)

    def reply_came(self, heard: Heard, round_: int, _message: Message, now_ns: int) -> None:
        """Give a reply to the handler that waits for it; a reply that nobody waits for is too late and dropped."""
        waiting = self.waiting.pop(heard.answers or "", None)
        if waiting is not None:
            self.times_changed = True  # its deadline is no longer due
            self._advance(waiting.handler, waiting.heard, round_, reply=heard.message)

    def _say(self, thing: Any, heard: Heard, round_: int) -> None:
        tag = _TAGS[type(thing)]
        if tag is None:
            self._want(thing, round_)
            return
        if tag:
            self.daemon.apply(thing)
            self.durable.append(Fact(self.name, f"{heard.speaker}:{round_ - 1}:{heard.n}", tag, encode(thing)))
        words = self.words
        words.append(Heard(self.name, len(words), thing, None, None))

    def _want(self, thing: Said, round_: int) -> None:
        if type(thing) is Do:
            self.commands.append(thing)
        elif type(thing) is Ask:
            n = len(self.words)
            self.words.append(Heard(self.name, n, thing.request, None, f"{self.name}:{round_}:{n}"))
        elif type(thing) is Later:
            self.timers[thing.id] = thing
            self.times_changed = True
        elif type(thing) is Never:
            self.timers.pop(thing.id, None)
            self.times_changed = True
        else:
            raise AssertionError(f"{self.name} yielded {thing!r}, which is nothing that can be said")
