"""Numbers: money as text, read exactly; a second reading that shares nothing with the house's own."""

from decimal import Context, Decimal, DivisionByZero, FloatOperation, InvalidOperation, Overflow

ZERO = Decimal(0)
BOUND = Decimal(10) ** 12
CONTEXT = Context(prec=120, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation])
"""Wide enough for every product and sum of the house's numbers to be exact."""


class Unsound(ValueError):
    """A value that is no finite number written as text, or lies outside of what can be."""


def number(value: object, what: str) -> Decimal:
    """Read a finite decimal from text; Unsound for anything else, floats among it."""
    if not isinstance(value, str):
        raise Unsound(f"{what} is a {type(value).__name__}, and must be text")
    try:
        read = Decimal(value)
    except InvalidOperation:
        raise Unsound(f"{what} is {value!r}, no number") from None
    if not read.is_finite():
        raise Unsound(f"{what} is {value!r}, not finite")
    return read


def positive(value: object, what: str) -> Decimal:
    """Read a number above 0 and below 1e12; Unsound otherwise."""
    read = number(value, what)
    if not ZERO < read < BOUND:
        raise Unsound(f"{what} is {read}, and must lie between 0 and 1e12")
    return read


def plain(value: Decimal) -> str:
    """Write a number without exponent and without trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


def assets(symbol: str) -> tuple[str, str]:
    """Split `BASE/QUOTE` or `BASE/QUOTE:SETTLE` into base and quote; Unsound where it is neither."""
    base, slash, rest = symbol.partition("/")
    if not base or not slash or not rest:
        raise Unsound(f"{symbol!r} is no symbol")
    return base, rest.partition(":")[0]


def is_spot(symbol: str) -> bool:
    """Whether a symbol is one of coins that are owned, not of a contract."""
    return ":" not in symbol
