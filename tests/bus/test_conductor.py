"""The conductor, told frames by hand: who is heard, who is too late, and who is told again."""

from pathlib import Path

import msgspec
import pytest

from lct.bus.conductor import Conductor
from lct.bus.room import CHECKPOINT_ROUNDS
from lct.bus.rounds import Hello, Here, Introduce, Reply, Turn
from lct.bus.seat import NEVER_NS
from lct.errors import JournalError
from lct.store.rounds import Round, RoundLog, Spoken


def hello(daemon: str, epoch: int = 1, lived: int = 0, said: tuple[Spoken, ...] = (), due_ns: int = NEVER_NS) -> Hello:
    return Hello(daemon, epoch, lived, said, due_ns, ("a.word",), (), (), NEVER_NS, is_fresh=True, cursor=lived)


def reply(daemon: str, round_: int, *said: Spoken, epoch: int = 1, due_ns: int = NEVER_NS) -> Reply:
    return Reply(daemon, epoch, round_, said, due_ns, round_, NEVER_NS)


def word(speaker: str, n: int = 0, text: str = "") -> Spoken:
    return Spoken(speaker, n, "a.word", msgspec.Raw(msgspec.msgpack.encode({"tag": "a.word", "text": text})))


def turns(sendings: list) -> list[tuple[str, int, int, tuple[Spoken, ...]]]:
    return [
        (s.daemon, s.epoch, s.frame.round.number, s.frame.round.words) for s in sendings if isinstance(s.frame, Turn)
    ]


def house(*names: str) -> Conductor:
    return Conductor(names, RoundLog(None))


def test_a_round_begins_when_all_have_introduced_themselves():
    conductor = house("a", "b")

    alone = conductor.hello(hello("b", said=(word("b"),)))
    both = conductor.hello(hello("a", said=(word("a", 0), word("a", 1))))

    assert turns(alone) == []
    heard = (word("a", 0), word("a", 1), word("b"))
    assert turns(both) == [("a", 1, 1, heard), ("b", 1, 1, heard)]


def test_a_late_reply_of_a_life_that_is_over_counts_for_nothing():
    """The race: the reply of the old life is on its way when the new life says hello and is told the round again."""
    conductor = house("a", "b")
    conductor.hello(hello("a", said=(word("a"),)))
    conductor.hello(hello("b"))

    again = conductor.hello(hello("a", epoch=2, lived=0))
    late = conductor.reply(reply("a", 1, word("a", 0, "of a life that is over"), epoch=1))
    conductor.reply(reply("b", 1))
    now = conductor.reply(reply("a", 1, word("a", 0, "of this life"), epoch=2))

    assert [(name, epoch, number) for name, epoch, number, _ in turns(again)] == [("a", 2, 1)]
    assert late == []
    assert conductor.counts["late replies dropped"] == 1
    assert turns(now)[0][3] == (word("a", 0, "of this life"),)


def test_a_reply_that_comes_twice_counts_once():
    conductor = house("a", "b")
    conductor.hello(hello("a", said=(word("a"),)))
    conductor.hello(hello("b"))

    conductor.reply(reply("a", 1, word("a", 0, "once")))
    conductor.reply(reply("a", 1, word("a", 0, "twice")))
    sent = conductor.reply(reply("b", 1))

    assert turns(sent)[0][3] == (word("a", 0, "once"),)


def test_what_was_taken_of_a_life_that_died_is_not_taken_again_from_the_next():
    conductor = house("a", "b")
    conductor.hello(hello("a", said=(word("a"),)))
    conductor.hello(hello("b"))
    conductor.reply(reply("a", 1, word("a", 0, "first")))

    conductor.hello(hello("a", epoch=2, lived=0))
    conductor.reply(reply("b", 1))
    sent = conductor.reply(reply("a", 1, word("a", 0, "second"), epoch=2))

    assert turns(sent)[0][3] == (word("a", 0, "first"),)


def test_an_outbox_of_the_round_in_progress_is_taken():
    conductor = house("a", "b")
    conductor.hello(hello("a", said=(word("a"),)))
    conductor.hello(hello("b"))
    conductor.reply(reply("b", 1))

    sent = conductor.hello(hello("a", epoch=2, lived=1, said=(word("a", 0, "committed"),)))

    assert turns(sent)[0][3] == (word("a", 0, "committed"),)


