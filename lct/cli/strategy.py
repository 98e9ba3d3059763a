"""`lct strategy`: which strategies there are, what each can be asked to do, and what they think now."""

from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_facts, print_json, print_rows

app = typer.Typer(name="strategy", no_args_is_help=True, add_completion=False)

SIGNALS = ("strategy", "symbol", "score", "regime", "time")
SIGNALS_MAX = 1_000
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


@app.command()
def signals(
    name: Annotated[
        str | None, typer.Option("--strategy", autocompletion=o.complete_strategies, help="Only this one's.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=SIGNALS_MAX, help="At most N.")] = 100,
    json: o.Json = False,
) -> None:
    """Show the last score of each strategy and symbol in the running house, the most decided first.

    A score is from -1 (short) to 1 (long); time is the close of the bar that it is of.

    Example: lct strategy signals --strategy trend
    """
    from daemons.api_gateway.documents import signals as documented
    from lct.cli.asking import ask
    from lct.messages.strategy_engine import GetSignals

    rows = documented(ask(GetSignals(name, limit)))
    print_rows(rows, json=json, columns=SIGNALS, none="no scores yet", spare=("time", "regime"))
