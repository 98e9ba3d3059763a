"""The watcher keeps a view that says how old each answer is, and merges what is logged by time."""

import threading
from typing import Any

from lct.errors import NoAnswer
from lct.messages.portfolio import Positions
from lct.tui.house import LINES_MAX, Answer, LogLine, Watcher
from tests.tui.scene import CLOSE, NOW, SECOND, Clock, SmallHouse


def watcher() -> tuple[Watcher, SmallHouse, Clock]:
    clock = Clock()
    house = SmallHouse(clock)
    return Watcher(house, now_ns=clock), house, clock


def test_a_missed_answer_is_silent_since_the_last_that_was_heard() -> None:
    reply = Positions(CLOSE, [])

    heard = Answer[Positions]().heard(reply, NOW)
    missed = heard.missed("gone", NOW + SECOND).missed("still gone", NOW + 2 * SECOND)

    assert (missed.reply, missed.heard_ns, missed.silent_ns, missed.reason) == (reply, NOW, NOW, "still gone")
    assert missed.heard(reply, NOW + 3 * SECOND) == Answer(reply, NOW + 3 * SECOND)


def test_an_answer_that_was_never_heard_is_silent_since_it_was_first_asked_for() -> None:
    missed = Answer[Positions]().missed("gone", NOW).missed("gone", NOW + SECOND)

    assert (missed.reply, missed.silent_ns) == (None, NOW)


def test_one_silent_daemon_costs_the_others_nothing() -> None:
    watching, house, _ = watcher()
    house.kill("portfolio")

    watching.look()

    assert watching.view.positions.reply is None
    assert watching.view.positions.reason == "portfolio is not there"
    assert watching.view.trading.reply is not None
    assert watching.view.signals.reply is not None


def test_lines_of_all_daemons_are_merged_by_time_and_bounded() -> None:
    watching, house, _ = watcher()
    house.lines = [LogLine(NOW + at, f"d{at % 3}", "info", str(at)) for at in (5, 1, 3)]
    watching.look()
    house.lines = [LogLine(NOW + at, "late", "info", str(at)) for at in (2, 9)]
    watching.look()
    merged = [line.message for line in watching.view.lines]
    house.lines = [LogLine(NOW + 10 + at, "d", "info", str(at)) for at in range(3 * LINES_MAX)]
    watching.look()

    assert merged == ["1", "2", "3", "5", "9"]
    assert len(watching.view.lines) == LINES_MAX


def test_a_view_that_was_handed_out_never_changes() -> None:
    watching, house, clock = watcher()
    watching.look()
    before = watching.view
    answers = (before.positions, before.profit, before.trading, before.signals, before.lines)

    house.kill("portfolio")
    clock.move(5)
    watching.look()

    assert watching.view is not before
    assert (before.positions, before.profit, before.trading, before.signals, before.lines) == answers
    assert before.positions.silent_ns is None


def test_it_stops_within_the_question_that_it_is_asking() -> None:
    watching, house, _ = watcher()
    stop, asked = threading.Event(), []

    def hang(request: Any) -> Any:
        asked.append(request)
        stop.set()
        raise NoAnswer("gone")

    house.ask = hang  # type: ignore[method-assign]

    watching.run(stop)

    assert len(asked) == 1
    assert house.is_closed
