"""Spans: nothing is asked twice, and nothing is left out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lct.domain.spans import Span, left_of, merged, windows

spans = st.builds(lambda a, b: Span(min(a, b), max(a, b)), st.integers(0, 60), st.integers(0, 60))


def points(found: list[Span]) -> list[int]:
    """Write spans out: each point as often as it is in one."""
    return [at for span in found for at in range(span.from_ns, span.to_ns)]


@given(st.lists(spans, max_size=8))
def test_merged_spans_hold_the_same_points_once_and_do_not_touch(some: list[Span]) -> None:
    found = merged(some)

    assert points(found) == sorted(set(points(some)))
    assert all(one.to_ns < other.from_ns for one, other in pairwise(found))


@given(spans, st.lists(spans, max_size=8))
def test_what_is_left_is_what_was_wanted_and_is_not_there(wanted: Span, there: list[Span]) -> None:
    assert points(left_of(wanted, there)) == sorted(set(points([wanted])) - set(points(there)))


@given(spans, st.integers(1, 70))
def test_windows_cover_a_span_and_none_is_longer_than_it_may_be(span: Span, length: int) -> None:
    found = list(windows(span, length))

    assert points(found) == points([span])
    assert all(0 < one.to_ns - one.from_ns <= length for one in found)
