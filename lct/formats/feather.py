"""Feather: bars as freqtrade keeps them: `date` (timestamp[ms, UTC] of the open), open, high, low, close, volume."""

from pathlib import Path

from lct.domain.bars import Bars
from lct.errors import DataError
from lct.formats.arrow import bars_of, unreadable
from lct.formats.rows import VALUE_NAMES, replace_whole, time_column, writable


def read(path: Path) -> Bars:
    """Read a file's bars as they are, oldest first; its time column may have any of the names that Parquet's may.

    Raises DataError, which names the file and what to do.
    """
    import pyarrow as pa
    from pyarrow import feather

    try:
        table = feather.read_table(path, memory_map=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error, "Feather") from None
    time = time_column(path, table.column_names)
    return bars_of(path, time, table.select([time, *VALUE_NAMES]))


def write(path: Path, bars: Bars) -> None:
    """Write bars so that `read`, and freqtrade, give them back; the file is whole or not there. Raises DataError."""
    import pyarrow as pa
    from pyarrow import feather

    columns = {"date": pa.array(writable(path, bars), pa.timestamp("ms", "UTC"))}
    columns |= {name: getattr(bars, name) for name in VALUE_NAMES}
    table = pa.table(columns)
    replace_whole(path, lambda part: feather.write_feather(table, str(part), compression="lz4"))
