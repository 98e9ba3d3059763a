"""`lct plugin`: everything that can be plugged in, and a first file for one of your own."""

from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_facts, print_json, print_rows

app = typer.Typer(name="plugin", no_args_is_help=True, add_completion=False)

PARAMETERS = ("name", "type", "default", "description")


@app.callback()
def plugin() -> None:
    """Strategies, feeds, exchanges and token sources. Example: lct plugin list"""


@app.command("list")
def list_(
    group: Annotated[
        str | None, typer.Argument(help="strategies, feeds, exchanges or token_sources; without: all.")
    ] = None,
    json: o.Json = False,
) -> None:
    """List plugins and the file or package each comes from; none is imported.

    Example: lct plugin list feeds
    """
    from lct.cli.plugins import plugin_rows

    print_rows(plugin_rows(group), json=json, columns=("group", "name", "origin", "where"), none="no plugins")


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="strategy, feed, exchange or token_source.")],
    name: Annotated[str, typer.Argument(help="See lct plugin list.")],
    json: o.Json = False,
) -> None:
    """Show what a plugin says of itself, and its parameters.

    Example: lct plugin show feed synthetic
    """
    from lct.cli.plugins import group_of, plugin_facts

    facts = plugin_facts(group_of(kind), name)
    if json:
        print_json(facts)
        return
    rows = facts.pop("parameters")
    print_facts(facts, json=False)
    print_rows(rows, json=False, columns=PARAMETERS, none="no parameters")


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="strategy or token_source; other kinds follow.")],
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and _, a letter first.")],
    json: o.Json = False,
) -> None:
    """Write a small working plugin into the home, with a test beside it; lct backtest runs a strategy at once.

    Example: lct plugin new strategy my_idea
    """
    from lct.cli.scaffold import write_plugin

    print_facts(write_plugin(kind, name), json=json)
