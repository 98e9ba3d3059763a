"""Points: named places where a test may end this process, as a power switch would; nothing happens there otherwise."""

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lct.store.journal import Fact

VARIABLE = "LCT_KILL_AT"
"""`heard:40` ends the process when it comes to the point `heard` for the 40th time; `execution/heard:40` only that.

`committed.filled` is the point `committed` with a fact of that name at hand. `heard:40:STOP` stops it there (SIGSTOP).
"""

_left: dict[str, tuple[int, signal.Signals]] = {}


def arm(name: str) -> None:
    """Read from the environment where the process of this name ends; a plan for another one is not for it."""
    for plan in filter(None, os.environ.get(VARIABLE, "").split(",")):
        where, count, *how = plan.split(":")
        who, _, point = where.rpartition("/")
        if who in {"", name}:
            _left[point] = int(count), signal.Signals[f"SIG{how[0] if how else 'KILL'}"]


def reached(point: str, facts: Iterable["Fact"] = ()) -> None:
    """Pass a point, with the facts that were decided or committed there."""
    if _left:
        for name in (point, *(f"{point}.{fact.type.rpartition('.')[2]}" for fact in facts)):
            if name in _left:
                count, number = _left[name]
                _left[name] = count - 1, number
                if count == 1:
                    os.kill(os.getpid(), number)
