"""Beating: a watch that a supervisor started tells each second that it lives, and ends with its supervisor."""

import json
import os
import sys
import time
from pathlib import Path

SUPERVISOR = "SUPERVISOR_SERVER_URL"


class Beat:
    """Writes one file, as the daemons of a house write theirs: who, since when, the newest moment (ns, wall clock)."""

    def __init__(self, path: Path, name: str, parent: int | None) -> None:
        """Begin a life: its number is one more than that of the last one there. It ends with the process `parent`."""
        self._path = path
        self._parent = parent
        self._document = {
            "daemon": name,
            "pid": os.getpid(),
            "epoch": _epoch(path) + 1,
            "started_ns": time.time_ns(),
            "supervisor": os.environ.get(SUPERVISOR),
        }

    def __call__(self, ready: bool, reason: str) -> None:
        """Write that it lives; ends this process where its parent is gone."""
        if self._parent is not None and os.getppid() != self._parent:
            sys.exit(1)
        reasons = [reason] if reason else []
        document = {**self._document, "ready": ready, "beat_ns": time.time_ns(), "reasons": reasons}
        fresh = self._path.with_suffix(f".{os.getpid()}")
        try:
            fresh.write_text(json.dumps(document), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:  # a full disk: a heartbeat that is missing tells, and looking goes on
            print(f"no heartbeat: {error}", file=sys.stderr, flush=True)  # noqa: T201


def _epoch(path: Path) -> int:
    try:
        return int(json.loads(path.read_bytes())["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
