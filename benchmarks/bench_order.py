"""An order's path in process: from a proposal, through the gate and the journal, to the moment its order is sent.

    python3 dev.py bench order [--orders 2000]

It is execution as it lives on the wall clock: its room, and its journal on disk with synchronous FULL. Beside it, order
by order, a bare SQLite commit of a row of the same size with the same settings, in the same folder.
"""

import argparse
import os
import random
import sqlite3
import tempfile
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter_ns

from desk import Desk, Venue

from lct.domain.money import use_money_context

GOAL_P50, GOAL_P99 = 2.5, 3.0
WARM = 100


def p99(measured: list[int]) -> float:
    return quantiles(measured, n=100, method="inclusive")[98]


def bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("pragma journal_mode = wal; pragma synchronous = full; create table t (id integer primary key, b)")
    return db


def row_bytes(path: Path) -> int:
    """The mean size of what one order's intent writes: its row."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (size,) = db.execute(
            "select avg(length(body) + length(heard_ref) + length(type) + 60) from journal "
            "where type = 'execution.order_intended'"
        ).fetchone()
    return int(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2_000)
    asked = parser.parse_args()
    use_money_context()
    chance, paths = random.Random(7), list[int]()
    commits: list[int] = []
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        venue = Venue()
        desk = Desk(Path(folder) / "execution.db", venue)
        assert desk.is_ready, "execution compares its account first"
        began = 0

        def sent() -> None:
            paths.append(perf_counter_ns() - began)

        venue.sent = sent
        db, size = bare(Path(folder) / "bare.db"), 400
        for n in range(asked.orders + WARM):
            if n == WARM:
                size = row_bytes(Path(folder) / "execution.db")
                paths.clear()
                commits.clear()
            began = perf_counter_ns()
            desk.propose(n)
            desk.next(n)
            body, began = chance.randbytes(size), perf_counter_ns()
            db.execute("begin immediate")
            db.execute("insert into t (b) values (?)", (body,))
            db.execute("commit")
            commits.append(perf_counter_ns() - began)
        assert len(paths) == len(commits) == asked.orders, (len(paths), len(commits))
        db.close()
        desk.close()
    print(f"bare commit       p50 {median(commits) / 1e3:8.0f} us  p99 {p99(commits) / 1e3:8.0f} us  of {size} bytes")
    print(f"proposal to send  p50 {median(paths) / 1e3:8.0f} us  p99 {p99(paths) / 1e3:8.0f} us  of {len(paths):,}")
    print(f"p50 {median(paths) / median(commits):.2f}x (goal: at most {GOAL_P50})")
    print(f"p99 {p99(paths) / p99(commits):.2f}x (goal: at most {GOAL_P99})")
    print(f"load average {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
