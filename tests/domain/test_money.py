"""Money is exact, finite, and rounded only in a direction that somebody named."""

import decimal
from contextlib import suppress
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.money import (
    CONTEXT,
    Money,
    ceil_to,
    floor_to,
    money_hook,
    parse_money,
    plain,
    to_money,
    to_step,
    use_money_context,
)


class Priced(msgspec.Struct):
    price: Money
    least: Money | None = None


steps = st.one_of(
    st.integers(-12, 3).map(lambda e: Decimal(1).scaleb(e)),
    st.sampled_from(["0.5", "0.25", "0.05", "0.00005", "2.5", "5", "0.1000", "10.0"]).map(Decimal),
)
amounts = st.integers(-(10**15), 10**15).map(lambda n: Decimal(n).scaleb(-6))


@pytest.fixture(autouse=True)
def _context():
    before = decimal.getcontext()
    use_money_context()
    yield
    decimal.setcontext(before)


@given(amounts, steps, st.sampled_from([ROUND_FLOOR, ROUND_CEILING, ROUND_HALF_EVEN]))
def test_a_rounded_value_is_a_multiple_less_than_a_step_away(value, step, rounding):
    rounded = to_step(value, step, rounding)

    assert rounded % step == 0
    assert abs(rounded - value) < step
    assert to_step(rounded, step, rounding) == rounded


@given(amounts, steps)
def test_floor_is_below_and_ceil_is_above(value, step):
    low, high = floor_to(value, step), ceil_to(value, step)

    assert low <= value <= high
    assert high - low in (0, step)
    assert low <= to_step(value, step, ROUND_HALF_EVEN) <= high
    assert floor_to(-value, step) == -high


@given(amounts, amounts, steps)
def test_rounding_keeps_order(one, other, step):
    low, high = sorted((one, other))

    assert floor_to(low, step) <= floor_to(high, step)
    assert ceil_to(low, step) <= ceil_to(high, step)


@given(amounts)
def test_what_is_written_plainly_is_read_back(value):
    assert parse_money(plain(value)) == value
    assert "e" not in plain(value).lower()
    assert not plain(value).startswith("-0") or value < 0


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "sNaN",
        "inf",
        "-Infinity",
        "1e400",
        "1e19",
        "1e-19",
        "",
        "abc",
        "1_000",
        "1,5",
        "٣",
        "0x1",
        "1" * 41,
        "9" * 20,
    ],
)
def test_what_is_no_finite_number_of_sane_size_is_refused(text):
    with pytest.raises(ValueError):
        parse_money(text)


@given(st.text(max_size=50))
def test_any_text_is_a_finite_number_or_a_value_error(text):
    with suppress(ValueError):
        assert parse_money(text).is_finite()


@given(st.integers(1, 10**12), st.integers(0, 8))
def test_a_float_becomes_the_decimal_it_is_written_as(number, digits):
    written = Decimal(number).scaleb(-digits)

    assert to_money(float(written), Decimal("1e-8")) == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a finite number"):
        to_money(value, Decimal("0.01"))


def test_the_context_lets_no_float_and_no_division_by_zero_through():
    with pytest.raises(Exception, match="FloatOperation"):
        Decimal(1) < 0.5  # noqa: B015 - the comparison itself must raise
    with pytest.raises(ZeroDivisionError):
        Decimal(1) / Decimal(0)
    assert CONTEXT.prec == 38


@pytest.mark.parametrize(("raw", "price"), [("1.10", "1.10"), (Decimal("2.5"), "2.5"), (3, "3")])
def test_a_money_field_decodes_from_text_decimals_and_integers(raw, price):
    decoded = msgspec.convert({"price": raw, "least": raw}, Priced, dec_hook=money_hook)

    assert str(decoded.price) == str(decoded.least) == price


def test_a_money_field_travels_as_text():
    wire = msgspec.msgpack.encode(Priced(Decimal("0.10"), None))

    assert msgspec.msgpack.decode(wire, type=Priced, dec_hook=money_hook) == Priced(Decimal("0.10"), None)


@pytest.mark.parametrize("raw", [1.5, True, None, [], {}, "NaN", "1e400", b"1"])
def test_a_money_field_refuses_floats_and_what_is_no_number(raw):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"price": raw}, Priced, dec_hook=money_hook)
