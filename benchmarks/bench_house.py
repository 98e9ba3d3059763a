"""The house at rest: `lct up` until all are ready, the memory of the eight and supervisord, and what they cost idle.

python3 dev.py bench house [--rounds 3] [--seconds 20]

It is the default house: the synthetic market on the wall clock, twelve pairs by the minute. The memory is the
proportional set size, summed; where other programs run the same libraries at the same time that is too little, so it is
told too what it would be without them. The processor time is that of all nine over a stretch of quiet seconds. Both are
read from /proc, so elsewhere only the start is measured.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from lct.cli.showing import pss_bytes
from lct.supervisor import Supervisor

GOAL_READY_SECONDS, GOAL_PSS_MIB, GOAL_CPU_SHARE = 4.0, 340, 0.05
MIB_BYTES = 1_048_576
SETTLE_SECONDS = 5.0
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ (\S+) (\S+) (\d+)")
LCT = [sys.executable, "-c", "import sys; sys.argv[0] = 'lct'; from lct.cli import main; main()"]


def up_seconds(home: Path) -> float:
    start = perf_counter()
    env = {**os.environ, "LCT_HOME": str(home), "LCT_HTTP_PORTS": "auto", "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([*LCT, "up", "--json"], check=True, capture_output=True, env=env)
    return perf_counter() - start


def processes(supervisor: Supervisor) -> dict[str, int]:
    found = {process.name: process.pid for process in supervisor.processes() if process.pid is not None}
    return {**found, "supervisord": int((supervisor.home / "run" / "supervisord.pid").read_text())}


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    tick = os.sysconf("SC_CLK_TCK")
    times = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        times[name] = (int(fields[11]) + int(fields[12])) / tick
    return times


def alone_mib(pids: dict[str, int]) -> float:
    """What is private to each, and once what they share: the same part of the same file."""
    private, shared = 0, defaultdict[tuple[str, ...], dict[str, int]](lambda: defaultdict(int))
    part: tuple[str, ...] = ()
    for name, pid in pids.items():
        for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if found := MAPPING.match(line):
                part = found.groups()
            elif key.startswith("Private_") and key != "Private_Hugetlb":
                private += int(value.split()[0])
            elif key in {"Shared_Clean", "Shared_Dirty"}:
                shared[part][name] += int(value.split()[0])
    return (private + sum(max(by_name.values()) for by_name in shared.values())) / 1024


def show_rest(supervisor: Supervisor, seconds: float) -> None:
    sleep(SETTLE_SECONDS)
    pids = processes(supervisor)
    before = cpu_seconds(pids)
    sleep(seconds)
    used = {name: after - before[name] for name, after in cpu_seconds(pids).items()}
    memory = {name: (pss_bytes(pid) or 0) / MIB_BYTES for name, pid in pids.items()}
    for name in sorted(pids):
        print(f"{name:16s} PSS {memory[name]:6.1f} MiB  processor {used[name] / seconds:6.2%} of a core")
    print(f"all together PSS {sum(memory.values()):.0f} MiB (goal: at most {GOAL_PSS_MIB})")
    print(f"... and {alone_mib(pids):.0f} MiB if nobody else shared a library with them")
    share = sum(used.values()) / seconds
    print(f"all together processor {share:.1%} of a core over {seconds:g} s (goal: under {GOAL_CPU_SHARE:.0%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    loads = [os.getloadavg()[0]]
    times: list[float] = []
    for n in range(asked.rounds):
        with tempfile.TemporaryDirectory(prefix="lct") as folder:
            supervisor = Supervisor(Path(folder))
            try:
                times.append(up_seconds(supervisor.home))
                if n == asked.rounds - 1 and Path("/proc/self/smaps_rollup").exists():
                    show_rest(supervisor, asked.seconds)
            finally:
                supervisor.stop()
    loads.append(os.getloadavg()[0])
    print(f"lct up -> all ready: median {median(times):.2f} s of {len(times)} (goal: at most {GOAL_READY_SECONDS:g})")
    print(f"load average {loads[0]:.1f} before, {loads[1]:.1f} after, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
