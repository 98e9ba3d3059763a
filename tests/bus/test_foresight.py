"""What a recording gives goes by at once as far as all who hear of it can tell, and no farther."""

from collections.abc import Sequence
from typing import Any

import pytest

from lct.bus.local import LocalBus
from lct.daemon import Daemon, Later, Words, on
from lct.messages.base import Event
from lct.store.journal import DigestJournal
from tests.bus.small_house import Listener, Script


class Noted(Event, frozen=True, tag="tape.noted"):
    """What the recording gives."""

    text: str


class Echoed(Event, frozen=True, tag="echo.echoed"):
    """What the leader says on it."""

    text: str


class Tape(Script):
    """A script that knows what it will give."""

    def ahead(self, most: int) -> tuple[Sequence[int], Sequence[Event]]:
        found = self._results[self.given : self.given + most]
        return [at_ns for at_ns, _ in found], [event for _, event in found]

    def pass_by(self, count: int) -> None:
        self.given += count


class Echo(Listener):
    """Hears the recording alone, and says again what it hears."""

    name = "echo"
    passed = 0

    @on(Noted)
    def echo(self, noted: Noted, now_ns: int) -> Any:
        self.heard.append((now_ns, noted.text))
        return (Echoed(noted.text),)

    @on()
    def hear(self, word: Any, now_ns: int) -> None:
        """Hear nothing else."""

    def foresee(self, heard: Sequence[Words]) -> Sequence[Words]:
        return [tuple(Echoed(word.text) for word in words) for words in heard]  # type: ignore[attr-defined]

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        self.passed += len(heard)


class Follower(Listener):
    """Hears every echo, and knows nothing of foresight."""

    name = "follower"

    @on(Echoed)
    def follow(self, echoed: Echoed, now_ns: int) -> Any:
        self.heard.append((now_ns, echoed.text))
        return (Later("bell", now_ns + 1, Noted("bell")),) if echoed.text == "ring" else None

    @on(Noted)
    def bell(self, noted: Noted, now_ns: int) -> None:
        self.heard.append((now_ns, noted.text))


class Sleeper(Follower):
    """Is silent but for what wakes it."""

    passed = 0

    def silent_for(self, heard: Sequence[Words]) -> int:
        loud = [i for i, words in enumerate(heard) if words[0].text in ("ring", "wake")]  # type: ignore[attr-defined]
        return loud[0] if loud else len(heard)

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        self.passed += len(heard)


class Reader(Daemon):
    """Hears the echo alone, so it leads, but cannot foresee."""

    name = "reader"

    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []

    @on(Echoed)
    def read(self, echoed: Echoed, now_ns: int) -> None:
        self.heard.append((now_ns, echoed.text))


def ran(follower: Listener | Reader, texts: Sequence[str], **until: int) -> tuple[LocalBus, Echo]:
    echo = Echo()
    port = Tape("echo", *((10 * n, Noted(text)) for n, text in enumerate(texts, 1)), role="tape")
    bus = LocalBus([echo, follower], [port], DigestJournal())
    bus.recover()
    bus.run(**until)  # type: ignore[arg-type]
    return bus, echo


@pytest.mark.parametrize("kind", [Follower, Reader])
def test_who_knows_nothing_of_foresight_hears_every_round(kind):
    follower = kind()

    ran(follower, ["a", "b", "c"])

    assert follower.heard == [(10, "a"), (20, "b"), (30, "c")]


def test_what_all_can_tell_goes_by_with_its_rounds_and_counts():
    sleeper = Sleeper()

    bus, echo = ran(sleeper, "abcdefgh")

    assert (sleeper.heard, sleeper.passed, echo.passed) == ([], 8, 8)
    assert (bus.round, bus.now_ns, bus.counts[Echoed]) == (16, 80, 8)


def test_what_wakes_a_follower_is_played_in_its_place():
    sleeper, played = Sleeper(), Follower()
    texts = [*"abcdef", "wake", *"ghij", "wake"]

    bus, _ = ran(sleeper, texts)
    other, _ = ran(played, texts)

    assert sleeper.heard == [(70, "wake"), (120, "wake")]
    assert (bus.round, bus.now_ns, dict(bus.counts)) == (other.round, other.now_ns, dict(other.counts))


def test_nothing_goes_by_past_what_else_is_due():
    sleeper = Sleeper()

    ran(sleeper, ["a", "ring", *"bcdef"])

    assert sleeper.heard == [(20, "ring"), (21, "bell")]


@pytest.mark.parametrize("until_ns", [5, 35, 40, 1_000])
def test_nothing_goes_by_that_is_due_later_than_asked(until_ns):
    bus, echo = ran(Sleeper(), "abcdefgh", until_ns=until_ns)

    assert bus.now_ns == min(until_ns // 10 * 10, 80)
    assert echo.passed == min(until_ns // 10, 8)
