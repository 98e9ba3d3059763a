"""Health: the age of a heartbeat decides, a dead process is down at once, and a house is as well as its worst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.health import (
    BY_BADNESS,
    DOWN_AFTER_SECONDS,
    REASON_WIDTH,
    REASONS_MAX,
    Beat,
    Limits,
    health,
    worst,
)

NOW = 1_000_000_000_000
TIMES = st.integers(0, 10**19)
BEATS = st.builds(Beat, TIMES, st.none() | st.integers(1, 2**22), st.booleans(), st.lists(st.text()).map(tuple))
STATES = st.sampled_from(BY_BADNESS)


def beat(age_seconds: float, *, ready: bool = True, reasons: tuple[str, ...] = ()) -> Beat:
    return Beat(NOW - round(age_seconds * 1e9), 7, ready, reasons)


@pytest.mark.parametrize(
    ("age", "state"),
    [(0.0, "up"), (3 - 1e-9, "up"), (3.0, "late"), (10 - 1e-9, "late"), (10.0, "down"), (900.0, "down")],
)
def test_the_age_of_the_heartbeat_decides_and_is_said(age, state):
    found = health("x", beat(age), NOW)

    assert (found.name, found.state, found.pid, found.ready) == ("x", state, 7, True)
    assert found.heartbeat_age_seconds == pytest.approx(age)
    assert found.reasons == (() if state == "up" else (f"no heartbeat for {age:.1f} s",))


def test_the_limits_can_be_others():
    tight = Limits(late_after_seconds=1.0, down_after_seconds=2.0)

    assert [health("x", beat(age), NOW, limits=tight).state for age in (0.9, 1.0, 1.9, 2.0)] == [
        "up",
        "late",
        "late",
        "down",
    ]


def test_a_daemon_that_is_not_ready_is_late_and_says_why():
    found = health("x", beat(0.5, ready=False, reasons=("applying the journal",)), NOW)

    assert (found.state, found.ready, found.reasons) == ("late", False, ("not ready", "applying the journal"))


def test_not_ready_does_not_make_a_dead_daemon_better():
    assert health("x", beat(DOWN_AFTER_SECONDS, ready=False), NOW).state == "down"


def test_what_a_ready_daemon_complains_of_is_passed_on():
    assert health("x", beat(0, reasons=("disk is nearly full",)), NOW).reasons == ("disk is nearly full",)


def test_a_process_that_is_gone_is_down_however_fresh_its_heartbeat():
    found = health("x", beat(0.1, reasons=("disk full",)), NOW, gone="its process ended")

    assert (found.state, found.ready, found.reasons) == ("down", False, ("its process ended", "disk full"))


def test_one_never_heard_is_down_with_a_reason():
    quiet, gone = health("x", None, NOW), health("x", None, NOW, gone="supervisord says FATAL")

    assert (quiet.state, quiet.pid, quiet.ready, quiet.heartbeat_age_seconds) == ("down", None, False, None)
    assert quiet.reasons == ("never heard",)
    assert (gone.state, gone.reasons) == ("down", ("supervisord says FATAL",))


def test_a_heartbeat_from_the_future_counts_as_of_now():
    found = health("x", Beat(NOW + 5_000_000_000, 7, ready=True), NOW)

    assert (found.state, found.heartbeat_age_seconds) == ("up", 0.0)


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "down"),
        (("up",), "up"),
        (("up", "late"), "late"),
        (("late", "up"), "late"),
        (("late", "down", "up"), "down"),
    ],
)
def test_the_verdict_is_the_worst_state(states, verdict):
    assert worst(states) == verdict


@given(st.lists(STATES, min_size=1), STATES)
def test_one_more_daemon_never_betters_a_house(states, one):
    before, after = worst(states), worst([*states, one])

    assert BY_BADNESS.index(after) == max(BY_BADNESS.index(before), BY_BADNESS.index(one))


@given(st.none() | BEATS, TIMES, TIMES, st.none() | st.just("gone"))
def test_without_a_new_heartbeat_nobody_gets_better(last, now_ns, later_ns, gone):
    first = health("x", last, min(now_ns, later_ns), gone=gone)
    second = health("x", last, max(now_ns, later_ns), gone=gone)

    assert BY_BADNESS.index(second.state) >= BY_BADNESS.index(first.state)


@given(st.none() | BEATS, TIMES, st.none() | st.just("gone"))
def test_whoever_is_not_up_says_why_in_bounds_and_whoever_is_up_is_ready(last, now_ns, gone):
    found = health("x", last, now_ns, gone=gone)

    assert found.reasons if found.state != "up" else found.ready
    assert len(found.reasons) <= REASONS_MAX
    assert all(len(reason) <= REASON_WIDTH for reason in found.reasons)
    assert gone is None or found.state == "down"
