"""Wakeful: a part that supervisord loads, so that it acts when a child ends and not at its next look, a second later.

supervisord sleeps up to a second between two looks, starts an ended program at the second look, and stops one program
a look: a killed daemon was away for one to two seconds, and eight took five to stop. Where somebody owns it, as
`lct demo` does, it stops all once that process is gone. supervisord.conf names this module as an RPC interface, which
is how supervisord takes parts in; it adds no call.
"""

import os
import signal
from contextlib import suppress
from typing import Any

from lct.clock import NS_PER_SECOND, monotonic_ns
from lct.supervisor.conf import OWNER

PIECE_BYTES = 4_096
HASTE_MAX = 20
"""Ends in a row that are acted on at once; after that one a second, so that what cannot start costs little."""
AGAIN = b"\0"


class Wakeful:
    """Something to read in supervisord's loop whenever a signal came, and once more for what follows from it."""

    def __init__(self, owner: int | None = None) -> None:
        """Have every signal write into a pipe; with an `owner`, end with that process, which has started this one."""
        self._owner = owner
        self.ear, self.bell = os.pipe()
        for end in (self.ear, self.bell):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.bell, warn_on_full_buffer=False)
        self._haste = float(HASTE_MAX)
        self._counted_ns = monotonic_ns()

    def fileno(self) -> int:
        """Return what supervisord is to watch."""
        return self.ear

    def readable(self) -> bool:
        """Say that there is something to wait for; supervisord asks at each look, and so its owner is looked for."""
        if self._owner is not None and os.getppid() != self._owner:
            self._owner = None
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    def writable(self) -> bool:
        """Say that nothing waits to be written."""
        return False

    def handle_read_event(self) -> None:
        """Take note, and wake supervisord once more: it sees that a child ended at this look, and acts at the next."""
        heard = b""
        with suppress(BlockingIOError):
            heard = os.read(self.ear, PIECE_BYTES)
        if heard.strip(AGAIN) and self._may_haste():
            with suppress(BlockingIOError):
                os.write(self.bell, AGAIN)

    def _may_haste(self) -> bool:
        now_ns = monotonic_ns()
        self._haste = min(HASTE_MAX, self._haste + (now_ns - self._counted_ns) / NS_PER_SECOND)
        self._counted_ns = now_ns
        if self._haste < 1:
            return False
        self._haste -= 1
        return True


class NoCalls:
    """An RPC interface without a call."""


def make(supervisord: Any) -> NoCalls:
    """Put a Wakeful into supervisord's loop; also anew after its reload, which has closed what the old one read."""
    places: dict[int, Any] = supervisord.options.get_socket_map()
    for place in [place for place, part in places.items() if isinstance(part, Wakeful)]:
        del places[place]
    owner = os.environ.get(OWNER)
    part = Wakeful(int(owner) if owner else None)
    places[part.fileno()] = part
    return NoCalls()
