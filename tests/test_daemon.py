"""What a daemon is, before any bus: handlers that are found, and state that only `apply` may change."""

import pytest

from lct.daemon import Daemon, answerers, answers, hearers, on
from lct.messages.base import Event, Request


class Said(Event, frozen=True, tag="daemon_test.said"):
    pass


class Kept(Event, frozen=True, tag="daemon_test.kept"):
    durable = True


class Question(Request[Said], frozen=True, tag="daemon_test.question"):
    pass


class Whole(Daemon):
    name = "whole"

    @on(Said, Kept)
    def hear(self, message: Event, now_ns: int) -> tuple[Event, ...]:
        return (message,)

    @answers(Question)
    def reply(self, question: Question, now_ns: int) -> Said:
        return Said()


def test_handlers_are_found_by_what_they_hear_and_answer():
    whole = Whole()

    assert hearers(whole) == {Said: whole.hear, Kept: whole.hear}
    assert answerers(whole) == {Question: whole.reply}
    assert list(whole.hear(Said(), 0)) == [Said()]


def test_two_handlers_of_one_type_are_a_bug():
    class Twice(Whole):
        @on(Kept)
        def hear_too(self, kept: Kept, now_ns: int) -> None: ...

        @answers(Question)
        def reply_too(self, question: Question, now_ns: int) -> Said:
            return Said()

    with pytest.raises(AssertionError, match="whole hears Kept twice"):
        hearers(Twice())
    with pytest.raises(AssertionError, match="whole answers Question twice"):
        answerers(Twice())


def test_a_daemon_without_durable_state_cannot_apply():
    with pytest.raises(AssertionError, match="whole has no durable state, so it cannot apply Kept"):
        Whole().apply(Kept())


def test_a_plain_daemon_needs_nothing_again_and_says_nothing_at_its_start():
    assert Whole().rehears_since(7) == 7
    assert list(Whole().recovered(7)) == []
