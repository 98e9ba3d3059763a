"""`lct down`: stops the daemons, the one that trades last, and waits until every process is gone."""

import typer

from lct.cli import options as o
from lct.cli.output import print_facts

app = typer.Typer(add_completion=False)


@app.command()
def down(ctx: typer.Context, json: o.Json = False) -> None:
    """Stop all daemons of this home and their supervisor; one that does not end within a minute is killed.

    Where nothing runs, nothing happens.

    Example: lct down
    """
    from lct.cli.running import stop

    print_facts(stop(ctx.obj), json=json)
