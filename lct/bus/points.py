"""Points: named places where a test may end this process, as a power switch would; nothing happens there otherwise."""

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lct.store.journal import Fact

VARIABLE = "LCT_KILL_AT"
"""`heard:40` ends the process when it comes to the point `heard` for the 40th time; `execution/heard:40` only that.

`committed.filled` is the point `committed` with a fact of that name at hand.
"""

_left: dict[str, int] = {}


def arm(name: str) -> None:
    """Read from the environment where the process of this name ends; a plan for another one is not for it."""
    for plan in filter(None, os.environ.get(VARIABLE, "").split(",")):
        where, _, count = plan.rpartition(":")
        who, _, point = where.rpartition("/")
        if who in {"", name}:
            _left[point] = int(count)


def reached(point: str, facts: Iterable["Fact"] = ()) -> None:
    """Pass a point, with the facts that were decided or committed there."""
    if _left:
        for name in (point, *(f"{point}.{fact.type.rpartition('.')[2]}" for fact in facts)):
            if name in _left:
                _left[name] -= 1
                if not _left[name]:
                    os.kill(os.getpid(), signal.SIGKILL)
