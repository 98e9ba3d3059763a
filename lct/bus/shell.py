"""The shell: what every process of a house does around its daemon: lives, says so, and answers who asks how it is."""

import asyncio
import os
import signal
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lct.bus import presence
from lct.bus.health_http import HealthPort
from lct.bus.parent import Parent
from lct.bus.presence import BEAT_SECONDS, Presence
from lct.bus.streams import Telling
from lct.bus.wire import COMMAND_BYTES_MAX
from lct.bus.zeromq import Post, Route
from lct.clock import monotonic_ns, now_ns
from lct.errors import LctError
from lct.messages.base import (
    SCHEMA_VERSION,
    Codec,
    Envelope,
    Event,
    FromJournal,
    FromSeq,
    GetHealth,
    GetLast,
    Health,
    Heartbeat,
    Message,
    Ready,
    Request,
    Stop,
    Stopping,
    encode,
    tag_of,
)
from lct.store.journal import Row

PARENT_SECONDS = 0.5
"""How soon a process notices that its supervisor is gone."""
FAREWELL_SECONDS = 0.1
"""How long the reply to a Stop may take to leave."""
LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
MARKS = {"market_data.bars_closed": "bar", "strategy_engine.scored": "cycle", "execution.order_intended": "order"}
"""Which events a heartbeat tells the age of, and as what."""
COMMON = (GetHealth, GetLast, FromSeq, FromJournal, Stop)

Answerer = Callable[[Route, Envelope, Message], None]


@dataclass(frozen=True)
class Life:
    """Who a process is, in this life."""

    name: str
    epoch: int
    home: Path
    http_port: int | None
    version: str
    config: str
    """A hash of the settings it runs with."""


