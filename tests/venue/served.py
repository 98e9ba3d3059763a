"""The venue as a process: started with its ledger, ended with the block that uses it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from lct.run.process import CLOCK

START_SECONDS = 20.0
ROOT = Path(__file__).parents[2]


class Served:
    """tests/venue/server.py on a free port; what it is asked for shows `lag_ms` late."""

    def __init__(self, ledger: Path, lag_ms: int = 0, clock: str = "1,0") -> None:
        self.ledger = ledger
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = [sys.executable, "-m", "tests.venue.server", str(self.port), str(ledger), str(lag_ms)]
        self._process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, CLOCK: clock})

    def __enter__(self) -> Self:
        until = time.perf_counter() + START_SECONDS
        while not self._answers():
            assert time.perf_counter() < until, "the venue does not answer"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/api/v3/account", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def fault(self, **faults: list[dict[str, Any]]) -> None:
        """Say what happens to the next requests of each kind, in their order."""
        body = json.dumps(faults).encode()
        with urlopen(Request(f"{self.url}/fault", body, {"Content-Type": "application/json"}), timeout=5) as reply:
            assert reply.status == 200
