"""Following: each closed bar once and in order, whatever the stream leaves out, breaks off or tells wrongly."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain import following
from lct.domain.bars import Bar
from lct.domain.following import SETTLED_NS, Closed, Disagreement, Following
from lct.domain.spans import Span

STEP = 60_000_000_000
LATE = 2**62
"""Long after the close of every bar."""


def bar(n: int, part: float = 1.0) -> Bar:
    """The n-th bar, or what is known of it in the middle."""
    price = 100.0 + n % 7
    return Bar(n * STEP, price, price + 2.0, price - 1.0, price + part, 10.0 * part)


def span(first: int, last: int) -> Span:
    return Span(first * STEP, last * STEP)


def opens(found: list[Closed]) -> list[int]:
    return [one.row.open_ns // STEP for one in found]


def test_a_bar_of_the_stream_is_over_when_a_later_one_is_told():
    bars = Following(STEP, 0)

    assert bars.streamed([bar(0, 0.2), bar(0, 0.6), bar(0)], LATE) == []
    assert bars.streamed([bar(1, 0.1)], LATE) == [Closed(bar(0), "stream")]
    assert bars.wants(STEP + SETTLED_NS) is None


def test_a_bar_of_which_nothing_was_told_after_its_close_may_have_a_last_word_that_was_lost():
    bars = Following(STEP, 0)
    bars.streamed([bar(0, 0.9)], STEP - 1)

    assert bars.streamed([bar(1, 0.1)], STEP + 1) == []
    assert bars.wants(STEP + SETTLED_NS) == span(0, 1)
    bars.paged([bar(0)], span(0, 1))
    bars.streamed([bar(1)], 2 * STEP)
    assert bars.streamed([bar(2, 0.1)], 2 * STEP + 1) == [Closed(bar(1), "stream")]


def test_what_the_stream_leaves_out_is_wanted_and_what_comes_behind_waits_for_it():
    bars = Following(STEP, 0)
    bars.streamed([bar(0), bar(1, 0.5)], LATE)

    assert bars.streamed([bar(4), bar(5, 0.1)], LATE) == [Closed(bar(1, 0.5), "stream")]
    assert bars.wants(5 * STEP + SETTLED_NS) == span(2, 5)
    found, differing = bars.paged([bar(2), bar(3)], span(2, 4))
    assert opens(found) == [2, 3, 4]
    assert [one.source for one in found] == ["page", "page", "stream"]
    assert differing == []


def test_a_bar_that_the_stream_began_before_it_broke_is_asked_for():
    bars = Following(STEP, 0)
    bars.streamed([bar(0, 0.3)], LATE)
    bars.broke()

    assert bars.streamed([bar(1, 0.1)], LATE) == [], "the last word on the bar may have been lost"
    assert bars.wants(STEP + SETTLED_NS) == span(0, 1)
    assert bars.paged([bar(0)], span(0, 1)) == ([Closed(bar(0), "page")], [])


def test_a_bar_is_not_asked_for_before_it_is_settled():
    bars = Following(STEP, 0)

    assert bars.wants(STEP + SETTLED_NS - 1) is None
    assert bars.wants(STEP + SETTLED_NS) == span(0, 1)


def test_a_bar_that_a_page_does_not_tell_is_not_there_and_is_not_invented():
    bars = Following(STEP, 0)

    assert bars.paged([bar(0), bar(3)], span(0, 4)) == ([Closed(bar(0), "page"), Closed(bar(3), "page")], [])
    assert bars.next_ns == 4 * STEP


def test_a_page_that_begins_after_a_gap_fills_nothing():
    bars = Following(STEP, 0)

    assert bars.paged([bar(3)], span(3, 4)) == ([], [])
    assert bars.next_ns == 0


def test_bars_of_the_stream_are_compared_with_a_page_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "VERIFIED_EVERY", 3)
    bars = Following(STEP, 0)
    bars.streamed([bar(0), bar(1), bar(2), bar(3)], LATE)

    assert bars.wants(3 * STEP + SETTLED_NS) == span(0, 3)
    wrong = bar(1)._replace(close=bar(1).close + 0.5)
    assert bars.paged([bar(0), wrong, bar(2)], span(0, 3)) == ([], [Disagreement(bar(1), wrong)])
    assert bars.wants(3 * STEP + SETTLED_NS) is None


def test_a_bar_that_only_the_stream_tells_is_a_disagreement():
    bars = Following(STEP, 0)
    bars.streamed([bar(0), bar(1)], LATE)

    (found,) = bars.paged([], span(0, 1))[1]
    assert found.announced == bar(0)
    assert found.paged.close == 0.0


def test_a_row_that_can_be_no_bar_is_counted_and_dropped():
    bars = Following(STEP, 0)
    nan = float("nan")
    rubbish = [
        bar(0)._replace(close=nan),
        bar(0)._replace(high=1.0),
        bar(0)._replace(open_ns=1),
        bar(0)._replace(low=-1.0),
    ]

    assert bars.streamed([bar(0), *rubbish, bar(1, 0.2)], LATE) == [Closed(bar(0), "stream")]
    assert bars.refused == 4


def test_what_nobody_tells_any_more_is_given_up_and_what_waited_behind_it_comes():
    bars = Following(STEP, 0)
    bars.streamed([bar(5), bar(6, 0.1)], LATE)
    bars.skip(4 * STEP)

    assert opens(bars.paged([bar(4)], span(4, 5))[0]) == [4, 5]


def test_a_row_of_an_older_bar_does_not_bring_it_back():
    bars = Following(STEP, 0)
    bars.streamed([bar(0), bar(1), bar(2, 0.1)], LATE)

    assert bars.streamed([bar(0, 0.5), bar(1, 0.5), bar(2)], LATE) == []
    assert opens(bars.streamed([bar(3, 0.1)], LATE)) == [2]


@given(st.integers(0, 2**32), st.sets(st.integers(0, 59), max_size=10))
def test_through_losses_breaks_and_repeats_every_bar_comes_once_in_order_and_as_it_was(
    seed: int, absent: set[int]
) -> None:
    chance = random.Random(seed)
    bars, found, disagreed = Following(STEP, 0), [], []
    last = 60
    for n in range(last):
        told = [] if n in absent else [bar(n, part) for part in (0.2, 0.5, 0.8)] + [bar(n)]
        if chance.random() < 0.2:  # the stream breaks in the middle, and goes on somewhere later
            found += bars.streamed(told[: chance.randrange(len(told) + 1)], (n + 1) * STEP - 1)
            bars.broke()
            told = told[chance.randrange(len(told) + 1) :] if chance.random() < 0.5 else []
        if chance.random() < 0.2:
            told = []
            bars.broke()
        if chance.random() < 0.2:  # the last word is lost, and nobody knows
            found += bars.streamed(told[:-1], (n + 1) * STEP - 1)
            told = []
        if chance.random() < 0.2:
            told = [row for row in told for _ in range(2)]
        found += bars.streamed(told, (n + 1) * STEP)
        now_ns = (n + 1) * STEP + chance.choice((0, SETTLED_NS))
        wanted = bars.wants(now_ns)
        if wanted is not None and chance.random() < 0.7:
            whole = Span(wanted.from_ns, min(wanted.to_ns, wanted.from_ns + chance.randint(1, 5) * STEP))
            rows = [bar(m) for m in range(whole.from_ns // STEP, whole.to_ns // STEP) if m not in absent]
            closed, differing = bars.paged(rows, whole)
            found += closed
            disagreed += differing
    while (wanted := bars.wants(last * STEP + SETTLED_NS)) is not None and wanted.to_ns > bars.next_ns:
        rows = [bar(m) for m in range(wanted.from_ns // STEP, wanted.to_ns // STEP) if m not in absent]
        found += bars.paged(rows, wanted)[0]

    assert [one.row for one in found] == [bar(n) for n in range(last) if n not in absent]
    assert disagreed == []
