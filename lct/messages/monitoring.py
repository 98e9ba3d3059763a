"""What monitoring says and answers: alerts, the health of the house, and what its daemons count."""

from typing import Annotated, Literal

from msgspec import Meta

from lct.domain.health import DaemonHealth, State
from lct.domain.metrics import DaemonMetrics, GateMetrics
from lct.messages.base import Event, Request

ALERTS_TOLD_MAX = 150
"""In one reply, so that it fits into a frame."""

Severity = Literal["info", "warning", "critical"]


class Alert(Event, frozen=True, tag="monitoring.alert"):
    """Something that a person should know.

    `name` is the rule that spoke (daemon_down, daemon_late, daemon_up, daemon_restarted, house_mixed, house_agreed,
    unprotected; of execution late_fill, unknown_order, mismatch, halted, accounts_agree), `detail` whom it is about and
    why, `time_ns` the wall clock.
    """

    severity: Severity
    name: str
    detail: str
    time_ns: int


class ReviewDue(Event, frozen=True, tag="monitoring.review_due"):
    """A second is over: the ages of all heartbeats are judged again."""


class HouseHealth(Event, frozen=True, tag="monitoring.house_health"):
    """How the house is: the verdict is the worst of its daemons' states."""

    verdict: State
    daemons: list[DaemonHealth]


class GetHouseHealth(Request[HouseHealth], frozen=True, tag="monitoring.get_house_health"):
    """How is everybody?"""


class StandingDue(Event, frozen=True, tag="monitoring.standing_due"):
    """Ask execution again how it stands."""


class Metrics(Event, frozen=True, tag="monitoring.metrics"):
    """What each daemon counted, by name; those that were never heard are missing.

    `gate` is what execution last told of itself, None where it has not.
    """

    time_ns: int
    daemons: list[DaemonMetrics]
    gate: GateMetrics | None = None


class GetMetrics(Request[Metrics], frozen=True, tag="monitoring.get_metrics"):
    """What did everybody count?"""


class Alerts(Event, frozen=True, tag="monitoring.alerts"):
    """Alerts, oldest first; `raised` counts all of this life of monitoring."""

    alerts: list[Alert]
    raised: int


class GetAlerts(Request[Alerts], frozen=True, tag="monitoring.get_alerts"):
    """Which were the last alerts?"""

    limit: Annotated[int, Meta(ge=1, le=ALERTS_TOLD_MAX)] = 50
