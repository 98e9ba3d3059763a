"""The feed's port in replayed time: gives the rows of a tape, each due at the close of its bars."""

import numpy as np

from lct.domain.tape import Row, Tape
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
        self._total = len(tape)
        self._step_ns = tape.step_ns
        self._chunk: list[Row] = []
        self._chunk_first = 0
        self._due: int | None = None
        self._look()

    def _look(self) -> None:
        at = self.given
        if at >= self._total:
            self._due = None
            return
        if not self._chunk_first <= at < self._chunk_first + len(self._chunk):
            self._chunk_first = at
            self._chunk = self.tape.rows(at, at + CHUNK_ROWS)
        self._due = self._chunk[at - self._chunk_first].open_ns + self._step_ns

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
            row = self._chunk[self.given - self._chunk_first]
            self.given += 1
            told.append(Rows(self.given, self.tape.timeframe, *row))
            self._look()
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: a recording takes no commands."""
        raise AssertionError(f"a tape cannot do {command}")

    def resume(self, heard: int) -> None:
        """Go on after the first `heard` rows."""
        self.given = heard
        if not heard and self._begins_ns is not None:
            self.given = int(np.searchsorted(self.tape.times, self._begins_ns - self._step_ns, side="right"))
        self._look()

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return what was refused, and the rows first..last, once more."""
        rows = self.tape.rows(first - 1, last)
        return [*self._refusals(), *(Rows(first + i, self.tape.timeframe, *row) for i, row in enumerate(rows))]
