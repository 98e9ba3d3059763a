"""The common policies beside ours: each under real kills at random moments, with replies that get lost.

Twice: at a venue whose look-ups are instant, and at one whose look-ups lag 20 ms behind its orders. lct is its real
execution beside the same venue, killed at the named points of tests/campaign/kill.py.
"""

import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.campaign.bots import POLICIES, live, outcome
from tests.campaign.kill import POINTS, Tally, plan, rig_of_kills
from tests.venue.served import account

ORDERS = 12
LOST_SHARE = 0.15
LIFE_SECONDS_MAX = 0.03
LAGS_MS = (0, 20)
LCT = "lct"
PATIENCE_SECONDS = 60.0


def table(kills: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each policy and lag: kills, orders meant, duplicated, orphaned, never sent."""
    rows = []
    for lag_ms in LAGS_MS:
        rows += [_row(policy, lag_ms, bots(policy, lag_ms, kills, seed)) for policy in POLICIES]
        tally = Tally()
        for points, one in plan(POINTS, kills, f"{seed}.{lag_ms}"):
            tally.add(rig_of_kills(points, one, lag_ms=lag_ms))
        rows.append(_row(LCT, lag_ms, tally.found + Counter(kills=kills, orders=tally.orders)))
    return rows


def _row(policy: str, lag_ms: int, found: Counter[str]) -> dict[str, Any]:
    names = ("kills", "orders", "duplicated", "orphaned", "never_sent")
    return {"policy": policy, "lag_ms": lag_ms, **{name: found[name] for name in names}}


def bots(policy: str, lag_ms: int, kills: int, seed: int) -> Counter[str]:
    """Run bots of one policy, one after another, until so many lives were killed."""
    chance, found, context = random.Random(seed), Counter[str](), multiprocessing.get_context("fork")
    run = 0
    while found["kills"] < kills:
        run += 1
        with TemporaryDirectory(prefix="lct-bot-") as folder, account(Path(folder) / "venue.db", lag_ms) as venue:
            venue.fault(place=[{"cut": True} if chance.random() < LOST_SHARE else {} for _ in range(ORDERS * 10)])
            path, until = Path(folder) / "bot.db", time.perf_counter() + PATIENCE_SECONDS
            while True:
                assert time.perf_counter() < until, f"a bot of {policy!r} does not come to its end"
                life = context.Process(target=live, args=(policy, path, venue.port, f"r{run}", ORDERS))
                life.start()
                life.join(chance.uniform(0.0, LIFE_SECONDS_MAX))
                if life.exitcode is not None:
                    assert life.exitcode == 0, f"a bot of {policy!r} failed"
                    break
                life.kill()
                life.join()
                found["kills"] += 1
            found += Counter(outcome(path, venue.port)) + Counter(orders=ORDERS)
    return found
