"""A tape is the merge of its series by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.bars import Bars
from lct.domain.tape import Tape

STEP = 60_000_000_000

opens = st.lists(st.integers(0, 12), unique=True).map(sorted)
series = st.dictionaries(st.sampled_from(["A/Q", "B/Q", "C/Q", "D/Q"]), opens, max_size=4)


def bars_at(opens: list[int], symbol: str) -> Bars:
    base = [float(t * 100 + ord(symbol[0])) for t in opens]
    return Bars.of([t * STEP for t in opens], *([value + i for value in base] for i in range(5)))


def merged(series: dict[str, list[int]]) -> list[tuple]:
    """Return the rows as plain loops would make them."""
    rows = []
    for t in sorted({t for opens in series.values() for t in opens}):
        symbols = tuple(symbol for symbol in sorted(series) if t in series[symbol])
        columns = [[float(t * 100 + ord(symbol[0]) + i) for symbol in symbols] for i in range(5)]
        rows.append((t * STEP, symbols, *columns))
    return rows


def tape_of(series: dict[str, list[int]]) -> Tape:
    return Tape("1m", {symbol: bars_at(opens, symbol) for symbol, opens in series.items()})


@given(series)
def test_its_rows_are_the_naive_merge(series):
    tape = tape_of(series)

    assert [tuple(row) for row in tape.rows(0, len(tape))] == merged(series)


@given(series, st.integers(0, 15), st.integers(0, 15))
def test_any_part_of_it_is_that_part_of_the_merge(series, first, last):
    tape = tape_of(series)

    assert [tuple(row) for row in tape.rows(first, last)] == merged(series)[first:last]


@given(opens, st.integers(-1, 14), st.sampled_from([-1, 0, 1]))
def test_the_first_bar_from_a_time_on_is_the_first_that_opens_then_or_later(opens, at, off):
    from_ns = at * STEP + off

    found = tape_of({"A/Q": opens}).first_from("A/Q", from_ns)

    assert found == sum(t * STEP < from_ns for t in opens)


@given(series)
def test_rows_of_the_same_symbols_share_one_tuple_of_them(series):
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}

    rows = tape_of(series).rows(0, 13)

    assert all(seen.setdefault(row.symbols, row.symbols) is row.symbols for row in rows)


@given(series)
def test_it_counts_times_and_bars(series):
    tape = tape_of(series)

    assert len(tape) == len(merged(series))
    assert tape.bars_total == sum(len(opens) for opens in series.values())
    assert tape.symbols == tuple(sorted(series))


def test_rows_are_plain_python():
    row = tape_of({"A/Q": [1], "B/Q": [1, 2]}).rows(0, 1)[0]

    assert type(row.open_ns) is int
    assert all(type(value) is float for column in row[2:] for value in column)


def test_a_symbol_that_is_not_on_it_is_a_key_error():
    with pytest.raises(KeyError):
        tape_of({"A/Q": [1]}).bars("B/Q")


def test_an_unknown_timeframe_is_refused():
    with pytest.raises(ValueError, match="not a timeframe"):
        Tape("often", {})
