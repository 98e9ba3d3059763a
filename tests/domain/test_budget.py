"""The budget: never more than is allowed, all of it where it is wanted, and the important first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain import budget
from lct.domain.budget import SECOND_NS, Budget, Priority

RATE = 20.0
waits = st.lists(st.tuples(st.integers(0, 3 * SECOND_NS), st.sampled_from((0.2, 1.0, 5.0, 25.0))), max_size=60)


def passed(weights: Budget, until_ns: int, now_ns: int = 0) -> list[tuple[int, int]]:
    """Let through what may go, as a gate would, and tell when each went."""
    found = []
    while (due_ns := weights.due_ns()) is not None and max(due_ns, now_ns) <= until_ns:
        now_ns = max(due_ns, now_ns)
        found += [(now_ns, number) for number in weights.granted(now_ns)]
    return found


@given(waits, st.sampled_from((0.5, 0.95, 1.0)))
def test_no_stretch_of_time_holds_more_than_its_share_the_burst_and_one_request(
    asked: list[tuple[int, float]], share: float
) -> None:
    weights, went, now_ns = Budget(RATE, share=share), [], 0
    weight_of = {}
    for wait_ns, weight in asked:
        went += passed(weights, now_ns + wait_ns, now_ns)
        now_ns += wait_ns
        weight_of[weights.ask(weight, Priority.BACKFILL)] = weight
    went += passed(weights, 2**62, now_ns)

    assert sorted(weight_of) == sorted(number for _, number in went)
    for i, (begin_ns, _) in enumerate(went):
        total = 0.0
        for at_ns, number in went[i:]:
            total += weight_of[number]
            stretch = (at_ns - begin_ns) / SECOND_NS
            assert total - weight_of[number] <= RATE * share * (stretch + 1.0) + 1e-6


def test_what_is_allowed_is_used():
    weights = Budget(RATE, share=1.0)
    for _ in range(2_000):
        weights.ask(1.0, Priority.BACKFILL)

    assert len(passed(weights, 60 * SECOND_NS)) == pytest.approx(60 * RATE, rel=0.02)


def test_a_cancel_that_comes_last_goes_first():
    weights = Budget(RATE)
    backfill = [weights.ask(1.0, Priority.BACKFILL) for _ in range(3)]
    live, cancel = weights.ask(1.0, Priority.LIVE), weights.ask(1.0, Priority.CANCEL)

    assert [number for _, number in passed(weights, SECOND_NS)] == [cancel, live, *backfill]


def test_nothing_goes_while_the_venue_wants_to_be_left_alone_and_an_earlier_word_does_not_end_it():
    weights = Budget(RATE)
    weights.stop_until(5 * SECOND_NS)
    weights.stop_until(2 * SECOND_NS)
    number = weights.ask(1.0, Priority.CANCEL)

    assert weights.granted(5 * SECOND_NS - 1) == []
    assert weights.due_ns() == 5 * SECOND_NS
    assert weights.granted(5 * SECOND_NS) == [number]


def test_what_is_withdrawn_is_not_paid_for():
    weights = Budget(RATE)
    weights.withdraw(weights.ask(1_000.0, Priority.CANCEL))
    kept = weights.ask(1.0, Priority.BACKFILL)

    assert weights.granted(0) == [kept]
    assert weights.granted_weight == 1.0


def test_a_queue_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WAITING_MAX", 2)
    weights = Budget(RATE)
    for _ in range(2):
        weights.ask(1.0, Priority.QUERY)

    with pytest.raises(OverflowError, match="2 requests wait"):
        weights.ask(1.0, Priority.QUERY)
