"""Processes: whether one is there, and ending those that nobody else ends."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep

from lct.clock import NS_PER_SECOND, monotonic_ns

POLL_SECONDS = 0.05
OWN_COMMAND_LINE = Path("/proc/self/cmdline")


def runs(pid: int, word: str = "") -> bool:
    """Whether a process is there that was started with this word as an argument: a number alone may be reused.

    Without a word any process will do. What ended and nobody has taken note of has no arguments, and does not run.
    """
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # not there, or somebody else's and so none of ours
        return False
    line = _command_line(pid)
    return bool(line) and (not word or f" {word} " in f" {line} ")


def _command_line(pid: int) -> str:
    """Return the arguments of a process with spaces between them."""
    if OWN_COMMAND_LINE.exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:  # it ended between two looks
            return ""
        return raw.replace(b"\0", b" ").decode(errors="replace")
    look = ["ps", "-ww", "-o", "state=", "-o", "command=", "-p", str(pid)]
    state, _, line = subprocess.run(look, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    return "" if state.startswith("Z") else line.strip()


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until something holds; return whether it did within that time."""
    until_ns = monotonic_ns() + int(seconds * NS_PER_SECOND)
    while not holds():
        if monotonic_ns() >= until_ns:
            return False
        sleep(POLL_SECONDS)
    return True


def end(pids: Mapping[int, str], number: signal.Signals) -> None:
    """Send a signal to processes, given with a word of their command line; those that are gone are well."""
    for pid, word in pids.items():
        if runs(pid, word):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
