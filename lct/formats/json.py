"""JSON: bars as freqtrade keeps them: `[[ms, open, high, low, close, volume], ...]`, ms UTC of the open."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lct.domain.bars import Bars
from lct.errors import DataError
from lct.formats.rows import VALUE_NAMES, checked, epoch_ns, replace_whole, writable

Row = tuple[int, float | None, float | None, float | None, float | None, float | None]


def read(path: Path) -> Bars:
    """Read a file's bars as they are, oldest first; a null is NaN. Raises DataError naming the file and what to do."""
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[Row])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        what = "is empty" if not path.stat().st_size else f"is not a list of rows [ms, o, h, l, c, volume] ({error})"
        raise DataError(f"{path}: {what}; download it again") from None
    if not rows:
        raise DataError(f"{path}: has no rows; download it again or remove it")
    times, *values = zip(*rows, strict=True)
    open_ns = epoch_ns(path, np.array(times, dtype=np.int64))
    return checked(path, Bars(open_ns, *(np.array(column, dtype=np.float64) for column in values)))


def write(path: Path, bars: Bars) -> None:
    """Write bars so that `read`, and freqtrade, give them back; the file is whole or not there. Raises DataError."""
    lists: list[Any] = [writable(path, bars).tolist(), *(getattr(bars, name).tolist() for name in VALUE_NAMES)]
    text = msgspec.json.encode(list(zip(*lists, strict=True)))

    def fill(part: Path) -> None:
        part.write_bytes(text)

    replace_whole(path, fill)
