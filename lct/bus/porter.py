"""The porter: lets a request in that is for this process, has not expired, and was not let in before."""

from collections import Counter

from lct.bus.ids import Unexpired
from lct.clock import NS_PER_SECOND
from lct.messages.base import Envelope

REMEMBERED_MAX = 65_536
"""Requests that have not expired, whose ids are kept so that none is carried out twice."""
EXPIRY_NS_MAX = 600 * NS_PER_SECOND
"""How far ahead a request may expire, for its id is kept so long."""


class Porter:
    """Stands at the door of one process, and counts whom it turns away."""

    def __init__(self, name: str, counts: Counter[str], *, is_hub: bool) -> None:
        """Stand at the door of `name`; a hub takes requests for other processes."""
        self._name = name
        self._counts = counts
        self._is_hub = is_hub
        self._seen: Unexpired[tuple[str, str]] = Unexpired(REMEMBERED_MAX)

    def objection(self, request: Envelope, now_ns: int) -> str | None:
        """Return why a request is not let in, "" where the asker is not told, None where it is let in."""
        key = (request.source, request.id)
        if request.expires_ns is None:
            return self._no("malformed", "")
        if request.destination != self._name and not self._is_hub:
            return self._no("misdirected", f"this is {self._name}, not {request.destination}")
        if request.expires_ns <= now_ns:
            return self._no("expired", f"expired {(now_ns - request.expires_ns) // 1_000_000} ms ago")
        if request.expires_ns > now_ns + EXPIRY_NS_MAX:
            return self._no("malformed", f"expires in more than {EXPIRY_NS_MAX // NS_PER_SECOND} s")
        if key in self._seen:
            return self._no("repeated", "")  # whoever asked first has the answer, or will
        if not self._seen.add(key, request.expires_ns, now_ns):
            return self._no("busy", "too many requests")
        return None

    def _no(self, what: str, reason: str) -> str:
        self._counts[what] += 1
        return reason
