"""Monitoring: hears heartbeats, judges who is up, late or down, and alerts that and what execution cries."""

from collections import Counter, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from lct.daemon import Ask, Daemon, Later, NoReply, Said, Saying, answers, on
from lct.domain.health import (
    DOWN_AFTER_SECONDS,
    LATE_AFTER_SECONDS,
    NS_PER_SECOND,
    Beat,
    DaemonHealth,
    Limits,
    State,
    health,
    worst,
)
from lct.domain.metrics import DaemonMetrics, GateMetrics
from lct.domain.money import plain
from lct.domain.text import clean
from lct.messages.base import Heartbeat, Ready
from lct.messages.execution import Alerted, ExecutionStatus, GetExecutionStatus, Reconciled, Unprotected
from lct.messages.monitoring import (
    Alert,
    Alerts,
    GetAlerts,
    GetHouseHealth,
    GetMetrics,
    HouseHealth,
    Metrics,
    ReviewDue,
    Severity,
    StandingDue,
)

REVIEW = "review"
DAEMONS_MAX = 64
NAME_WIDTH = 64
NAMES_CACHED = 256
DETAIL_WIDTH = 400
UNPROTECTED_QUIET_NS = 60 * NS_PER_SECOND
"""A position without a stop is alerted once in this time, however often execution says it."""
POSITIONS_MAX = 10_000
EXECUTION = "execution"
STANDING = "standing"
STANDING_EVERY_NS, STANDING_PATIENCE_NS = 5 * NS_PER_SECOND, 2 * NS_PER_SECOND
"""How often execution is asked how it stands, and how long it may take to answer."""
CRIES: dict[str, Severity] = {"late_fill": "warning"}
"""What is not critical of what execution cries."""

SEVERITIES: dict[State, Severity] = {"up": "info", "late": "warning", "down": "critical"}
Build = tuple[str, int, str]
"""Version, schema and config of a daemon."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a daemon counts as late and as down, and how many alerts are kept."""

    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8007
    late_after_seconds: Annotated[float, Meta(gt=1, description="age of a heartbeat from which a daemon is late")] = (
        LATE_AFTER_SECONDS
    )
    down_after_seconds: Annotated[float, Meta(gt=1, description="age of a heartbeat from which a daemon is down")] = (
        DOWN_AFTER_SECONDS
    )
    review_every_seconds: Annotated[float, Meta(gt=0, le=60, description="how often all ages are looked at")] = 1.0
    alerts_kept: Annotated[int, Meta(ge=1, le=100_000, description="alerts kept in memory")] = 1_000

    def __post_init__(self) -> None:
        """Refuse a daemon that is down before it is late."""
        if self.down_after_seconds < self.late_after_seconds:
            raise ValueError("down_after_seconds must be at least late_after_seconds")


@dataclass(slots=True)
class Member:
    """What was last heard of one daemon; `beat_ns` is when its heartbeat was, never after it was heard."""

    beat: Heartbeat | None = None
    beat_ns: int = 0
    ready: Ready | None = None
    restarts: int = 0


