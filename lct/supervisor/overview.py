"""The overview of a house: what its supervisor knows of each process, joined with what each says of itself."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from lct.bus.presence import Presence
from lct.clock import NS_PER_SECOND, now_ns
from lct.domain.health import DEFAULT_LIMITS, Beat, DaemonHealth, State, health, worst
from lct.supervisor import Process, Supervisor
from lct.supervisor.processes import runs, wait_until

RESTARTS_WITHIN_SECONDS = 60
ENDED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \w+ exited: (\S+) \(", re.MULTILINE)
BEGAN = re.compile(r"^.*supervisord started with pid", re.MULTILINE)
IN_VAIN = 4
"""So often a daemon ends before `await_ready` no longer believes in it: its settings are wrong, or its journal."""
AGE_DIGITS = 3


@dataclass(frozen=True)
class Overview:
    """How a house is; `runs` is false where there is no process at all."""

    verdict: State
    daemons: list[DaemonHealth]
    runs: bool

    def document(self) -> dict[str, Any]:
        """Return what `lct status --json` prints."""
        return {"verdict": self.verdict, "daemons": [_row(daemon) for daemon in self.daemons]}


def overview(supervisor: Supervisor, known: Sequence[str] = ()) -> Overview:
    """Look at a house: at the daemons that its supervisor runs or that run by themselves; where none is, at `known`."""
    now = now_ns()
    listed, log = supervisor.look()
    processes = {process.name: process for process in listed}
    told = supervisor.presences()
    alone = {name for name, about in told.items() if about is not None and runs(about.pid, name)}
    restarts = restarts_since(log, now - RESTARTS_WITHIN_SECONDS * NS_PER_SECOND)
    # a supervisor that was killed leaves its daemons behind, for a second or so
    orphans = {name for name in alone if not processes and (about := told[name]) is not None and about.supervisor}
    daemons = []
    for name in sorted({*processes, *alone, *(told if orphans else ())}) or sorted(known):
        found = judged(name, processes.get(name), told.get(name), now, runs_alone=name in alone)
        again = _restarted(restarts.get(name, 0))
        if orphans:
            again.append("its supervisor has ended")
        state = worst((found.state, "late")) if orphans else found.state
        daemons.append(replace(found, state=state, reasons=(*found.reasons, *again)))
    is_there = bool(alone) or any(process.runs for process in processes.values())
    return Overview(worst(daemon.state for daemon in daemons), daemons, is_there)


def await_ready(
    supervisor: Supervisor, names: Sequence[str], seconds: float, tell: Callable[[int], None], come: Callable[[], int]
) -> list[str]:
    """Wait until daemons are up, each by a fresh heartbeat of its present process, and return those that are not.

    `tell` hears how many are; `come` breaks the wait off once it returns another number than 0. A daemon that ends
    again and again meanwhile is not waited for to the last.
    """
    left = list(names)
    began = now_ns()

    def is_done() -> bool:
        now, told = now_ns(), supervisor.presences()
        listed, log = supervisor.look()
        processes = {process.name: process for process in listed}
        left[:] = [name for name in names if judged(name, processes.get(name), told.get(name), now).state != "up"]
        tell(len(names) - len(left))
        ended = restarts_since(log, began)
        return bool(come()) or all(ended.get(name, 0) >= IN_VAIN for name in left)

    wait_until(is_done, seconds)
    return left


def judged(
    name: str, process: Process | None, told: Presence | None, now: int, *, runs_alone: bool = False
) -> DaemonHealth:
    """Judge one daemon at a moment (wall clock, ns) by its process, if a supervisor has one, and by what it told last.

    What another process than the present one told does not count: a daemon that has just been started has told nothing.
    """
    if process is None:
        gone = None if runs_alone else "not started"
        return health(name, _beat(told) if runs_alone else None, now, gone=gone)
    if not process.runs:
        return health(name, None, now, gone=_why_gone(process))
    if told is not None and told.pid == process.pid:
        return health(name, _beat(told), now)
    age = max(0.0, (now - process.started_ns) / NS_PER_SECOND)
    state: State = "late" if age < DEFAULT_LIMITS.down_after_seconds else "down"
    reasons = (f"starting for {age:.0f} s",)
    return DaemonHealth(name, state, process.pid, ready=False, heartbeat_age_seconds=None, reasons=reasons)


def restarts_since(log: str, since_ns: int) -> Mapping[str, int]:
    """Count by name how often programs ended without being asked since a moment, by the supervisor's log."""
    since = datetime.fromtimestamp(since_ns / NS_PER_SECOND).astimezone()
    ended: Counter[str] = Counter()
    for text, name in ENDED.findall(log):
        if datetime.fromisoformat(text).astimezone() >= since:  # supervisord writes the time of this machine's zone
            ended[name] += 1
    return ended


def restarts_in_all(log: str) -> Mapping[str, int]:
    """Count by name how often programs ended without being asked in the life of the supervisor, by its log."""
    begins = [match.start() for match in BEGAN.finditer(log)]
    return Counter(name for _, name in ENDED.findall(log[begins[-1] :] if begins else log))


def _beat(told: Presence | None) -> Beat | None:
    return None if told is None else Beat(told.beat_ns, told.pid, told.ready, tuple(told.reasons))


def _why_gone(process: Process) -> str:
    why = {"STOPPED": "stopped", "EXITED": "ended", "BACKOFF": "does not start", "FATAL": "given up"}
    words = why.get(process.state, process.state.lower())
    return f"{words}: {process.reason}" if process.reason else words


def _restarted(times: int) -> list[str]:
    if not times:
        return []
    return [f"restarted {'once' if times == 1 else f'{times} times'} in the last minute"]


def _row(found: DaemonHealth) -> dict[str, Any]:
    age = found.heartbeat_age_seconds
    return {
        "name": found.name,
        "state": found.state,
        "pid": found.pid,
        "ready": found.ready,
        "heartbeat_age_seconds": None if age is None else round(age, AGE_DIGITS),
        "reasons": list(found.reasons),
    }
