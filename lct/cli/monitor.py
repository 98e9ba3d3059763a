"""`lct monitor`: how every daemon is, and what each of them counts, as monitoring knows it."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lct.cli import options as o
from lct.cli.output import print_json, print_rows, say
from lct.errors import ConfigError

if TYPE_CHECKING:
    from lct.messages.base import Event, Request
    from lct.messages.monitoring import HouseHealth, Metrics

    ReplyT = TypeVar("ReplyT", bound=Event)

app = typer.Typer(name="monitor", no_args_is_help=True, add_completion=False)

HEALTH = ("name", "state", "pid", "ready", "heartbeat_age_seconds", "reasons")
HEALTH_SPARE = ("pid", "ready", "heartbeat_age_seconds")
METRICS = (
    "name",
    "state",
    "epoch",
    "restarts",
    "heartbeat_age_seconds",
    "md_seq",
    "journal_seq",
    "heard",
    "said",
    "malformed",
    "age_seconds",
    "latency_ms",
)
METRICS_SPARE = ("latency_ms", "age_seconds", "journal_seq", "md_seq", "epoch", "malformed", "said", "heard")


@app.callback()
def monitor() -> None:
    """How every daemon is, and what it counts. Example: lct monitor health"""


@app.command()
def health(json: o.Json = False) -> None:
    """Show each daemon with its state, the age of its last heartbeat, and the reasons where it is not up.

    Exit code 0 where all are up, 1 where one is late or down, 3 where monitoring does not answer.

    Example: lct monitor health --json
    """
    from lct.cli.output import manners
    from lct.messages.monitoring import GetHouseHealth

    found = health_document(_asked(GetHouseHealth()))
    if json:
        print_json(found)
    else:
        print_rows(found["daemons"], json=False, columns=HEALTH, none="no daemon is known", spare=HEALTH_SPARE)
        say(f"the house is {found['verdict']}", manners())
    if found["verdict"] != "up":
        raise typer.Exit(1)


@app.command()
def metrics(
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print the text that Prometheus reads.")] = False,
    json: o.Json = False,
) -> None:
    """Show what each daemon counts: messages, restarts, latencies (ms), and how long ago its last bar or order was.

    Example: lct monitor metrics --prometheus
    """
    from lct.messages.monitoring import GetMetrics

    if prometheus and json:
        raise ConfigError("--prometheus is a form of its own; leave out --json")
    told = _asked(GetMetrics())
    if prometheus:
        from lct.domain.metrics import exposition

        print(exposition(told.daemons, told.gate), end="")
    else:
        rows = metrics_rows(told)
        print_rows(rows, json=json, columns=METRICS, none="no heartbeat was heard yet", spare=METRICS_SPARE)


def health_document(told: "HouseHealth") -> dict[str, Any]:
    """Return the health of a house in its fixed shape."""
    rows = [{name: getattr(one, name) for name in HEALTH} for one in told.daemons]
    return {"verdict": told.verdict, "daemons": rows}


def metrics_rows(told: "Metrics") -> list[dict[str, Any]]:
    """Return what each daemon counts, as rows."""
    return [{name: getattr(one, name) for name in METRICS} for one in told.daemons]


def _asked(request: "Request[ReplyT]") -> "ReplyT":
    """Ask the running house."""
    from lct.client import Client
    from lct.config import home

    with Client(home()) as client:
        return client.ask(request)
