"""Following: one series of closed bars, in order and each once, out of a stream that breaks and pages that do not."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from lct.domain.bars import Bar, is_sound
from lct.domain.spans import Span

SECOND_NS = 1_000_000_000
SETTLED_NS = 5 * SECOND_NS
"""How long after its close a page may be asked for a bar: a venue books its last trades late."""
VERIFIED_EVERY = 60
"""So many bars of the stream, and a page is asked for to compare them with."""
REMEMBERED_MAX = 240
"""Bars of the stream that no page has told yet; older ones are not compared any more."""
AHEAD_MAX = 1_000
"""Bars that wait behind a gap."""


class Closed(NamedTuple):
    """A bar that is over, and who told it: `stream` or `page`."""

    row: Bar
    source: str


class Disagreement(NamedTuple):
    """A bar that was announced as the stream told it, and that a page tells differently."""

    announced: Bar
    paged: Bar


class Following:
    """Takes what stream and pages tell of one series, and gives out its closed bars.

    A bar of the stream is over when the stream, unbroken, tells a later one, and its last word on it came after its
    close. What the stream leaves out, or did not tell to the end, is asked for by page (`wants`); a bar behind such a
    gap waits. A page is right: a bar that it does not tell is not there, and one told differently is a disagreement,
    which does not change what was announced.
    """

    def __init__(self, step_ns: int, next_ns: int) -> None:
        """Begin with the bar that opens at `next_ns`; bars are `step_ns` long."""
        assert next_ns % step_ns == 0, "bars open on the grid of their timeframe"
        self.step_ns = step_ns
        self.next_ns = next_ns
        """Open of the bar that is announced next."""
        self.refused = 0
        """Rows that can be no bar."""
        self._forming: Bar | None = None
        self._heard_ns = 0
        """When the last word on it came."""
        self._ready: dict[int, Bar] = {}
        self._unverified: deque[Bar] = deque(maxlen=REMEMBERED_MAX)

    def streamed(self, rows: Iterable[Bar], now_ns: int) -> list[Closed]:
        """Take rows of the stream, oldest first, of bars that may still change; return what is over now.

        `now_ns` is the venue's time at which they were heard, rather too early than too late.
        """
        for row in rows:
            if not self._is_bar(row):
                continue
            before = self._forming
            if before is not None and row.open_ns < before.open_ns:
                continue
            is_whole = before is not None and self._heard_ns >= before.open_ns + self.step_ns
            if before is not None and is_whole and row.open_ns > before.open_ns and self._awaited(before.open_ns):
                self._ready[before.open_ns] = before
            self._forming, self._heard_ns = row, now_ns
        return self._over()

    def broke(self) -> None:
        """Say that the stream was lost: what it told of the bar that forms may not be the last word."""
        self._forming = None

    def paged(self, rows: Iterable[Bar], covers: Span) -> tuple[list[Closed], list[Disagreement]]:
        """Take a page of bars that are closed and settled; return what is over now, and what was told differently.

        Of `covers` everything is in `rows`.
        """
        assert all(at_ns % self.step_ns == 0 for at_ns in covers), "bars open on the grid"
        there = {row.open_ns: row for row in rows if self._is_bar(row)}
        differing = self._compared(there, covers)
        found = []
        if covers.from_ns <= self.next_ns < covers.to_ns:
            for open_ns in range(self.next_ns, covers.to_ns, self.step_ns):
                self._ready.pop(open_ns, None)
                if open_ns in there:
                    found.append(Closed(there[open_ns], "page"))
            self.next_ns = covers.to_ns
        return [*found, *self._over()], differing

    def wants(self, now_ns: int) -> Span | None:
        """Return what a page has to tell: bars that the stream left out, or some to compare; None while all is well.

        `now_ns` is the venue's time.
        """
        settled_ns = (now_ns - SETTLED_NS) // self.step_ns * self.step_ns
        if settled_ns > self.next_ns:
            return Span(self.next_ns, settled_ns)
        if len(self._unverified) >= VERIFIED_EVERY and self._unverified[VERIFIED_EVERY - 1].open_ns < settled_ns:
            return Span(self._unverified[0].open_ns, min(self.next_ns, settled_ns))
        return None

    def skip(self, to_ns: int) -> None:
        """Give up what opens before `to_ns`, for nobody tells it any more."""
        assert to_ns % self.step_ns == 0, "bars open on the grid"
        self.next_ns = max(self.next_ns, to_ns)
        self._ready = {open_ns: row for open_ns, row in self._ready.items() if open_ns >= self.next_ns}

    def _is_bar(self, row: Bar) -> bool:
        found = row.open_ns % self.step_ns == 0 and is_sound(*row[1:])
        self.refused += not found
        return found

    def _awaited(self, open_ns: int) -> bool:
        return open_ns >= self.next_ns and len(self._ready) < AHEAD_MAX

    def _over(self) -> list[Closed]:
        found = []
        while (row := self._ready.pop(self.next_ns, None)) is not None:
            found.append(Closed(row, "stream"))
            self._unverified.append(row)
            self.next_ns += self.step_ns
        return found

    def _compared(self, there: dict[int, Bar], covers: Span) -> list[Disagreement]:
        """Compare what was announced with a page; zeros stand for a bar that the page leaves out."""
        differing, left = [], []
        for row in self._unverified:
            if not covers.from_ns <= row.open_ns < covers.to_ns:
                left.append(row)
            elif (paged := there.get(row.open_ns, Bar(row.open_ns, 0.0, 0.0, 0.0, 0.0, 0.0))) != row:
                differing.append(Disagreement(row, paged))
        self._unverified = deque(left, maxlen=REMEMBERED_MAX)
        return differing
