"""Rows are bars where every value can be one, and nothing is made up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.bars import UNIT_NS, Bars, is_sound, refusals, sound_part, timeframe_ns

STEP = 60_000_000_000
COLUMNS = ("open_ns", "open", "high", "low", "close", "volume")

odd = st.sampled_from([0.0, -0.0, -1.0, 1.0, 2.0, 3.0, 1e15, 1e30, 1e31, 1e-320, np.nan, np.inf, -np.inf])
value = st.one_of(odd, st.floats(0.5, 3.0))
row = st.tuples(value, value, value, value, value)
ordered = st.tuples(st.floats(0.5, 3.0), st.floats(0.5, 3.0), st.floats(0, 1), st.floats(0, 1), st.floats(0, 9)).map(
    lambda v: (v[0], max(v[0], v[1]) + v[2], min(v[0], v[1]) * (1 - v[3] / 2), v[1], v[4])
)
times = st.integers(-2, 30).map(lambda n: n * STEP // 2)
tables = st.lists(st.tuples(times, st.one_of(row, ordered, ordered)), max_size=12)


def bars_of(table) -> Bars:
    return Bars.of([t for t, _ in table], *([values[i] for _, values in table] for i in range(5)))


def rows_of(bars: Bars) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(bars, name).tolist() for name in COLUMNS), strict=True))


@given(st.one_of(row, ordered))
def test_one_row_is_judged_the_same_alone_and_in_columns(values):
    refused = refusals(Bars.of([0], *([v] for v in values)), STEP)

    assert is_sound(*values) == (not any(rows.any() for rows in refused.values()))


@given(tables)
def test_the_sound_part_is_rows_that_were_there_in_their_order(table):
    bars = bars_of(table)

    sound, counts = sound_part(bars, STEP)

    left = iter(map(repr, rows_of(bars)))
    assert all(repr(kept) in left for kept in rows_of(sound)), "a subsequence"
    assert len(sound) + sum(counts.values()) == len(bars)
    assert all(count > 0 for count in counts.values())


@given(tables)
def test_the_sound_part_is_what_a_plain_loop_keeps(table):
    kept, latest = [], None
    for t, values in table:
        if is_sound(*values) and t % STEP == 0 and (latest is None or t > latest):
            kept.append((t, *values))
            latest = t

    sound, _ = sound_part(bars_of(table), STEP)

    assert rows_of(sound) == kept


@given(tables)
def test_the_sound_part_of_the_sound_part_is_itself(table):
    sound, _ = sound_part(bars_of(table), STEP)

    assert sound_part(sound, STEP) == (sound, {})


@given(tables)
def test_each_row_is_refused_for_one_reason_at_most(table):
    refused = refusals(bars_of(table), STEP)

    assert all(len(rows) == len(table) for rows in refused.values())
    assert (np.sum(list(refused.values()), axis=0) <= 1).all()


@given(st.lists(st.integers(0, 40), unique=True).map(sorted), st.integers(-1, 41), st.integers(-1, 41))
def test_between_is_half_open(opens, first, last):
    bars = Bars.of(opens, *[[1.0] * len(opens)] * 5)

    if first <= last:
        assert bars.between(first, last).open_ns.tolist() == [t for t in opens if first <= t < last]


@given(st.integers(1, 9999), st.sampled_from(sorted(UNIT_NS)))
def test_a_timeframe_is_a_number_of_units(count, unit):
    assert timeframe_ns(f"{count}{unit}") == count * UNIT_NS[unit]


@pytest.mark.parametrize("text", ["", "m", "0m", "05m", "5", "5M", "5 m", "-5m", "5m\n", "10000m", "5mm", "٥m"])
def test_anything_else_is_no_timeframe(text):
    with pytest.raises(ValueError, match="not a timeframe"):
        timeframe_ns(text)


def test_columns_of_different_lengths_are_no_bars():
    with pytest.raises(ValueError, match="five columns"):
        Bars.of([1, 2], [1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="five columns"):
        Bars.of([1], [1.0])


def test_slices_are_views_and_taken_rows_are_copies():
    bars = Bars.of([0, STEP], *[[1.0, 2.0]] * 5)

    assert np.shares_memory(bars[:1].close, bars.close)
    assert not np.shares_memory(bars.take(np.array([True, False])).close, bars.close)
