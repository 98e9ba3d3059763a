"""Formats: bars in and out of files; the ending of the name says which format."""

from pathlib import Path
from types import ModuleType

from lct.domain.bars import Bars
from lct.errors import DataError, nearest
from lct.formats import csv, feather, json, parquet

FORMATS = {".parquet": parquet, ".csv": csv, ".feather": feather, ".json": json}


def read(path: Path) -> Bars:
    """Read the bars of a file, as they are; raises DataError naming the file and what to do."""
    bars: Bars = _format(path).read(path)
    return bars


def write(path: Path, bars: Bars) -> None:
    """Write bars in the format of the name, whole or not at all; raises DataError."""
    _format(path).write(path, bars)


def _format(path: Path) -> ModuleType:
    if path.suffix not in FORMATS:
        raise DataError(f"{path}: no format for {path.suffix!r}; {nearest(path.suffix, FORMATS)}")
    return FORMATS[path.suffix]
