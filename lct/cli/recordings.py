"""Recordings: what `lct market` does with files of bars and with the bar store, beside any running house."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lct.cli.output import Manners, progress
from lct.errors import ConfigError, DataError, NotFound, Refused

if TYPE_CHECKING:
    from lct.domain.bars import Bars
    from lct.domain.quality import Report
    from lct.store.bars import BarStore

FOLDER = "bars"
SCORE_DIGITS = 3


def store(folder: Path | None) -> "BarStore":
    """Open the bar store of a folder, else that of the home."""
    from lct.config import ensure_home, home
    from lct.store.bars import BarStore

    if folder is None:
        ensure_home(home())
        folder = home() / FOLDER
    return BarStore(folder)


def about(path: Path, symbol: str | None, timeframe: str | None) -> tuple[str, str]:
    """Return the symbol and the timeframe of a file, as said or else by its name; raises ConfigError for neither."""
    from lct.formats.files import described

    named = described(path) or (None, None)
    found = symbol or named[0], timeframe or named[1]
    if found[0] is None or found[1] is None:
        raise ConfigError(f"{path}: its name tells no symbol and timeframe; say --symbol and --timeframe")
    return found[0], found[1]


def step_ns(timeframe: str) -> int:
    """Return the length of a timeframe in ns; raises ConfigError."""
    from lct.domain.bars import timeframe_ns

    try:
        return timeframe_ns(timeframe)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def frame_of(path: Path, timeframe: str | None) -> str:
    """Return the timeframe of a file, as said or else by its name; raises ConfigError for neither."""
    from lct.formats.files import described

    named = described(path)
    if timeframe is None and named is None:
        raise ConfigError(f"{path}: its name tells no timeframe; say --timeframe")
    return timeframe or (named[1] if named else "")


# -- the store ------------------------------------------------------------------------------------------------------


def listed(folder: Path | None) -> list[dict[str, Any]]:
    """Return each series of a store as a row."""
    from lct.clock import rfc3339

    with store(folder) as there:
        rows = []
        for one in there.series():
            bars = there.read(one)
            found, more = there.findings(one)
            rows.append(
                {
                    **one._asdict(),
                    "bars": len(bars),
                    "from": rfc3339(int(bars.open_ns[0])) if len(bars) else None,
                    "to": rfc3339(int(bars.open_ns[-1])) if len(bars) else None,
                    "in_tail": there.tail_count(one),
                    "findings": len(found) + more,
                }
            )
    return rows


def imported(
    paths: Sequence[Path],
    venue: str,
    folder: Path | None,
    symbol: str | None,
    timeframe: str | None,
    manners: Manners,
) -> list[dict[str, Any]]:
    """Add the bars of files to a store, and return what became of each file's rows."""
    from lct import formats
    from lct.store.bars import Series

    rows = []
    with store(folder) as there, progress("importing", len(paths), manners) as move:
        for done, path in enumerate(paths, 1):
            series = Series(venue, *about(path, symbol, timeframe))
            step_ns(series.timeframe)
            added = there.add(series, formats.read(path), path.name)
            there.settle(series)
            rows.append({"file": str(path), **series._asdict(), **added._asdict()})
            move(done)
    return rows


# -- checking -------------------------------------------------------------------------------------------------------


def checked(
    paths: Sequence[Path], folder: Path | None, symbol: str | None, timeframe: str | None, manners: Manners
) -> list[dict[str, Any]]:
    """Look at files, at all files of folders, or where none is named at every series of a store."""
    from lct import formats
    from lct.clock import now_ns
    from lct.domain.quality import report

    now = now_ns()
    if not paths:
        with store(folder) as there:
            every = [(one, there.read(one)) for one in there.series()]
        names = (" ".join(one) for one, _ in every)
        return [_row(n, *one[1:], report(b, step_ns(one[2]), now)) for n, (one, b) in zip(names, every, strict=True)]
    rows = []
    found = list(_files(paths))
    with progress("checking", len(found), manners) as move:
        for done, path in enumerate(found, 1):
            name, frame = about(path, symbol, timeframe)
            rows.append(_row(str(path), name, frame, report(formats.read(path), step_ns(frame), now)))
            move(done)
    return rows


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    from lct.formats.files import listing

    for path in paths:
        if path.is_dir():
            inside = [one for every in listing(path).values() for one in every]
            if not inside:
                raise NotFound(f"{path}: holds no recordings, files like BTC_USDT-5m-2024H1.parquet")
            yield from inside
        else:
            yield path


