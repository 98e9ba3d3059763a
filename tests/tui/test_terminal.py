"""`lct tui` in a terminal of its own: it begins with nothing there, and leaves the terminal as it found it."""

import fcntl
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

import pytest
from typer.testing import CliRunner

from lct.cli import app

PATIENCE_SECONDS = 30.0
ENTERS, LEAVES = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A pseudo-terminal with `lct tui` in it."""

    def __init__(self, home: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lct", "tui", "--home", str(home)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        self.said = b""

    def read_until(self, words: bytes) -> None:
        """Read what it draws until these words were in it."""
        until = perf_counter() + PATIENCE_SECONDS
        while words not in self.said:
            assert perf_counter() < until, self.said[-2_000:]
            if select.select([self._ours], [], [], 0.2)[0]:
                self.said += self._some()

    def read_for(self, seconds: float) -> None:
        """Read what it draws for a time."""
        until = perf_counter() + seconds
        while perf_counter() < until:
            if select.select([self._ours], [], [], 0.1)[0]:
                self.said += self._some()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def end(self) -> int:
        """Wait until it has ended, reading on, and return its exit code."""
        until = perf_counter() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert perf_counter() < until, self.said[-2_000:]
            if select.select([self._ours], [], [], 0.05)[0]:
                self.said += self._some()
        while select.select([self._ours], [], [], 0)[0] and (more := self._some()):
            self.said += more
        return self.process.returncode

    def hang_up(self) -> None:
        """Take the terminal away; the process is of another session, so that nobody signals it."""
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        """End it, if it did not end."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)

    def _some(self) -> bytes:
        try:
            return os.read(self._ours, 65_536)
        except OSError:  # the other side is closed
            return b""


@contextmanager
def terminal(home: Path) -> Iterator[Terminal]:
    """Open the dashboard of a home in a terminal."""
    opened = Terminal(home)
    try:
        yield opened
    finally:
        opened.close()


def test_with_nothing_running_it_says_so_keeps_trying_and_quits(tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as screen:
        screen.read_until(b"Nobody answers in")
        screen.read_until(b"0 of ")
        screen.type(b"q")

        assert screen.end() == 0
        assert ENTERS in screen.said
        assert LEAVES in screen.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals, tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as screen:
        screen.read_until(b"Nobody answers in")
        screen.process.send_signal(number)

        assert screen.end() == 128 + number
        assert LEAVES in screen.said


def test_ctrl_c_quits(tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as screen:
        screen.read_until(b"Nobody answers in")
        screen.type(b"\x03")

        assert screen.end() == 0
        assert LEAVES in screen.said


def test_it_ends_where_its_terminal_is_gone(tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as screen:
        screen.read_until(b"Nobody answers in")
        screen.hang_up()

        assert screen.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGHUP


@pytest.mark.slow
def test_a_signal_ends_it_though_its_terminal_takes_no_more(tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as screen:
        screen.read_until(b"Nobody answers in")
        until = perf_counter() + 15
        while perf_counter() < until:  # and nobody reads what it draws for them
            screen.type(b"z")
            sleep(0.1)
        screen.process.send_signal(signal.SIGTERM)

        assert screen.process.wait(PATIENCE_SECONDS) == -signal.SIGALRM


def test_several_watch_at_once(tmp_path: Path) -> None:
    with terminal(tmp_path / "home") as one, terminal(tmp_path / "home") as other:
        for screen in (one, other):
            screen.read_until(b"Nobody answers in")
        one.process.kill()
        other.type(b"q")

        assert other.end() == 0


@pytest.mark.slow
def test_a_quiet_house_costs_less_than_a_twentieth_of_a_core(tmp_path: Path) -> None:
    """The difference of a long and a short look, so that starting and ending do not count."""

    def cpu_seconds(watched: float) -> float:
        with terminal(tmp_path / "home") as screen:
            screen.read_until(b"Nobody answers in")
            screen.read_for(watched)
            screen.type(b"q")
            screen.end()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start = cpu_seconds(0)
    short = cpu_seconds(2) - start
    long = cpu_seconds(22) - short - start

    assert (long - short) / 20 < 0.05


def test_without_a_terminal_it_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCT_HOME", str(tmp_path))

    result = CliRunner().invoke(app, ["tui"])

    assert result.exit_code == 2
    assert "lct tui draws on a terminal" in result.stderr


def test_only_this_verb_loads_textual_and_it_may_draw_ten_times_a_second() -> None:
    ask = (
        "import sys, lct.tui, lct.cli.tui; print('textual' in sys.modules); "
        "lct.tui.limit_drawing(); import textual.constants; print(textual.constants.MAX_FPS)"
    )

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "10"]
