"""`lct config`: what the house is set to, where each value comes from, and what is wrong with a file."""

from pathlib import Path
from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_rows

app = typer.Typer(name="config", no_args_is_help=True, add_completion=False)


@app.callback()
def config() -> None:
    """Settings, and what is wrong with them. Example: lct config show house"""


@app.command()
def show(
    section: Annotated[str | None, typer.Argument(help="One part, as in trading_engine; without: all.")] = None,
    folder: o.ConfigDir = None,
    json: o.Json = False,
) -> None:
    """Show every setting with its value and where that comes from: a file, or the default.

    Example: lct config show trading_engine --json
    """
    from lct.cli.effective import effective
    from lct.cli.settings import config_dir

    rows = effective(config_dir(folder), section)
    print_rows(rows, json=json, columns=("key", "value", "source"), none="nothing is set")


@app.command()
def check(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Else config/ of the home.")] = None,
    json: o.Json = False,
) -> None:
    """Read every file of a folder as the house would, and tell all that is wrong; exit code 2 where something is.

    Example: lct config check configs/
    """
    from lct.cli.effective import checked
    from lct.cli.settings import config_dir

    rows = checked(config_dir(folder))
    print_rows(rows, json=json, columns=("file", "passed", "detail"), none="no configuration files")
    if not all(row["passed"] for row in rows):
        raise typer.Exit(2)
