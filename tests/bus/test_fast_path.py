"""One word alone is delivered at once, and nobody can tell."""

import random
from collections.abc import Iterator
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from lct.bus import local
from lct.bus.local import LocalBus
from lct.daemon import Ask, Daemon, Do, Later, Never, NoReply, on
from lct.messages.base import Event
from lct.store.journal import DigestJournal, MemoryJournal, verify
from tests.bus.small_house import Act, Kept, Oracle, Question, Reply, Script, Tick, Word


class Talker(Daemon):
    """Says, asks, keeps, waits and commands by chance, the same chance for the same things heard."""

    durable: ClassVar[bool] = False

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._chance = random.Random(seed)
        self._left = 25
        self.heard: list[str] = []

    @on(Word, Tick, Kept, Reply)
    def hear(self, word: Any, now_ns: int) -> Any:
        self.heard.append(f"{now_ns} {type(word).__name__} {word.text}")
        pick = self._chance.random()
        if self._left <= 0 or pick < 0.2:
            return None
        self._left -= 1
        return (Word(f"{self.name} {self._left}"),) if pick < 0.4 else self._talk(now_ns)

    def _talk(self, now_ns: int) -> Iterator[Any]:
        text = f"{self.name} {self._left}"
        for _ in range(self._chance.randint(0, 2)):
            kind = self._chance.randint(0, 5)
            if kind == 0 and self.durable:
                yield Kept(text)
            elif kind == 1:
                yield Later(self._chance.choice("ab"), now_ns + self._chance.randint(0, 3), Tick(text))
            elif kind == 2:
                yield Do("script", Act(text))
            elif kind == 3:
                yield from self._wonder(text, now_ns)
            elif kind == 4:
                yield Never("a")
            else:
                yield Word(text)

    def _wonder(self, text: str, now_ns: int) -> Iterator[Any]:
        try:
            reply = yield Ask(Question(text), now_ns + self._chance.randint(0, 2))
        except NoReply:
            self.heard.append("no reply")
        else:
            if reply is not None:
                yield Word(f"{reply.text}!")

    def apply(self, event: Event) -> None:
        self.heard.append(f"applied {event}")


class DurableTalker(Talker):
    durable = True


def talk(seed: int, *, fast: bool) -> tuple[list[list[str]], dict[str, str], list[Any], int]:
    chance = random.Random(seed)
    count = chance.randint(1, 4)
    kinds = [chance.choice((Talker, DurableTalker)) for _ in range(count)]
    talkers = [kind(f"d{i}", seed + i) for i, kind in enumerate(kinds)]
    results = [(chance.randint(1, 9), Tick(str(n))) for n in range(chance.randint(1, 6))]
    port = Script("d0", *results)
    bus = LocalBus([*talkers, Oracle()], [port], DigestJournal())
    if not fast:
        bus._one_word = lambda word: one_word_in_general(bus, word)  # noqa: SLF001
    bus.recover()
    bus.run()
    return [talker.heard for talker in talkers], bus.journal.digests(), port.done, bus.round


def one_word_in_general(bus: LocalBus, word: local.Heard) -> None:
    """Deliver one word as if there were several: undo what `_one_round` did, and hide the short cut's condition."""
    bus.round -= 1
    bus._words = [word, local.Heard("nobody", 0, Nobody(), None, None)]  # noqa: SLF001
    bus._one_round()  # noqa: SLF001
    del bus.counts[Nobody]


class Nobody(Event, frozen=True, tag="bus_test.nobody"):
    pass


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_one_word_is_delivered_at_once_as_it_would_be_in_a_round(seed):
    assert talk(seed, fast=True) == talk(seed, fast=False)


def test_the_chains_of_a_talkative_house_verify():
    journal = MemoryJournal()
    bus = LocalBus([DurableTalker("d0", 4), Oracle()], [Script("d0", *((n, Tick()) for n in range(20)))], journal)
    bus.recover()
    bus.run()

    assert sum(verify(journal.rows()).values()) == len(list(journal.rows())) > 0
