"""The kill switch: a file that halts a house whatever else is dead, and the port through which execution obeys it.

`HALT` in the folder of an account's journals halts the house of that account: at once where execution lives, else as
the first thing of its next life, until somebody resumes it. What the file holds does not matter; `touch HALT` does.
"""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lct.bus import presence
from lct.clock import now_ns
from lct.domain.risk import Standing
from lct.domain.text import clean
from lct.errors import JournalError, LctError
from lct.messages.base import Command, Event, tag_of
from lct.messages.exchange import HaltOrdered
from lct.messages.execution import Done, Halt, StandingSet
from lct.run.account import HOUSE, holders
from lct.store.sqlite import open_to_read
from lct.supervisor.processes import runs, wait_until

FILE = "HALT"
EXECUTION = "execution"
LOOK_SECONDS = 1.0
"""How often execution looks whether the file is there, where no signal tells it to."""
REASON_WIDTH, BY_WIDTH = 512, 128
FILE_BYTES_MAX = 65_536
JOURNAL_SECONDS = 3.0
"""How long to wait for execution to have journaled that it halted, where it does not answer."""
STANDINGS_READ_MAX = 1_000

AskHalt = Callable[[Halt], Done]


class Order(NamedTuple):
    """What the file says: why, who pulled, and when (ns, wall clock; 0 where it does not say)."""

    reason: str
    by: str
    time_ns: int


# -- the file ------------------------------------------------------------------------------------------------------


def pull(folder: Path, reason: str, by: str) -> Path:
    """Write the file of an account's folder, whole and for nobody else; raises OSError where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{FILE}.{os.getpid()}.{threading.get_ident()}"
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            json.dump({"reason": reason, "by": by, "time_ns": now_ns()}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / FILE)
    finally:
        fresh.unlink(missing_ok=True)
    return folder / FILE


def standing(folder: Path) -> Order | None:
    """Return what the file of a folder says, None where there is none; one that cannot be read halts as well."""
    raw = _raw(folder / FILE)
    return None if raw is None else _read(raw)


def release(folder: Path) -> bool:
    """Remove the file; return whether there was one. Raises OSError where it stays."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def _raw(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"it cannot be read: {error.strerror}".encode()


