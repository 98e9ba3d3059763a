"""The clock: the only reader of the wall clock in lct."""

import time
from datetime import UTC, datetime

NS_PER_SECOND = 1_000_000_000


def now_ns() -> int:
    """Return the wall clock as nanoseconds since the Unix epoch, UTC."""
    return time.time_ns()


def monotonic_ns() -> int:
    """Return a clock that never goes back, in nanoseconds, for timeouts and durations."""
    return time.monotonic_ns()


def rfc3339(time_ns: int) -> str:
    """Write `time_ns` (UTC) as RFC 3339, with as many digits of the second as it needs."""
    seconds, rest = divmod(time_ns, NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"


def parse_rfc3339(text: str) -> int:
    """Read a date (`2024-01-01`) or an RFC 3339 time as nanoseconds UTC; no zone means UTC.

    Raises ValueError where the text is neither.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * NS_PER_SECOND + moment.microsecond * 1_000
