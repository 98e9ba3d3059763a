"""History: bars that closed before, told again by market data to who comes late or comes back."""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from lct.bus.seat import Seat
from lct.bus.streams import Page
from lct.daemon import Daemon
from lct.messages.base import Envelope, Told, encode
from lct.messages.market_data import BarsClosed, GetHistory
from lct.ports.base import TimedPort

ROWS_MAX = 256
"""Rows of the recording that one page is made of."""
BEGUN_MAX = 16
"""Askers whose next page goes on where their last one ended."""


class History:
    """Tells bars again: a fresh daemon hears the rows of its port once more, and what else it would say is dropped."""

    def __init__(self, port: TimedPort, fresh: Callable[[], Daemon], epoch: int) -> None:
        """Take the port, what makes a daemon that has heard nothing, and the life that tells."""
        self._port = port
        self._fresh = fresh
        self._epoch = epoch
        self._begun: OrderedDict[int, Seat] = OrderedDict()
        """Those that have heard the rows up to a number, for the next page."""

    def answer(self, request: GetHistory) -> Told:
        """Return a page of bars after an `md_seq`, and the `md_seq` up to which none is missing."""
        given = self._port.given
        after = min(max(0, request.after), given)
        limit = min(max(1, request.limit), ROWS_MAX)
        page, upto = Page(limit), after
        seat = self._begun.pop(after, None) or Seat(self._fresh(), [])
        for event in self._port.heard_again(after + 1, min(given, after + limit)) if given > after else ():
            for message in seat.replies_of(event, 0):
                if isinstance(message, BarsClosed) and message.md_seq > after:
                    if not page.take(encode(self._told(seat.name, message))):
                        return Told(page.frames, upto)
                    upto = message.md_seq
        upto = min(given, after + limit)
        self._begun[upto] = seat
        if len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)
        return Told(page.frames, upto)

    def _told(self, source: str, bars: BarsClosed) -> Envelope:
        """Return an envelope without a place in a stream: these bars were told in one of an earlier life, or never."""
        return Envelope(
            id=f"{source}:bars:{bars.md_seq}",
            source=source,
            epoch=self._epoch,
            seq=0,
            time_ns=bars.time_ns,
            body=msgspec.Raw(encode(bars)),
        )
