"""Parquet: bars in columns `timestamp` (int64, ms UTC of the open), open, high, low, close, volume (float64)."""

from pathlib import Path

from lct.domain.bars import Bars
from lct.errors import DataError
from lct.formats.arrow import bars_of, unreadable
from lct.formats.rows import VALUE_NAMES, replace_whole, time_column, writable


def read(path: Path) -> Bars:
    """Read a file's bars as they are, oldest first; empty cells of prices are NaN.

    Also takes `date`, `time` or `open_time`, as timestamps or as integers in s, ms, us or ns.
    Raises DataError, which names the file and what to do.
    """
    import pyarrow as pa  # a tenth of a second, which only those who read Parquet pay
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=True)
        time = time_column(path, file.schema_arrow.names)
        table = file.read(columns=[time, *VALUE_NAMES])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error, "Parquet") from None
    return bars_of(path, time, table)


def write(path: Path, bars: Bars) -> None:
    """Write bars so that `read` gives them back; the file is whole or not there. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"timestamp": writable(path, bars)}
    columns |= {name: getattr(bars, name) for name in VALUE_NAMES}
    table = pa.table(columns)
    replace_whole(path, lambda part: pq.write_table(table, part, compression="zstd"))
