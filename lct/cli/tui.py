"""`lct tui`: the dashboard in the terminal: positions, signals, health and logs, as they are now."""

import sys
from typing import Annotated

import typer

from lct.cli.output import is_terminal
from lct.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def tui(
    refresh: Annotated[
        float, typer.Option("--refresh", min=0.1, max=60.0, metavar="SECONDS", help="How often to ask the daemons.")
    ] = 1.0,
) -> None:
    """Watch a house: what it holds, what its strategies think, who is up, and what is logged.

    It may be closed, killed or opened twice at any time, and daemons may come and go while it runs; all that it does to
    a house is to halt it, with `h` and the typed word. `?` explains the screen, `q` quits.

    Example: lct tui --refresh 0.5
    """
    from lct.config import home
    from lct.tui import show

    if not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        raise ConfigError("lct tui draws on a terminal, and this is none; `lct status --json` tells a script the same")
    raise typer.Exit(show(home(), refresh))
