"""`lct bus`: shows the traffic between the daemons as it passes, and who is there."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o

if TYPE_CHECKING:
    from lct.messages.base import Envelope

app = typer.Typer(help="Show the traffic between the daemons as it passes, and who is there.", no_args_is_help=True)

WHO = ("name", "instance", "pid", "epoch", "ready", "heartbeat_age_seconds", "md_seq", "lag", "http_port")
TAP = ("time", "source", "type", "seq", "body")
SILENCE_MS = 200
BODY_WIDTH = 400


@app.command()
def tap(
    ctx: typer.Context,
    *,
    types: Annotated[Any, typer.Option("--type", parser=o.names, metavar="A,B", help="Only these types.")] = None,
    speakers: Annotated[Any, typer.Option("--from", parser=o.names, metavar="A,B", help="Only these daemons.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after N messages.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.1, help="Stop after so long.")] = None,
    json: o.Json = False,
) -> None:
    """Print each event that a daemon tells, decoded, until Ctrl-C; a line each, with --json a document a line.

    The body is read with the msgpack library alone, as any other program could. Exit code 3 where nobody is there.

    Example: lct bus tap --type market_data.bars_closed,execution.filled --count 10
    """
    from lct.cli.drive import interruptions, leave
    from lct.cli.tapping import tapped

    with interruptions() as came:
        for envelope, body in tapped(speakers, types, count, seconds, came):
            _print(envelope, body, json=json)
        leave(came())


@app.command()
def who(json: o.Json = False) -> None:
    """List who is in the house: process, life, heartbeat, and how many bars it lags behind market_data.

    Exit code 3 where nobody is there.

    Example: lct bus who --json
    """
    from lct.cli.output import print_rows
    from lct.cli.tapping import present
    from lct.errors import NoAnswer

    rows = present()
    if not rows:
        raise NoAnswer("nobody is there; `lct up` starts the house")
    print_rows(rows, json=json, columns=WHO, none="", spare=("instance", "http_port", "epoch"))


def _print(envelope: "Envelope", body: Any, *, json: bool) -> None:
    from lct.cli.output import print_json_lines
    from lct.clock import rfc3339
    from lct.domain.text import as_json, clean

    body = dict(body)
    line = dict(
        zip(TAP, (rfc3339(envelope.time_ns), envelope.source, body.pop("tag", ""), envelope.seq, body), strict=True)
    )
    if json:
        print_json_lines([{**line, "epoch": envelope.epoch, "journal_seq": envelope.journal_seq}])
    else:
        from json import dumps

        text = " ".join(str(line[name]) for name in TAP[:-1])
        print(clean(f"{text} {dumps(as_json(body))}", BODY_WIDTH), flush=True)