def test_a_life_the_conductor_does_not_know_is_asked_who_it_is():
    conductor = house("a")

    sent = conductor.here(Here("a", 3, 0))

    assert [type(s.frame) for s in sent] == [Introduce]


def test_only_a_quiet_house_moves_the_time_and_only_as_far_as_it_may():
    conductor = house("a", "b")
    conductor.hello(hello("a", due_ns=50))
    conductor.hello(hello("b", due_ns=70))

    assert turns(conductor.go_on(until_ns=49)) == []
    assert [t[0] for t in turns(conductor.go_on(until_ns=60))] == ["a"]
    assert conductor.round.now_ns == 50


def test_a_daemon_that_has_lived_further_than_the_round_log_is_refused():
    conductor = house("a")

    with pytest.raises(JournalError, match="round log was lost"):
        conductor.hello(hello("a", lived=7))


def test_a_new_conductor_goes_on_with_the_round_in_progress(tmp_path):
    log = RoundLog(tmp_path / "rounds.db")
    first = Conductor(("a", "b"), log)
    first.hello(hello("a", said=(word("a"),)))
    first.hello(hello("b"))
    first.reply(reply("a", 1, word("a", 0, "again")))
    log.close()

    second = Conductor(("a", "b"), RoundLog(tmp_path / "rounds.db"))
    told = second.hello(hello("b", lived=0))
    second.reply(reply("b", 1))
    sent = second.hello(hello("a", lived=1, said=(word("a", 0, "again"),)))

    assert turns(told) == [("b", 1, 1, (word("a"),))]
    assert turns(sent)[0][2:] == (2, (word("a", 0, "again"),))
    second.log.close()


class Full(RoundLog):
    """A round log on a disk without room for more than there is in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        pages = self._db.execute("pragma page_count").fetchone()[0]
        self._db.execute(f"pragma max_page_count = {pages}")


def test_a_round_that_the_disk_does_not_take_is_not_told(tmp_path):
    conductor = Conductor(("a",), Full(tmp_path / "rounds.db"))

    with pytest.raises(JournalError, match=r"cannot write the round log.*nothing was told"):
        conductor.hello(hello("a", said=(word("a", 0, "x" * 100_000),)))
    conductor.log.close()


def test_a_reply_that_was_lost_is_asked_for_again():
    conductor = house("a", "b")
    conductor.hello(hello("a", said=(word("a"),)))
    conductor.hello(hello("b"))
    conductor.reply(reply("b", 1))

    again = conductor.here(Here("a", 1, 1))

    assert [(name, number) for name, _, number, _ in turns(again)] == [("a", 1)]


class FullOnce(RoundLog):
    """A round log that does not take one round, and then has room again."""

    fails = True

    def begin(self, round_: Round) -> None:
        if self.fails:
            self.fails = False
            raise JournalError("no room")
        super().begin(round_)


def test_a_round_that_was_not_written_leaves_no_hole():
    log = FullOnce(None)
    conductor = Conductor(("a",), log)
    with pytest.raises(JournalError):
        conductor.hello(hello("a", said=(word("a"),)))

    conductor.go_on()

    assert [r.number for r in log.between(1, conductor.round.number)] == [1]


def test_rounds_are_forgotten_also_where_a_daemon_seldom_hears_anything():
    log = RoundLog(None)
    conductor = Conductor(("a", "b"), log)
    conductor.hello(hello("a", due_ns=1))
    conductor.hello(msgspec.structs.replace(hello("b"), hears=("b.never",)))
    committed = {"a": 0, "b": 0}

    for at in range(1, 6_001):
        for sending in conductor.go_on(until_ns=at):
            number = sending.frame.round.number
            if sending.daemon == "a" or number - committed["b"] >= CHECKPOINT_ROUNDS:
                committed[sending.daemon] = number
            answer = Reply(
                sending.daemon,
                1,
                number,
                (),
                at + 1 if sending.daemon == "a" else NEVER_NS,
                committed[sending.daemon],
                0,
            )
            conductor.reply(answer)

    with pytest.raises(JournalError):
        list(log.between(1, 2))
    assert conductor.round.number - committed["b"] <= 3 * CHECKPOINT_ROUNDS