class Shell:
    """Owns the sockets of one process; a play (rounds, or the wall clock) gives it what was said and takes questions.

    `on_question` is called with every sound request that is not one of those that any daemon answers.
    """

    def __init__(
        self,
        life: Life,
        requests: Iterable[type[Request[Any]]],
        rows: Callable[[int], Iterable[Row]],
        journal_seq: int = 0,
        *,
        is_hub: bool = False,
    ) -> None:
        """Take the request types that are answered here, and what returns the journal's rows after a `journal_seq`."""
        self.life = life
        self.run = life.home / "run"
        self.post = Post(
            life.name,
            presence.socket_folder(life.home),
            epoch=life.epoch,
            request_bytes_max=COMMAND_BYTES_MAX,
            is_hub=is_hub,
        )
        self.telling = Telling(life.name, life.epoch, rows, journal_seq=journal_seq)
        self.on_question: Answerer = lambda route, envelope, _message: self._unanswered(route, envelope)
        self.on_unknown: Callable[[Route, Envelope], None] = self._unanswered
        self.ready = False
        self.reasons: tuple[str, ...] = ("starts",)
        self.md_seq = 0
        self.heard = 0
        self.said = 0
        self.latency_ms: Counter[str] = Counter()
        self.last_ns: dict[str, int] = {}
        self._codec = Codec((*requests, *COMMON))
        self._started_ns = now_ns()
        self._ends = asyncio.Event()
        self._fault: BaseException | None = None
        self._parent = Parent()
        self._http = HealthPort(self._document)
        self._http_port = life.http_port
        self._answers = 0

    # -- living -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take this process's place: its sockets and its port; raises Refused where another has them."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ends.set)
        self.post.on_request = self._request
        self.post.bind()
        if self._http_port is not None:
            self._http_port = await self._http.bind(self._http_port)
        self.beat()

    async def live(self) -> None:
        """Beat until a signal, a Stop, the supervisor's end or a fault ends this process; raises the fault."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while not self._ends.is_set():
            if self._parent.is_gone:
                raise LctError("the supervisor of this process has ended, and so does it")
            if loop.time() >= next_beat:
                self.beat()
                next_beat += BEAT_SECONDS
            try:
                async with asyncio.timeout(PARENT_SECONDS):
                    await self._ends.wait()
            except TimeoutError:
                continue
        if self._fault is not None:
            raise self._fault

    def end(self, fault: BaseException | None = None) -> None:
        """Let this process end, with a fault where there is one."""
        self._fault = self._fault or fault
        self._ends.set()

    def close(self) -> None:
        """Give the place up."""
        self._http.close()
        self.post.close()

    def now_ready(self) -> None:
        """Say that recovery is over, once."""
        if not self.ready:
            self.ready, self.reasons = True, ()
            life = self.life
            self._tell(Ready(life.name, 0, life.epoch, life.version, SCHEMA_VERSION, life.config))
            self.beat()

    def beat(self) -> None:
        """Tell a heartbeat, and write it into the run directory."""
        life, beat = self.life, self._heartbeat()
        self._tell(beat)
        about = Presence(
            life.name,
            beat.pid,
            life.epoch,
            self.ready,
            self._started_ns,
            beat.time_ns,
            http_port=self._http_port,
            md_seq=self.md_seq,
            version=life.version,
            supervisor=os.environ.get("SUPERVISOR_SERVER_URL"),
            reasons=list(self.reasons),
        )
        presence.write(self.run, about)

    def _heartbeat(self) -> Heartbeat:
        life, told = self.life, self.telling
        return Heartbeat(
            life.name,
            0,
            life.epoch,
            os.getpid(),
            self.ready,
            now_ns(),
            md_seq=self.md_seq,
            journal_seq=told.journal_seq,
            heard=self.heard,
            said=self.said,
            malformed=self.post.counts["malformed"] + self.post.counts["oversized"],
            streams=dict(told.seqs),
            latency_ms=dict(self.latency_ms),
            last_ns=dict(self.last_ns),
            reasons=self.reasons,
        )

    def _document(self) -> tuple[bool, dict[str, Any]]:
        beat = self._heartbeat()
        status = "ok" if self.ready else "starting"
        shown = {"epoch": beat.epoch, "pid": beat.pid, "md_seq": beat.md_seq, "heard": beat.heard, "said": beat.said}
        return self.ready, {"status": status, "daemon": beat.daemon, **shown, "reasons": list(self.reasons)}

    def listens_on(self, http_port: int) -> None:
        """Note the port of a daemon that serves HTTP itself."""
        self._http_port = http_port
        self.beat()

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception in a callback ends the process: nothing catches everything."""
        self.end(context.get("exception") or LctError(str(context.get("message"))))

    # -- telling and answering ----------------------------------------------------------------------------------

    def tell(self, said: Iterable[Message], time_ns: int) -> Iterator[Envelope]:
        """Tell events to all, and give back their envelopes; requests and replies are not for all."""
        for message in said:
            self.said += 1
            self.mark(message)
            if isinstance(message, Event):
                envelope = self.telling.tell(message, time_ns)
                self.post.tell(envelope, tag_of(type(message)))
                yield envelope

    def mark(self, message: Message) -> None:
        """Note when the last bar, cycle and order was."""
        what = MARKS.get(tag_of(type(message)))
        if what is not None:
            self.last_ns[what] = now_ns()

    def took(self, began_ns: int) -> None:
        """Count how long a turn took, from hearing to having committed; `began_ns` is of the monotonic clock."""
        took_ms = (monotonic_ns() - began_ns) / 1e6
        at = bisect_left(LATENCY_BOUNDS_MS, took_ms)
        self.latency_ms[str(LATENCY_BOUNDS_MS[at]) if at < len(LATENCY_BOUNDS_MS) else "inf"] += 1

    def _tell(self, event: Event) -> None:
        self.post.tell(self.telling.tell(event, now_ns()), tag_of(type(event)))

    def reply(self, route: Route, request: Envelope, reply: Event) -> None:
        """Answer a request."""
        self._answers += 1
        life = self.life
        self.post.answer(
            route,
            Envelope(
                f"{life.name}:{life.epoch}:reply:{self._answers}",
                life.name,
                life.epoch,
                0,
                now_ns(),
                msgspec.Raw(encode(reply)),
                causation=request.id,
                correlation=request.correlation or request.id,
            ),
        )

    def _request(self, route: Route, envelope: Envelope) -> None:
        if envelope.destination != self.life.name:
            self.on_unknown(route, envelope)  # a hub's, for another
            return
        try:
            message = self._codec.decode(envelope.body)
        except ValueError:
            self.on_unknown(route, envelope)
            return
        self.heard += 1
        if isinstance(message, GetHealth):
            self.reply(route, envelope, Health(self._heartbeat()))
        elif isinstance(message, GetLast | FromSeq | FromJournal):
            self.reply(route, envelope, self.telling.answer(message))
        elif isinstance(message, Stop):
            self.reply(route, envelope, Stopping())
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self.end)
        else:
            self.on_question(route, envelope, message)

    def _unanswered(self, route: Route, envelope: Envelope) -> None:
        self.post.counts["malformed"] += 1
        self.post.refuse(route, envelope.id, f"{self.life.name} cannot read this request, or does not answer it")
