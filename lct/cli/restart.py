"""`lct restart`: stops and starts daemons in their order, and waits until they are up again."""

from typing import Annotated

import typer

from lct.cli import options as o

app = typer.Typer(add_completion=False)


@app.command()
def restart(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(autocompletion=o.complete_daemons, help="Daemons; without: all that run.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Restart daemons, and print how each is; what they knew is in their journals.

    Exit code 3 where nothing runs, or one is not up again within 30 seconds.

    Example: lct restart strategy_engine
    """
    from lct.cli.drive import interruptions, leave
    from lct.cli.running import restart as again
    from lct.cli.running import tell

    with interruptions() as came:
        tell(again(names or None, ctx.obj, came), json=json)
        leave(came())
