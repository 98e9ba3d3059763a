"""The feed's port in replayed time: gives the rows of a tape, each due at the close of its bars."""

from collections.abc import Sequence

import numpy as np

from lct.domain.tape import Tape
from lct.messages.base import Command, Event
from lct.messages.feed import Rows, RowsRefused

CHUNK_ROWS = 1024


class TapePort:
    """Reads a tape row by row; result n is the n-th timestamp of the tape."""

    role = "feed"
    owner = "market_data"
    takes_again = True

    def __init__(
        self, tape: Tape, refused: dict[str, dict[str, int]] | None = None, *, begins_ns: int | None = None
    ) -> None:
        """Take a tape, and what its feed refused, which is told before the first row.

        Bars that closed by `begins_ns` are history for a first life: they are only given again.
        """
        self.tape = tape
        self._begins_ns = begins_ns
        self.given = 0
        self._refused = refused or {}
        self._step_ns = tape.step_ns
        # read ahead, newest first, so that the next one is popped
        self._ahead: list[Rows] = []
        self._due: int | None = None
        self._look()

    def _look(self) -> None:
        """Read on where nothing is left of what was read ahead, and see when the next rows are due."""
        if not self._ahead:
            self._ahead = self._read(self.given, self.given + CHUNK_ROWS)[::-1]
        self._due = self._ahead[-1].open_ns + self._step_ns if self._ahead else None

    def _read(self, first: int, last: int) -> list[Rows]:
        timeframe = self.tape.timeframe
        return [Rows(number, timeframe, *row) for number, row in enumerate(self.tape.cells(first, last), first + 1)]

    def _refusals(self) -> list[Event]:
        return [RowsRefused(symbol, counts) for symbol, counts in sorted(self._refused.items())]

    def due_ns(self) -> int | None:
        """Return the close of the next bars."""
        return self._due

    def results(self, now_ns: int) -> list[Event]:
        """Return the rows whose bars have closed by now."""
        told: list[Event] = []
        if self.given == 0:
            told += self._refusals()
        while self._due is not None and self._due <= now_ns:
            told.append(self._ahead.pop())
            self.given += 1
            if self._ahead:
                self._due = self._ahead[-1].open_ns + self._step_ns
            else:
                self._look()
        return told

    def ahead(self, most: int) -> tuple[Sequence[int], Sequence[Event]]:
        """Return the rows to come that are in memory already; what was refused comes first, and is played."""
        if self.given == 0 and self._refused:
            return (), ()
        rows = self._ahead[: -most - 1 : -1]
        times = self.tape.times[self.given : self.given + len(rows)]
        return (times + self._step_ns).tolist(), rows

    def pass_by(self, count: int) -> None:
        """Count the next rows as given."""
        del self._ahead[-count:]
        self.given += count
        self._look()

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: a recording takes no commands."""
        raise AssertionError(f"a tape cannot do {command}")

    def resume(self, heard: int) -> None:
        """Go on after the first `heard` rows."""
        self.given = heard
        if not heard and self._begins_ns is not None:
            self.given = int(np.searchsorted(self.tape.times, self._begins_ns - self._step_ns, side="right"))
        self._ahead = []
        self._look()

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return what was refused, and the rows first..last, once more."""
        return [*self._refusals(), *self._read(first - 1, last)]
