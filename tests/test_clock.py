"""Times are nanoseconds UTC, written as RFC 3339 and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.clock import monotonic_ns, now_ns, parse_rfc3339, rfc3339

SECOND = 1_000_000_000
START = 1_704_067_200 * SECOND


@given(st.integers(0, 4_102_444_800 * 1_000_000))
def test_a_time_of_whole_microseconds_is_read_back(microseconds):
    assert parse_rfc3339(rfc3339(microseconds * 1_000)) == microseconds * 1_000


@given(st.integers(0, 4_102_444_800 * SECOND), st.integers(0, 4_102_444_800 * SECOND))
def test_written_whole_seconds_sort_like_the_times(one, other):
    one, other = one // SECOND * SECOND, other // SECOND * SECOND

    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (START, "2024-01-01T00:00:00Z"),
        (START + 1, "2024-01-01T00:00:00.000000001Z"),
        (START + SECOND // 2, "2024-01-01T00:00:00.5Z"),
        (-SECOND, "1969-12-31T23:59:59Z"),
    ],
)
def test_only_the_digits_that_are_needed_are_written(time_ns, text):
    assert rfc3339(time_ns) == text


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00Z", "2024-01-01T01:30:00+01:30"]
)
def test_dates_and_zones_are_understood(text):
    assert parse_rfc3339(text) == START


@pytest.mark.parametrize("text", ["", "soon", "2024-13-01", "1704067200", "2024-01-01T25:00:00"])
def test_anything_else_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_the_clocks_run():
    assert now_ns() > START
    assert monotonic_ns() <= monotonic_ns()
