"""The daemons around the trade in a simulated house: what keeps them busy, and what must be true of them at the end."""

from collections.abc import Iterator
from typing import cast

from daemons.monitoring import Config as MonitoringConfig
from lct.domain.health import NS_PER_SECOND
from lct.messages.api_gateway import GetTraffic, RequestServed
from lct.messages.base import Command, Event, Heartbeat
from lct.messages.execution import GetExecutionStatus
from lct.messages.monitoring import GetHouseHealth, GetMetrics
from lct.messages.token_discovery import GetTokens
from lct.run.house import House
from lct.run.members import TRADING
from lct.run.serving import ServedPort

EIGHT = (*TRADING, "token_discovery", "monitoring", "api_gateway")
BEAT_EVERY_NS = 10 * NS_PER_SECOND
WATCH = MonitoringConfig(late_after_seconds=25, down_after_seconds=60, review_every_seconds=10)
"""Ten times less often than in a house on the wire, for virtual hours are many seconds."""


class Beats:
    """The heartbeats of a house whose daemons share a process: all are heard, or none."""

    role = "beats"
    owner = "monitoring"
    takes_again = True

    def __init__(self, names: tuple[str, ...], life: int, now_ns: int) -> None:
        """Begin to beat at a time, in the n-th life of the house."""
        self.given = 0
        self._names = names
        self._life = life
        self._due_ns = now_ns

    def due_ns(self) -> int | None:
        """Return when all beat next."""
        return self._due_ns

    def results(self, now_ns: int) -> list[Event]:
        """Return a heartbeat of each, once for all times that have passed."""
        if now_ns < self._due_ns:
            return []
        self._due_ns = now_ns + BEAT_EVERY_NS
        self.given += len(self._names)
        return [Heartbeat(name, 0, self._life, 1, ready=True, time_ns=now_ns) for name in self._names]

    def do(self, command: Command, now_ns: int) -> None:
        """Refuse: nobody is told to beat."""
        raise AssertionError(f"a heart cannot do {command}")

    def resume(self, heard: int) -> None:
        """Count on."""
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return nothing: a heartbeat that is over says nothing."""
        return []


class Served:
    """What people asked of the gateway in this life of a house."""

    def __init__(self, house: House) -> None:
        """Stand at the gateway's port."""
        self._port = cast(ServedPort, house.bus.ports["http"])
        self._port.clock = lambda: house.bus.now_ns
        self.count = 0

    def tell(self, kind: str) -> None:
        """Tell the gateway of one request that was served."""
        self.count += 1
        self._port.tell(RequestServed("POST", f"/{kind}", 200, 1.0))


def at_the_end(house: House, served: Served) -> Iterator[tuple[str, str]]:
    """Check, in a house at rest, that everybody is up, and that each tells what the others know of themselves."""
    health = house.ask(GetHouseHealth())
    if health.verdict != "up" or {one.name for one in health.daemons} != set(EIGHT):
        yield "health", f"monitoring says {health.verdict} of {[(one.name, one.state) for one in health.daemons]}"
    gate, status = house.ask(GetMetrics()).gate, house.ask(GetExecutionStatus())
    told = None if gate is None else (gate.standing, gate.unknown_orders, gate.foreign_orders, gate.differences)
    true = status.standing.value, len(status.unknown), len(status.foreign), len(status.differences)
    if told != true:
        yield "health", f"monitoring says {told} of the gate, execution says {true}"
    traffic = house.ask(GetTraffic())
    if traffic.requests != served.count:
        yield "traffic", f"the gateway counted {traffic.requests} of {served.count} requests"
    if not house.ask(GetTokens()).screened:
        yield "tokens", "no token was screened"
