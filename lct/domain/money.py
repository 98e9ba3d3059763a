"""Money: Decimal under one strict context, in from text and floats by one door each."""

import decimal
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

TEXT_LENGTH_MAX = 40
EXPONENT_MAX = 18
ZERO = Decimal(0)
ONE = Decimal(1)

if TYPE_CHECKING:
    Money: TypeAlias = Decimal
else:

    class _Decimals(type):
        def __instancecheck__(cls, value: object) -> bool:
            return type(value) is Decimal

    class Money(metaclass=_Decimals):
        """A Decimal field of a message: msgspec hands it to `money_hook`, so nothing unchecked gets in."""


CONTEXT = decimal.Context(
    prec=38,
    rounding=ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)


def use_money_context() -> None:
    """Make the strict context this thread's: 38 digits; NaN, division by zero and floats raise."""
    decimal.setcontext(CONTEXT)


def parse_money(text: str) -> Decimal:
    """Read a decimal number from text.

    Raises ValueError for anything but a finite number of at most 40 characters and an exponent within 18.
    """
    if len(text) > TEXT_LENGTH_MAX:
        msg = f"number of {len(text)} characters; at most {TEXT_LENGTH_MAX} are allowed"
        raise ValueError(msg)
    try:
        value = Decimal(text)
    except decimal.InvalidOperation:
        msg = f"not a number: {text[:TEXT_LENGTH_MAX]!r}"
        raise ValueError(msg) from None
    if not value.is_finite() or not text.isascii() or "_" in text:
        msg = f"not a finite number: {text!r}"
        raise ValueError(msg)
    if not -EXPONENT_MAX <= int(value.as_tuple().exponent) <= EXPONENT_MAX or abs(value.adjusted()) > EXPONENT_MAX:
        msg = f"number out of range: {text!r}"
        raise ValueError(msg)
    return value


def money_hook(kind: type, value: Any) -> Any:
    """Decode hook for msgspec: a Money field takes text (from the wire) or a Decimal (from a config), never a float.

    Raises TypeError or ValueError, which msgspec turns into a ValidationError with the field's path.
    """
    if kind is not Money:
        msg = f"no decoder for {kind}"
        raise TypeError(msg)
    if type(value) is str:
        return parse_money(value)
    if type(value) is Decimal:
        return parse_money(str(value))
    if type(value) is int:
        return parse_money(str(value))
    msg = f"money must be text or a decimal, never {type(value).__name__}"
    raise TypeError(msg)


@cache
def _places(step: Decimal) -> Decimal | None:
    """Return the step itself where it is a power of ten, which Decimal.quantize serves faster."""
    normal = step.normalize()
    return normal if normal.as_tuple().digits == (1,) else None


def to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """Round `value` to a multiple of `step` (a tick or a lot) in the named direction."""
    places = _places(step)
    if places is not None:
        return value.quantize(places, rounding)
    return (value / step).to_integral_value(rounding) * step


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step`: sizes, and prices we sell at."""
    return to_step(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of `step`: fees, and prices we buy at."""
    return to_step(value, step, ROUND_CEILING)


def to_money(value: float, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Cross from float to Decimal, on a multiple of `step`: the only such crossing.

    The shortest text that reads back as the same float is taken, so 0.1 becomes exactly 0.1.
    Raises ValueError for NaN and infinities.
    """
    if not isfinite(value):
        msg = f"not a finite number: {value}"
        raise ValueError(msg)
    return to_step(Decimal(repr(float(value))), step, rounding)


def plain(value: Decimal) -> str:
    """Write a number for a person or a JSON document: no exponent, no trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
