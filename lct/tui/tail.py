"""The end of the log files of a home: what was added since the last look, in bounded pieces, cleaned."""

from pathlib import Path
from typing import Any

import msgspec

from lct.domain.text import clean
from lct.logfiles import Line, Logs
from lct.tui.house import LogLine

PIECE_BYTES_MAX = 65_536
"""Read of one file at one look; of a file that grew by more than that, the end."""
NAME_WIDTH = 24
MESSAGE_WIDTH = 120
FACTS_WIDTH = 300


class Tail:
    """Reads what daemons append to the logs in a folder, which may not be there yet."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing is opened yet."""
        self._folder = folder
        self._logs: Logs | None = None

    def fresh(self) -> list[LogLine]:
        """Return the lines that came since the last call, by time; OSError where a file cannot be read."""
        if self._logs is None:
            self._logs = Logs(self._folder, tail_bytes=PIECE_BYTES_MAX)
        return [cleaned(line) for line in self._logs.fresh()]

    def close(self) -> None:
        """Let go of all files."""
        if self._logs is not None:
            self._logs.close()


def cleaned(line: Line) -> LogLine:
    """Return a line as a screen may show it, as much of it as one line holds."""
    facts = " ".join(f"{key}={_word(value)}" for key, value in line.facts.items())
    return LogLine(
        line.time_ns,
        clean(line.service, NAME_WIDTH),
        clean(line.level, NAME_WIDTH),
        clean(line.message, MESSAGE_WIDTH if facts else FACTS_WIDTH),
        clean(facts, FACTS_WIDTH),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
