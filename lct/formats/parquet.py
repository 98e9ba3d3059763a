"""Parquet: bars in columns `timestamp` (int64, ms UTC of the open), open, high, low, close, volume (float64)."""

from pathlib import Path
from typing import Any

import numpy as np

from lct.domain.bars import Bars, Floats, Times
from lct.errors import DataError
from lct.formats.rows import VALUE_NAMES, checked, epoch_ns, replace_whole, time_column, writable


def read(path: Path) -> Bars:
    """Read a file's bars as they are, oldest first; empty cells of prices are NaN.

    Also takes `date`, `time` or `open_time`, as timestamps or as integers in s, ms, us or ns.
    Raises DataError, which names the file and what to do.
    """
    import pyarrow as pa  # a tenth of a second, which only those who read Parquet pay
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=True)
        names = file.schema_arrow.names
        time = time_column(path, names)
        table = file.read(columns=[time, *VALUE_NAMES])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        what = "is empty" if path.is_file() and path.stat().st_size == 0 else "is damaged or not Parquet"
        raise DataError(f"{path}: {what} ({_first_line(error)}); download it again") from None
    if not table.num_rows:
        raise DataError(f"{path}: has no rows; download it again or remove it")
    open_ns = _times(path, table.column(time), pa)
    return checked(path, Bars(open_ns, *(_floats(path, name, table.column(name), pa) for name in VALUE_NAMES)))


def write(path: Path, bars: Bars) -> None:
    """Write bars so that `read` gives them back; the file is whole or not there. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"timestamp": writable(path, bars)}
    columns |= {name: getattr(bars, name) for name in VALUE_NAMES}
    table = pa.table(columns)
    replace_whole(path, lambda part: pq.write_table(table, part, compression="zstd"))


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
