"""Tapping: reads what passes between the daemons, from outside."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lct.cli.drive import Came
from lct.errors import NoAnswer

if TYPE_CHECKING:
    from lct.bus.presence import Presence
    from lct.messages.base import Envelope

SILENCE_MS = 200
MARKET_DATA = "market_data"


def tapped(
    speakers: Sequence[str] | None, types: Sequence[str] | None, count: int | None, seconds: float | None, came: Came
) -> Iterator[tuple["Envelope", dict[str, Any]]]:
    """Yield what is told, decoded by msgpack alone, until a signal comes or so many, or so long, were heard."""
    from lct.client import Client
    from lct.clock import NS_PER_SECOND, monotonic_ns
    from lct.config import home

    until_ns = None if seconds is None else monotonic_ns() + int(seconds * NS_PER_SECOND)
    left = count
    with Client(home(), name="tap") as client:
        if not _there():
            raise NoAnswer("nobody is there; `lct up` starts the house")
        for heard in client.listen(None, speakers, SILENCE_MS):
            if came() or (until_ns is not None and monotonic_ns() >= until_ns):
                return
            if heard is None or (types is not None and heard[1].get("tag") not in types):
                continue
            yield heard
            left = None if left is None else left - 1
            if left == 0:
                return


def _there() -> "dict[str, Presence]":
    """Return what those tell of themselves whose process is there: a presence file outlives its daemon."""
    from lct.bus import presence
    from lct.config import home
    from lct.supervisor.processes import runs

    told = presence.read(home() / "run")
    return {name: about for name, about in told.items() if about is not None and runs(about.pid, name)}


def present() -> list[dict[str, Any]]:
    """Return who says that it is in the house, with ages and lags."""
    from lct.clock import NS_PER_SECOND, now_ns

    now, found = now_ns(), _there()
    ahead = found[MARKET_DATA].md_seq if MARKET_DATA in found else 0
    return [
        {
            "name": name,
            "instance": told.instance,
            "pid": told.pid,
            "epoch": told.epoch,
            "ready": told.ready,
            "heartbeat_age_seconds": round(max(0, now - told.beat_ns) / NS_PER_SECOND, 3),
            "md_seq": told.md_seq,
            # each was written at another moment: who seems to be ahead of the bars has just heard them
            "lag": max(0, ahead - told.md_seq) if told.md_seq else None,
            "http_port": told.http_port,
        }
        for name, told in sorted(found.items())
    ]
