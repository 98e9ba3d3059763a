"""The market's time: when the last bars closed, which every mark and every score is as old as."""

from lct.clock import NS_PER_SECOND
from lct.domain.bars import timeframe_ns
from lct.tui import figures
from lct.tui.house import View
from lct.tui.widgets.panel import how_old, is_old

OWNER = "market_data"
LATE_SECONDS = 10
"""So long after its time the next bar is late."""
DAY_NS = 86_400 * NS_PER_SECOND


def last_bars(view: View, now_ns: int, refresh_seconds: float) -> tuple[str, str]:
    """Return when the last bars closed, with their age where the next ones are late, and the kind of that.

    A market whose bars are of another day is replayed, or long dead: its whole date says so.
    """
    answer = view.market
    if is_old(answer, now_ns, refresh_seconds):
        return how_old(OWNER, answer, now_ns)
    assert answer.reply is not None
    closed_ns = max((line.time_ns for line in answer.reply.symbols), default=None)
    if closed_ns is None:
        return "no bars yet", "dim"
    if not 0 <= now_ns - closed_ns < DAY_NS:
        return f"bars of {figures.moment(closed_ns)}", "dim"
    try:
        patience_ns = 2 * timeframe_ns(answer.reply.timeframe) + LATE_SECONDS * NS_PER_SECOND
    except ValueError:  # the daemon's words, and not ours
        patience_ns = DAY_NS
    words = f"bars of {figures.hour(closed_ns)}"
    if now_ns - closed_ns < patience_ns:
        return words, "dim"  # and not its age, which would be drawn anew each second
    return f"{words}, {figures.age(closed_ns, now_ns)} ago: the next are late", "warn"
