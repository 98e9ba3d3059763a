"""Output: data to stdout as tables or JSON, talk to stderr, and every foreign string cleaned on its way."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from lct.domain.text import as_json, clean

NAME_WIDTH = 60
BODY_WIDTH = 120
LINE_WIDTH = 2_000
PIPE_WIDTH = 10_000
MONEY_DIGITS = 10
"""Digits of money in a table; `--json` and CSV have them all."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Manners:
    """How to behave on this terminal."""

    quiet: bool = False


_MANNERS: ContextVar[Manners] = ContextVar("manners")


def say(text: str, manners: Manners) -> None:
    """Tell something on stderr, unless nobody wants to hear it."""
    if not manners.quiet:
        print(clean(text, LINE_WIDTH), file=sys.stderr)


def print_json(value: Any) -> None:
    """Print one document."""
    print(json.dumps(as_json(value), indent=2, allow_nan=False))


def print_json_lines(rows: Iterable[Any]) -> None:
    """Print one document a line, each at once."""
    for row in rows:
        print(json.dumps(as_json(row), allow_nan=False), flush=True)


def print_rows(
    rows: Sequence[Mapping[str, Any]], *, json: bool, columns: Sequence[str], none: str, spare: Sequence[str] = ()
) -> None:
    """Print rows as one JSON array, or as a table of some columns; `none` is said (on stderr) where there are none.

    A terminal that is too narrow goes without the columns of `spare`, first ones first.
    """
    if json:
        print_json(list(rows))
    elif rows:
        print_table(columns, [[row[column] for column in columns] for row in rows], spare=spare)
    else:
        say(none, manners())


def print_facts(facts: Mapping[str, Any], *, json: bool) -> None:
    """Print named values as one JSON object, or one a line."""
    if json:
        print_json(facts)
    else:
        print_table(("", ""), [[name.replace("_", " "), value] for name, value in facts.items()], head=False)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, head: bool = True, spare: Sequence[str] = ()
) -> None:
    """Print a table: numbers to the right; as wide as it must be where stdout is no terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if is_terminal(sys.stdout) else PIPE_WIDTH, highlight=False, markup=False, emoji=False)
    numbers = {name for at, name in enumerate(columns) if head and any(_is_number(row[at]) for row in rows)}
    texts = [[_cell(value) for value in row] for row in rows]
    names = list(columns)
    if spare:
        names, texts = _fitted(names, texts, spare, console.width)
    gap = (0, 1, 0, 0) if head else (0, 1)
    table = Table(box=SIMPLE_HEAD if head else None, show_header=head, show_edge=False, pad_edge=False, padding=gap)
    for name in names:
        table.add_column(Text(name.replace("_", " ")), overflow="fold", no_wrap=bool(spare))
    for row in texts:
        cells = zip(names, row, strict=True)
        table.add_row(*(Text(text, justify="right" if name in numbers else "left") for name, text in cells))
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _fitted(
    names: list[str], texts: list[list[str]], spare: Sequence[str], width: int
) -> tuple[list[str], list[list[str]]]:
    from lct.cli.tables import fitted

    table = fitted(names, texts, spare, width)
    if table.left_out:
        say(f"left out, for the terminal is narrow: {', '.join(table.left_out)}; --json has all", manners())
    return table.columns, table.rows


def is_terminal(stream: Any) -> bool:
    """Whether a person reads this stream; a closed one is None."""
    return stream is not None and stream.isatty()


def behave(wanted: Manners) -> Manners:
    """Have the running verb behave like that from now on, and return it."""
    _MANNERS.set(wanted)
    return wanted


def manners() -> Manners:
    """Return how the running verb was asked to behave."""
    return _MANNERS.get(Manners())


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal | int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Decimal):
        return str(as_json(Context(prec=MONEY_DIGITS).create_decimal(value)))
    if isinstance(value, list | tuple):
        return clean(", ".join(str(item) for item in value)) or "-"
    if isinstance(value, Mapping):
        return clean(json.dumps(as_json(value)), BODY_WIDTH)
    return clean(str(as_json(value)))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, whole or not at all; a text that a spreadsheet would take for a formula gets a `'`."""
    import csv

    from lct.formats.rows import replace_whole

    def fill(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(columns)
            lines.writerows([_csv_cell(row[column]) for column in columns] for row in rows)

    replace_whole(path, fill)


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        text = clean(value, LINE_WIDTH)
        return f"'{text}" if value.startswith(FORMULA) or text.startswith(FORMULA) else text
    return "" if value is None else as_json(value)


@contextmanager
def progress(label: str, total: int, manners: Manners) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, where that is a terminal, with the rate and the time left; yields what moves it."""
    if manners.quiet or not is_terminal(sys.stderr):
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, rate="")

        def move(done: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=max(total, done), rate=f"{speed:,.0f}/s" if speed else "")

        yield move