def _row(name: str, symbol: str, timeframe: str, found: "Report") -> dict[str, Any]:
    from lct.clock import rfc3339

    return {
        "file": name,
        "symbol": symbol,
        "timeframe": timeframe,
        "bars": found.rows,
        "from": rfc3339(found.first_ns) if found.rows else None,
        "to": rfc3339(found.last_ns) if found.rows else None,
        "score": round(found.score, SCORE_DIGITS),
        "sound": found.is_sound,
        "findings": found.counts,
        "examples": [{"kind": one.kind, "time": rfc3339(one.open_ns), "bars": one.bars} for one in found.examples],
    }


def faults(rows: Sequence[dict[str, Any]], allowed: Sequence[str]) -> list[str]:
    """Return the files in which something is wrong that is not allowed."""
    from lct.domain.quality import HARMLESS

    fine = {*HARMLESS, *allowed}
    return [row["file"] for row in rows if set(row["findings"]) - fine]


def in_words(counts: dict[str, int]) -> str:
    """Return counts by kind as one cell of a table."""
    return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "-"


# -- files out of files ---------------------------------------------------------------------------------------------


def repaired(path: Path, out: Path | None, timeframe: str | None, prefer: str | None) -> dict[str, Any]:
    """Write the sound bars of a file, in order, to another one; without one only tell. Returns what was done.

    Raises Refused where two rows tell a bar differently and nobody says which to believe.
    """
    from lct import formats
    from lct.domain import quality

    raw = formats.read(path)
    frame = frame_of(path, timeframe)
    bars, done = quality.repaired(raw, step_ns(frame), prefer_last=prefer == "last")
    differing = done.get("dropped conflicting_duplicate", 0)
    if differing and prefer is None:
        raise Refused(f"{path}: {differing} rows tell a bar differently than one before; say --prefer first or last")
    if not len(bars):
        raise DataError(f"{path}: no row of it can be a bar of {frame}")
    if out is not None:
        formats.write(out, bars)
    return {
        "file": str(path),
        "rows": len(raw),
        "bars": len(bars),
        "done": done,
        "out": None if out is None else str(out),
    }


def converted(path: Path, out: Path) -> dict[str, Any]:
    """Write the rows of a file in another format, as they are, and make sure that they come back."""
    from lct import formats

    raw = formats.read(path)
    formats.write(out, raw)
    if not _same(formats.read(out), raw):
        out.unlink()
        raise DataError(f"{out}: does not give back the rows of {path}; nothing was kept")
    return {"file": str(path), "out": str(out), "bars": len(raw)}


def resampled(path: Path, out: Path, to: str, timeframe: str | None) -> dict[str, Any]:
    """Write bars of a longer timeframe, made of whole windows only; `left_out` counts the bars of the others."""
    from lct import formats
    from lct.domain import quality

    frame = frame_of(path, timeframe)
    raw = formats.read(path)
    if not quality.report(raw, step_ns(frame)).counts.keys() <= {"gap", "jump", "stale", "zero_volume"}:
        raise DataError(f"{path}: has rows that are no bars, or not in order; `lct market repair` it first")
    try:
        bars, left_out = quality.resampled(raw, step_ns(frame), step_ns(to))
    except ValueError:
        raise ConfigError(f"{to} bars are not made of {frame} bars; take a multiple of {frame}") from None
    if not len(bars):
        raise DataError(f"{path}: no window of {to} is whole")
    formats.write(out, bars)
    return {"file": str(path), "out": str(out), "bars": len(bars), "left_out": left_out}


def _same(one: "Bars", other: "Bars") -> bool:
    from lct.domain.quality import columns

    return all(a.tobytes() == b.tobytes() for a, b in zip(columns(one), columns(other), strict=True))
