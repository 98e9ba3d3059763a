"""The tape's port: each row once, at its close, and again for who needs it."""

import pytest

from lct.domain.bars import Bars
from lct.domain.tape import Tape
from lct.messages.base import Command
from lct.messages.feed import Rows, RowsRefused
from lct.ports.tape import CHUNK_ROWS, TapePort

STEP = 60_000_000_000
REFUSED = {"B/Q": {"unsound": 2}, "A/Q": {"late": 1}}


def port(opens: range | list[int], refused: dict[str, dict[str, int]] | None = None) -> TapePort:
    prices = [float(n + 1) for n in opens]
    bars = Bars.of([n * STEP for n in opens], prices, prices, prices, prices, prices)
    return TapePort(Tape("1m", {"A/Q": bars}), refused)


def numbers(told: list) -> list[int]:
    return [rows.number for rows in told if isinstance(rows, Rows)]


def test_a_row_is_due_at_the_close_of_its_bars():
    tape = port([0, 1, 5])

    due = []
    while (at := tape.due_ns()) is not None:
        due.append((at // STEP, numbers(tape.results(at - 1)), numbers(tape.results(at))))

    assert due == [(1, [], [1]), (2, [], [2]), (6, [], [3])]
    assert tape.results(10**18) == []


def test_a_late_call_gives_all_that_is_due_over_the_borders_of_chunks():
    count = 2 * CHUNK_ROWS + 3
    tape = port(range(count))

    assert numbers(tape.results(count * STEP)) == list(range(1, count + 1))
    assert tape.given == count


@pytest.mark.parametrize("heard", [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS])
def test_it_goes_on_after_what_was_heard_and_gives_the_same_again(heard):
    count = 2 * CHUNK_ROWS
    whole = port(range(count)).results(count * STEP)
    tape = port(range(count))

    tape.resume(heard)

    assert tape.heard_again(1, heard) + tape.results(count * STEP) == whole


def test_what_was_refused_is_told_before_the_first_row_and_again_to_a_new_life():
    told = [RowsRefused("A/Q", {"late": 1}), RowsRefused("B/Q", {"unsound": 2})]
    tape = port(range(4), REFUSED)

    first = tape.results(2 * STEP)
    later = tape.results(4 * STEP)
    again = port(range(4), REFUSED)
    again.resume(4)

    assert first[:2] == told
    assert numbers(first) == [1, 2]
    assert later == [rows for rows in later if isinstance(rows, Rows)]
    assert again.heard_again(3, 4) == [*told, *later]
    assert again.results(9 * STEP) == []


def test_an_empty_tape_has_nothing_due():
    tape = port([])

    assert tape.due_ns() is None
    assert tape.results(STEP) == []


def test_a_recording_takes_no_commands():
    with pytest.raises(AssertionError, match="a tape cannot do"):
        port([]).do(Command(), 0)
