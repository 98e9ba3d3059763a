"""Files: which recordings a folder holds, by the names `PAIR-TIMEFRAME-PERIOD.parquet` with `_` for `/`."""

import re
from pathlib import Path

from lct.domain.bars import timeframe_ns
from lct.errors import DataError, NotFound, nearest

NAME = re.compile(r"(?P<pair>[^-]+)-(?P<timeframe>[1-9]\d{0,3}[smhdw])(-(?P<period>.+))?\.(parquet|csv|feather|json)")


def described(path: Path) -> tuple[str, str] | None:
    """Return the symbol and the timeframe that a file's name tells, or None: BTC_USDT_USDT is `BTC/USDT:USDT`."""
    match = NAME.fullmatch(path.name)
    parts = match["pair"].split("_") if match else []
    if match is None or len(parts) not in (2, 3) or not all(parts):
        return None
    return f"{parts[0]}/{':'.join(parts[1:])}", match["timeframe"]


def file_name(symbol: str, timeframe: str, period: str = "", ending: str = "parquet") -> str:
    """Return the name of a recording; `period` may be left out."""
    pair = symbol.replace("/", "_").replace(":", "_")
    return f"{pair}-{timeframe}{f'-{period}' if period else ''}.{ending}"


def listing(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """Return the recordings of a folder (not of those in it) by symbol and timeframe, sorted; other files are left out.

    Raises DataError where there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name one that holds files like BTC_USDT-5m-2024H1.parquet")
    recordings: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.iterdir()):
        about = described(path)
        if about is not None and path.is_file():
            recordings.setdefault(about, []).append(path)
    return dict(sorted(recordings.items()))


def symbols(folder: Path, timeframe: str) -> list[str]:
    """Return the symbols recorded in a timeframe; raises NotFound where nothing is, naming the timeframes there are."""
    recordings = listing(folder)
    timeframes = sorted({frame for _, frame in recordings}, key=timeframe_ns)
    if timeframe not in timeframes:
        there = f"there is {', '.join(timeframes)}" if timeframes else "it holds no recordings"
        raise NotFound(f"no timeframe {timeframe!r} in {folder}; {there}")
    return [symbol for symbol, frame in recordings if frame == timeframe]


def find(folder: Path, symbol: str, timeframe: str) -> list[Path]:
    """Return the files of one symbol and timeframe, sorted by name.

    Raises NotFound naming the nearest symbol, or the timeframes in which that symbol is there.
    """
    recordings = listing(folder)
    if (symbol, timeframe) in recordings:
        return recordings[symbol, timeframe]
    frames = sorted({frame for name, frame in recordings if name == symbol}, key=timeframe_ns)
    if frames:
        raise NotFound(f"no {timeframe} bars of {symbol} in {folder}; there are {', '.join(frames)}")
    raise NotFound(f"no symbol {symbol!r} in {folder}; {nearest(symbol, {name for name, _ in recordings})}")
