"""`lct demo`: the whole system on a synthetic market, with paper money, no network and no keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, print_facts, print_json, progress, say

if TYPE_CHECKING:
    from lct.run.house import House, Settings

app = typer.Typer(add_completion=False)

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

    All daemons share one process, so that pss_bytes, their memory each, is not known. Exit code 1 where the books
    do not balance to the last digit.

    Example: lct demo --days 1 --seed 42 --json
    """
    from lct.cli.drive import leave

    document, came = _play(_settings(seed, days), seed, speed, ctx.obj)
    if json:
        print_json(document)
    else:
        print_facts({**document, "daemons": [daemon["name"] for daemon in document["daemons"]]}, json=False)
    leave(came)
    if not document["books_balance"]:
        raise typer.Exit(1)


def _settings(seed: int, days: int) -> "Settings":
    from lct.cli.settings import Market, Money, strategies_of, traded
    from lct.run.house import Settings

    return traded(strategies_of(Settings(), STRATEGIES), Market(seed=seed, days=days), Money())


def _play(settings: "Settings", seed: int, speed: float | None, manners: Manners) -> tuple[dict[str, Any], int]:
    """Play a market in a home that is gone afterwards; return the summary, and the signal that ended it, or 0."""
    from tempfile import TemporaryDirectory

    from lct.cli.drive import drive, interruptions, journal_file, private, say_refused
    from lct.clock import NS_PER_SECOND, monotonic_ns
    from lct.messages.market_data import GetDataQuality

    private()
    began = monotonic_ns()
    with interruptions() as came, TemporaryDirectory(prefix="lct-demo-") as name:
        from lct.run.house import open_house

        house = open_house(Path(name), settings)
        try:
            with progress("demo", len(house.tape), manners) as move:
                whole = drive(house, len(house.tape), move, came, speed)
            document = {"seed": seed, **_document(house, journal_file(Path(name), settings.house))}
            say_refused(house.ask(GetDataQuality()).refused, manners)
        finally:
            house.close()
        broke_off = 0 if whole else came()
    if broke_off:
        say("interrupted; this is how it stood", manners)
    return {**document, "wall_seconds": round((monotonic_ns() - began) / NS_PER_SECOND, 3)}, broke_off


def _document(house: "House", journal: Path) -> dict[str, Any]:
    from lct.cli.drive import books_balance, summary
    from lct.messages.trading_engine import GetTradingStatus

    messages, now = house.bus.counts.total(), summary(house, journal, 0)
    return {
        "cycles": now["cycles"],
        "signals": house.ask(GetTradingStatus()).signals,
        "orders": now["orders"],
        "fills": now["fills"],
        "equity": now["equity"],
        "profit": now["profit"],
        "open_positions": now["open_positions"],
        "books_balance": books_balance(house),
        "daemons": [
            {"name": name, "state": "up", "restarts": 0, "pss_bytes": None} for name in sorted(house.bus.seats)
        ],
        "messages": messages,
    }
