"""The bar store: months in Parquet, what came last in SQLite; every bar once, every contradiction kept.

`<folder>/<venue>/BTC_USDT-5m-2024-01.parquet` holds a month, `<folder>/tail.db` the rest and the findings. A bar that
is there is never overwritten: another telling of it becomes a finding. A month is written whole before its rows leave
the tail, so a crash at any moment leaves them in one place or, the same, in both.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from lct.domain.bars import Bars, is_sound, refusals, timeframe_ns
from lct.domain.quality import columns, joined, stacked
from lct.domain.spans import Span, merged
from lct.errors import DataError
from lct.formats import files, parquet

TAIL = "tail.db"
TAIL_MAX = 5_000
"""Of a series with more bars than this in the tail, the months are written."""
FINDINGS_MAX = 10_000
"""So many findings of a series are kept; beyond them they are only counted."""
BUSY_SECONDS = 30.0
FOREVER_NS = 2**63 - 1
VENUE = re.compile(r"[a-z0-9_]{1,64}")
SYMBOL = re.compile(r"[A-Za-z0-9$]+/[A-Za-z0-9$]+(:[A-Za-z0-9$]+)?")
"""What a file name can tell: base, quote, and what it settles in."""
SCHEMA = """
create table if not exists series (
    id integer primary key, venue text not null, symbol text not null, timeframe text not null,
    uncounted integer not null default 0, unique (venue, symbol, timeframe)) strict;
create table if not exists tail (
    series integer not null references series, open_ns integer not null, open real not null, high real not null,
    low real not null, close real not null, volume real not null, primary key (series, open_ns)) strict, without rowid;
create table if not exists findings (
    series integer not null references series, open_ns integer not null, kind text not null, detail text not null,
    source text not null, primary key (series, open_ns, kind, detail)) strict, without rowid;
create table if not exists covered (
    series integer not null references series, from_ns integer not null, to_ns integer not null,
    primary key (series, from_ns)) strict, without rowid;
