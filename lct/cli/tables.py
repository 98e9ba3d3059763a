"""Tables: what of a table is shown where a terminal is narrower than it; numbers and words stay whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

TIME = re.compile(r"(\d{4})-(\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
GAP = 2
ID_SHOWN = 8
ELASTIC_MIN = 16
"""What a column of words keeps at least before other columns are left out for it."""


@dataclass(frozen=True)
class Fitted:
    """A table as it is shown."""

    columns: list[str]
    rows: list[list[str]]
    left_out: list[str]


def fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int) -> Fitted:
    """Return the table as it fits into a width; of `spare`, columns are left out where they must be, first ones first.

    Times and order ids become short before that, and the end of a column of words is cut after it.
    """
    whole = {name: [row[at] for row in rows] for at, name in enumerate(columns)}
    if _needed(whole, ()) > width:
        whole = _shortened(whole)
    elastic = [name for name, cells in whole.items() if any(" " in text and not _is_time(text) for text in cells)]
    left_out = []
    for name in spare:
        if _needed(whole, elastic) <= width:
            break
        if name in whole:
            left_out.append(name)
            del whole[name]
    for name in elastic:
        if name in whole:
            others = {other: cells for other, cells in whole.items() if other != name}
            room = max(ELASTIC_MIN, width - GAP - _needed(others, elastic))
            whole[name] = [_cut(text, room) for text in whole[name]]
    return Fitted(list(whole), [list(row) for row in zip(*whole.values(), strict=True)], left_out)


def _needed(whole: dict[str, list[str]], elastic: Sequence[str]) -> int:
    """Return how wide a table is at least."""
    widths = []
    for name, cells in whole.items():
        wide = max(map(cell_len, (name, *cells)))
        widths.append(min(wide, max(ELASTIC_MIN, len(name))) if name in elastic else wide)
    return sum(widths) + GAP * (len(widths) - 1)


def _shortened(whole: dict[str, list[str]]) -> dict[str, list[str]]:
    years = {found[1] for cells in whole.values() for text in cells if (found := TIME.fullmatch(text))}
    form = r"\2 \3" if len(years) == 1 else r"\1-\2 \3"
    return {
        name: [text[:ID_SHOWN] if name == "client_order_id" else TIME.sub(form, text) for text in cells]
        if name == "client_order_id" or any(map(TIME.fullmatch, cells))
        else cells
        for name, cells in whole.items()
    }


def _is_time(text: str) -> bool:
    return re.fullmatch(r"(\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d", text) is not None


def _cut(text: str, room: int) -> str:
    return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1)}…"
