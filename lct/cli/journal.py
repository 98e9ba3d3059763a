"""`lct journal`: what was said and done, row by row, and whether anybody changed it."""

from pathlib import Path
from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.output import NAME_WIDTH, print_json_lines, print_rows
from lct.domain.text import clean

app = typer.Typer(name="journal", no_args_is_help=True, add_completion=False)

SHOWN = ("daemon", "journal_seq", "time", "heard_ref", "type", "body")
SPARE = ("heard_ref", "daemon", "body", "journal_seq")
ROWS_SHOWN = 20

Journal = Annotated[Path | None, typer.Argument(metavar="PATH", help="A house.db, or its folder; else the home's.")]


@app.callback()
def journal() -> None:
    """What was said and done. Example: lct journal show --last 5"""


@app.command()
def show(
    daemon: Annotated[str | None, typer.Option("--daemon", help="Only rows of this daemon.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only this type; * stands for anything.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest rows.")] = ROWS_SHOWN,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Show the newest rows, oldest first, with their bodies decoded.

    Example: lct journal show --daemon execution --type execution.filled --last 3 --json
    """
    from lct.cli.records import newest_rows

    rows = newest_rows(_path(None, config, account), daemon, kind, last)
    if json:
        print_json_lines(rows)
    else:
        print_rows(rows, json=False, columns=SHOWN, none="no such rows", spare=SPARE)


@app.command()
def verify(path: Journal = None, config: o.ConfigDir = None, account: o.Account = None, json: o.Json = False) -> None:
    """Walk the hash chain of every daemon; exit code 1, naming the row, where one does not hold.

    Example: lct journal verify --json
    """
    from lct.cli.records import verified

    counted = verified(_path(path, config, account))
    rows = [{"daemon": name, "rows": count} for name, count in counted.items()]
    print_rows(rows, json=json, columns=("daemon", "rows"), none="the journal is empty")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One select, over the tables journal and cursor.")],
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Ask the journal in SQL; nothing but reading is allowed. Bytes are shown in hex.

    Example: lct journal query "select type, count(*) as n from journal group by type order by n desc"
    """
    from lct.cli.records import query as asked

    rows = asked(_path(None, config, account), sql)
    if not json:
        rows = [{clean(name, NAME_WIDTH): value for name, value in row.items()} for row in rows]
    columns = tuple(rows[0]) if rows else ()
    print_rows(rows, json=json, columns=columns, none="no rows", spare=columns[:0:-1])


def _path(named: Path | None, config: Path | None, account: str | None) -> Path:
    """Return the journal that was named, or that of the home."""
    if named is not None:
        return named
    from lct.cli.drive import journal_file
    from lct.cli.settings import configured
    from lct.config import home

    return journal_file(home(), configured(config, account).house)
