"""Health: whether a daemon is up, late or down, by the age of its last heartbeat, with reasons in words."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from lct.domain.text import clean

State = Literal["up", "late", "down"]

LATE_AFTER_SECONDS = 3.0
"""Three heartbeats, of one a second, are missing."""
DOWN_AFTER_SECONDS = 10.0
"""A daemon that was killed is ready again within 3 s; this one does not come back by itself."""
REASONS_MAX = 5
REASON_WIDTH = 160
NS_PER_SECOND = 1_000_000_000

BY_BADNESS: tuple[State, ...] = ("up", "late", "down")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which age of its last heartbeat (seconds) on a daemon is late, and down."""

    late_after_seconds: float = LATE_AFTER_SECONDS
    down_after_seconds: float = DOWN_AFTER_SECONDS


class DaemonHealth(msgspec.Struct, frozen=True):
    """How one daemon is; `heartbeat_age_seconds` is None where no heartbeat was ever heard."""

    name: str
    state: State
    pid: int | None
    ready: bool
    heartbeat_age_seconds: float | None
    reasons: tuple[str, ...] = ()


class Beat(msgspec.Struct, frozen=True):
    """What of a heartbeat counts here: when it was (wall clock), of which process, and what that says of itself."""

    time_ns: int
    pid: int | None
    ready: bool
    reasons: tuple[str, ...] = ()


DEFAULT_LIMITS = Limits()


def health(
    name: str, beat: Beat | None, now_ns: int, *, gone: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> DaemonHealth:
    """Return how a daemon is at `now_ns` (wall clock) by its last heartbeat.

    `gone` are the words of whoever knows that its process is not there (supervisor, pid): it is down at once then. A
    daemon that is not ready is late, however fresh its heartbeat; a heartbeat from the future counts as of now.
    """
    if beat is None:
        return DaemonHealth(
            name, "down", None, ready=False, heartbeat_age_seconds=None, reasons=(gone or "never heard",)
        )
    age = max(0, now_ns - beat.time_ns) / NS_PER_SECOND
    state: State = "up"
    reasons: list[str] = []
    if age >= limits.late_after_seconds:
        state = "down" if age >= limits.down_after_seconds else "late"
        reasons.append(f"no heartbeat for {age:.1f} s")
    if not beat.ready:
        state = worst((state, "late"))
        reasons.append("not ready")
    if gone is not None:
        state = "down"
        reasons.insert(0, gone)
    return DaemonHealth(name, state, beat.pid, beat.ready and gone is None, age, _bounded([*reasons, *beat.reasons]))


def worst(states: Iterable[State]) -> State:
    """Return the worst of some states, which is the verdict on a house; a house of nobody is down."""
    return max(states, key=BY_BADNESS.index, default="down")


def _bounded(reasons: Sequence[str]) -> tuple[str, ...]:
    return tuple(clean(reason, REASON_WIDTH) for reason in reasons[:REASONS_MAX])
