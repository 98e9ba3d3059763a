"""`lct strategy`: which strategies there are, and what each can be asked to do."""

from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_facts, print_json, print_rows

app = typer.Typer(name="strategy", no_args_is_help=True, add_completion=False)

PARAMETERS = ("name", "default", "min", "above", "max", "below", "search", "description")


@app.callback()
def strategy() -> None:
    """Strategies and their parameters. Example: lct strategy show trend"""


@app.command("list")
def list_(json: o.Json = False) -> None:
    """List the strategies: those of lct, yours in plugins/strategies of the home, and those of packages.

    Example: lct strategy list --json
    """
    from lct.cli.plugins import strategy_rows

    print_rows(strategy_rows(), json=json, columns=("name", "origin", "warmup", "summary"), none="no strategies")


@app.command()
def show(
    name: Annotated[str, typer.Argument(autocompletion=o.complete_strategies, help="See lct strategy list.")],
    json: o.Json = False,
) -> None:
    """Show a strategy: its parameters with default, bounds and the range to search, its warmup and its anchor block.

    Example: lct strategy show ema_cross
    """
    from lct.cli.plugins import strategy_facts

    facts = strategy_facts(name)
    if json:
        print_json(facts)
        return
    rows = facts.pop("parameters")
    facts["timeframes"] = facts["timeframes"] or "any"
    print_facts(facts, json=False)
    print_rows(rows, json=False, columns=PARAMETERS, none="no parameters")
