"""Rows: what the file formats share: column names, the unit of a time, and files that are whole or not there."""

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from lct.domain.bars import Bars, Times
from lct.errors import DataError

TIME_NAMES = ("timestamp", "date", "time", "open_time")
VALUE_NAMES = ("open", "high", "low", "close", "volume")
MS = 1_000_000
# Times from 2000-01-01 to 2100-01-01 in seconds; a thousand times more is the next unit, so no number fits two of them.
SECONDS_MIN = 946_684_800
SECONDS_MAX = 4_102_444_800
UNITS = {"seconds": 1_000_000_000, "milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}


def time_column(path: Path, names: Iterable[str]) -> str:
    """Return the name of the column of times, and make sure that those of the bars are there; raises DataError."""
    present = list(names)
    times = [name for name in TIME_NAMES if name in present]
    missing = [name for name in VALUE_NAMES if name not in present]
    if not times or missing:
        lacking = ", ".join(([] if times else ["timestamp"]) + missing)
        raise DataError(
            f"{path}: no column {lacking}; the first row must name the columns, it has: {', '.join(present)}"
        )
    if len(times) > 1:
        raise DataError(f"{path}: {' and '.join(times)} could each be the time of a bar's open; keep one")
    return times[0]


def epoch_ns(path: Path, times: Times) -> Times:
    """Return integer times in nanoseconds; their unit follows from their size, if all are between 2000 and 2100.

    Raises DataError where no unit puts all of them there: guessing would put bars into the wrong century.
    """
    first, last = int(times.min()), int(times.max())
    for ns in UNITS.values():
        scale = UNITS["seconds"] // ns
        if SECONDS_MIN * scale <= first and last < SECONDS_MAX * scale:
            return times * ns
    raise DataError(
        f"{path}: times from {first} to {last} are not s, ms, us or ns since 1970, all in one unit, from 2000 to 2100"
    )


def checked(path: Path, bars: Bars) -> Bars:
    """Return bars oldest first (some sources write them newest first); raises DataError where there are none."""
    if not len(bars):
        raise DataError(f"{path}: has no rows; download it again or remove it")
    if len(bars) > 1 and bool((np.diff(bars.open_ns) < 0).all()):
        return bars[::-1]
    return bars


def writable(path: Path, bars: Bars) -> Times:
    """Return the times in milliseconds, as files hold them; DataError where a reader could not take them back."""
    if not len(bars):
        raise DataError(f"{path}: there are no bars to write")
    ms = bars.open_ns // MS
    if bool((bars.open_ns % MS != 0).any()) or ms.min() < SECONDS_MIN * 1000 or ms.max() >= SECONDS_MAX * 1000:
        raise DataError(f"{path}: files hold bars from 2000 to 2100 that open on a whole millisecond")
    return ms


def replace_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then put it in the place of `path` at once; on the disk when it returns.

    Raises DataError where the folder cannot be written; an interrupted write leaves the old file as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    part = Path(name)
    try:
        write(part)
        part.chmod(0o644)
        _sync(part)
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _sync(path: Path) -> None:
    """Have a file, or what a folder names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
