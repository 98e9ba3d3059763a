"""The bar store beside what it is made of: bare pyarrow, bare SQLite, and a rate for rows from arrays.

    python3 dev.py bench store [--bars 100000] [--rounds 15]

read      a series of so many 1m bars out of the store, against pyarrow reading the same Parquet files to numpy arrays
ingest    the same bars as arrays into an empty store: checked, compared with what is there, on the disk
append    one live bar at a time, durable, against an insert and a commit (WAL, FULL) of the same row in bare SQLite
"""

import argparse
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq

from lct.domain.bars import Bars
from lct.domain.quality import columns
from lct.store.bars import BarStore, Series

SERIES = Series("bench", "BTC/USDT", "1m")
MINUTE_NS = 60_000_000_000
BEGIN_NS = int(np.datetime64("2024-01-01", "ns").astype(np.int64))
READ_GOAL, APPEND_GOAL, INGEST_GOAL = 4.0, 2.0, 300_000
APPENDS = 300


def made(count: int) -> Bars:
    chance = np.random.default_rng(7)
    close = np.round(40_000 + np.cumsum(chance.standard_normal(count)), 2)
    spread = np.round(np.abs(chance.standard_normal((2, count))) + 0.01, 2)
    volume = np.round(chance.random(count) * 10, 5)
    return Bars.of(BEGIN_NS + np.arange(count) * MINUTE_NS, close, close + spread[0], close - spread[1], close, volume)


def bare_read(folder: Path) -> int:
    names = ("timestamp", "open", "high", "low", "close", "volume")
    rows = 0
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        arrays = [table.column(name).to_numpy() for name in names]
        rows += len(arrays[0])
    return rows


def seconds(what, *given) -> float:
    began = perf_counter()
    what(*given)
    return perf_counter() - began


def read_and_ingest(bars: Bars, rounds: int) -> None:
    lct, bare, ingest = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(rounds):
            with BarStore(Path(folder) / str(n)) as store:
                ingest.append(seconds(store.add, SERIES, bars))
                store.settle(SERIES)
                lct.append(seconds(store.read, SERIES))
                assert len(store.read(SERIES)) == len(bars)
            bare.append(seconds(bare_read, Path(folder) / str(n) / "bench"))
            assert bare_read(Path(folder) / str(n) / "bench") == len(bars)
    ratio = median(lct) / median(bare)
    print(
        f"read    {len(bars):,} bars: store {median(lct) * 1e3:.2f} ms, pyarrow {median(bare) * 1e3:.2f} ms", end="; "
    )
    print(f"{ratio:.2f}x (goal: at most {READ_GOAL:g})")
    print(f"ingest  {len(bars) / median(ingest):,.0f} bars/s (goal: at least {INGEST_GOAL:,})")


def append(bars: Bars) -> None:
    lct, bare = [], []
    rows = list(zip(*(column.tolist() for column in columns(bars)), strict=True))
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(f"{folder}/bare.db", isolation_level=None)) as db,
    ):
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute(
            "create table tail (open_ns integer primary key, o real, h real, l real, c real, v real) without rowid"
        )

        def insert(n: int) -> None:
            db.execute("begin immediate")
            db.execute("insert into tail values (?, ?, ?, ?, ?, ?)", rows[n])
            db.execute("commit")

        with BarStore(Path(folder) / "store") as store:
            store.add(SERIES, bars[:50_000])
            store.settle(SERIES)
            for n in range(50_000, 50_000 + APPENDS):
                bar = bars[n : n + 1]
                lct.append(seconds(store.add, SERIES, bar))
                bare.append(seconds(insert, n))
    ratio = median(lct) / median(bare)
    print(f"append  store {median(lct) * 1e6:.0f} us, bare SQLite {median(bare) * 1e6:.0f} us", end="; ")
    print(f"{ratio:.2f}x (goal: at most {APPEND_GOAL:g})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    bars = made(asked.bars)
    read_and_ingest(bars, asked.rounds)
    append(bars)
    print(f"load average {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
