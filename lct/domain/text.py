"""Text: foreign strings as a terminal may see them, and values as JSON holds them, whoever writes them."""

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

CELL_WIDTH = 400
MARKS_MAX = 2
"""Accents on one letter; more of them grow into the lines above and below."""
DROPPED = {"Cc", "Cf", "Cn", "Co", "Cs"}
SPACES = {"Zl", "Zp", "Zs"}


def clean(text: str, width: int = CELL_WIDTH) -> str:
    """Return foreign text as a terminal may see it: NFKC, no control, format or private characters, cut to `width`.

    That leaves no escape sequence, no link, no turned text direction and nothing invisible. Markup stays as it is: who
    draws with a library that reads markup must not let it read this.
    """
    kept: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFKC", text[: 4 * width].replace("\n", " ")):
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if kind in SPACES:
            kept.append(" ")
        elif kind not in DROPPED and marks <= MARKS_MAX:
            kept.append(letter)
    cut = "".join(kept)
    return cut if len(cut) <= width else f"{cut[: width - 1]}…"


def as_json(value: Any) -> Any:
    """Return a value as JSON holds it: money as plain text, null where a float is no number, the rest as it is."""
    if isinstance(value, Decimal):
        from lct.domain.money import plain  # here, for `lct --help` has no money

        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
