"""Conducting: the process around a conductor; carries frames, keeps the pace, and takes requests from outside."""

import asyncio
from typing import Any

from lct.bus.conductor import Conductor, Sending
from lct.bus.line import Podium
from lct.bus.room import all_kinds
from lct.bus.rounds import FromDaemon, Hello, Reply
from lct.bus.seat import NEVER_NS
from lct.bus.shell import Shell
from lct.bus.zeromq import Route
from lct.clock import NS_PER_SECOND, monotonic_ns, now_ns
from lct.messages.base import Codec, Envelope, Event, Message, Request, tag_of
from lct.messages.conductor import GetReplay, Replay

ASKED_MAX = 1_024
"""Requests from outside whose reply has not come yet."""


class Conducting:
    """Plays a conductor in a process of its own."""

    def __init__(self, shell: Shell, conductor: Conductor, speed: float | None) -> None:
        """`speed` is in replayed seconds a second; None is as fast as it goes."""
        self.shell = shell
        self.conductor = conductor
        self._speed = speed
        self._began_ns = monotonic_ns()
        self._first_ns: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[str, Route, Envelope]] = []
        self._asked: dict[str, tuple[Route, Envelope]] = {}
        self._numbered = 0
        kinds = {kind for kind in all_kinds(Message) if "." in tag_of(kind)}
        self._requests = Codec(tuple(k for k in kinds if issubclass(k, Request) and k.changes))
        self._replies = Codec(tuple(k for k in kinds if issubclass(k, Event)), is_ours=True)
        shell.on_question = self._question
        shell.on_unknown = self._request
        shell.reasons = self._reasons()

    def open(self, podium_at: Any) -> None:
        """Take the podium: `podium_at` is the folder of the sockets."""
        self.podium = Podium(self.shell.post.context, podium_at, self._hear)

    def close(self) -> None:
        """Leave it."""
        self.podium.close()
        self.conductor.log.close()

    # -- rounds -------------------------------------------------------------------------------------------------

    def _hear(self, frame: FromDaemon) -> None:
        began_ns = monotonic_ns()
        if isinstance(frame, Hello):
            self._send(self.conductor.hello(frame))
        elif isinstance(frame, Reply):
            self.shell.heard += len(frame.said)
            self._send(self.conductor.reply(frame))
        else:
            self._send(self.conductor.here(frame))
        self._move()
        self.shell.took(began_ns)

    def _send(self, sendings: list[Sending]) -> None:
        for sending in sendings:
            self.podium.send(sending.daemon, sending.epoch, sending.frame)
        if self.conductor.answered:
            self._answer()

    def _move(self) -> None:
        """Let the time move where all is quiet and the pace allows it."""
        conductor, shell = self.conductor, self.shell
        if conductor.is_quiet and self._waiting:
            self._admit()
        while conductor.is_quiet and conductor.next_ns != NEVER_NS:
            wait_ns = self._wait_ns(conductor.next_ns)
            if wait_ns > 0:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = asyncio.get_running_loop().call_later(wait_ns / NS_PER_SECOND, self._move)
                break
            self._send(conductor.go_on(conductor.next_ns))
        shell.md_seq = conductor.round.md_seq
        if len(conductor.members) == len(conductor.names):
            shell.now_ready()
        shell.reasons = self._reasons()

    def _reasons(self) -> tuple[str, ...]:
        missing = sorted(set(self.conductor.names) - set(self.conductor.members))
        return (f"waits for {', '.join(missing)} to come",) if missing else ()

    def _wait_ns(self, next_ns: int) -> int:
        if self._speed is None:
            return 0
        now_ns = monotonic_ns()
        if self._first_ns is None:
            self._first_ns, self._began_ns = next_ns, now_ns
        return self._began_ns + int((next_ns - self._first_ns) / self._speed) - now_ns

    # -- from outside -------------------------------------------------------------------------------------------

    def _question(self, route: Route, envelope: Envelope, message: Message) -> None:
        assert isinstance(message, GetReplay), message
        conductor = self.conductor
        at = conductor.round
        replay = Replay(
            at.number,
            at.now_ns,
            at.md_seq,
            conductor.is_quiet and len(conductor.members) == len(conductor.names) and conductor.next_ns == NEVER_NS,
            tuple(conductor.waits_for),
            conductor.counts["words"],
            dict(conductor.counts),
        )
        self.shell.reply(route, envelope, replay)

    def _request(self, route: Route, envelope: Envelope) -> None:
        """Let a request that changes something be heard in its turn; what is unsound never gets into a round."""
        try:
            message = self._requests.decode(envelope.body)
        except ValueError:
            self.shell.post.counts["malformed"] += 1
            self.shell.post.refuse(
                route, envelope.id, "the conductor takes sound requests that change something, no others"
            )
            return
        tag = tag_of(type(message))
        if not self.conductor.answerable(tag):
            self.shell.post.refuse(route, envelope.id, f"nobody who is there answers {tag}")
        elif len(self._asked) + len(self._waiting) >= ASKED_MAX:
            self.shell.post.refuse(route, envelope.id, "too many requests wait already")
        else:
            self._waiting.append((tag, route, envelope))
            self._move()

    def _admit(self) -> None:
        """Let requests into the next round of a quiet house; one that has waited beyond its time is too late."""
        waiting, self._waiting = self._waiting, []
        for tag, route, envelope in waiting:
            if envelope.expires_ns is not None and envelope.expires_ns <= now_ns():
                self.shell.post.refuse(route, envelope.id, "expired while the round was held")
                continue
            self._numbered += 1
            key = f"client:{self.shell.life.epoch}:{self._numbered}"
            self._asked[key] = route, envelope
            self._send(self.conductor.ask(tag, bytes(envelope.body), key))

    def _answer(self) -> None:
        answered, self.conductor.answered = self.conductor.answered, []
        for word in answered:
            found = self._asked.pop(word.answers or "", None)
            if found is not None:  # an asker of the life before does not wait any more
                reply = self._replies.decode(word.body)
                assert isinstance(reply, Event), reply
                self.shell.reply(*found, reply)
