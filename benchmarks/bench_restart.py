"""kill -9 of a daemon until it is ready again: each of the eight in turn, on the wall clock, under a real supervisord.

python3 dev.py bench restart [--kills 64] [--pause 0.5]

The house is the default one with an account that trades. Between two kills it comes to rest, for a pause that is drawn
from a seed; what is measured ends when the next life says in its presence file that it is ready.
"""

import argparse
import os
import random
import signal
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from lct.bus.presence import read
from lct.supervisor import Supervisor, conf
from lct.supervisor.overview import await_ready

GOAL_SECONDS = 3.0
LOOK_SECONDS = 0.002
LOST_SECONDS = 60.0


def restarted_seconds(home: Path, name: str) -> float:
    """Kill a daemon, and return how long it takes until it is ready again."""
    before = read(home / "run")[name]
    assert before is not None, f"{name} says nothing of itself"
    os.kill(before.pid, signal.SIGKILL)
    begin = perf_counter()
    while perf_counter() - begin < LOST_SECONDS:
        now = read(home / "run").get(name)
        if now is not None and now.pid != before.pid and now.ready:
            return perf_counter() - begin
        sleep(LOOK_SECONDS)
    raise SystemExit(f"{name} did not come back")


def percentile(measured: list[float], share: float) -> float:
    ordered = sorted(measured)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(kills: int, pause_seconds: float) -> dict[str, list[float]]:
    chance = random.Random(7)
    names = conf.programs(conf.shipped())
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        home = Path(folder)
        supervisor = Supervisor(home)
        try:
            supervisor.start(environment={"LCT_HTTP_PORTS": "auto"})
            for n in range(kills):
                late = await_ready(supervisor, names, LOST_SECONDS, lambda _ready: None, lambda: 0)
                assert not late, late
                sleep(chance.uniform(0.0, 2.0 * pause_seconds))
                times[names[n % len(names)]].append(restarted_seconds(home, names[n % len(names)]))
        finally:
            supervisor.stop()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=64)
    parser.add_argument("--pause", type=float, default=0.5, metavar="SECONDS")
    asked = parser.parse_args()
    loads = [os.getloadavg()[0]]
    times = measure(asked.kills, asked.pause)
    loads.append(os.getloadavg()[0])
    for name, measured in times.items():
        if measured:
            print(f"{name:16s} median {median(measured):6.2f} s  max {max(measured):6.2f} s of {len(measured)}")
    every = [seconds for measured in times.values() for seconds in measured]
    print(f"kill -9 -> ready again, of {len(every)}: p50 {percentile(every, 0.5):.2f} s, max {max(every):.2f} s")
    print(f"p99 {percentile(every, 0.99):.2f} s (goal: at most {GOAL_SECONDS:g})")
    print(f"load average {loads[0]:.1f} before, {loads[1]:.1f} after, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
