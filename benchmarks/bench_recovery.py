"""Execution's start after a crash, over a journal of 100,000 events: a fresh process until it would take proposals.

    python3 dev.py bench recovery [--events 100000] [--starts 20]

Each start is a Python process of its own: it imports, opens the journal and checks its chain, folds it, commits the new
epoch, and compares the account with that of a venue that answers at once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from desk import CASH, FEE, Desk, Venue

from lct.domain.money import use_money_context

GOAL_SECONDS = 10.0


def write(path: Path, events: int) -> int:
    """Trade until the journal holds so many events; return how many orders that took."""
    venue = Venue()
    desk = Desk(path, venue, synchronous="NORMAL")
    n = 0
    while desk.room.journal_seq < events or n % 2:
        desk.propose(n)
        desk.next(n)
        n += 1
    assert desk.daemon.book.ledger.total("USDT") == CASH - n * FEE, "each order was filled"
    desk.close()
    return n


def start(path: Path, orders: int) -> None:
    """Be a process that recovers, and says so."""
    use_money_context()
    venue = Venue({"USDT": CASH - orders * FEE})
    desk = Desk(path, venue)
    assert desk.is_ready, "the account was compared"
    desk.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--orders", type=int)
    asked = parser.parse_args()
    if asked.start is not None:
        start(asked.start, asked.orders)
        return
    use_money_context()
    took = []
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        path, copy = Path(folder) / "written.db", Path(folder) / "execution.db"
        orders = write(path, asked.events)
        for _ in range(asked.starts):
            shutil.copy(path, copy)
            began = perf_counter()
            words = [sys.executable, __file__, "--start", str(copy), "--orders", str(orders)]
            subprocess.run(words, check=True)
            took.append(perf_counter() - began)
            for left in Path(folder).glob("execution.db*"):
                left.unlink()
    took.sort()
    print(f"{asked.events:,} events, {orders:,} orders; of {len(took)} starts: p50 {median(took):.2f} s")
    print(f"slowest {took[-1]:.2f} s, which bounds p99 from above (goal: p99 at most {GOAL_SECONDS:g})")
    print(f"load average {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
