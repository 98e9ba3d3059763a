"""Text: foreign strings as a terminal may see them, whoever draws them."""

import unicodedata

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
