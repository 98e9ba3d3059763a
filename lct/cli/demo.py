"""`lct demo`: the whole system on a synthetic market, with paper money, no network and no keys."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, is_terminal, print_facts, print_json, print_table, say
from lct.errors import ConfigError

if TYPE_CHECKING:
    from lct.cli.drive import Came
    from lct.cli.showing import Show
    from lct.messages.conductor import Replay
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
MIB_BYTES = 1_048_576


@app.command()
def demo(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days of market.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which market.")] = 7,
    speed: Annotated[
        float | None, typer.Option("--speed", min=0.001, help="Replayed seconds a second; without: as fast as it goes.")
    ] = None,
    tui: Annotated[bool, typer.Option("--tui", help="Watch it in the dashboard; `q` ends both.")] = False,
    json: o.Json = False,
) -> None:
    """Play three strategies on twelve pairs of a seeded market, check that the books balance, and clean up.

    Eight daemons and a conductor run under supervisord in a temporary home; the time is replayed.
    Exit code 1 where the books do not balance to the last digit.

    Example: lct demo --days 1 --seed 42 --json
    """
    from lct.cli.drive import leave

    if tui and not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        raise ConfigError("--tui draws on a terminal, and this is none; leave it out")
    document, came = _play(settings_of(seed, days), seed, speed, ctx.obj, watched=tui)
    if came:
        leave(came)
    print_json(document) if json else _print(document)
    if document.get("books_balance") is False:
        raise typer.Exit(1)


def settings_of(seed: int, days: int) -> "Settings":
    """Return the house that is played, whatever this home is configured for."""
    from lct.cli.settings import Market, Money, strategies_of, traded
    from lct.run.house import Settings

    return traded(strategies_of(Settings(), STRATEGIES), Market(seed=seed, days=days), Money())


def _play(
    settings: "Settings", seed: int, speed: float | None, manners: Manners, *, watched: bool
) -> tuple[dict[str, Any], int]:
    """Play a market in a home that is gone afterwards; return the summary, and the signal that ended it, or 0."""
    from lct.cli.drive import interruptions, private
    from lct.clock import NS_PER_SECOND, monotonic_ns

    private()
    began = monotonic_ns()
    with interruptions(breaks_off=False) as came:
        facts = {"seed": seed, **_played(settings, speed, manners, came, watched=watched)}
        broke_off = came()
    if broke_off:
        say("interrupted; all is cleaned up", manners)
    document = {name: facts[name] for name in SHAPE if name in facts}
    return {**document, "wall_seconds": round((monotonic_ns() - began) / NS_PER_SECOND, 3)}, broke_off


def _played(
    settings: "Settings", speed: float | None, manners: Manners, came: "Came", *, watched: bool
) -> dict[str, Any]:
    from lct.cli.showing import asked, play, show, watch
    from lct.run.members import feed

    with show(settings, speed) as made:
        replay = watch(made, came) if watched else play(made, len(feed(settings.house).tape()), manners, came)
        facts = {} if replay is None or came() else asked(made, replay, came)
        return _checked(made, replay, facts) if facts and replay else {}


def _checked(made: "Show", replay: "Replay", facts: dict[str, Any]) -> dict[str, Any]:
    """Stop the house, and compare its books with the venue's where it had come to rest."""
    from lct.cli.showing import orders_and_balances

    made.stop()
    balances = facts.pop("balances")
    facts["orders"], venue = orders_and_balances(made)
    if replay.finished:
        facts["books_balance"] = not any(balances.trial.values()) and balances.totals == venue
    return facts


def _print(document: dict[str, Any]) -> None:
    """Print a summary for a person: the account, and below it the daemons."""
    daemons = document.get("daemons", [])
    print_facts({name: value for name, value in document.items() if name != "daemons"}, json=False)
    if daemons:
        print()
        rows = [[d["name"], d["state"], d["restarts"], _mib(d["pss_bytes"])] for d in daemons]
        print_table(("daemon", "state", "restarts", "MiB"), rows)


def _mib(pss_bytes: int | None) -> int | None:
    return None if pss_bytes is None else round(pss_bytes / MIB_BYTES)
