"""`lct status --json` against `python -c "import typer"`, interleaved in one run, over a house of eight processes.

python3 dev.py bench status [--rounds 25]

The processes only sleep, and their presence files are written here: what is measured is the verb, and not the daemons.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import now_ns
from lct.supervisor import Supervisor
from lct.supervisor.conf import shipped

STATUS = "import sys; sys.argv[0] = 'lct'; from lct.cli import main; main()"


def seconds(command: list[str], home: Path) -> float:
    start = perf_counter()
    env = {**os.environ, "LCT_HOME": str(home), "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, check=True, capture_output=True, env=env)
    return perf_counter() - start


def sleeping_house(folder: Path) -> Supervisor:
    """Start eight processes that sleep under the names of the daemons."""
    settings = folder / "supervisord.conf"
    text = shipped().read_text(encoding="utf-8")
    settings.write_text(text.replace("-m lct.run", '-c "import time; time.sleep(3600)"'), encoding="utf-8")
    supervisor = Supervisor(folder / "home", settings)
    supervisor.start()
    return supervisor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="lct-bench-") as name:
        supervisor = sleeping_house(Path(name))
        try:
            commands = {
                "import typer": [sys.executable, "-c", "import typer"],
                "lct status": [sys.executable, "-c", STATUS, "status", "--json"],
            }
            times: dict[str, list[float]] = {label: [] for label in commands}
            for _ in range(rounds + 1):
                now = now_ns()
                for process in supervisor.processes():
                    told = Presence(process.name, process.pid or 0, 1, True, now, now)
                    presence.write(supervisor.home / "run", told)
                for label, command in commands.items():
                    times[label].append(seconds(command, supervisor.home))
        finally:
            supervisor.stop()
    best = {label: min(measured[1:]) for label, measured in times.items()}
    for label, value in best.items():
        print(f"{label:13s} best of {rounds} {value * 1000:7.1f} ms")
    print(f"lct status / import typer = {best['lct status'] / best['import typer']:.2f}x (goal: at most 2)")


if __name__ == "__main__":
    main()
