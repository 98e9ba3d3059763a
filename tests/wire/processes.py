"""A house of real processes without a supervisor: each is started again at once when it ends, until it is let go."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

from lct.bus.presence import Presence, read, socket_folder
from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.conductor import GetReplay, Replay

ROUNDS = ("conductor", "execution", "market_data", "portfolio", "strategy_engine", "trading_engine", "token_discovery")


def configure(home: Path, **files: str) -> None:
    """Write the configuration of a home."""
    (home / "config").mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    for name, text in files.items():
        (home / "config" / f"{name}.toml").write_text(text, encoding="utf-8")


class Running(Protocol):
    """A process that was started, as subprocess.Popen shows it."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...


Start = Callable[[str, list[str], dict[str, str], Path], Running]
"""How to start a daemon: its name, the words of its command, its environment, and where its last words go."""


def spawned(_name: str, words: list[str], environment: dict[str, str], last_words: Path) -> Running:
    """Start a daemon as a supervisor does."""
    with last_words.open("ab") as file:
        return subprocess.Popen(words, env=environment, stderr=file)


class Processes:
    """Starts daemons, and starts again what dies; ends only what it started."""

    def __init__(self, home: Path, names: tuple[str, ...] = ROUNDS, start: Start = spawned, **environment: str) -> None:
        self.home = home
        self.names = names
        self.start = start
        self.starts = dict.fromkeys(names, 0)
        self.running: dict[str, Running] = {}
        self.file_bytes_max: dict[str, int] = {}
        """How large a file each process may write, as a disk with so much room."""
        daemons = ",".join(name for name in names if name != "conductor")
        self.environment = {
            **os.environ,
            "LCT_HOME": str(home),
            "LCT_HTTP_PORTS": "auto",
            "LCT_DAEMONS": daemons,
            **({"LCT_TIME": "replayed"} if "conductor" in names else {}),
            **environment,
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def __enter__(self) -> Self:
        self.keep_up()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.running.values():
            one.terminate()
        for one in self.running.values():
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        sockets = socket_folder(self.home)
        if not sockets.is_relative_to(self.home):  # the path of the home is too long for them
            shutil.rmtree(sockets)

    def keep_up(self) -> None:
        """Start whatever is not running."""
        for name in self.names:
            one = self.running.get(name)
            if one is None or one.poll() is not None:
                self.starts[name] += 1
                (self.home / "log").mkdir(parents=True, exist_ok=True)
                last_words = self.home / "log" / f"{name}.stderr"
                self.running[name] = self.start(name, self._command(name), self.environment, last_words)

    def _command(self, name: str) -> list[str]:
        limit = self.file_bytes_max.get(name)
        if limit is None:
            return [sys.executable, "-m", "lct.run", name]
        limited = (
            f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
            f"sys.argv = ['lct.run', {name!r}]; runpy.run_module('lct.run', run_name='__main__')"
        )
        return [sys.executable, "-c", limited]

    def kill(self, name: str) -> None:
        """End a process as a power switch does."""
        self.running[name].kill()
        self.running[name].wait()

    def replay(self, client: Client) -> Replay | None:
        """How far the replay is, None while the conductor does not answer."""
        try:
            return client.ask(GetReplay(), to="conductor")
        except NoAnswer:
            return None

    def play_to_the_end(self, seconds: float, each: Any = None) -> Replay:
        """Wait until nothing is due any more, keeping everyone up; `each` is called now and then."""
        until = time.perf_counter() + seconds
        with Client(self.home, patience_ms=500) as client:
            while time.perf_counter() < until:
                self.keep_up()
                if each is not None:
                    each()
                found = self.replay(client)
                if found is not None and found.finished:
                    return found
                time.sleep(0.05)
        raise AssertionError(f"the replay did not end in {seconds} s: {found}; {self.presences()}")

    def presences(self) -> dict[str, Presence | None]:
        return read(self.home / "run")
