"""Rigs side by side, each in a process of its own."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any

from tests.campaign.kill import Tally, rig_of_kills

LOOK_SECONDS = 0.5

_count: Any = None


def side_by_side(rigs: list[tuple[str, list[str]]], jobs: int) -> Tally:
    """Run rigs (their seeds and points), so many at once, and add up what they did."""
    total, tally = sum(len(points) for _, points in rigs), Tally()
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0)
    with ProcessPoolExecutor(jobs, context, initializer=_share, initargs=(count,)) as pool:
        left = {pool.submit(_rig, seed, points) for seed, points in rigs}
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


def _rig(seed: str, points: list[str]) -> Tally:
    return rig_of_kills(points, seed, _one_more)


def _one_more() -> None:
    with _count.get_lock():
        _count.value += 1
