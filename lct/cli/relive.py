"""Relive: `replay`, a command of `lct journal`; sessions on the wall clock, lived again and compared."""

from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_rows

COLUMNS = ("daemon", "session", "turns", "hearings", "facts", "said", "after", "until")
SPARE = ("after", "turns", "until")


def replay(
    daemons: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DAEMON]...", autocompletion=o.complete_daemons, help="Which; without: all."),
    ] = None,
    session: Annotated[
        int | None, typer.Option("--session", min=1, help="Which life of each; without: its last.")
    ] = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Live a session on the wall clock again, from what each daemon heard, and compare all that it decides and says.

    Exit code 1 at the first decision that differs, naming the daemon, what was recorded and what came now.
    `after` counts what was said after the last that is known to have been heard, which a kill may cut off.

    Example: lct journal replay execution portfolio --session 3
    """
    from dataclasses import asdict

    from lct.clock import rfc3339
    from lct.config import home
    from lct.errors import NotFound
    from lct.run.reliving import relive

    lived = [asdict(found) for found in relive(home(), daemons or (), session, account)]
    if session is not None and not lived:
        raise NotFound(f"no session {session} is kept; `lct journal replay` without --session takes all there are")
    rows = [{**row, "until": rfc3339(row.pop("until_ns"))} for row in lived]
    print_rows(rows, json=json, columns=COLUMNS, none="no sessions", spare=SPARE)
