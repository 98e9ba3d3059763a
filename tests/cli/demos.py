"""`lct demo` in a process of its own, in a folder where there is nothing else."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from lct.bus.presence import Presence, read
from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.conductor import GetReplay
from lct.supervisor import Supervisor

PATIENCE_SECONDS = 100.0


def soon(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until something holds, and return it."""
    until = time.perf_counter() + seconds
    while not (found := holds()):
        assert time.perf_counter() < until, f"it did not come true in {seconds} s"
        time.sleep(0.01)
    return found


class Demo:
    """Starts one, and sees to it that it ends with its test; `folder` must be empty."""

    def __init__(self, folder: Path, *words: str, on_terminal: bool = False, **environment: str) -> None:
        self.folder = folder
        own = {"TMPDIR": str(folder), **environment}
        self.said = ""
        self.terminal, theirs = pty.openpty() if on_terminal else (-1, subprocess.PIPE)
        if on_terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lct", "demo", *words],
            env={**os.environ, **own},
            stdin=theirs if on_terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            text=True,
        )
        if on_terminal:
            os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            if self.home is not None:
                Supervisor(self.home).stop(1.0)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if self.terminal >= 0:
            os.close(self.terminal)

    # -- while it plays ---------------------------------------------------------------------------------------------

    @property
    def home(self) -> Path | None:
        return next(self.folder.glob("lct-demo-*"), None)

    def presence(self, name: str) -> Presence | None:
        return read(self.home / "run").get(name) if self.home is not None else None

    def bars(self) -> int:
        """How many bars have been played; 0 while there is nobody to tell."""
        if self.home is None or not (self.home / "run" / "conductor.json").exists():
            return 0
        with Client(self.home, patience_ms=300) as client:
            try:
                return client.ask(GetReplay(), to="conductor").md_seq
            except NoAnswer:
                return 0

    def plays(self, bars: int = 1) -> None:
        """Wait until so many bars have been played."""

        def are_there() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return self.bars() >= bars

        soon(are_there)

    # -- at its end -------------------------------------------------------------------------------------------------

    def interrupted(self, *numbers: signal.Signals, pause: float = 0.0) -> int:
        """Send signals, each after a pause, and return the exit code."""
        for number in numbers:
            time.sleep(pause)
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def left(self) -> list[str]:
        """What there still is of it: files in its folder, and processes that name the folder."""
        files = [str(path) for path in self.folder.rglob("*")]
        return files + [f"process {pid}: {words}" for pid, words in processes() if str(self.folder) in words]

    # -- on its terminal --------------------------------------------------------------------------------------------

    def draws(self, words: str) -> None:
        """Read what it draws until these words were in it."""
        until = time.perf_counter() + PATIENCE_SECONDS
        while words not in self.said:
            assert time.perf_counter() < until, self.said[-2_000:]
            assert self._read(), self.said[-2_000:]

    def drawn(self) -> str:
        """Read what it draws until it ends, and return all of it."""
        while self._read():
            pass
        self.process.wait(PATIENCE_SECONDS)
        return self.said

    def _read(self) -> bool:
        try:
            piece = os.read(self.terminal, 65_536)
        except OSError:  # nobody has the other side any more
            return False
        self.said += piece.decode(errors="replace")
        return bool(piece)


def processes() -> list[tuple[int, str]]:
    """All processes of this machine that are not this one, with their arguments and, where it may be seen, settings."""
    if not Path("/proc/self/environ").exists():
        listed = subprocess.run(["ps", "-Awwo", "pid=,command="], capture_output=True, text=True, check=True).stdout
        pairs = (line.strip().partition(" ") for line in listed.splitlines())
        return [(int(pid), words) for pid, _, words in pairs if int(pid) != os.getpid()]
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = b" ".join((path / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:  # it has ended, or is somebody else's
            continue
        if int(path.name) != os.getpid():
            found.append((int(path.name), words.replace(b"\0", b" ").decode(errors="replace")))
    return found
