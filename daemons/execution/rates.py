"""Rates: how much was sent, refused and filled of late, for the limits that catch a house that runs away."""

from collections import deque
from decimal import Decimal

from lct.domain.bars import MINUTE_NS
from lct.domain.orders import Order, Side

SECOND_NS = 1_000_000_000
HOUR_NS = 60 * MINUTE_NS
COUNTED_MAX = 10_000
"""Refusals and fills that are remembered; with more than this of them in an hour, their rate is high by any measure."""
RUNAWAY_MIN = 100
"""Fills of a minute that are no runaway yet, whatever the hour was like."""


class Rates:
    """Times (ns, of messages) of what was sent, refused and filled: part of the fold, so recovery has the same."""

    __slots__ = ("_alike", "_filled_ns", "_last", "_rejected_ns", "_sent_ns")

    def __init__(self, kept: int) -> None:
        """Start empty; of what was sent the newest `kept` are remembered."""
        self._sent_ns: deque[int] = deque(maxlen=kept)
        self._alike: dict[tuple[str, str, Side], deque[int]] = {}
        self._last: dict[tuple[str, str, Side], tuple[int, Decimal, Decimal | None]] = {}
        self._rejected_ns: deque[int] = deque(maxlen=COUNTED_MAX)
        self._filled_ns: deque[int] = deque(maxlen=COUNTED_MAX)

    def sent(self, order: Order) -> None:
        """Count an order that is no protection."""
        _add(self._sent_ns, order.created_ns, MINUTE_NS)
        key = (order.book, order.symbol, order.side)
        self._last[key] = (order.created_ns, order.amount, order.price)
        times = self._alike.get(key)
        if times is None:
            times = self._alike[key] = deque(maxlen=self._sent_ns.maxlen)
        _add(times, order.created_ns, MINUTE_NS)

    def state(self) -> tuple[object, ...]:
        """Return all that is remembered, to be compared."""
        alike = {key: tuple(times) for key, times in self._alike.items()}
        return tuple(self._sent_ns), alike, dict(self._last), tuple(self._rejected_ns), tuple(self._filled_ns)

    def rejected(self, time_ns: int) -> None:
        """Count an order that the venue refused."""
        _add(self._rejected_ns, time_ns, MINUTE_NS)

    def filled(self, time_ns: int) -> None:
        """Count a fill."""
        _add(self._filled_ns, time_ns, HOUR_NS)

    def sent_since(self, time_ns: int) -> int:
        """Return how many orders were sent after `time_ns`, at most a minute ago."""
        return _after(self._sent_ns, time_ns)

    def alike_since(self, book: str, symbol: str, side: Side, time_ns: int) -> int:
        """Return how many of one book, symbol and side were sent after `time_ns`, at most a minute ago."""
        times = self._alike.get((book, symbol, side))
        return 0 if times is None else _after(times, time_ns)

    def repeats_within(
        self, book: str, symbol: str, side: Side, amount: Decimal, price: Decimal | None, now_ns: int
    ) -> int | None:
        """Return how many ns ago the last order of its kind was sent, if it had this amount and price too."""
        last = self._last.get((book, symbol, side))
        return None if last is None or last[1:] != (amount, price) else now_ns - last[0]

    def rejected_since(self, time_ns: int) -> int:
        """Return how many orders were refused after `time_ns`, at most a minute ago."""
        return _after(self._rejected_ns, time_ns)

    def is_running_away(self, factor: int, now_ns: int) -> bool:
        """Whether the last minute had more than `factor` times the fills of an average minute of the hour before it."""
        minute_ago = now_ns - MINUTE_NS
        lately = _after(self._filled_ns, minute_ago)
        if lately <= RUNAWAY_MIN:
            return False
        before = len(self._filled_ns) - lately
        minutes = max(1, (minute_ago - self._filled_ns[0]) // MINUTE_NS)
        return lately * minutes > factor * max(before, minutes)


def _add(times: deque[int], time_ns: int, kept_ns: int) -> None:
    while times and times[0] <= time_ns - kept_ns:
        times.popleft()
    times.append(time_ns)


def _after(times: deque[int], time_ns: int) -> int:
    """Count from the newest on: most often there are few, and late results may be a little out of order."""
    count = 0
    for at in reversed(times):
        if at <= time_ns:
            break
        count += 1
    return count
