"""Starts: how often a process ended before it was ready, and how long it waits before it tries again."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

from lct.bus import presence
from lct.bus.parent import Parent
from lct.bus.presence import Presence
from lct.clock import now_ns
from lct.config import ensure_home, home
from lct.errors import LctError
from lct.supervisor.conf import AUDIT
from lct.supervisor.processes import runs

FREE = 2
"""So many lives in a row that were never ready cost no wait: a kill -9 is none of the daemon's fault."""
WAIT_SECONDS, WAIT_SECONDS_MAX = 0.25, 15.0
LOOK_SECONDS, ORDER_SECONDS = 0.5, 0.5
"""How soon the end of the supervisor is noticed, and how long this process may take then to end in order."""


def wait_seconds(in_vain: int) -> float:
    """Return how long to wait after so many lives in vain in a row: doubling, up to a limit."""
    return 0.0 if in_vain <= FREE else min(WAIT_SECONDS * 2.0 ** min(in_vain - FREE - 1, 30), WAIT_SECONDS_MAX)


def count(run: Path, name: str, at_ns: int) -> int:
    """Write a start down, and return how many lives before it ended before they were ready, in a row."""
    path = run / f"{name}.start"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        began_ns, in_vain = int(before["began_ns"]), int(before["in_vain"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        began_ns, in_vain = at_ns, -1
    last = presence.read(run).get(name)
    was_ready = last is not None and last.ready and last.started_ns >= began_ns
    in_vain = 0 if was_ready else in_vain + 1
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"began_ns": at_ns, "in_vain": in_vain}), encoding="utf-8")
    fresh.replace(path)
    return in_vain


def _end_with(parent: Parent) -> None:
    """End this process after its supervisor, also while it recovers or computes: what is journaled stands a kill."""
    while not parent.is_gone:
        time.sleep(LOOK_SECONDS)
    time.sleep(ORDER_SECONDS)
    os._exit(1)


def run(name: str) -> int:
    """Run a process of the house, after a wait where its last lives were in vain; return its exit code.

    What goes wrong is said in its log and, in one line, on stderr.
    """
    root, parent = home(), Parent()
    if parent.is_gone:  # and maybe its home too
        return 1
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        ensure_home(root)
        waits = wait_seconds(count(root / "run", name, now_ns()))
        if waits:
            print(f"{name}: the last lives ended at once; this one waits {waits:g} s", file=sys.stderr)  # noqa: T201
            time.sleep(waits)
        if name == AUDIT:
            from lct.run import checking

            checking.main(parent.pid)
        from lct.run.process import main

        return main(name)
    except (LctError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        with suppress(OSError):  # the disk may be what is wrong
            _leave_word(root / "run", name, str(error))
        return getattr(error, "exit_code", 1)


def _leave_word(run: Path, name: str, reason: str) -> None:
    """Say in the run directory why a process ended, unless another one has its place."""
    last = presence.read(run).get(name)
    if last is None or last.pid == os.getpid() or not runs(last.pid):
        epoch = 0 if last is None else last.epoch
        began = Presence(name, os.getpid(), epoch, ready=False, started_ns=now_ns(), beat_ns=now_ns(), reasons=[reason])
        presence.write(run, began)
