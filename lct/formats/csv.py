"""CSV: bars as text, one a line under a header that names the columns."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lct.clock import parse_rfc3339
from lct.domain.bars import Bars, Floats, Times
from lct.errors import DataError
from lct.formats.rows import VALUE_NAMES, checked, epoch_ns, replace_whole, time_column, writable

INTEGER = re.compile(r"-?\d{1,19}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


def read(path: Path) -> Bars:
    """Read a file's bars as they are, oldest first.

    The time column (`timestamp`, `date`, `time` or `open_time`) holds integers in s, ms, us or ns, or RFC 3339 text,
    where no zone means UTC. Raises DataError, which names the file, the line, the column and what to do.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            if not any(header):
                raise DataError(f"{path}: is empty; download it again or remove it")
            time = time_column(path, header)
            numbers, rows = _rows(path, lines, len(header))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; is it packed, or no CSV?") from None
    except csv.Error as error:
        raise DataError(f"{path}: not CSV ({error})") from None
    if not rows:
        raise DataError(f"{path}: has no rows; download it again or remove it")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    values = (_floats(path, numbers, name, columns[name]) for name in VALUE_NAMES)
    return checked(path, Bars(_times(path, numbers, time, columns[time]), *values))


def write(path: Path, bars: Bars) -> None:
    """Write bars so that `read` gives back the same bits; the file is whole or not there. Raises DataError."""
    columns = [writable(path, bars).tolist(), *(getattr(bars, name).tolist() for name in VALUE_NAMES)]

    def fill(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(("timestamp", *VALUE_NAMES))
            lines.writerows(zip(*columns, strict=True))

    replace_whole(path, fill)


def _rows(path: Path, lines: Iterator[list[str]], width: int) -> tuple[list[int], list[list[str]]]:
    """Return the rows that are not blank, and the line each one ends on."""
    numbers: list[int] = []
    rows: list[list[str]] = []
    for row in lines:
        number = lines.line_num  # type: ignore[attr-defined]  # csv's reader counts lines; its protocol does not say so
        if not row:
            continue
        if len(row) != width:
            raise DataError(f"{path}:{number}: {len(row)} cells instead of {width}; was it cut off?")
        numbers.append(number)
        rows.append(row)
    return numbers, rows


def _floats(path: Path, numbers: list[int], name: str, cells: tuple[str, ...]) -> Floats:
    try:
        return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        for number, cell in zip(numbers, cells, strict=True):
            _number(path, number, name, cell)
        raise


def _number(path: Path, number: int, name: str, cell: str) -> None:
    try:
        float(cell)
    except ValueError:
        raise DataError(f"{path}:{number}, column {name}: {cell[:40]!r} is not a number") from None


def _times(path: Path, numbers: list[int], name: str, cells: tuple[str, ...]) -> Times:
    if INTEGER.fullmatch(cells[0].strip()):
        integers = np.empty(len(cells), dtype=np.int64)
        for row, cell in enumerate(cells):
            if not INTEGER.fullmatch(cell.strip()) or not -(2**63) <= int(cell) < 2**63:
                raise DataError(
                    f"{path}:{numbers[row]}, column {name}: {cell[:40]!r} is not an integer time like the first"
                )
            integers[row] = int(cell)
        return epoch_ns(path, integers)
    return np.fromiter((_moment(path, n, name, c) for n, c in zip(numbers, cells, strict=True)), np.int64, len(cells))


def _moment(path: Path, number: int, name: str, cell: str) -> int:
    try:
        # fromisoformat also takes 20240101 and 2024-W01, which could be meant otherwise
        if DATE.fullmatch(cell.strip()):
            return parse_rfc3339(cell.strip())
    except (ValueError, OverflowError):
        pass
    raise DataError(
        f"{path}:{number}, column {name}: {cell[:40]!r} is no time; write 2024-01-31T12:00:00Z or ms since 1970"
    )
