"""`lct up`: starts the daemons under supervisord, with paper money, and waits until they are up."""

from pathlib import Path
from typing import Annotated

import typer

from lct.cli import options as o

app = typer.Typer(add_completion=False)


@app.command()
def up(
    ctx: typer.Context,
    *,
    only: o.Only = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop all with Ctrl-C.")] = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Stay, and restart a daemon when its source or settings change.")
    ] = False,
    replay: Annotated[Path | None, typer.Option("--replay", help="Replay recorded bars, a folder or a file.")] = None,
    speed: Annotated[
        float | None, typer.Option("--speed", min=0.001, help="Replayed seconds a second; without: as fast as it goes.")
    ] = None,
    account: o.Account = None,
    live: Annotated[bool, typer.Option("--live", help="Real money; this version refuses.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the daemons are up.")] = False,
    json: o.Json = False,
) -> None:
    """Start the daemons, or those of --only, and print how each is.

    Those that run already go on. Exit code 3 where one is not up within 30 seconds, with the last lines of its log.
    A replay has an account of its own, named after the bars, and goes on where it was left.

    Example: lct up --only market_data,strategy_engine
    """
    from lct.cli.drive import interruptions, leave
    from lct.cli.running import Start, bring_up

    wish = Start(only, replay, speed, account, live, foreground, reload, not no_wait)
    with interruptions() as came:
        bring_up(wish, ctx.obj, came, json=json)
        leave(came())
