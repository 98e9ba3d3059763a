"""A table leaves columns out before it breaks a name, and figures look the same whatever they are."""

from decimal import Decimal

import pytest

from lct.tui import figures
from lct.tui.widgets.table import GAP, Column, fitted
from tests.tui.scene import NOW, SECOND

COLUMNS = (Column("symbol", least=8), Column("words", least=10), Column("spare", spare=1), Column("sparer", spare=2))


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (100, [(0, 12), (1, 20), (2, 5), (3, 6)]),
        (48, [(0, 12), (1, 19), (2, 5), (3, 6)]),
        (35, [(0, 8), (1, 10), (2, 5), (3, 6)]),
        (34, [(0, 12), (1, 13), (2, 5)]),
        (26, [(0, 12), (1, 12)]),
        (25, [(0, 11), (1, 12)]),
        (20, [(0, 8), (1, 10)]),
        (3, [(0, 8), (1, 10)]),
    ],
)
def test_spare_columns_go_when_the_others_are_as_short_as_they_may_be(room: int, shown: list[tuple[int, int]]) -> None:
    assert fitted(COLUMNS, (12, 20, 5, 6), room) == shown


@pytest.mark.parametrize("room", range(1, 60))
def test_what_is_shown_fits_or_is_as_short_as_it_may_be(room: int) -> None:
    found = fitted(COLUMNS, (12, 20, 5, 6), room)

    width = sum(wide for _, wide in found) + GAP * (len(found) - 1)
    assert width <= room or found == [(0, 8), (1, 10)]


def test_a_spare_column_with_nothing_in_it_is_left_out() -> None:
    assert fitted(COLUMNS, (12, 20, 0, 6), 100) == [(0, 12), (1, 20), (3, 6)]


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (None, True, "-"),
        (Decimal("1234567.891"), False, "1,234,567.89"),
        (Decimal("12.5"), True, "+12.50"),
        (Decimal("-12.5"), True, "-12.50"),
        (Decimal(0), True, "0.00"),
        (Decimal("0.00012345"), True, "+0.000123"),
        (Decimal("-0.00012345"), True, "-0.000123"),
    ],
)
def test_money_has_two_decimals_or_as_many_as_show_it(value: Decimal | None, *, signed: bool, text: str) -> None:
    assert figures.money(value, signed=signed) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.9, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_an_age_is_as_exact_as_it_is_young(seconds: float, text: str) -> None:
    assert figures.age(NOW - int(seconds * SECOND), NOW) == text


def test_a_time_that_no_calendar_has_is_no_crash() -> None:
    assert figures.moment(10**30) == "-"
    assert figures.hour(-(10**30)) == "-"
