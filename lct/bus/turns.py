"""Turns: one daemon's side of replayed time; takes what the conductor tells and gives back what the daemon says."""

from collections.abc import Iterable, Iterator

import msgspec

from lct.bus.points import reached
from lct.bus.room import Room, own_codec, recorded
from lct.bus.rounds import FromConductor, FromDaemon, Hello, Here, Introduce, Past, Recall, Reply
from lct.bus.seat import Heard
from lct.errors import LctError
from lct.messages.base import encode, tag_of
from lct.store.rounds import Round, Spoken


class ConductorLost(LctError):
    """Something that a life must hear did not come, for the conductor or the line ended; another one begins anew."""


class Turns:
    """Plays a recovered room for a conductor; owns no socket and no clock.

    `told` collects what was said in turns of this life, for who listens from outside of the rounds.
    """

    def __init__(self, room: Room) -> None:
        """Take a room that has recovered."""
        self.room = room
        self.told: list[Heard] = []
        self._codec = own_codec()
        self._last = [*room.outbox, *room.begin()] if room.round == 0 else list(room.outbox)
        if room.round:
            room.begin()  # timers and commands; whatever it may say was heard in the life before
        self._recalled = self._is_recalling = False
        self._pages = 0

    @property
    def is_ready(self) -> bool:
        """Whether this life has been told all that it must hear again."""
        return self._recalled

    def hello(self) -> Hello:
        """Introduce this life."""
        if self._is_recalling:
            raise ConductorLost(f"the conductor ended while {self.room.name} was told what it must hear again")
        room, seat, fresh = self.room, self.room.seat, not self._recalled
        return Hello(
            room.name,
            room.epoch,
            room.round,
            self._spoken(self._last),
            room.due_ns(),
            tuple(sorted(map(tag_of, seat.hearers))),
            tuple(sorted(map(tag_of, seat.answerers))),
            tuple(sorted(map(tag_of, room.daemon.rehears))),
            room.since,
            is_fresh=fresh,
            cursor=room.committed_round,
        )

    def here(self) -> Here:
        """Say that this life goes on."""
        return Here(self.room.name, self.room.epoch, self.room.round)

    def hear(self, frame: FromConductor) -> FromDaemon | None:
        """Do what the conductor tells; return what it is to know."""
        if isinstance(frame, Introduce):
            return self.hello()
        if isinstance(frame, Recall):
            if frame.page != self._pages:
                raise ConductorLost(f"{self.room.name} was not told all that it must hear again")
            self._pages += 1
            for now_ns, word in frame.words:
                self.room.hear_again(recorded(self._codec, word.body), now_ns)
            self._recalled |= frame.complete
            self._is_recalling = not frame.complete
            return None
        if isinstance(frame, Past):
            for round_ in frame.rounds:
                if round_.number > self.room.round:
                    self._expect(round_.number - 1, round_.number)
                    self.room.turn_again(list(self._heard(round_)), round_.now_ns, round_.number)
            return None
        self._expect(frame.after, frame.round.number)
        return self._turn(frame.round)

    def _expect(self, lived: int, number: int) -> None:
        if lived > self.room.round or not self._recalled:
            raise ConductorLost(f"{self.room.name} was not told all that came before round {number}")

    def _turn(self, round_: Round) -> Reply | None:
        self.room.assert_whole()  # or a failed turn would be answered with the words of the one before
        if round_.number < self.room.round:
            return None
        if round_.number > self.room.round:
            self._last = self.room.turn(list(self._heard(round_)), round_.now_ns, round_.number)
            self.told += self._last
            reached("before_reply")
        room = self.room
        said = self._spoken(self._last)
        return Reply(room.name, room.epoch, room.round, said, room.due_ns(), room.committed_round, room.since)

    def _heard(self, round_: Round) -> Iterator[Heard]:
        for word in round_.words:
            yield Heard(word.speaker, word.n, recorded(self._codec, word.body), word.to, word.answers)

    def _spoken(self, words: Iterable[Heard]) -> tuple[Spoken, ...]:
        return tuple(
            Spoken(w.speaker, w.n, tag_of(type(w.message)), msgspec.Raw(encode(w.message)), w.to, w.answers)
            for w in words
        )