def _read(raw: bytes) -> Order:
    try:
        told = json.loads(raw)
        return Order(
            clean(str(told["reason"]), REASON_WIDTH), clean(str(told["by"]), BY_WIDTH), max(0, int(told["time_ns"]))
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return Order(clean(raw.decode(errors="replace"), REASON_WIDTH), f"the file {FILE}", 0)


# -- pulling it from outside ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pulled:
    """What pulling the switch brought about, of the three ways that it takes."""

    files: tuple[Path, ...]
    """Where the file stands now: every start there is halted."""
    unwritten: tuple[str, ...]
    """Why a file could not be written, where that was so."""
    pid: int | None
    """The process of execution that was told by a signal to look."""
    reply: Done | None
    unanswered: str
    """Why execution did not answer; empty where it did."""
    is_journaled: bool
    """Whether its journal says that it is halted, though it did not answer."""
    was_halted: bool = False
    """Whether its journal said so before."""

    @property
    def is_confirmed(self) -> bool:
        """Whether execution is known to be halted."""
        return self.is_journaled or (self.reply is not None and self.reply.standing is Standing.HALTED)

    @property
    def in_words(self) -> str:
        """What a person is told of it."""
        if self.reply is not None and not self.reply.changed and not self.was_halted:
            return f"the file and the signal halted it first: open orders are being cancelled; {self.reply.done}"
        if self.reply is not None:
            return self.reply.done
        if self.is_journaled:
            return "halted: execution obeyed the file, and did not answer"
        if not self.files:
            return "nothing: no file could be written, and execution did not answer"
        if self.pid is not None:
            return "the file stands; execution was told to look, and has not confirmed: it halts when it looks"
        return "the file stands; execution does not run, and halts before anything else when it starts"


def folders_in_hand(home: Path) -> list[Path]:
    """Return the folders of the accounts that living processes of a home trade, as the locks on their journals tell."""
    folders = sorted(path for path in (home / "journal").glob("*") if path.is_dir())
    return [folder for folder in folders if any(True for _ in holders(folder))]


def halt(home: Path, folders: list[Path], request: Halt, ask: AskHalt) -> Pulled:
    """Halt what trades in these folders: write the files, wake execution by a signal, then ask it.

    `ask` asks the house and raises LctError where nobody answers. None of the three needs another one.
    """
    was_halted = any(_is_halted(folder) for folder in folders)
    files, unwritten = [], []
    for folder in folders:
        try:
            files.append(pull(folder, request.reason, request.by))
        except OSError as error:
            unwritten.append(f"{folder / FILE}: {error.strerror or error}")
    pid = wake(home)
    reply, unanswered = None, ""
    try:
        reply = ask(request)
    except LctError as error:
        unanswered = str(error)
    is_journaled = False
    if reply is None:
        wait_seconds = JOURNAL_SECONDS if pid is not None else 0.0
        is_journaled = wait_until(lambda: any(_is_halted(folder) for folder in folders), wait_seconds)
    return Pulled(tuple(files), tuple(unwritten), pid, reply, unanswered, is_journaled, was_halted)


def wake(home: Path) -> int | None:
    """Have execution look at the file now; return its pid, None where no process of it is there."""
    pid = pid_of(home)
    if pid is None:
        return None
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        return None
    return pid


def pid_of(home: Path) -> int | None:
    """Return the pid of execution, None where no process of it is there: the number alone may be reused."""
    told = presence.read(home / "run").get(EXECUTION)
    return told.pid if told is not None and runs(told.pid, EXECUTION) else None


def _is_halted(folder: Path) -> bool:
    """Whether execution lives, and its journal says that it is halted."""
    found = last_standing(folder)
    return found is not None and found.standing is Standing.HALTED and _lives(folder)


def _lives(folder: Path) -> bool:
    return any(name in {EXECUTION, HOUSE} for name in holders(folder))


def last_standing(folder: Path) -> StandingSet | None:
    """Return how the gate of the whole house stands by its journal, None where it was never set, or cannot be read."""
    import sqlite3

    from lct.messages.base import Codec

    codec = Codec((StandingSet,), is_ours=True)
    path = next((path for name in (EXECUTION, HOUSE) if (path := folder / f"{name}.db").exists()), None)
    if path is None:
        return None
    sql = "select body from journal where type = ? order by position desc limit ?"
    try:
        db = open_to_read(path)
        try:
            rows = [body for (body,) in db.execute(sql, (tag_of(StandingSet), STANDINGS_READ_MAX))]
        finally:
            db.close()
        found = [codec.decode(body) for body in rows]
    except (sqlite3.Error, JournalError, ValueError):
        return None
    return next((one for one in found if isinstance(one, StandingSet) and one.symbol is None), None)


# -- the port of the process that obeys ----------------------------------------------------------------------------


class Switch:
    """A port whose results are that somebody halts the house: one for each content of the file, and life.

    `look` sees what is there, `offer` makes it due: in replayed time rounds of an earlier life are lived again, and
    what comes from outside may not come into these.
    """

    role = "switch"
    takes_again = True

    def __init__(self, folder: Path, owner: str = EXECUTION) -> None:
        """Watch the file of an account's folder; nothing is looked at yet."""
        self.owner = owner
        self.given = 0
        self._path = folder / FILE
        self._mark: tuple[int, int, int] | None = None
        self._seen: bytes | None = None
        self._found: Order | None = None
        self._due: Order | None = None

    def look(self) -> bool:
        """Look at the file; return whether it says something that was not given yet."""
        try:
            about = self._path.stat()
            mark = (about.st_ino, about.st_mtime_ns, about.st_size)
        except FileNotFoundError:
            self._mark = self._seen = None
            return False
        except OSError:
            mark = (0, 0, 0)
        if mark != self._mark:
            self._mark = mark
            raw = _raw(self._path)
            if raw is not None and raw != self._seen:
                self._seen, self._found = raw, _read(raw)
        return self._found is not None

    def offer(self) -> None:
        """Make due what was seen."""
        if self._found is not None:
            self._due, self._found = self._found, None

    def due_ns(self) -> int | None:
        """Return that it is due at once, where something is."""
        return None if self._due is None else 0

    def results(self, now_ns: int) -> list[Event]:
        """Return the order to halt."""
        if self._due is None:
            return []
        order, self._due = self._due, None
        self.given += 1
        return [HaltOrdered(self.given, now_ns, order.reason, order.by)]

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: a switch is pulled from outside alone."""
        raise AssertionError(f"the switch cannot do {command}")

    def resume(self, heard: int) -> None:
        """Count on; a file that still stands is given again, and halts what is halted."""
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return nothing: that the house halted is durable."""
        return []

    def attend(self, stack: ExitStack, news: Callable[[], None]) -> None:
        """Look now, once a second and on SIGUSR1, and call `news` where there is something; ends with the stack."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(LOOK_SECONDS, lambda: None)

        def look() -> None:
            if self.look():
                news()

        def tick() -> None:
            nonlocal timer
            look()
            timer = loop.call_later(LOOK_SECONDS, tick)

        def end() -> None:
            timer.cancel()
            loop.remove_signal_handler(signal.SIGUSR1)

        loop.add_signal_handler(signal.SIGUSR1, look)
        stack.callback(end)
        timer.cancel()
        tick()
