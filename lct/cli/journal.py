"""`lct journal`: what was said and done, row by row, and whether anybody changed it."""

from pathlib import Path
from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli import relive
from lct.cli.output import NAME_WIDTH, print_json_lines, print_rows
from lct.domain.text import clean

app = typer.Typer(name="journal", no_args_is_help=True, add_completion=False)

SHOWN = ("daemon", "journal_seq", "time", "heard_ref", "type", "body")
SPARE = ("heard_ref", "daemon", "body", "journal_seq")
VERIFIED = ("daemon", "rows", "violations", "file")
ROWS_SHOWN = 20
ASKED = "execution"
"""Whose journal `query` asks unless another daemon is named."""

Journal = Annotated[
    Path | None, typer.Argument(metavar="PATH", help="A journal file, or a folder of them; else those of the home.")
]


@app.callback()
def journal() -> None:
    """What was said and done. Example: lct journal show --last 5"""


@app.command()
def show(
    daemon: Annotated[
        str | None, typer.Option("--daemon", autocompletion=o.complete_daemons, help="Only rows of this daemon.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only this type; * stands for anything.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest rows.")] = ROWS_SHOWN,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Show the newest rows of all daemons by time, oldest first, with their bodies decoded.

    Example: lct journal show --daemon execution --type execution.filled --last 3 --json
    """
    from lct.cli.accounts import folder_of, warn_of_broken
    from lct.cli.records import files_with, newest_rows

    paths = files_with(folder_of(config, account), daemon)
    rows = newest_rows(paths, daemon, kind, last)
    if json:
        print_json_lines(rows)
    else:
        print_rows(rows, json=False, columns=SHOWN, none="no such rows", spare=SPARE)
    warn_of_broken(paths)


@app.command()
def verify(path: Journal = None, config: o.ConfigDir = None, account: o.Account = None, json: o.Json = False) -> None:
    """Walk the hash chains in every journal, and have the independent checker look at every row and the money in it.

    Exit code 1, naming journal and row, where anything does not hold. Example: lct journal verify --json
    """
    from lct.cli.accounts import folder_of
    from lct.cli.auditing import audited, refuse, settings_of, with_violations
    from lct.cli.records import all_verified

    place = folder_of(config, account) if path is None else path
    rows = all_verified(place)
    found = audited(place, settings_of(config, account) if path is None else ())
    rows = with_violations(rows, found)
    if not json:
        rows = [{**row, "violations": len(row["violations"])} for row in rows]
    print_rows(rows, json=json, columns=VERIFIED, none="the journal is empty")
    refuse(found)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One select, over the tables journal and cursor.")],
    daemon: Annotated[
        str,
        typer.Option(
            "--daemon",
            autocompletion=o.complete_daemons,
            help="Whose journal is asked, where each daemon has its own; `lct run` has one for all.",
        ),
    ] = ASKED,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Ask a journal in SQL; nothing but reading is allowed. Bytes are shown in hex.

    Example: lct journal query "select type, count(*) as n from journal group by type order by n desc"
    """
    from lct.cli.accounts import folder_of
    from lct.cli.records import file_of
    from lct.cli.records import query as asked

    rows = asked(file_of(folder_of(config, account), daemon), sql)
    if not json:
        rows = [{clean(name, NAME_WIDTH): value for name, value in row.items()} for row in rows]
    columns = tuple(rows[0]) if rows else ()
    print_rows(rows, json=json, columns=columns, none="no rows", spare=columns[:0:-1])


app.command()(relive.replay)
