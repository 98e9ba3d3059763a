"""Checking: how the independent checker is started beside a house, which it shares no code with."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from daemons.execution import Config
from lct.run.config import journal_folder
from lct.supervisor.conf import AUDIT

LOOK_SECONDS = 5
"""How often it looks at what is new."""


def limits_of(mode: str, execution: Config) -> list[str]:
    """Return what the checker has to know of an account's limits, as its arguments."""
    limits = execution.live if mode == "live" else execution.simulated
    return ["--max-unknown", str(limits.max_unknown)]


def words(folder: Path, limits: Sequence[str], run: Path, parent: int) -> list[str]:
    """Return the command that looks at a folder again and again, tells so in `run`, and ends with a process."""
    watch = ["--watch", str(LOOK_SECONDS), "--parent", str(parent)]
    beat = ["--name", AUDIT, "--beat", str(run / f"{AUDIT}.json")]
    return [sys.executable, "-m", "lct.audit", str(folder), *limits, *watch, *beat]


def main(parent: int) -> Never:
    """Become the checker of the home's account, which ends with `parent`: nothing of this one stays in memory."""
    from lct.config import home
    from lct.run.process import Settled, house_of

    root = home()
    settled = Settled(root)
    house = house_of(settled)
    folder = journal_folder(root, house)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = words(folder, limits_of(house.mode, settled.read("execution", Config)), root / "run", parent)
    os.execv(command[0], command)  # noqa: S606 - our own Python, our own words
