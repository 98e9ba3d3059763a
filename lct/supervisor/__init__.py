"""The supervisor of a home: starts its daemons under supervisord, stops them, and tells what became of each."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from lct.bus import presence
from lct.bus.lock import locked
from lct.clock import NS_PER_SECOND
from lct.errors import LctError, NoAnswer, NotFound, Refused, nearest
from lct.supervisor import conf
from lct.supervisor.conf import OWNER
from lct.supervisor.processes import end, runs, wait_until
from lct.supervisor.rpc import ALREADY_ADDED, ALREADY_STARTED, NOT_RUNNING, SCHEME, Fault, Rpc

START_SECONDS = 15.0
"""What supervisord may take until it answers."""
ORPHAN_SECONDS = 5.0
"""Daemons whose supervisor is dead end within a second; one that is busy a little later."""
STOP_SECONDS = 60.0
CHILD_STOP_SECONDS = 20.0
"""A little more than stopwaitsecs, after which supervisord kills."""
KILLED_SECONDS = 5.0
LOG_TAIL_BYTES = 65_536
PASSWORD_BYTES = 16
RUNNING = ("STARTING", "RUNNING", "STOPPING")


@dataclass(frozen=True)
class Process:
    """What a supervisor knows of one program; `state` is supervisord's word, `pid` None where no process is."""

    name: str
    state: str
    pid: int | None
    started_ns: int
    reason: str

    @property
    def runs(self) -> bool:
        """Whether there is a process, up to what its supervisor has noticed."""
        return self.pid is not None and self.state in RUNNING


