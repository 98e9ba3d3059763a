"""A real house under a real supervisord, and a hand that kills what is in it."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from lct.bus.presence import Presence
from lct.supervisor import Supervisor, conf
from lct.supervisor.processes import runs

SUPERVISORD = "supervisord"
EIGHT = tuple(conf.chosen(conf.shipped(), None))
NINE = (*EIGHT, conf.CONDUCTOR)
PATIENCE_SECONDS = 60.0


def soon(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until something holds, and return it."""
    until = time.perf_counter() + seconds
    while not (found := holds()):
        assert time.perf_counter() < until, f"it did not come true in {seconds} s"
        time.sleep(0.02)
    return found


class House:
    """Starts the house of a home, and starts its supervisor again when that was killed."""

    def __init__(self, home: Path, *, replayed: bool, only: Sequence[str] = EIGHT, **environment: str) -> None:
        self.home = home
        self.supervisor = Supervisor(home)
        self.names = (*only, conf.CONDUCTOR) if replayed else tuple(only)
        self.only = only
        self.replayed = replayed
        self.environment = {
            "LCT_HTTP_PORTS": "auto",
            **({"LCT_TIME": "replayed"} if replayed else {}),
            **environment,
        }
        self.killed: list[str] = []

    def __enter__(self) -> Self:
        self.keep_up()
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop(20.0)

    def keep_up(self) -> None:
        """Start all, where the supervisor does not run."""
        if not self.supervisor.is_running:
            self.supervisor.start(self.only, environment=self.environment, conductor=self.replayed)

    def pids(self) -> dict[str, int]:
        """The processes that there are, by name."""
        found = {process.name: process.pid for process in self.supervisor.processes() if process.pid}
        path = self.home / "run" / "supervisord.pid"
        if found and path.exists():
            found[SUPERVISORD] = int(path.read_text())
        return found

    def kill(self, *names: str) -> dict[str, int]:
        """End some as a power switch does; return the processes that they were."""
        there = self.pids()
        pids = {name: there[name] for name in names if name in there}
        for name, pid in pids.items():
            self.killed.append(name)
            os.kill(pid, signal.SIGKILL)
        return pids

    def ready(self, names: Iterable[str] = (), other_than: dict[str, int] | None = None) -> bool:
        """Whether some (nobody: all) are ready, in processes other than those."""
        before, told = other_than or {}, self.presences()
        return all(
            name in told and told[name].ready and told[name].pid != before.get(name) for name in names or self.names
        )

    def presences(self) -> dict[str, Presence]:
        """What those tell of themselves that are there."""
        told = self.supervisor.presences()
        return {name: about for name, about in told.items() if about is not None and runs(about.pid, name)}

    def epochs(self) -> dict[str, int]:
        """How many lives each has had."""
        return {name: about.epoch for name, about in self.presences().items() if name in self.names}
