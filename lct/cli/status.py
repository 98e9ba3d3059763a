"""`lct status`: how each daemon is: up, late or down, since when nothing was heard of it, and why."""

import typer

from lct.cli import options as o

app = typer.Typer(add_completion=False)


@app.command()
def status(json: o.Json = False) -> None:
    """Join what the supervisor knows of each process with the heartbeat that the daemon writes itself.

    Exit code 0 where all are up, 1 where one is late or down, 3 where nothing runs.

    Example: lct status --json
    """
    from lct.cli.running import exit_code, look, print_overview

    found = look()
    print_overview(found, json=json)
    raise typer.Exit(exit_code(found))
