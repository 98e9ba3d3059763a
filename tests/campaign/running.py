"""Rigs side by side, each in a process of its own."""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any

from tests.campaign.kill import Tally

LOOK_SECONDS = 0.5

Rig = Callable[[list[str], str, Callable[[], None]], Tally]
"""What kills once in each of some ways, by a seed, and compares; it calls its last argument after each kill."""

_count: Any = None


def side_by_side(rig: Rig, plans: list[tuple[list[str], str]], jobs: int) -> Tally:
    """Run a rig by several plans (ways and seed), so many at once, and add up what they did."""
    total, tally = sum(len(ways) for ways, _ in plans), Tally()
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0)
    with ProcessPoolExecutor(jobs, context, initializer=_share, initargs=(count,)) as pool:
        left = {pool.submit(_run, rig, ways, seed) for ways, seed in plans}
        while left:
            done, left = wait(left, LOOK_SECONDS)
            for one in done:
                tally.add(one.result())
            if sys.stderr.isatty():
                print(f"\r{count.value} of {total} kills", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stderr.isatty():
        print(file=sys.stderr)  # noqa: T201
    return tally


def _share(count: Any) -> None:
    global _count  # noqa: PLW0603 - the one thing that a worker shares with who started it
    _count = count


def _run(rig: Rig, ways: list[str], seed: str) -> Tally:
    return rig(ways, seed, _one_more)


def _one_more() -> None:
    with _count.get_lock():
        _count.value += 1
