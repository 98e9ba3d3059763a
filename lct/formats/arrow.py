"""Arrow: what Parquet and Feather share: tables of columns, and how their types become bars."""

from pathlib import Path
from typing import Any

import numpy as np

from lct.domain.bars import Bars, Floats, Times
from lct.errors import DataError
from lct.formats.rows import VALUE_NAMES, checked, epoch_ns


def unreadable(path: Path, error: Exception, kind: str) -> DataError:
    """Say that a file cannot be read; `kind` is what it should be."""
    what = "is empty" if path.is_file() and path.stat().st_size == 0 else f"is damaged or not {kind}"
    return DataError(f"{path}: {what} ({_first_line(error)}); download it again")


def bars_of(path: Path, time: str, table: Any) -> Bars:
    """Return the bars of a table, oldest first; empty cells of prices are NaN. Raises DataError."""
    import pyarrow as pa

    if not table.num_rows:
        raise DataError(f"{path}: has no rows; download it again or remove it")
    open_ns = _times(path, table.column(time), pa)
    return checked(path, Bars(open_ns, *(_floats(path, name, table.column(name), pa) for name in VALUE_NAMES)))


def _times(path: Path, column: Any, pa: Any) -> Times:
    if column.null_count:
        raise DataError(f"{path}: {column.null_count} rows have no time; download it again")
    if pa.types.is_timestamp(column.type):
        stamps: Times = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()).to_numpy()
        return np.ascontiguousarray(stamps)
    if not pa.types.is_integer(column.type):
        raise DataError(f"{path}: times are {column.type}; they must be int64 milliseconds or timestamps")
    return epoch_ns(path, np.ascontiguousarray(column.to_numpy().astype(np.int64)))


def _floats(path: Path, name: str, column: Any, pa: Any) -> Floats:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        raise DataError(f"{path}: column {name} holds {column.type}; it must hold numbers")
    return np.ascontiguousarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:120]