class Supervisor:
    """Drives the supervisord of a home, be it its own (`lct up`) or one that was started plainly."""

    def __init__(self, home: Path, settings: Path | None = None) -> None:
        """Take the home, and the supervisord.conf that says which programs there are (None: the shipped one)."""
        self.home = home
        self.settings = settings or conf.shipped()
        self._run = home / "run"
        self._copy = self._run / conf.NAME
        self._child: subprocess.Popen[bytes] | None = None

    # -- what is there ------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a supervisor of this home answers."""
        return self._found() is not None

    def processes(self) -> list[Process]:
        """Return the processes of the supervisor by name; empty where none answers."""
        found = self._found()
        return [] if found is None else found[1]

    def presences(self) -> dict[str, presence.Presence | None]:
        """Return what the daemons of this home say of themselves, also those that are gone; None is unreadable."""
        return presence.read(self._run) if self._run.is_dir() else {}

    def log_tail(self) -> str:
        """Return the end of the supervisor's own log; empty where none answers."""
        return self.look()[1]

    def look(self) -> tuple[list[Process], str]:
        """Return the processes of the supervisor by name, and the end of its own log; nothing where none answers."""
        found = self._found()
        return ([], "") if found is None else (found[1], str(found[0].call("supervisor.readLog", -LOG_TAIL_BYTES, 0)))

    def _found(self) -> tuple[Rpc, list[Process]] | None:
        """Return the supervisor that answers with its processes: the home's own, or the one its daemons name."""
        if not self._run.is_dir():
            return None
        own = self._own()
        if Path(own.url.removeprefix(SCHEME)).exists():
            try:
                return own, _processes(own)
            except NoAnswer:
                pass  # a stale socket: the daemons may have been started plainly since
        told = [about for about in self.presences().values() if about is not None and about.supervisor]
        for url in sorted({str(about.supervisor) for about in told}):
            if url == own.url:
                continue
            rpc = Rpc(url, own.password)
            try:
                listed = _processes(rpc)
            except NoAnswer:
                continue
            pids = {(process.name, process.pid) for process in listed}
            if any((about.daemon, about.pid) in pids for about in told):  # else it serves another home by now
                return rpc, listed
        return None

    def _own(self) -> Rpc:
        return Rpc(f"{SCHEME}{self._socket()}", _password_of(self._copy))

    def _socket(self) -> Path:
        return presence.socket_folder(self.home) / "supervisor.sock"

    # -- start --------------------------------------------------------------------------------------------------

    def start(
        self,
        programs: Sequence[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        conductor: bool = False,
        foreground: bool = False,
    ) -> list[str]:
        """Start daemons (None: all) and return their names in the order they start in, before they are ready.

        The checker starts with execution, as the last.

        With a supervisor that runs already, those that do not run yet are started. `environment` is added to that of
        the daemons; `conductor` starts the conductor too; `foreground` keeps supervisord a child, for `wait`;
        it stops all when this process ends in whatever way.
        Raises NotFound for a program that there is none of, Refused where the house runs in another way, NoAnswer
        where supervisord or a daemon without a supervisor hangs, and LctError where supervisord does not start.
        """
        from lct.config import ensure_home

        every = conf.with_checker(self.settings, conf.chosen(self.settings, programs))
        ensure_home(self.home)
        with self._alone():
            found = self._found()
            if found is None:
                self._refuse_a_hung_supervisor()
                self._await_orphans([*every, conf.CONDUCTOR] if conductor else every)
                self._write_copy(every, conductor=conductor)
                self._spawn(dict(environment or {}), foreground=foreground)
                return every
            if conductor or environment:
                raise Refused("the house runs already; `lct down` ends it, and then it can start in another way")
            self._add(*found, every)
            return every

    def wait(self) -> int:
        """Wait for the supervisord that `start(foreground=True)` made; return its exit code."""
        assert self._child is not None, "nothing was started in the foreground"
        return self._child.wait()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one start wait for another."""
        held = os.open(self._run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    def _refuse_a_hung_supervisor(self) -> None:
        pid = self._hung()
        if pid:
            raise NoAnswer(f"supervisord (process {pid}) is there and does not answer; `lct down` ends it")

    def _hung(self) -> int:
        """Return the process of our own supervisord where it is alive, 0 where it is not."""
        try:
            pid = int((self._run / "supervisord.pid").read_text())
        except (OSError, ValueError):
            return 0
        return pid if runs(pid, str(self._copy)) else 0

    def _await_orphans(self, names: Sequence[str]) -> None:
        """Wait until daemons of a supervisor that is dead are gone too: two of one name do not go together."""

        def left() -> dict[int, str]:
            return {pid: name for pid, name in self._alive().items() if name in names}

        if not wait_until(lambda: not left(), ORPHAN_SECONDS):
            listed = ", ".join(f"{name} (process {pid})" for pid, name in left().items())
            raise NoAnswer(f"{listed} still runs, without a supervisor; `lct down` ends it")

    def _alive(self) -> dict[int, str]:
        """Return the processes that presence files name and that are there, by pid."""
        told = [about for about in self.presences().values() if about is not None]
        return {about.pid: about.daemon for about in told if runs(about.pid, about.daemon)}

    def _write_copy(self, names: Sequence[str], *, conductor: bool) -> None:
        password = _password_of(self._copy) or os.urandom(PASSWORD_BYTES).hex()  # noqa: TID251 - decides no trade
        text = conf.copy(self.settings, names, password, conductor=conductor)
        fresh = self._copy.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self._copy)

    def _spawn(self, environment: dict[str, str], *, foreground: bool) -> None:
        words = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._copy)]
        own = {conf.PYTHON: sys.executable, conf.SOCKET: str(self._socket()), "LCT_HOME": str(self.home.absolute())}
        if foreground:
            own[OWNER] = str(os.getpid())
        self._reaped()
        with TemporaryFile() as said:
            given: dict[str, Any] = {
                "env": {**os.environ, **environment, **own},
                "cwd": self._run,  # -m looks there first, and a stranger's folder may hold a supervisor.py
                "umask": 0o077,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.DEVNULL if foreground else said,
                "stderr": said,
                "start_new_session": True,  # Ctrl-C is for us, and we stop the daemons in their order
            }
            child = subprocess.Popen([*words, "-n"] if foreground else words, **given)
            self._child = child if foreground else None
            if foreground:
                wait_until(self._answers_or_is_gone, START_SECONDS)
            else:
                child.wait()
            if child.returncode:
                said.seek(0)
                raise LctError(f"supervisord does not start: {_complaint(said.read().decode(errors='replace'))}")
        if not wait_until(self._answers_or_is_gone, START_SECONDS) or not self.is_running:
            self.stop(KILLED_SECONDS)
            raise NoAnswer(f"supervisord did not come up; {self.home / 'log' / 'supervisord.log'} may say why")

    def _answers_or_is_gone(self) -> bool:
        gone = self._child is not None and self._child.poll() is not None
        return gone or self.is_running

    def _add(self, rpc: Rpc, listed: Sequence[Process], names: Sequence[str]) -> None:
        """Start those of `names` that do not run under a supervisor that does."""
        there = {process.name: process for process in listed}
        missing = [name for name in names if name not in there]
        if missing and rpc.url != self._own().url:
            raise Refused(f"the supervisor at {rpc.url} was started apart and has no {', '.join(missing)}")
        if missing:
            known = conf.with_checker(self.settings, conf.chosen(self.settings, None))
            all_names = [name for name in known if name in there or name in missing]
            self._write_copy(all_names, conductor=conf.CONDUCTOR in there)
            rpc.call("supervisor.reloadConfig")
            for name in missing:
                _unless(ALREADY_ADDED, rpc, "supervisor.addProcessGroup", name)
        for name in names:
            if name in there and not there[name].runs:
                _unless(ALREADY_STARTED, rpc, "supervisor.startProcess", name, False)

    # -- stop and restart ---------------------------------------------------------------------------------------

    def stop(self, timeout: float = STOP_SECONDS) -> list[str]:
        """Stop all, and return when supervisord and every process of the home are gone.

        After `timeout` seconds they are ended by force; returns the names of those that had to be killed.
        """
        pids = self._alive()
        found = self._found()
        supervised: dict[int, str] = {}
        if found is not None:
            rpc, listed = found
            supervised = {process.pid: process.name for process in listed if process.pid}
            supervised[rpc.call("supervisor.getPID")] = ""
            _unless(None, rpc, "supervisor.shutdown")
        end({pid: name for pid, name in pids.items() if pid not in supervised}, signal.SIGTERM)
        pids |= supervised
        hung = self._hung()
        if hung:
            pids[hung] = str(self._copy)
        gone = wait_until(lambda: self._reaped() and not _left(pids), timeout if found else CHILD_STOP_SECONDS)
        killed = {} if gone else _left(pids)
        end(killed, signal.SIGKILL)
        # what a supervisor started anew in its last moment has a pid that we have not seen
        if not wait_until(lambda: self._reaped() and not _left(pids) and not self._alive(), KILLED_SECONDS):
            late = self._alive()
            end(late, signal.SIGKILL)
            killed |= late
            wait_until(lambda: self._reaped() and not _left(killed), KILLED_SECONDS)
        self._clear_sockets()
        return sorted({name if name and "/" not in name else "supervisord" for name in killed.values()})

    def _clear_sockets(self) -> None:
        """Leave no folder for sockets outside of the home; one inside is the home's own."""
        if not self.home.is_dir():
            return
        folder = presence.socket_folder(self.home)
        if folder != self._run:
            with suppress(OSError, Refused):  # somebody is there after all
                for path in folder.glob("*.lock"):
                    held = locked(path, path.stem)
                    path.unlink()
                    os.close(held)
                folder.rmdir()

    def _reaped(self) -> bool:
        """Take note of the end of our own child, which is there as a zombie until then."""
        return self._child is None or self._child.poll() is not None

    def restart(self, names: Sequence[str] | None = None) -> list[str]:
        """Stop and start programs (None: all) in their order, and return their names, before they are ready again.

        Raises NoAnswer where no supervisor runs, and NotFound for a program that it does not have.
        """
        found = self._found()
        if found is None:
            raise NoAnswer("nothing runs; `lct up` starts the daemons")
        rpc, listed = found
        priorities = {str(info["name"]): int(info["process_prio"]) for info in rpc.call("supervisor.getAllConfigInfo")}
        known = sorted((process.name for process in listed), key=lambda name: (priorities.get(name, 0), name))
        for name in names or ():
            if name not in known:
                raise NotFound(f"the supervisor has no daemon named {name!r}; {nearest(name, known)}")
        asked = known if names is None else [name for name in known if name in names]
        patient = Rpc(rpc.url, rpc.password, CHILD_STOP_SECONDS)
        for name in reversed(asked):
            _unless(NOT_RUNNING, patient, "supervisor.stopProcess", name, True)
        for name in asked:
            _unless(ALREADY_STARTED, patient, "supervisor.startProcess", name, False)
        return asked


def _processes(rpc: Rpc) -> list[Process]:
    return [
        Process(
            name=str(info["name"]),
            state=str(info["statename"]),
            pid=int(info["pid"]) or None,
            started_ns=int(info["start"]) * NS_PER_SECOND,
            reason=str(info["spawnerr"]),
        )
        for info in rpc.call("supervisor.getAllProcessInfo")
    ]


def _unless(code: int | None, rpc: Rpc, method: str, *arguments: str | bool | int) -> None:
    """Call a method; the fault of this code means that it is so already. None: nobody may be left to answer."""
    try:
        rpc.call(method, *arguments)
    except Fault as fault:
        if fault.code != code:
            raise
    except NoAnswer:
        if code is not None:
            raise


def _left(pids: Mapping[int, str]) -> dict[int, str]:
    return {pid: word for pid, word in pids.items() if runs(pid, word)}


def _password_of(path: Path) -> str | None:
    """Return the password that our own file sets, None where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition("=")[2].strip() for line in lines if line.startswith("password")), None)


def _complaint(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("Error")), lines[-1] if lines else "it says nothing")
