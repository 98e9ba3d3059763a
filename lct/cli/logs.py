"""`lct logs`: what the daemons and their supervisor log, merged by time; -f goes on as it comes."""

import re
from typing import Annotated, Any

import typer

from lct.cli import options as o
from lct.logfiles import LEVELS, Line

app = typer.Typer(add_completion=False)

AGO = re.compile(r"(\d{1,9})(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
SERVICE_WIDTH, LEVEL_WIDTH = 15, 8


def since(text: Any) -> int:
    """Read a time, or how long ago it was, as nanoseconds."""
    from lct.clock import NS_PER_SECOND, now_ns

    ago = AGO.fullmatch(str(text))
    return now_ns() - int(ago[1]) * SECONDS[ago[2]] * NS_PER_SECOND if ago else o.moment(text)


def pattern(text: Any) -> re.Pattern[str]:
    """Read a regular expression."""
    try:
        return re.compile(str(text))
    except re.error as error:
        raise typer.BadParameter(f"{text!r} is no regular expression: {error}") from None


def level(text: Any) -> str:
    """Read the name of a level."""
    if str(text) not in LEVELS:
        raise typer.BadParameter(f"{text!r} is no level; there are {', '.join(LEVELS)}")
    return str(text)


@app.command()
def logs(
    ctx: typer.Context,
    daemon: Annotated[
        str | None, typer.Argument(autocompletion=o.complete_daemons, help="Whose log; without: all, merged by time.")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[
        Any, typer.Option("--since", parser=since, metavar="10m", help="From then on: 30s, 10m, 2h, 1d ago, or a time.")
    ] = None,
    level: Annotated[Any, typer.Option("--level", parser=level, metavar="LEVEL", help="From this level on.")] = "debug",
    grep: Annotated[Any, typer.Option("--grep", parser=pattern, metavar="RE", help="Only lines that match.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Print the logs of a house, oldest line first, those of rotated files included.

    What a daemon wrote to no log, as the traceback of a crash, is printed too.

    Example: lct logs execution -f --since 10m --level warning
    """
    from lct.cli.running import print_logs

    print_logs(daemon, lambda line: is_wanted(line, level, grep), since or 0, follow=follow, json=json)


def is_wanted(line: Line, level: str, grep: re.Pattern[str] | None) -> bool:
    """Whether a line is at this level or above, and matches."""
    return LEVELS.get(line.level, LEVELS["info"]) >= LEVELS[level] and (grep is None or bool(grep.search(line.text)))


def shown(line: Line) -> str:
    """Return a line as a terminal may see it."""
    from json import dumps

    from lct.cli.output import LINE_WIDTH
    from lct.clock import NS_PER_SECOND, rfc3339
    from lct.domain.text import clean

    words = (f"{key}={value if isinstance(value, str) else dumps(value)}" for key, value in line.facts.items())
    second, rest = divmod(line.time_ns, NS_PER_SECOND)
    time = f"{rfc3339(second * NS_PER_SECOND)[:-1]}.{rest // 1_000_000:03d}Z"
    head = f"{time} {clean(line.service, SERVICE_WIDTH):{SERVICE_WIDTH}} {line.level:{LEVEL_WIDTH}} "
    return clean(f"{head}{' '.join((line.message, *words))}", LINE_WIDTH)