class Monitoring(Daemon):
    """Volatile: whoever lives says so again within a second.

    It alerts only what it saw while listening: after its own start, and after a time in which it could not hear (it was
    stopped, the machine slept), it first listens as long as a daemon may be silent.
    """

    name = "monitoring"
    on_wall_clock: ClassVar[bool] = True

    def __init__(self, expected: tuple[str, ...], config: Config | None = None) -> None:
        """Take the daemons that must be there; others count once they are heard."""
        config = config or Config()
        self.limits = Limits(config.late_after_seconds, config.down_after_seconds)
        self.members = {name: Member() for name in expected}
        self._every_ns = self._ns(config.review_every_seconds)
        self.alerts: deque[Alert] = deque(maxlen=config.alerts_kept)
        self.raised = 0
        self._told: dict[str, State] = {}
        self._mixture = ""
        self._is_crowded = False
        self._cried: dict[tuple[str, str], int] = {}
        self._listening_ns = self._reviewed_ns = 0
        self._gate: tuple[int, ExecutionStatus] | None = None
        self._differs = False

    def recovered(self, now_ns: int) -> Iterator[Said]:
        """Begin to listen."""
        self._listening_ns = self._reviewed_ns = now_ns
        yield Later(REVIEW, now_ns + self._every_ns, ReviewDue())
        if EXECUTION in self.members:
            yield Later(STANDING, now_ns + STANDING_EVERY_NS, StandingDue())

    # -- what it hears ------------------------------------------------------------------------------------------

    @on(Heartbeat)
    def beat(self, beat: Heartbeat, now_ns: int) -> Iterator[Said]:
        """Keep the heartbeat; a new epoch is a restart, and one of a life that is over is late mail."""
        if now_ns < self._reviewed_ns:  # the clock was set back, and the timer with it
            yield from self.review(ReviewDue(), now_ns)
        name = _name(beat.daemon, beat.instance)
        member = self._member(name)
        if member is None:
            yield from self._crowded(now_ns)
            return
        last = member.beat
        if last is not None and beat.epoch < last.epoch and beat.time_ns <= last.time_ns:
            return
        member.beat, member.beat_ns = beat, min(beat.time_ns, now_ns)
        if last is not None and beat.epoch != last.epoch:
            member.restarts += 1
            if member.ready is not None and member.ready.epoch != beat.epoch:
                member.ready = None
            lives = f"life {beat.epoch} (pid {beat.pid}) after life {last.epoch} (pid {last.pid})"
            yield self._alert("warning", "daemon_restarted", f"{name}: {lives}; restart {member.restarts}", now_ns)

    @on(Ready)
    def greet(self, ready: Ready, now_ns: int) -> Iterator[Said]:
        """Keep what the daemon was built from, and compare it with the others."""
        member = self._member(_name(ready.daemon, ready.instance))
        if member is None:
            yield from self._crowded(now_ns)
        elif member.beat is None or ready.epoch >= member.beat.epoch:
            member.ready = ready
            yield from self._compare(now_ns)

    @on(ReviewDue)
    def review(self, due: ReviewDue, now_ns: int) -> Iterator[Said]:
        """Judge all ages again, and alert what changed since the last alert."""
        if now_ns < self._reviewed_ns:
            for member in self.members.values():
                member.beat_ns = min(member.beat_ns, now_ns)
            self._cried.clear()
            self._listening_ns = min(self._listening_ns, now_ns)
        elif now_ns - self._reviewed_ns > self._every_ns + self._ns(self.limits.late_after_seconds):
            self._listening_ns = now_ns
        self._reviewed_ns = now_ns
        yield Later(REVIEW, now_ns + self._every_ns, ReviewDue())
        yield from self._compare(now_ns)
        if now_ns - self._listening_ns >= self._ns(self.limits.down_after_seconds):
            yield from self._changes(now_ns)

    @on(Unprotected)
    def warn(self, bare: Unprotected, now_ns: int) -> Saying:
        """Alert a position that has no stop."""
        if self._is_repeated((bare.book, bare.symbol), now_ns):
            return None
        detail = f"{plain(bare.amount)} {bare.symbol} of {bare.book} has no stop at the venue: {bare.reason}"
        return (self._alert("critical", "unprotected", detail, now_ns),)

    @on(Alerted)
    def cry(self, alerted: Alerted, now_ns: int) -> Saying:
        """Alert what execution says that a person should know; the same of the same once a minute."""
        key = (alerted.kind, alerted.client_order_id or alerted.symbol or alerted.text[:NAME_WIDTH])
        if self._is_repeated(key, now_ns):
            return None
        where = "" if alerted.symbol is None else f"{alerted.symbol}: "
        order = "" if alerted.client_order_id is None else f" (order {alerted.client_order_id})"
        severity = CRIES.get(alerted.kind, "critical")
        return (self._alert(severity, clean(alerted.kind, NAME_WIDTH), f"{where}{alerted.text}{order}", now_ns),)

    @on(Reconciled)
    def compared(self, found: Reconciled, now_ns: int) -> Saying:
        """Alert that the accounts agree again; that they do not, execution cries itself."""
        agrees_again = found.even and self._differs
        self._differs = not found.even
        if not agrees_again:
            return None
        return (self._alert("info", "accounts_agree", "our books are the venue's again", now_ns),)

    @on(StandingDue)
    def ask_gate(self, due: StandingDue, now_ns: int) -> Generator[Said, Any, None]:
        """Ask execution how it stands; what it does not answer stays as it was, and grows old."""
        yield Later(STANDING, now_ns + STANDING_EVERY_NS, StandingDue())
        try:
            status = yield Ask(GetExecutionStatus(), now_ns + STANDING_PATIENCE_NS)
        except NoReply:
            return
        self._gate = now_ns, status

    # -- what it concludes --------------------------------------------------------------------------------------

    def _is_repeated(self, key: tuple[str, str], now_ns: int) -> bool:
        """Whether this was alerted within the last minute; if not, it is now."""
        if now_ns - self._cried.get(key, -UNPROTECTED_QUIET_NS) < UNPROTECTED_QUIET_NS:
            return True
        if len(self._cried) >= POSITIONS_MAX:
            self._cried.clear()
        self._cried[key] = now_ns
        return False

    @staticmethod
    def _ns(seconds: float) -> int:
        return round(seconds * NS_PER_SECOND)

    def _member(self, name: str) -> Member | None:
        """Return the member of this name, a new one while there is room."""
        if name not in self.members and len(self.members) < DAEMONS_MAX:
            self.members[name] = Member()
        return self.members.get(name)

    def _crowded(self, now_ns: int) -> Iterator[Said]:
        if not self._is_crowded:
            self._is_crowded = True
            yield self._alert("warning", "house_crowded", f"only {DAEMONS_MAX} daemons are watched", now_ns)

    def _alert(self, severity: Severity, name: str, detail: str, now_ns: int) -> Alert:
        alert = Alert(severity, name, clean(detail, DETAIL_WIDTH), now_ns)
        self.alerts.append(alert)
        self.raised += 1
        return alert

    def _healths(self, now_ns: int) -> list[DaemonHealth]:
        odd = self._odd(now_ns)
        return [self._health(name, now_ns, odd.get(name)) for name in sorted(self.members)]

    def _health(self, name: str, now_ns: int, oddity: str | None = None) -> DaemonHealth:
        member = self.members[name]
        beat = None
        if member.beat is not None:
            told = member.beat.reasons if oddity is None else (oddity, *member.beat.reasons)
            beat_ns = now_ns if name == self.name else member.beat_ns  # who judges is alive
            beat = Beat(beat_ns, member.beat.pid, member.beat.ready, told)
        return health(name, beat, now_ns, limits=self.limits)

    def _changes(self, now_ns: int) -> Iterator[Said]:
        for found in self._healths(now_ns):
            if found.state != self._told.get(found.name, "up"):
                self._told[found.name] = found.state
                why = f": {', '.join(found.reasons)}" if found.reasons else ""
                rule = f"daemon_{found.state}"
                yield self._alert(SEVERITIES[found.state], rule, f"{found.name} is {found.state}{why}", now_ns)

    def _odd(self, now_ns: int) -> dict[str, str]:
        """Return who differs from most others in version, schema or config, and how; who is down does not count."""
        builds: dict[str, Build] = {
            name: (member.ready.version, member.ready.schema, member.ready.config)
            for name, member in sorted(self.members.items())
            if member.ready is not None and self._health(name, now_ns).state != "down"
        }
        if len(set(builds.values())) < 2:
            return {}
        usual = Counter(sorted(builds.values())).most_common(1)[0][0]
        return {name: _difference(build, usual) for name, build in builds.items() if build != usual}

    def _compare(self, now_ns: int) -> Iterator[Said]:
        mixture = "; ".join(f"{name} has {difference}" for name, difference in self._odd(now_ns).items())
        if mixture == self._mixture:
            return
        self._mixture = mixture
        if mixture:
            yield self._alert("critical", "house_mixed", mixture, now_ns)
        else:
            yield self._alert("info", "house_agreed", "all daemons have the same version, schema and config", now_ns)

    # -- what it answers ----------------------------------------------------------------------------------------

    @answers(GetHouseHealth)
    def house(self, request: GetHouseHealth, now_ns: int) -> HouseHealth:
        """Tell how everybody is, now."""
        found = self._healths(now_ns)
        return HouseHealth(worst(one.state for one in found), found)

    @answers(GetMetrics)
    def metrics(self, request: GetMetrics, now_ns: int) -> Metrics:
        """Tell what everybody counted."""
        rows = [_metrics(self._health(name, now_ns), member, now_ns) for name, member in sorted(self.members.items())]
        return Metrics(now_ns, [row for row in rows if row is not None], _gate_metrics(self._gate, now_ns))

    @answers(GetAlerts)
    def last_alerts(self, request: GetAlerts, now_ns: int) -> Alerts:
        """Tell the newest alerts."""
        return Alerts(list(self.alerts)[-request.limit :], self.raised)


