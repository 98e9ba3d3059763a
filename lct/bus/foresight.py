"""Foresight: rounds to come in which nobody will do anything go by at once.

Most bars of a recording change nothing but what is remembered. Their rounds need not be played one by one. The port
tells what it gives next. Who hears nothing but the port, or others who hear nothing but it, cannot be surprised: these
leaders foresee what they will say, and that stands whatever happens. All others who would hear it, the followers, say
for how many of these rounds they will be silent. So many go by, and the house is where playing them leads; then the
next one is played.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from lct.bus.seat import Seat
from lct.daemon import Words
from lct.messages.base import Message, tag_of
from lct.messages.market_data import BarsClosed
from lct.ports.base import RecordedPort

STRETCH_MAX = 256
"""How many results of the port are foreseen at once at most."""

Routes = Mapping[type[Message], Sequence[tuple[Seat, Callable[[Any, int], Any]]]]


class Passed(NamedTuple):
    """What went by: the time of the last, the rounds, the words told in them, and the number of the last bars."""

    now_ns: int
    rounds: int
    words: list[Words]
    md_seq: int | None


class Told(NamedTuple):
    """What one leader hears at each time, in the round of a level, and what it will say on it."""

    seat: Seat
    heard: Sequence[Words]
    said: Sequence[Words]


class Foresight:
    """Looks ahead over the results of one port, whose owner is the first of the leaders."""

    def __init__(self, port: RecordedPort, leaders: Sequence[Seat], routes: Routes) -> None:
        """Take the leaders, each after those whom it hears; `routes` says who hears what."""
        self.port = port
        self.seat = leaders[0]
        self._leaders = frozenset(seat.name for seat in leaders)
        self._routes = routes
        self._stretch = 1
        self._is_loud = False
        self._first = 0
        self._times: list[int] = []
        self._told: list[Told] = []
        self._levels: list[tuple[Sequence[Words], list[Seat]]] = []

    def pass_by(self, until_ns: int, most: int) -> Passed | None:
        """Let at most `most` results that are due by `until_ns` go by; None where not even the next one can."""
        at = self.port.given - self._first
        if self._is_loud or most < 1:
            self._is_loud = False  # what has just stopped us is played, and then we look again
            return None
        if not 0 <= at < len(self._times):
            at = 0
            self._foresee(min(most, self._stretch))
        end = min(at + most, bisect_right(self._times, until_ns))
        for words, followers in self._levels:
            for seat in followers:
                if at < end:
                    end = at + seat.daemon.silent_for(words[at:end])
        if end <= at:
            return None
        self._is_loud = end < len(self._times)
        return self._go_by(at, end)

    def _go_by(self, at: int, end: int) -> Passed:
        """Let the results from `at` to `end` go by: all who would hear of them remember what they must."""
        for seat, heard, said in self._told:
            seat.daemon.pass_by(heard[at:end], said[at:end])
        rounds, words, md_seq = end - at, list[Words](), None
        for level, followers in self._levels:
            told = level[at:end]
            for seat in followers:
                seat.daemon.pass_by(told, ())
            rounds += sum(map(bool, told))
            words += told
            md_seq = next((word.md_seq for word in told[-1] if type(word) is BarsClosed), md_seq)
        self.port.pass_by(end - at)
        self.seat.look()
        return Passed(self._times[end - 1], rounds, words, md_seq)

    def open_round(self) -> Words | None:
        """Let the next result alone go by in the round of the port, and return what its owner says on it.

        None where that is not known: then the port's round is played as well.
        """
        at = self.port.given - self._first
        if not 0 <= at < len(self._times):
            return None
        owner = self._told[0]
        owner.seat.daemon.pass_by(owner.heard[at : at + 1], owner.said[at : at + 1])
        self.port.pass_by(1)
        self.seat.look()
        return owner.said[at]

    def _foresee(self, most: int) -> None:
        """Ask the leaders, level by level, what will be said; the first level is that of the port alone."""
        self._first, self._told, self._levels = self.port.given, [], []
        times, results = self.port.ahead(most)
        heard: Sequence[Words] = [(event,) for event in results]
        hearers, count = [self.seat], len(results)
        while hearers and count:
            told = []
            for seat in hearers:
                if seat.name in self._leaders:
                    said = seat.daemon.foresee(heard[:count])
                    count = len(said)
                    told.append(Told(seat, heard, said))
            self._told += told
            heard = _together([leader.said for leader in told])
            kinds = set(map(type, chain.from_iterable(heard)))
            found = {seat.name: seat for kind in kinds for seat, _ in self._routes.get(kind, ())}
            hearers = [found[name] for name in sorted(found)]
            if kinds:
                self._levels.append((heard, [seat for seat in hearers if seat.name not in self._leaders]))
        self._times = list(times[:count])
        # foresight in vain shall cost little, so it begins small each time
        self._stretch = min(STRETCH_MAX, 2 * self._stretch + 1) if count else 1


def _together(said: list[Sequence[Words]]) -> Sequence[Words]:
    """Return the words of each round, of all who speak in it."""
    return said[0] if len(said) == 1 else [tuple(chain(*words)) for words in zip(*said, strict=False)]


def foresight_of(seats: Iterable[Seat], routes: Routes) -> Foresight | None:
    """Return the foresight over a port that knows what it will give; None where there is no such port."""
    seats = list(seats)
    for owner in seats:
        for port in owner.ports:
            if isinstance(port, RecordedPort):
                leaders = _leaders(owner, port, seats)
                return Foresight(port, leaders, routes) if leaders else None
    return None


def _leaders(owner: Seat, port: RecordedPort, seats: Sequence[Seat]) -> list[Seat]:
    """Return who hears nothing that does not follow from the port: its owner first, each after those whom it hears."""
    leaders: list[Seat] = []
    speakers = {port.role}
    left = [owner, *(seat for seat in seats if seat is not owner)]
    while True:
        found = next((seat for seat in left if _follows_from(seat, speakers, port)), None)
        if found is None or (not leaders and found is not owner):
            return leaders
        leaders.append(found)
        left.remove(found)
        speakers.add(found.name)


def _follows_from(seat: Seat, speakers: set[str], port: RecordedPort) -> bool:
    """Whether all that a daemon hears is said by these, and nobody else can change it."""
    said_by = {tag_of(kind).partition(".")[0] for kind in seat.hearers}
    is_told = any(kind.changes for kind in seat.answerers)
    return bool(said_by) and said_by <= speakers and not is_told and all(own is port for own in seat.ports)
