"""Figures: how amounts, prices, shares of the whole, times and ages look on a screen."""

from datetime import UTC, datetime
from decimal import Context, Decimal

from lct.clock import NS_PER_SECOND
from lct.domain.money import plain

PRICE_DIGITS = 8
CENT = Decimal("0.01")
SMALL_DIGITS = 3
NOTHING = "-"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def money(value: Decimal | None, *, signed: bool = False) -> str:
    """Write an amount of quote with two decimals, more where it is smaller than a cent."""
    if value is None:
        return NOTHING
    sign = "+" if signed and value > 0 else ""
    if value and abs(value) < CENT:
        return f"{sign}{plain(Context(prec=SMALL_DIGITS).create_decimal(value))}"
    return f"{sign}{value:,.2f}"


def price(value: Decimal | None) -> str:
    """Write a price or an amount of base with as many digits as tell it from its neighbours."""
    return NOTHING if value is None else plain(Context(prec=PRICE_DIGITS).create_decimal(value))


def percent(share: Decimal | None) -> str:
    """Write a fraction as a signed percentage."""
    return NOTHING if share is None else f"{share * 100:{'+' if share else ''}.2f} %"


def age(past_ns: int, now_ns: int) -> str:
    """Write how long ago something was; a clock that was set back gives nought."""
    seconds = max(0, now_ns - past_ns) // NS_PER_SECOND
    if seconds < 2 * MINUTE:
        return f"{seconds} s"
    if seconds < 2 * HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 2 * DAY else f"{seconds // DAY} d"


def moment(time_ns: int) -> str:
    """Write a UTC time to the second."""
    return _form(time_ns, "%Y-%m-%d %H:%M:%S")


def hour(time_ns: int) -> str:
    """Write the time of a UTC day to the second."""
    return _form(time_ns, "%H:%M:%S")


def when(time_ns: int, now_ns: int) -> str:
    """Write a UTC time; its day too, where that is not today."""
    today = moment(now_ns)[:10]
    return hour(time_ns) if moment(time_ns)[:10] == today else moment(time_ns)


def _form(time_ns: int, form: str) -> str:
    try:
        return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):  # a time that no calendar has
        return NOTHING
