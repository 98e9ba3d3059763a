"""Watching: the same checks on a house that runs, every few seconds, on new rows only; what is wrong halts it."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from lct.audit import journals
from lct.audit.checking import Audit
from lct.audit.findings import Violation
from lct.audit.paper import Paper

KEPT = 1_000
"""Finished orders, trades and intents that are remembered while watching: what fits into 15 MiB with all else."""
REASON_MAX = 512
BLIND_LOOKS = 3
NAME_MAX = 40
BEAT_SECONDS = 1.0
BY = "audit"


class Watch:
    """Folds what is new at each `look`. What was dumped before halts nothing again, not even after a restart."""

    def __init__(self, place: Path, make: Callable[[], Audit], halt_file: Path, dump_folder: Path) -> None:
        """`make` returns an audit that has read nothing."""
        self._place = place
        self._make = make
        self._halt_file = halt_file
        self._dump_folder = dump_folder
        self.blind = ""
        """Why the last look could not read all, empty where it could."""
        self._begin()

    def _begin(self) -> None:
        self.audit = self._make()
        self._files: dict[Path, journals.JournalFile] = {}
        self._paper = Paper(self._place, KEPT)

    def look(self) -> list[Violation]:
        """Read what is new; halt and dump for what is wrong, and return that. A file that is busy is read next time."""
        try:
            return self._look()
        except (sqlite3.OperationalError, FileNotFoundError) as error:
            self.blind = str(error)
            return []

    def _look(self) -> list[Violation]:
        found = journals.paths(self._place)
        inodes = {path: path.stat().st_ino for path in found}
        known = {path: file.inode for path, file in self._files.items()}
        gone = sorted(path.name for path, inode in known.items() if inode != inodes.get(path))
        if gone:
            self._begin()  # the account was put aside, and another begun; or only a part of it was
            if len(gone) < len(known):
                self.audit.findings.add("I16", f"{', '.join(gone)}: taken away, or replaced", self._place.name, 0)
        for path in found:
            if path not in self._files:
                self._files[path] = journals.JournalFile(path)
        journals.read([self._files[path] for path in found], self.audit, self._paper)
        self.blind = ""
        fresh = [violation for violation in self.audit.findings.fresh() if not self._dump_of(violation).exists()]
        if fresh:
            self._halt(fresh)
            self._dump(fresh)
        return fresh

    def _dump_of(self, violation: Violation) -> Path:
        text = "\0".join(map(str, violation.as_document().values()))
        digest = blake2b(text.encode(), digest_size=6).hexdigest()
        journal = "".join(letter for letter in violation.journal if letter.isalnum() or letter in "_-")[:NAME_MAX]
        return self._dump_folder / f"{violation.invariant}-{journal}-{violation.journal_seq}-{digest}.json"

    def _halt(self, fresh: list[Violation]) -> None:
        first = fresh[0]
        more = f" (and {len(fresh) - 1} more)" if len(fresh) > 1 else ""
        text = f"{first.invariant} does not hold{more}: {first.detail}, {first.journal} row {first.journal_seq}"
        document = {"reason": text[:REASON_MAX], "by": BY, "time_ns": time.time_ns()}
        write_whole(self._halt_file, json.dumps(document))

    def _dump(self, fresh: list[Violation]) -> None:
        rows: list[dict[str, object]] = [
            {"daemon": row[0], "journal_seq": row[1], "epoch": row[2], "type": row[8], "body": row[10].hex()}
            for row in self.audit.newest
        ]
        more: dict[str, object] = {"state": self.audit.state(), "newest_rows": rows}
        for violation in fresh:
            document = {**violation.as_document(), "time_ns": time.time_ns(), **more}
            write_whole(self._dump_of(violation), json.dumps(document, indent=1))
            more = {"state_in": self._dump_of(fresh[0]).name}


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it, for nobody else to read; raises OSError where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def watch(
    looking: Watch,
    seconds: float,
    tell: Callable[[Violation], None],
    warn: Callable[[str], None],
    beat: Callable[[bool, str], None] = lambda _ready, _reason: None,
) -> None:
    """Look every `seconds` until somebody ends the process; warn when several looks in a row could not read.

    `beat` hears each second whether everything has been read once, and why it cannot be read now, if so.
    """
    blind, has_read = 0, False
    beat(has_read, "")
    while True:
        for violation in looking.look():
            tell(violation)
        blind = blind + 1 if looking.blind else 0
        has_read = has_read or not blind
        if blind and blind % BLIND_LOOKS == 0:
            warn(f"nothing could be read {blind} times in a row: {looking.blind}")
        left = seconds
        while left > 0:
            beat(has_read, looking.blind)
            time.sleep(min(left, BEAT_SECONDS))
            left -= BEAT_SECONDS
