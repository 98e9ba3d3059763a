"""Charts: candles and their volume as lines of a terminal."""

import sys
from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from lct.cli.output import is_terminal

if TYPE_CHECKING:
    from rich.text import Text

EIGHTHS = " ▁▂▃▄▅▆▇█"
VOLUME_SHARE = 5
"""One line of so many is for the volume."""
LABEL_WIDTH = 12
UP, DOWN = "green", "red"
PIPE_WIDTH = 100
NARROWEST = 10


class Candle(NamedTuple):
    """One bar as it is drawn."""

    open: float
    high: float
    low: float
    close: float
    volume: float


def width() -> int:
    """Return how many candles the terminal has room for."""
    from rich.console import Console

    whole = Console().width if is_terminal(sys.stdout) else PIPE_WIDTH
    return max(NARROWEST, whole - LABEL_WIDTH - 1)


def print_chart(rows: Sequence[Mapping[str, Any]], height: int) -> None:
    """Draw rows of bars, oldest first, with what they span below."""
    from rich.console import Console

    names = Candle._fields
    console = Console(highlight=False, markup=False, emoji=False, width=len(rows) + LABEL_WIDTH + 1)
    for line in chart([Candle(*(float(row[name]) for name in names)) for row in rows], height):
        console.print(line, no_wrap=True)
    console.print(f"{rows[0]['time']} to {rows[-1]['time']}", no_wrap=True)


def chart(candles: Sequence[Candle], height: int) -> list["Text"]:
    """Return lines that draw candles, one column each, the oldest first, with the prices at the right.

    A body is thin where the bar rose and full where it fell, so that it can be read without colour too. The lowest
    lines are the volume, in eighths of a line; prices and volume begin at their lowest and at 0.
    """
    from rich.text import Text

    assert candles, "nothing to draw"
    volume_height = max(1, height // VOLUME_SHARE)
    price_height = max(3, height - volume_height - 1)
    low, high = min(one.low for one in candles), max(one.high for one in candles)
    step = (high - low) / price_height or 1.0
    columns = [_column(one, high, step, price_height) for one in candles]
    lines = []
    for n in range(price_height):
        line = Text()
        for one, column in zip(candles, columns, strict=True):
            line.append(column[n], UP if one.close >= one.open else DOWN)
        line.append(f" {_price(high - (n + 0.5) * step, step):>{LABEL_WIDTH}}" if n % 3 == 0 else "")
        lines.append(line)
    lines.append(Text(""))
    most = max(one.volume for one in candles) or 1.0
    for n in range(volume_height):
        floor = volume_height - 1 - n
        line = Text()
        for one in candles:
            filled = one.volume / most * volume_height - floor
            line.append(EIGHTHS[round(min(max(filled, 0.0), 1.0) * 8)], UP if one.close >= one.open else DOWN)
        line.append(f" {most:>{LABEL_WIDTH}.6g}" if n == 0 else "")
        lines.append(line)
    return lines


def _column(one: Candle, high: float, step: float, height: int) -> str:
    """Draw a candle from top to bottom; a body that is thinner than a quarter of a line is a dash."""

    def lines(top: float, bottom: float) -> range:
        first = min(int((high - top) / step), height - 1)
        return range(first, max(first, min(ceil((high - bottom) / step), height) - 1) + 1)

    cells = [" "] * height
    for n in lines(one.high, one.low):
        cells[n] = "│"
    highest, lowest = max(one.open, one.close), min(one.open, one.close)
    body = lines(highest, lowest)
    if highest - lowest < step / 4:
        cells[body[0]] = "┴" if body[0] > 0 and cells[body[0] - 1] == "│" else "─"
    else:
        for n in body:
            cells[n] = "┃" if one.close >= one.open else "█"
    return "".join(cells)


def _price(price: float, step: float) -> str:
    """Write a price with as many digits as tell one line from the next."""
    digits = 0
    while digits < 12 and step < 1.0:
        step *= 10.0
        digits += 1
    return f"{price:.{digits}f}"
