"""Living: one daemon on the wall clock; hears what arrives, a batch at a time, and tells what it says of it.

A batch is what one look at the sockets brought. Its time is read once. What it hears is written to the heard log before
anything that follows from it is committed, and nothing leaves before the commit.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lct import log
from lct.bus import heard
from lct.bus.answers import Answers
from lct.bus.asks import Asked, Asks, id_of, key_in, owner_of
from lct.bus.ears import Ears, hears_of, key_of, tag_in
from lct.bus.following import BARS, Following
from lct.bus.heard import Origin, Ref, Whole
from lct.bus.history import History
from lct.bus.order import Arrival
from lct.bus.points import reached
from lct.bus.room import Room, all_kinds, own_codec
from lct.bus.said import DIRECT, Direct
from lct.bus.seat import NEVER_NS, Heard
from lct.bus.session import Session, begin, hear_again, in_order, live_turn, truncated
from lct.bus.shell import Shell
from lct.bus.wall import WallClock
from lct.bus.zeromq import Route
from lct.clock import NS_PER_SECOND, monotonic_ns, now_ns
from lct.daemon import Daemon
from lct.messages.base import (
    Envelope,
    Event,
    Heartbeat,
    Message,
    Request,
    RequestRefused,
    Told,
    encode,
    tag_of,
)
from lct.messages.market_data import BarsClosed, GetHistory

TICK_SECONDS = 1.0
"""How often what was heard is written where nothing was committed, and what was asked is asked again."""
SLEEP_SECONDS_MAX = 1.0
"""The clock of the machine may be set: a timer is looked at again after this."""
BARS_BEFORE_MAX = 2_000
"""Of the bars before its first life a daemon hears no more than these: it holds nothing that is older."""
BEAT = tag_of(Heartbeat)


class Living:
    """Plays one daemon on the wall clock."""

    clock = WallClock()

    def __init__(self, shell: Shell, room: Room, session: Session, speakers: Iterable[str]) -> None:
        """Take a recovered room, whose journal and ports are those of the session, and the daemons of the house."""
        self.shell = shell
        self.room = room
        self.session = session
        self.name = room.name
        self.rehears = frozenset(map(tag_of, room.daemon.rehears))
        self.bars_heard = 0
        self.history: History | None = None
        self.absent: set[str] = set()
        self._speakers = frozenset(speakers) | {room.name}
        self._codec = own_codec()  # a fact that could be journaled must be heard: with all its digits
        self.ears = self._make_ears()
        self.asks = Asks(self.name, room.epoch, self._send)
        self.answers = Answers(shell.post, self.name, room.epoch)
        self._inbox: list[tuple[Heard, heard.Word]] = []
        self._unsettled = set(self.ears.speakers)
        self._is_open = False
        self._is_woken = False
        self._now_ns = session.began_ns
        self._refuse_unknown = shell.on_unknown
        session.attend(shell.telling)

    def _make_ears(self) -> Ears:
        room = self.room
        hears = hears_of(room.seat.hearers, self._speakers)
        heard_before = dict(room.heard) if room.daemon.durable else None
        return Ears(hears, self._codec, heard_before, held=self.rehears, held_again=self.rehears & frozenset({BARS}))

    # -- living -------------------------------------------------------------------------------------------------

    def keep_history(self, fresh: Callable[[], Daemon]) -> None:
        """Answer who asks for bars that closed before, by daemons that have heard nothing."""
        (port,) = self.room.seat.ports
        self.history = History(port, fresh, self.room.epoch)

    def open(self, folder: Path) -> None:
        """Begin to hear; what was asked before and not answered is asked again."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        self._alarm: asyncio.TimerHandle | None = None
        post, shell = self.shell.post, self.shell
        self.following = Following(self, post, folder, self.room.epoch, shell.end)
        post.on_event, post.on_reply, post.on_reach = self._event, self._reply, self._reached
        shell.on_question, shell.on_unknown = self._question, self._unknown
        for key in self.ears.speakers:
            if key != self.name:
                post.hear(key, self._tags(key))
        for word in self.room.outbox:
            if isinstance(word.message, Request) and self.room.daemon.durable:
                self._ask(word)
        shell.reasons = tuple(f"waits for {key}" for key in sorted(self._unsettled)) or shell.reasons
        self.following.begin()
        self._go_on()

    def close(self) -> None:
        """Hear nothing more, and write what was heard."""
        self._is_open = False
        if hasattr(self, "following"):
            self.following.close()
            self._timer.cancel()
            if self._alarm is not None:
                self._alarm.cancel()
        self.session.close()

    def _tags(self, key: str) -> list[str]:
        """Return what to subscribe to: of facts all types, for their numbers have gaps otherwise."""
        speaker = self.ears.speakers[key]
        tags = {BEAT, *speaker.streams}
        if speaker.facts.tags:
            events = (kind for kind in all_kinds(Message) if issubclass(kind, Event) and kind.durable)
            tags |= {tag_of(kind) for kind in events if tag_of(kind).partition(".")[0] == key.partition(".")[0]}
        return sorted(tags)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        self.session.flush()
        self.asks.tick(now_ns())
        self._report_lost()
        if self.name in self.ears.speakers:
            # what the shell tells is not said in a turn
            self.ears.reach(self.name, self.room.epoch, self.shell.telling.seqs)
            self.following.news(self.name)

    def _report_lost(self) -> None:
        for lost in self.ears.lost:
            # at the end of a life nobody knows whether there was more, and mostly there was not
            tell = log.get().info if lost.last is None else log.get().warning
            tell("stream.lost", speaker=lost.speaker, tag=lost.tag, epoch=lost.epoch, first=lost.first, last=lost.last)
        self.ears.lost.clear()

    # -- what comes in ------------------------------------------------------------------------------------------

    def _event(self, key: str, envelope: Envelope) -> None:
        self.shell.heard += 1
        arrivals = self.ears.hear(envelope)
        beat = self._heartbeat(envelope)
        if beat is not None:
            self.ears.beat(beat)
        self.arrive(key, arrivals)
        if key in self.ears.speakers and self.ears.speakers[key].misses:
            self.following.news(key)

    def _heartbeat(self, envelope: Envelope) -> Heartbeat | None:
        if tag_in(envelope) != BEAT:
            return None
        try:
            beat = self.decode(envelope)
        except ValueError:
            return None
        return beat if isinstance(beat, Heartbeat) else None

    def arrive(self, key: str, arrivals: Iterable[Arrival]) -> None:
        """Put what has its turn into the next batch; bars that were heard already are dropped."""
        if any(lost.tag == BARS and lost.last is not None for lost in self.ears.lost) and BARS in self.rehears:
            # the recording has what the stream lost
            self._report_lost()
            self.ears.hold(key, BARS)
            self.following.news(key)
            arrivals = [arrival for arrival in arrivals if type(arrival.message) is not BarsClosed]
        for envelope, message in arrivals:
            if type(message) is BarsClosed and BARS in self.rehears:
                if message.md_seq <= self.bars_heard:
                    continue
                self.bars_heard = message.md_seq
            self._put(Heard(key, len(self._inbox), message, None, None), self._word(key, envelope, message))

    def _word(self, key: str, envelope: Envelope, message: Message) -> heard.Word:
        if envelope.journal_seq is not None:
            return Ref(Origin(key, 0, heard.FACTS), envelope.journal_seq)
        if envelope.seq:
            return Ref(Origin(key, envelope.epoch, tag_of(type(message))), envelope.seq)
        return Whole(key, None, None, bytes(envelope.body))

    def _put(self, word: Heard, kept: heard.Word) -> None:
        self._inbox.append((word, kept))
        self._wake()

    def look(self) -> None:
        """See whether a port has a result: one came from outside."""
        self._wake()

    def _wake(self) -> None:
        if self._is_open and not self._is_woken:
            self._is_woken = True
            self._loop.call_soon(self._turn)

    def _question(self, route: Route, envelope: Envelope, message: Message) -> None:
        """Take a request; its reply leaves once what follows from it is durable."""
        asked = self.answers.take(route, envelope)
        if asked is not None:
            source = key_of(envelope.source, envelope.instance)
            self._put(Heard(source, len(self._inbox), message, None, asked), self._direct(envelope, None, asked))

    def _direct(self, envelope: Envelope, to: str | None, answers: str) -> heard.Word:
        source = key_of(envelope.source, envelope.instance)
        if source in self._speakers and envelope.seq:
            return Ref(Origin(source, envelope.epoch, DIRECT), envelope.seq)
        return Whole(source, to, answers, bytes(envelope.body))

    def _reply(self, envelope: Envelope) -> None:
        if self.following.replied(envelope):
            return
        asked = self.asks.find(envelope.causation)
        if asked is None:
            return
        try:
            message = self.decode(envelope)
        except ValueError:
            self.shell.post.counts["malformed"] += 1
            return
        if isinstance(message, RequestRefused):
            if not asked.is_refused:
                asked.is_refused = True
                log.get().warning("request.refused", by=envelope.source, id=asked.id, reason=message.reason)
            if asked.repeats:
                return
        self.asks.answered(asked)
        self._put(
            Heard(key_of(envelope.source, envelope.instance), len(self._inbox), message, self.name, asked.key),
            self._direct(envelope, self.name, asked.id),
        )

    def _unknown(self, route: Route, envelope: Envelope) -> None:
        """Answer GetHistory; nobody else's requests are read here."""
        if self.history is not None and tag_in(envelope) == tag_of(GetHistory):
            try:
                request = self.decode(envelope)
            except ValueError:
                request = None
            if isinstance(request, GetHistory):
                self.shell.reply(route, envelope, self.history.answer(request))
                return
        self._refuse_unknown(route, envelope)

    def _reached(self, to: str) -> None:
        self.following.reached(to)
        self.asks.reached(to, now_ns())

    # -- a turn -------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Hear the batch, or what is due; then tell what was said, for it is durable now."""
        self._is_woken = False
        if not self._is_open:
            return
        now, room, seat = self._time(), self.room, self.room.seat
        if not self._inbox and room.due_ns() > now:
            self._set_alarm(now)
            return
        batch, self._inbox = in_order(self._inbox), []
        began_ns = monotonic_ns()
        room.heard = {**room.heard, **self.ears.heard}
        room.pending = self.asks.pending()
        self.session.turn(now, [kept for _, kept in batch])
        words = [word for word, _ in batch]
        said = live_turn(room, words, now)
        self.session.turned()
        self._say(said, now)
        reached("told")
        self.shell.md_seq = room.md_seq
        self.shell.took(began_ns)
        assert not seat.durable, "what was decided is committed"
        self._set_alarm(now)

    def _time(self) -> int:
        """Read the clock; the time of a daemon never goes back."""
        self._now_ns = max(self._now_ns, truncated(self.clock.now_ns()))
        return self._now_ns

    def _set_alarm(self, now: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_ns = self.room.due_ns()
        if self._inbox:
            self._wake()
        elif due_ns < NEVER_NS:
            seconds = min(max(self.clock.seconds(due_ns - now), 0.0), SLEEP_SECONDS_MAX)
            self._alarm = self._loop.call_later(seconds, self._turn)

    # -- what goes out ------------------------------------------------------------------------------------------

    def _say(self, said: Sequence[Heard], now: int) -> None:
        for word in said:
            if isinstance(word.message, Request):
                self._ask(word)
            elif word.to is not None:
                self._answer(word)
            else:
                for envelope in self.shell.tell([word.message], now):
                    self.arrive(self.name, self.ears.hear(envelope))

    def _ask(self, word: Heard) -> None:
        request_id, body = id_of(word, self.room.epoch), encode(word.message)
        number = self.session.keep_direct(Direct(None, request_id, body))
        owner, key = owner_of(word.message), key_in(request_id)
        self.shell.said += 1
        if owner == self.name:
            self._put(Heard(self.name, len(self._inbox), word.message, None, request_id), self._own(number))
            return
        until_ns = None
        waiting = self.room.seat.waiting.get(key)
        if waiting is not None and waiting.deadline_ns is not None:
            left = self.clock.seconds(waiting.deadline_ns - self._now_ns)
            until_ns = now_ns() + int(max(left, 0.0) * NS_PER_SECOND)
        repeats = self.room.daemon.durable
        self.asks.ask(Asked(request_id, key, owner, body, number, repeats, until_ns), now_ns())

    def _send(self, to: str, envelope: Envelope) -> bool:
        post = self.shell.post
        return post.reach(to) and post.ask(to, envelope)

    def _answer(self, word: Heard) -> None:
        asked, body = word.answers or "", encode(word.message)
        kind = Direct if word.to in self._speakers else Direct.outside
        number = self.session.keep_direct(kind(word.to, asked, body))
        self.shell.said += 1
        if word.to == self.name:
            self._put(Heard(self.name, len(self._inbox), word.message, self.name, key_in(asked)), self._own(number))
        else:
            self.answers.give(asked, body, number, self._now_ns)

    def _own(self, number: int) -> Ref:
        """Return the place of what it said to itself."""
        return Ref(Origin(self.name, self.room.epoch, DIRECT), number)

    # -- as its followers see it --------------------------------------------------------------------------------

    def answer_itself(self, request: Request[Told]) -> Told:
        """Return what this daemon told."""
        return self.shell.telling.answer(request)

    def decode(self, envelope: Envelope) -> Message:
        """Return the message in an envelope; raises ValueError where it is unsound or of no known type."""
        return self._codec.decode(envelope.body)

    def begins_after(self, last_md_seq: int) -> tuple[int, int]:
        """Return which bars are heard again: up to the last that were heard for good.

        A daemon that keeps nothing hears the very last as news, and one that is new hears none of them so.
        """
        room = self.room
        if room.daemon.durable and room.epoch > 1:
            base = min(room.md_seq, last_md_seq)
            return room.daemon.rehears_since(base), base
        base = last_md_seq if room.daemon.durable else max(0, last_md_seq - 1)
        return max(room.daemon.rehears_since(base), base - BARS_BEFORE_MAX), base

    def hear_again(self, messages: list[Message], upto_md_seq: int) -> None:
        """Hear history, outputs dropped."""
        if messages:
            self.session.hears_again(self._time(), [encode(message) for message in messages])
            hear_again(self.room, messages)
        self.bars_heard = max(self.bars_heard, upto_md_seq)
        self.shell.md_seq = self.room.md_seq

    def settled(self, key: str, *, is_there: bool) -> None:
        """Be ready once every speaker has told all it has, or does not answer."""
        self._unsettled.discard(key)
        if is_there:
            self.absent.discard(key)
        else:
            self.absent.add(key)
        if self._is_open:
            self.shell.reasons = tuple(f"{name} is not there" for name in sorted(self.absent))
        self._go_on()

    def _go_on(self) -> None:
        """Begin to hear and to speak, once, when all that went before is there."""
        if self._is_open or self._unsettled:
            return
        self._is_open = True
        now = self._time()
        self.session.begins(now)
        said = begin(self.room, now)
        self._say(said, now)
        self.shell.now_ready()
        log.get().info("daemon.ready", without=sorted(self.absent))
        self.shell.reasons = tuple(f"{name} is not there" for name in sorted(self.absent))
        self._is_woken = True
        self._loop.call_soon(self._turn)
