"""`lct doctor`: what is wrong with this installation and its home, with the fix beside each finding."""

import typer

from lct.cli import options as o
from lct.cli.output import print_rows

app = typer.Typer(add_completion=False)


@app.command()
def doctor(json: o.Json = False) -> None:
    """Look at Python, the packages, the home, its configuration and accounts, and the house that runs; change nothing.

    Exit code 1 where something is wrong.

    Example: lct doctor --json
    """
    from lct.cli.checks import all_checks

    rows = all_checks()
    columns = ("check", "passed", "detail", "fix")
    print_rows(rows, json=json, columns=columns, none="nothing was checked")
    if not all(row["passed"] for row in rows):
        raise typer.Exit(1)
