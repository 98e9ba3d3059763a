"""`lct demo`: the whole system on a synthetic market, with paper money, no network and no keys."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, print_facts, print_json, say

if TYPE_CHECKING:
    from lct.cli.drive import Came
    from lct.run.house import Settings

app = typer.Typer(add_completion=False)

SHAPE = (
    "seed",
    "cycles",
    "signals",
    "orders",
    "fills",
    "equity",
    "profit",
    "open_positions",
    "books_balance",
    "daemons",
    "messages",
)
STRATEGIES = ("trend", "mean_reversion", "ema_cross")


@app.command()
def demo(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days of market.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which market.")] = 7,
    speed: Annotated[
        float | None, typer.Option("--speed", min=0.001, help="Replayed seconds a second; without: as fast as it goes.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Play three strategies on twelve pairs of a seeded market, check that the books balance, and clean up.

    Eight daemons and a conductor run under supervisord in a temporary home; the time is replayed.
    Exit code 1 where the books do not balance to the last digit.

    Example: lct demo --days 1 --seed 42 --json
    """
    from lct.cli.drive import leave

    document, came = _play(_settings(seed, days), seed, speed, ctx.obj)
    if came:
        leave(came)
    if json:
        print_json(document)
    else:
        print_facts({**document, "daemons": [daemon["name"] for daemon in document["daemons"]]}, json=False)
    if not document["books_balance"]:
        raise typer.Exit(1)


def _settings(seed: int, days: int) -> "Settings":
    from lct.cli.settings import Market, Money, strategies_of, traded
    from lct.run.house import Settings

    return traded(strategies_of(Settings(), STRATEGIES), Market(seed=seed, days=days), Money())


def _play(settings: "Settings", seed: int, speed: float | None, manners: Manners) -> tuple[dict[str, Any], int]:
    """Play a market in a home that is gone afterwards; return the summary, and the signal that ended it, or 0."""
    from lct.cli.drive import interruptions, private
    from lct.clock import NS_PER_SECOND, monotonic_ns

    private()
    began = monotonic_ns()
    with interruptions() as came:
        document = _played(settings, seed, speed, manners, came)
        broke_off = came()
    if broke_off:
        say("interrupted; all is cleaned up", manners)
    return {**document, "wall_seconds": round((monotonic_ns() - began) / NS_PER_SECOND, 3)}, broke_off


def _played(settings: "Settings", seed: int, speed: float | None, manners: Manners, came: "Came") -> dict[str, Any]:
    from lct.cli.showing import asked, members, orders_and_balances, play, show
    from lct.run.members import feed

    facts: dict[str, Any] = {}
    with show(settings, speed) as made:
        replay = play(made, len(feed(settings.house).tape()), manners, came)
        if replay is not None and not came():
            facts = asked(made, replay)
            facts["daemons"] = members(made)
        made.supervisor.stop()
        if facts:
            balances = facts.pop("balances")
            facts["orders"], venue = orders_and_balances(made)
            facts["books_balance"] = not any(balances.trial.values()) and balances.totals == venue
    facts["seed"] = seed
    return {name: facts[name] for name in SHAPE if name in facts}
