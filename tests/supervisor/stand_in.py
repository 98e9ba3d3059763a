"""A stand-in for a daemon: writes its presence file, and ends when told to or when its supervisor is gone.

`python stand_in.py NAME`; files of the home's run folder change its ways: `NAME.crash` ends it at once with a
traceback, `NAME.deaf` has it ignore SIGTERM, `NAME.slow` keeps it from being ready.
"""

import os
import signal
import sys
from pathlib import Path
from time import sleep
from types import FrameType

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import now_ns

BEAT_SECONDS = 0.05


def main(name: str) -> None:
    run = Path(os.environ["LCT_HOME"]) / "run"
    if (run / f"{name}.crash").exists():
        raise RuntimeError(f"{name} cannot go on")
    stopped: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if not (run / f"{name}.deaf").exists():
            stopped.append(number)

    signal.signal(signal.SIGTERM, note)
    parent, started = os.getppid(), now_ns()
    while not stopped and os.getppid() == parent:
        url = os.environ.get("SUPERVISOR_SERVER_URL")
        is_ready = not (run / f"{name}.slow").exists()
        told = Presence(name, os.getpid(), started, is_ready, started, now_ns(), supervisor=url)
        presence.write(run, told)
        sleep(BEAT_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
