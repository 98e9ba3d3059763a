"""`lct daemon`: which daemons there are; runs one in the foreground; writes the first files of a new one."""

from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import print_facts, print_json_lines, print_rows

app = typer.Typer(name="daemon", no_args_is_help=True, add_completion=False)

COLUMNS = ("name", "http_port", "state", "pid", "where")


@app.callback()
def daemon() -> None:
    """The processes of a house. Example: lct daemon list"""


@app.command("list")
def list_(json: o.Json = False) -> None:
    """List the daemons that there are: the modules of daemons/, with their port and whether they run.

    Example: lct daemon list --json
    """
    from lct.cli.members import listed

    print_rows(listed(), json=json, columns=COLUMNS, none="no daemons", spare=("where",))


@app.command()
def run(
    name: Annotated[str, typer.Argument(autocompletion=o.complete_daemons, help="See lct daemon list.")],
    json: o.Json = False,
) -> None:
    """Run one daemon here, without a supervisor, until Ctrl-C; with --json its name and process are printed first.

    Its log is in the log folder of the home, as ever.

    Example: lct daemon run portfolio
    """
    import os
    import sys

    from lct.cli.members import check_name

    check_name(name)
    if json:
        print_json_lines([{"name": name, "pid": os.getpid()}])
        sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "lct.run", name])  # noqa: S606 - this process becomes the daemon


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and _, a letter first.")],
    json: o.Json = False,
) -> None:
    """Write a small working daemon into the checkout, with its messages, settings, verb, test and program.

    No Python file that is there is changed. It hears fills and keeps their fees, for you to make something of.

    Example: lct daemon new tax
    """
    from lct.cli.daemon_files import write_daemon

    print_facts(write_daemon(name), json=json)
