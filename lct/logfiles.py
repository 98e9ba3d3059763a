"""Log files: the lines that daemons wrote, oldest first over all files, and the new ones as they come."""

import json
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any, Self

from lct.clock import NS_PER_SECOND, parse_rfc3339, rfc3339

LINE_BYTES_MAX = 1_048_576
"""A longer line is cut in pieces."""
PIECE_BYTES = 65_536
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LAST_WORDS = ".out"
"""`portfolio.out.log` holds what a daemon wrote to no log: a traceback, as a rule."""
SUPERVISOR = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]{4}) (.*)")
SUPERVISOR_LEVELS = {"DEBG": "debug", "INFO": "info", "WARN": "warning", "ERRO": "error", "CRIT": "critical"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `facts` are those beside its head, and `text` is all of it as it was written."""

    time_ns: int
    service: str
    level: str
    message: str
    facts: dict[str, Any]
    text: str

    def record(self) -> dict[str, Any]:
        """Return the line as the one JSON object that it is, or would be."""
        head = {"timestamp": rfc3339(self.time_ns), "service": self.service, "level": self.level}
        return {**head, "message": self.message, **self.facts}


class LogFile:
    """One log with its rotated siblings `x.log.1`, `x.log.2`, ...; held open, so that rotation loses nothing."""

    def __init__(self, path: Path, tail_bytes: int | None = None) -> None:
        """Open the log; it may be away for a moment, while it is rotated.

        With `tail_bytes`, `fresh` leaves out what lies further from the end than that: for who shows the newest lines.
        """
        self._path = path
        self._tail_bytes = tail_bytes
        name = path.name.removesuffix(".log")
        self.service = name.removesuffix(LAST_WORDS)
        self._level = "error" if name.endswith(LAST_WORDS) else "info"
        self._file: Any = None
        self._half = b""
        self._changed_ns = self._last_ns = 0
        self._open()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def history(self, since_ns: int = 0) -> Iterator[Line]:
        """Yield all lines from a moment on that are there now, rotated ones first."""
        inode = None if self._file is None else os.fstat(self._file.fileno()).st_ino
        for path in self._rotated():
            try:
                with path.open("rb") as file:
                    about = os.fstat(file.fileno())
                    if about.st_ino != inode and about.st_mtime_ns >= since_ns:
                        yield from self._since(self._lines(file), since_ns)
                        yield from self._since(self._rest(), since_ns)
            except FileNotFoundError:  # the oldest one goes when another is rotated
                continue
        if self._file is not None:
            yield from self._since(self._lines(self._file), since_ns)

    def fresh(self) -> Iterator[Line]:
        """Yield the lines that came since the last call, or since the history was read."""
        if self._file is None:
            self._open()
        if self._file is None:
            return
        self._skip()
        yield from self._lines(self._file)
        about = os.fstat(self._file.fileno())
        try:
            is_same = self._path.stat().st_ino == about.st_ino
        except FileNotFoundError:
            return  # being rotated; the next look finds the new one
        if not is_same:
            yield from self._lines(self._file)  # what came between the two looks
            yield from self._rest()
            self.close()
            self._open()
            yield from self._missed(about.st_ino)
            if self._file is not None:
                self._skip()
                yield from self._lines(self._file)
        elif about.st_size < self._file.tell():
            self._file.seek(0)
            self._half = b""
            yield from self._lines(self._file)

    def _missed(self, inode: int) -> Iterator[Line]:
        """Yield the lines of the files that came and were rotated away since the one of this inode was the newest."""
        known = {inode, 0 if self._file is None else os.fstat(self._file.fileno()).st_ino}
        siblings = [(path, number) for path in self._rotated() if (number := _inode(path))]
        before = max((at for at, (_, number) in enumerate(siblings) if number == inode), default=-1)
        for path, number in siblings[before + 1 :]:
            if number not in known:
                with suppress(FileNotFoundError), path.open("rb") as file:
                    yield from self._lines(file)
                    yield from self._rest()

    def end(self) -> Iterator[Line]:
        """Yield what stands after the last whole line, if anything does."""
        yield from self._rest()

    def _open(self) -> None:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            self._file = None

    def _skip(self) -> None:
        """Go so near to the end that no more than the tail is left, and there to where a line begins."""
        size = os.fstat(self._file.fileno()).st_size
        if self._tail_bytes is not None and size - self._file.tell() > self._tail_bytes:
            self._file.seek(size - self._tail_bytes - 1)  # one byte more, which may be the end of the line before
            self._file.readline()
            self._half = b""

    def _rotated(self) -> list[Path]:
        numbered = [(path.suffix.removeprefix("."), path) for path in self._path.parent.glob(f"{self._path.name}.*")]
        return [path for _, path in sorted(((int(n), path) for n, path in numbered if n.isdigit()), reverse=True)]

    @staticmethod
    def _since(lines: Iterator[Line], since_ns: int) -> Iterator[Line]:
        return (line for line in lines if line.time_ns >= since_ns)

    def _lines(self, file: Any) -> Iterator[Line]:
        """Yield the whole lines up to the end of a file, and keep the half one."""
        self._changed_ns = os.fstat(file.fileno()).st_mtime_ns
        while piece := file.read(PIECE_BYTES):
            *whole, self._half = (self._half + piece).split(b"\n")
            if len(self._half) > LINE_BYTES_MAX:
                whole.append(self._half)
                self._half = b""
            for raw in whole:
                if raw.strip():
                    yield self._line(raw, self._changed_ns)

    def _rest(self) -> Iterator[Line]:
        raw, self._half = self._half, b""
        if raw.strip():
            yield self._line(raw, self._changed_ns)

    def _line(self, raw: bytes, changed_ns: int) -> Line:
        """Read a line; what has no time of its own has that of the line before it, or of the file."""
        text = raw.decode(errors="replace").rstrip("\r")
        line = _fact(text, self.service) or _supervisors(text)
        if line is None:
            return Line(self._last_ns or changed_ns, self.service, self._level, text, {}, text)
        self._last_ns = line.time_ns
        return line


class Logs:
    """The logs of a folder, of one service or of all, as one."""

    def __init__(self, folder: Path, service: str | None = None, tail_bytes: int | None = None) -> None:
        """Open what is there; what comes later is found by `fresh`, of each file at most `tail_bytes` at a time."""
        self._folder = folder
        self._tail_bytes = tail_bytes
        self._service = service
        self._files: dict[Path, LogFile] = {}
        self._find()

    @property
    def services(self) -> set[str]:
        """Whose logs are there."""
        return {file.service for file in self._files.values()}

    def history(self, since_ns: int = 0, *, to_the_end: bool = True) -> Iterator[Line]:
        """Yield the lines from a moment on by time; without `to_the_end` a half line is left for `fresh`."""
        yield from merge(*(file.history(since_ns) for file in self._files.values()), key=lambda line: line.time_ns)
        if to_the_end:
            for file in self._files.values():
                yield from file.end()

    def fresh(self) -> list[Line]:
        """Return the lines that came since the last look, by time."""
        self._find()
        return sorted((line for file in self._files.values() for line in file.fresh()), key=lambda line: line.time_ns)

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find(self) -> None:
        for path in sorted(self._folder.glob("*.log")):
            if path not in self._files and path.is_file():
                file = LogFile(path, self._tail_bytes)
                if self._service is None or file.service == self._service:
                    self._files[path] = file
                else:
                    file.close()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:  # the oldest one goes when another is rotated
        return 0


def last_lines(folder: Path, service: str, count: int) -> list[Line]:
    """Return the newest lines of one service, oldest first."""
    with Logs(folder, service) as logs:
        return list(deque(logs.history(), maxlen=count))


def _fact(text: str, service: str) -> Line | None:
    """Read a line that lct.log wrote; None for any other."""
    if not text.startswith("{"):
        return None
    try:
        facts = json.loads(text)
        time_ns = parse_rfc3339(facts.pop("timestamp"))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    said_by, level, message = facts.pop("service", service), facts.pop("level", "info"), facts.pop("message", "")
    return Line(time_ns, str(said_by), str(level), str(message), facts, text)


def _supervisors(text: str) -> Line | None:
    """Read a line of supervisord's own log, whose times are of this machine's zone."""
    match = SUPERVISOR.fullmatch(text)
    if match is None or match[2] not in SUPERVISOR_LEVELS:
        return None
    try:
        moment = datetime.fromisoformat(match[1]).astimezone()
    except ValueError:
        return None
    whole = int(moment.replace(microsecond=0).timestamp()) * NS_PER_SECOND
    return Line(whole + moment.microsecond * 1_000, "supervisord", SUPERVISOR_LEVELS[match[2]], match[3], {}, text)
