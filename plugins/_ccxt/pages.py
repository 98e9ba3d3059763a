"""Pages: what an answer with bars proves, and what it does not."""

from math import nan
from typing import Any

from lct.domain.bars import Bars, sound_part
from lct.domain.spans import Span
from lct.errors import NotNow
from lct.ports.live_feed import Page

MS_NS = 1_000_000
SECONDS_BELOW_NS = 10**11 * MS_NS
"""No bar is as old as a time in seconds looks when it is taken for one in milliseconds."""
CLOCK_ERROR_NS = 15 * 1_000_000_000
"""How much too early our idea of a venue's time may be: as long as an answer may take."""
BELIEVED_NS = 300 * 1_000_000_000
"""That there are no bars is believed of times that lie so far back, or where a later bar is told: venues are late."""


def read(rows: Any) -> Bars:
    """Return rows of bars as columns; what is missing in a row is NaN, which the store refuses by name.

    Raises TypeError, ValueError or LookupError for what are no rows.
    """
    times = [int(row[0]) * MS_NS for row in rows]
    values = [[nan if row[n] is None else float(row[n]) for row in rows] for n in range(1, 6)]
    return Bars.of(times, *values)


def may_be_the_last(bars: Bars, step_ns: int, window: Span, end_ns: int) -> int | None:
    """Return when the first bar opens of an answer that looks like the last bars up to a time, else None.

    It does not begin where it was asked to, and ends at that time: now, or the end that was asked for.
    """
    opens = sound_part(in_order(bars), step_ns)[0].open_ns
    is_like_it = len(opens) > 0 and int(opens[0]) > window.from_ns and int(opens[-1]) + 2 * step_ns >= end_ns
    return int(opens[0]) if is_like_it else None


def page_of(bars: Bars, step_ns: int, window: Span, now_ns: int, *, known_from_ns: int | None = None) -> Page:
    """Return an answer as a page, which covers no more than it proves.

    It proves its span up to its newest sound bar, from the window's beginning on, or from `known_from_ns` where it is
    not known whether the venue told of what is before. Without a bar it proves what lies far enough back. Raises NotNow
    for an answer to another question: bars of before, or of a time that is still to come.
    """
    if len(bars) and int(bars.open_ns.max()) > now_ns + step_ns + CLOCK_ERROR_NS:
        raise NotNow("an answer with bars of a time that is still to come")
    there = bars.take(bars.open_ns >= window.from_ns)
    if len(bars) and not len(there):
        is_seconds = int(bars.open_ns.max()) < SECONDS_BELOW_NS
        why = "seconds for milliseconds" if is_seconds else "a page of before"
        raise NotNow(f"an answer with bars that open before the one that was asked for ({why})")
    sound, _ = sound_part(in_order(there), step_ns)
    from_ns = window.from_ns if known_from_ns is None else max(window.from_ns, known_from_ns)
    if len(sound):
        return Page(there, Span(from_ns, max(from_ns, int(sound.open_ns[-1]) + step_ns)))
    settled_ns = (now_ns - BELIEVED_NS) // step_ns * step_ns
    return Page(there, Span(from_ns, max(from_ns, min(window.to_ns, settled_ns))))


def in_order(bars: Bars) -> Bars:
    """Return rows by their times."""
    return bars.at(bars.open_ns.argsort(kind="stable"))