@lru_cache(maxsize=NAMES_CACHED)
def _name(daemon: str, instance: int) -> str:
    """Return what a daemon is called here: the first instance by its name alone."""
    return clean(daemon if instance == 0 else f"{daemon}.{instance}", NAME_WIDTH)


def _difference(build: Build, usual: Build) -> str:
    """Return in words what of a build is not as usual."""
    parts = zip(("version", "schema", "config"), build, usual, strict=True)
    return ", ".join(f"{what} {mine} (the others {theirs})" for what, mine, theirs in parts if mine != theirs)


def _metrics(found: DaemonHealth, member: Member, now_ns: int) -> DaemonMetrics | None:
    beat = member.beat
    if beat is None or found.heartbeat_age_seconds is None:
        return None
    return DaemonMetrics(
        name=found.name,
        state=found.state,
        epoch=beat.epoch,
        restarts=member.restarts,
        heartbeat_age_seconds=found.heartbeat_age_seconds,
        md_seq=beat.md_seq,
        journal_seq=beat.journal_seq,
        heard=beat.heard,
        said=beat.said,
        malformed=beat.malformed,
        latency_ms=beat.latency_ms,
        age_seconds={what: max(0, now_ns - ns) / NS_PER_SECOND for what, ns in sorted(beat.last_ns.items())},
    )


def _gate_metrics(told: tuple[int, ExecutionStatus] | None, now_ns: int) -> GateMetrics | None:
    if told is None:
        return None
    told_ns, status = told
    compared_ns = status.reconciled_ns
    # the house's time, which may be replayed: ages of it are by its own clock
    age_seconds = None if compared_ns is None else max(0, status.time_ns - compared_ns) / NS_PER_SECOND
    return GateMetrics(
        status.standing.value,
        len(status.unknown),
        len(status.foreign),
        len(status.frozen),
        len(status.differences),
        status.unprotected_ns / NS_PER_SECOND,
        age_seconds,
        max(0, now_ns - told_ns) / NS_PER_SECOND,
    )
