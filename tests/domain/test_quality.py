"""Quality: every quirk of a recording is found by its name, and repair only takes away."""

from math import fsum, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.bars import Bars, sound_part
from lct.domain.quality import columns, joined, repaired, report, resampled, stacked

STEP = 60_000_000_000
BEGIN = 1_700_000_040_000_000_000 // STEP * STEP


def bars(count: int = 100) -> Bars:
    close = 100 + np.arange(count) % 7 * 0.5
    return Bars.of(BEGIN + np.arange(count) * STEP, close - 0.1, close + 1, close - 1, close, 1.0 + np.arange(count))


def changed(at: int, **values: float) -> Bars:
    made = bars()
    for name, value in values.items():
        getattr(made, name)[at] = value
    return made


QUIRKS = {
    "a null": ("not_finite", changed(9, close=nan)),
    "1e308": ("not_finite", changed(9, volume=1e308)),
    "a price of 0": ("not_positive", changed(9, low=0.0)),
    "a negative volume": ("not_positive", changed(9, volume=-1.0)),
    "high below close": ("high_below_low", changed(9, high=50.0, low=40.0)),
    "seconds off the grid": ("off_grid", changed(9, open_ns=BEGIN + 9 * STEP + 1)),
    "a page repeated": ("duplicate", stacked((bars()[:50], bars()[40:]))),
    "a page told differently": ("conflicting_duplicate", stacked((bars()[:50], changed(45, volume=7.5)[40:]))),
    "pages out of order": ("out_of_order", stacked((bars()[50:], bars()[:50]))),
    "an outage": ("gap", stacked((bars()[:50], bars()[53:]))),
    "ten times the price": ("jump", changed(9, open=1000.0, high=1001.0, low=999.0, close=1000.0)),
    "a wick": ("jump", changed(9, high=1000.0)),
    "a minute without trades": ("zero_volume", changed(9, volume=0.0)),
}


def stuck() -> Bars:
    made = bars()
    for column in columns(made)[1:]:
        column[20:26] = column[20]
    return made


QUIRKS["the same bar again and again"] = ("stale", stuck())


@pytest.mark.parametrize(("kind", "raw"), QUIRKS.values(), ids=QUIRKS)
def test_each_quirk_is_found_by_its_name_and_place(kind, raw):
    found = report(raw, STEP)

    assert kind in found.counts
    assert any(example.kind == kind for example in found.examples)
    assert found.is_sound is (kind == "zero_volume")
    assert (found.score == 100.0) is (kind == "zero_volume")


def test_a_gap_counts_the_bars_that_are_missing_and_names_the_first():
    (gap,) = report(stacked((bars()[:50], bars()[53:])), STEP).examples

    assert gap == ("gap", BEGIN + 50 * STEP, 3)


def test_a_last_bar_that_is_not_over_is_told():
    found = report(bars(), STEP, now_ns=BEGIN + 100 * STEP - 1)

    assert found.counts == {"not_closed": 1}


def test_nothing_is_found_in_no_rows():
    assert report(bars(0), STEP).counts == {}


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_repair_gives_the_sound_bars_in_order_and_invents_none(order, again):
    whole = bars(12)
    raw = whole.at(np.array([*order, *sorted(again)]))

    found, done = repaired(raw, STEP)

    assert [column.tolist() for column in columns(found)] == [column.tolist() for column in columns(whole)]
    assert done.get("dropped duplicate", 0) == len(again)
    assert sound_part(found, STEP)[1] == {}


def test_of_two_tellings_of_a_bar_repair_keeps_the_first_or_where_asked_the_last():
    raw = stacked((bars()[:50], changed(45, volume=7.5)[40:]))

    first, done = repaired(raw, STEP)
    last, _ = repaired(raw, STEP, prefer_last=True)

    assert done == {"put in order": 1, "dropped duplicate": 9, "dropped conflicting_duplicate": 1}
    assert (first.volume[45], last.volume[45]) == (46.0, 7.5)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_what_was_repaired_has_nothing_left_that_a_row_can_be_blamed_for(quirk):
    found, _ = repaired(QUIRKS[quirk][1], STEP)

    assert set(report(found, STEP).counts) <= {"gap", "jump", "stale", "zero_volume"}


def test_resampling_joins_whole_windows_only_and_says_what_it_left_out():
    whole = bars(100)[3:]

    found, left_out = resampled(whole, STEP, 5 * STEP)

    first = int((-(BEGIN // STEP + 3)) % 5)
    window = whole[first : first + 5]
    assert (found.open_ns % (5 * STEP) == 0).all()
    assert (found.open[0], found.close[0]) == (window.open[0], window.close[-1])
    assert (found.high[0], found.low[0]) == (window.high.max(), window.low.min())
    assert found.volume[0] == fsum(window.volume)
    assert left_out == 97 - 5 * len(found)


def test_a_window_with_a_gap_makes_no_bar():
    whole = bars(20)
    begin = int((-(BEGIN // STEP)) % 5)
    holey = stacked((whole[: begin + 1], whole[begin + 2 :]))

    found, left_out = resampled(holey, STEP, 5 * STEP)

    assert BEGIN + begin * STEP not in found.open_ns
    assert left_out == len(holey) - 5 * len(found)


def test_a_length_that_is_no_multiple_is_refused():
    with pytest.raises(ValueError, match="do not make up"):
        resampled(bars(), 2 * STEP, 3 * STEP)


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2)), unique_by=lambda row: row[0]), min_size=1))
def test_joining_keeps_the_first_word_on_each_bar(series):
    parts = [Bars.of([n for n, _ in rows], *[[float(price) for _, price in rows]] * 5) for rows in map(sorted, series)]
    told: dict[int, int] = {}
    conflicts = 0
    for rows in map(sorted, series):
        for n, price in rows:
            conflicts += told.setdefault(n, price) != price

    bars, differing = joined(parts)

    assert dict(zip(bars.open_ns.tolist(), bars.close.tolist(), strict=True)) == told
    assert bars.open_ns.tolist() == sorted(told)
    assert len(differing) == conflicts
