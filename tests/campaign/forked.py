"""Daemons as forks of a process that has loaded everything: the same life, begun in a tenth of the time."""

import multiprocessing
import os
import signal
import subprocess
from multiprocessing.context import ForkServerProcess
from pathlib import Path

LOADED = (
    "aiohttp",
    "importlib.metadata",
    "numpy.random",
    "plugins.feeds.synthetic",
    "structlog",
    "daemons.execution",
    "daemons.market_data",
    "lct.bus.live",
    "lct.bus.session",
    "lct.ports.remote",
    "lct.run.process",
)


class Forked:
    """Starts daemons as forks; each is a process of its own, and dies of a real `kill -9`."""

    def __init__(self) -> None:
        """Begin the process that they are forks of."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*LOADED, "tests.campaign.kill"])

    def __call__(self, name: str, _words: list[str], environment: dict[str, str], last_words: Path) -> "Fork":
        """Start a daemon, as `python -m lct.run NAME` does."""
        process = self._context.Process(target=live, args=(name, environment, str(last_words)))
        process.start()
        return Fork(process)


class Fork:
    """A fork, shown as subprocess.Popen shows a process."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        return code

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)


def live(name: str, environment: dict[str, str], last_words: str) -> None:
    """Be a daemon, in the child."""
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(last_words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign
    from lct.run.starts import run

    os._exit(run(name))