"""


NONE = Bars.of([], [], [], [], [], []).frozen()


class Series(NamedTuple):
    """The bars of one symbol and timeframe at one venue."""

    venue: str
    symbol: str
    timeframe: str


class Added(NamedTuple):
    """What became of rows: bars that are new, that were there already, and rows that are findings now, by kind."""

    new: int
    known: int
    findings: dict[str, int]


class Finding(NamedTuple):
    """A row that is no bar of the store, and why; `detail` is what it said: open, high, low, close, volume."""

    kind: str
    open_ns: int
    detail: str
    source: str


class BarStore:
    """One folder of bars. Several processes may read and add; each addition is one transaction."""

    def __init__(self, folder: Path) -> None:
        """Open or make a store; raises DataError where the folder cannot be used."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(folder / TAIL, isolation_level=None, timeout=BUSY_SECONDS)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"{folder}: no place for bars ({error})") from None
        self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # -- adding -------------------------------------------------------------------------------------------------

    def add(self, series: Series, raw: Bars, source: str = "", covers: Span | None = None) -> Added:
        """Add rows as they came; they are on the disk when this returns, and adding them again changes nothing.

        `covers` is the span of which the source has told everything with these rows: what is missing there is missing
        at the source. Raises DataError for a series that has no name in a store, and where another process holds the
        store for long.
        """
        step_ns = _step_ns(series)
        if len(raw) == 1 and _is_bar(raw, step_ns):  # as a live bar does; a tenth of the time of looking at columns
            with self._writing():
                return self._add(series, raw, [], source, 1, covers)
        reasons = refusals(raw, step_ns)
        backwards = reasons.pop("time_backwards").any()  # the order is no matter; what comes twice is compared below
        found: list[Finding] = []
        refused = np.zeros(len(raw), dtype=np.bool_)
        for kind, which in reasons.items():
            if which.any():
                refused |= which
                found += _findings(kind, raw.take(which), source)
        sound = raw.take(~refused) if found else raw
        rows = len(sound)
        if backwards:
            sound, differing = joined((sound, sound[:0]))  # with nothing: put in order, each open once
            found += _findings("conflicting_duplicate", differing, source)
        with self._writing():
            return self._add(series, sound, found, source, rows, covers)

    def _add(
        self, series: Series, sound: Bars, found: list[Finding], source: str, rows: int, covers: Span | None
    ) -> Added:
        """Add bars in order, each open once; `rows` is out of how many they came."""
        number, fresh = self._id(series), sound
        if covers is not None:
            self._cover(number, covers)
        if len(sound):
            there = self._overlap(series, number, int(sound.open_ns[0]), int(sound.open_ns[-1]) + 1)
            if len(there):
                _, differing = joined((there, sound))
                found = [*found, *_findings("conflicting_duplicate", differing, source)]
                fresh = sound.take(~np.isin(sound.open_ns, there.open_ns))
        self._keep(number, found)
        if len(fresh) > TAIL_MAX or self._count(number) + len(fresh) > TAIL_MAX:
            self._settle(series, number, fresh)
        elif len(fresh):
            cells = zip(*(column.tolist() for column in columns(fresh)), strict=True)
            self._db.executemany("insert into tail values (?, ?, ?, ?, ?, ?, ?)", ((number, *row) for row in cells))
            self._counts[number] += len(fresh)
        kinds = Counter(one.kind for one in found)
        return Added(len(fresh), rows - len(fresh) - kinds["conflicting_duplicate"], dict(kinds))

    def settle(self, series: Series) -> None:
        """Write all that the tail holds of a series into its months, the one that goes on too."""
        with self._writing():
            self._settle(series, self._id(series), NONE)

    def _settle(self, series: Series, number: int, fresh: Bars) -> None:
        every, _ = joined((self._tail(number, 0, FOREVER_NS), fresh))
        for month, bars in _by_month(every):
            path = self._path(series, month)
            whole = joined((parquet.read(path), bars))[0] if path.exists() else bars
            parquet.write(path, whole)
        self._db.execute("delete from tail where series = ?", (number,))
        self._counts[number] = 0
        self._ends.pop(series, None)

    def _overlap(self, series: Series, number: int, from_ns: int, to_ns: int) -> Bars:
        """Return what is there of a span; a new bar behind all months need not look into them."""
        tail = self._tail(number, from_ns, to_ns)
        return tail if from_ns > self._end(series) else joined((self._of_months(series, from_ns, to_ns), tail))[0]

    def _keep(self, number: int, found: list[Finding]) -> None:
        if not found:
            return
        (count,) = self._db.execute("select count(*) from findings where series = ?", (number,)).fetchone()
        kept = found[: max(0, FINDINGS_MAX - count)]
        rows = [(number, one.open_ns, one.kind, one.detail, one.source) for one in kept]
        self._db.executemany("insert or ignore into findings values (?, ?, ?, ?, ?)", rows)
        if len(kept) < len(found):
            more = len(found) - len(kept), number
            self._db.execute("update series set uncounted = uncounted + ? where id = ?", more)

    def _cover(self, number: int, span: Span) -> None:
        spans = merged([*self._covered(number), span])
        self._db.execute("delete from covered where series = ?", (number,))
        self._db.executemany("insert into covered values (?, ?, ?)", ((number, *one) for one in spans))

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, series: Series, from_ns: int = 0, to_ns: int = FOREVER_NS) -> Bars:
        """Return the bars that open in [from_ns, to_ns), oldest first; none where there are none."""
        _step_ns(series)
        number = self._known(series)
        # the tail first: what leaves it meanwhile is in a month by then
        tail = NONE if number is None else self._tail(number, from_ns, to_ns)
        months = self._of_months(series, from_ns, to_ns)
        return joined((months, tail))[0] if len(tail) else months

    def series(self) -> list[Series]:
        """Return all series, sorted."""
        found = {Series(*row) for row in self._db.execute("select venue, symbol, timeframe from series")}
        for folder in self.folder.iterdir():
            if folder.is_dir():
                found |= {Series(folder.name, *about) for about in files.listing(folder)}
        return sorted(found)

    def tail_count(self, series: Series) -> int:
        """Return how many bars of a series are in no month yet."""
        number = self._known(series)
        return 0 if number is None else self._count(number)

    def covered(self, series: Series) -> list[Span]:
        """Return the spans of which a source has told everything, in order."""
        number = self._known(series)
        return [] if number is None else self._covered(number)

    def findings(self, series: Series) -> tuple[list[Finding], int]:
        """Return what rows that were added are no bars, by time, and how many more were not kept."""
        number = self._known(series)
        if number is None:
            return [], 0
        sql = "select kind, open_ns, detail, source from findings where series = ? order by open_ns, kind, detail"
        rows = [Finding(*row) for row in self._db.execute(sql, (number,))]
        (left,) = self._db.execute("select uncounted from series where id = ?", (number,)).fetchone()
        return rows, left

    def _of_months(self, series: Series, from_ns: int, to_ns: int) -> Bars:
        months = [month for month in self._months(series) if _overlaps(month, from_ns, to_ns)]
        parts = [parquet.read(self._path(series, month)) for month in months]
        if not parts:
            return NONE
        return (parts[0] if len(parts) == 1 else stacked(parts)).between(from_ns, to_ns)

    def _months(self, series: Series) -> list[str]:
        pattern = files.file_name(series.symbol, series.timeframe, "????-??")
        return sorted(path.stem[-7:] for path in (self.folder / series.venue).glob(pattern))

    def _path(self, series: Series, month: str) -> Path:
        return self.folder / series.venue / files.file_name(series.symbol, series.timeframe, month)

    def _end(self, series: Series) -> int:
        """Return the last open of all months, looked up once for each that somebody writes."""
        version = int(self._db.execute("pragma data_version").fetchone()[0])
        found = self._ends.get(series)
        if found is None or found[0] != version:
            months = self._months(series)
            last = int(parquet.read(self._path(series, months[-1])).open_ns[-1]) if months else -1
            found = self._ends[series] = version, last
        return found[1]

    def _tail(self, number: int, from_ns: int, to_ns: int) -> Bars:
        sql = (
            "select open_ns, open, high, low, close, volume from tail where series = ? and open_ns >= ? and open_ns < ?"
        )
        rows = self._db.execute(f"{sql} order by open_ns", (number, from_ns, to_ns)).fetchall()
        return Bars.of(*zip(*rows, strict=True)) if rows else NONE

    def _covered(self, number: int) -> list[Span]:
        sql = "select from_ns, to_ns from covered where series = ? order by from_ns"
        return [Span(*row) for row in self._db.execute(sql, (number,))]

    def _known(self, series: Series) -> int | None:
        if series not in self._ids:
            sql = "select id from series where venue = ? and symbol = ? and timeframe = ?"
            row = self._db.execute(sql, series).fetchone()
            if row is None:
                return None
            self._ids[series] = int(row[0])
        return self._ids[series]

    def _id(self, series: Series) -> int:
        if self._known(series) is None:
            self._db.execute("insert into series (venue, symbol, timeframe) values (?, ?, ?)", series)
        found = self._known(series)
        assert found is not None, "it was just made"
        return found

    def _count(self, number: int) -> int:
        if number not in self._counts:
            sql = "select count(*) from tail where series = ?"
            self._counts[number] = int(self._db.execute(sql, (number,)).fetchone()[0])
        return self._counts[number]

    def _forget(self) -> None:
        self._ids: dict[Series, int] = {}
        self._counts: dict[int, int] = {}
        self._ends: dict[Series, tuple[int, int]] = {}

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the store for one addition: nobody else writes meanwhile, the months neither."""
        try:
            self._db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            raise DataError(f"{self.folder}: another process holds the store ({error}); try again") from None
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            self._forget()
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise


def _is_bar(raw: Bars, step_ns: int) -> bool:
    """Whether a single row is a bar, by plain numbers."""
    open_ns, *values = (column.item() for column in columns(raw))
    return open_ns % step_ns == 0 and is_sound(*values)


@lru_cache(maxsize=1_024)
def _step_ns(series: Series) -> int:
    """Return the length of a bar; raises DataError for a series that no file name can tell."""
    name = Path(files.file_name(series.symbol, series.timeframe, "2024-01"))
    is_named = VENUE.fullmatch(series.venue) and SYMBOL.fullmatch(series.symbol)
    if not is_named or files.described(name) != (series.symbol, series.timeframe):
        raise DataError(f"no store names {series}: write a venue as in binance, BTC/USDT or BTC/USDT:USDT, and 5m")
    return timeframe_ns(series.timeframe)


def _findings(kind: str, rows: Bars, source: str) -> list[Finding]:
    values = zip(*(column.tolist() for column in columns(rows)), strict=True)
    return [Finding(kind, open_ns, " ".join(map(repr, row)), source) for open_ns, *row in values]


def _by_month(bars: Bars) -> Iterator[tuple[str, Bars]]:
    """Yield the bars of each month that there is, with its name in UTC."""
    months = bars.open_ns.astype("datetime64[ns]").astype("datetime64[M]")
    edges = [0, *(np.flatnonzero(months[1:] != months[:-1]) + 1), len(bars)]
    for begin, end in pairwise(edges):
        if end > begin:
            yield str(months[begin]), bars[int(begin) : int(end)]


def _overlaps(month: str, from_ns: int, to_ns: int) -> bool:
    begin = np.datetime64(month, "M")
    first, last = (int(edge.astype("datetime64[ns]").astype(np.int64)) for edge in (begin, begin + 1))
    return first < to_ns and from_ns < last
