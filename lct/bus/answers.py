"""Answers: the requests that a daemon on the wall clock has heard and not answered yet, and where each reply goes."""

import msgspec

from lct.bus.asks import first_id
from lct.bus.zeromq import Post, Route
from lct.messages.base import Envelope

ANSWERING_MAX = 4_096
"""Requests that wait here at once."""


class Answers:
    """Holds the requests of others until the daemon has said its replies."""

    def __init__(self, post: Post, source: str, epoch: int) -> None:
        """Answer by a post, as one life of `source`."""
        self._post = post
        self._source = source
        self._epoch = epoch
        self._waiting: dict[str, tuple[Route, Envelope]] = {}

    def take(self, route: Route, request: Envelope) -> str | None:
        """Return the id of a request that is new; one that is asked again while it is heard is not."""
        asked = first_id(request.id)
        if asked not in self._waiting and len(self._waiting) >= ANSWERING_MAX:
            self._post.refuse(route, request.id, "too many requests")
            return None
        is_new = asked not in self._waiting
        self._waiting[asked] = route, request
        return asked if is_new else None

    def give(self, asked: str, body: bytes, number: int, now_ns: int) -> None:
        """Send the reply to a request, which stands in the said log under `number`; nobody may wait for it."""
        found = self._waiting.pop(asked, None)
        if found is None:
            return
        route, request = found
        reply = Envelope(
            id=f"{self._source}:{self._epoch}:to:{number}",
            source=self._source,
            epoch=self._epoch,
            seq=number,
            time_ns=now_ns,
            body=msgspec.Raw(body),
            causation=request.id,
            correlation=request.correlation or request.id,
        )
        self._post.answer(route, reply)
