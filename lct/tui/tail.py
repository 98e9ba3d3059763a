"""The end of the log files of a home: what was added since the last look, in bounded pieces, cleaned."""

import os
from pathlib import Path
from typing import Any

import msgspec

from lct.clock import parse_rfc3339
from lct.domain.text import clean
from lct.tui.house import LogLine

PIECE_BYTES_MAX = 65_536
"""Read of one file at one look; a file that grew by more than that is read from its end."""
FILES_MAX = 64
NAME_WIDTH = 24
MESSAGE_WIDTH = 120
FACTS_WIDTH = 300
HEAD = ("timestamp", "service", "level", "message")


class Tail:
    """Reads what daemons append to `*.log` in a folder; a rotated file is read anew from its beginning."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which may not exist yet."""
        self._folder = folder
        self._places: dict[Path, tuple[int, int]] = {}
        """How far each file was read: its inode, and the byte after its last whole line."""

    def fresh(self) -> list[LogLine]:
        """Return the lines that came since the last call, file by file; OSError where a file cannot be read."""
        paths = [path for path in sorted(self._folder.glob("*.log"))[:FILES_MAX] if path.is_file()]
        self._places = {path: place for path, place in self._places.items() if path in paths}
        return [line for path in paths for line in self._fresh_of(path)]

    def _fresh_of(self, path: Path) -> list[LogLine]:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # rotated away just now
            return []
        with file:
            about = os.fstat(file.fileno())
            inode, offset = self._places.get(path, (about.st_ino, 0))
            if inode != about.st_ino or offset > about.st_size:
                offset = 0
            start = max(offset, about.st_size - PIECE_BYTES_MAX)
            # one byte more: where a line begins at `start`, it is the end of the one before
            began = max(start - 1, 0)
            file.seek(began)
            piece = file.read(PIECE_BYTES_MAX + 1)
        first = piece.find(b"\n") + 1 if start else 0
        end = piece.rfind(b"\n") + 1
        self._places[path] = (about.st_ino, began + end if end else offset)
        return _lines(piece[first:end], path.stem, about.st_mtime_ns)


def _lines(piece: bytes, service: str, time_ns: int) -> list[LogLine]:
    """Read lines; one that is no JSON (a traceback, a library's own words) has the time of the one before it."""
    found: list[LogLine] = []
    for raw in piece.splitlines():
        if raw.strip():
            before_ns = found[-1].time_ns if found else time_ns
            found.append(_line(raw, service, before_ns))
    return found


def _line(raw: bytes, service: str, time_ns: int) -> LogLine:
    try:
        facts = msgspec.json.decode(raw)
        time_ns = parse_rfc3339(facts["timestamp"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return LogLine(time_ns, clean(service, NAME_WIDTH), "", clean(raw.decode(errors="replace"), FACTS_WIDTH))
    own = " ".join(f"{key}={_word(value)}" for key, value in facts.items() if key not in HEAD)
    return LogLine(
        time_ns,
        clean(str(facts.get("service", service)), NAME_WIDTH),
        clean(str(facts.get("level", "")), NAME_WIDTH),
        clean(str(facts.get("message", "")), MESSAGE_WIDTH),
        clean(own, FACTS_WIDTH),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
