"""A house of stand-ins under a real supervisord, which is gone at the end of the test, whatever became of it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lct.bus.presence import Presence
from lct.supervisor import Supervisor
from lct.supervisor.conf import AUDIT, CHECKOUT_PYTHON, chosen, shipped
from lct.supervisor.processes import runs

STAND_IN = Path(__file__).with_name("stand_in.py")
DAEMONS = tuple(chosen(shipped(), None))
"""The daemons that there are, in the order they start in: eight, and those that somebody added."""
MEMBERS = (*DAEMONS, AUDIT)
"""Everyone whom a supervisor of the whole house has: the checker starts last."""


def settings(folder: Path, python: str = CHECKOUT_PYTHON) -> Path:
    """Write the shipped supervisord.conf with stand-ins for its daemons."""
    path = folder / "supervisord.conf"
    text = shipped().read_text(encoding="utf-8").replace(f"{CHECKOUT_PYTHON} -m lct.run", f'{python} "{STAND_IN}"')
    path.write_text(text, encoding="utf-8")
    return path


def plain_settings(folder: Path) -> Path:
    """Write the same for a supervisord that is started plainly."""
    return settings(folder, python=f'"{sys.executable}"')


@contextmanager
def supervised(home: Path, path: Path) -> Iterator[Supervisor]:
    """Give a supervisor, and see at the end that it leaves no process."""
    supervisor = Supervisor(home, path)
    seen: dict[int, str] = {}
    try:
        yield supervisor
    finally:
        seen |= {process.pid: process.name for process in supervisor.processes() if process.pid}
        seen |= {told.pid: told.daemon for told in supervisor.presences().values() if told}
        for name in DAEMONS:
            (home / "run" / f"{name}.deaf").unlink(missing_ok=True)
        supervisor.stop(10)
        left = [(name, pid) for pid, name in seen.items() if runs(pid, name)]
        for _, pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == []
        assert not supervisor.is_running
        supervisor.stop()  # looking made a folder for sockets again, where the path of the home is long


def soon(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until something holds, and return it."""
    until = time.perf_counter() + seconds
    while not (found := holds()):
        assert time.perf_counter() < until, f"it did not come true in {seconds} s"
        time.sleep(0.02)
    return found


def told_by(supervisor: Supervisor, name: str) -> Presence | None:
    """What the present process of a daemon told last."""
    about = supervisor.presences().get(name)
    return about if about is not None and runs(about.pid, name) else None


def pid_of(supervisor: Supervisor, name: str, other_than: int = 0) -> int:
    """The process of a daemon, once it has said that it lives."""

    def there() -> int:
        about = told_by(supervisor, name)
        return about.pid if about is not None and about.pid != other_than else 0

    pid: int = soon(there)
    return pid
