"""The venues as processes: started with what they are told, ended with the block that uses them."""

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
    """A module that serves on the port that is its first word; it is there once `probe` is answered."""

    def __init__(self, module: str, probe: str, *words: str, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._probe = self.url + probe
        command = [sys.executable, "-m", module, str(self.port), *words]
        self._process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})

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
            with urlopen(self._probe, timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def ask(self, path: str) -> Any:
        """Return the document at a path."""
        with urlopen(self.url + path, timeout=5) as reply:
            return json.load(reply)

    def fault(self, **faults: list[dict[str, Any]]) -> None:
        """Say what happens to the next requests of each kind, in their order."""
        body = json.dumps(faults).encode()
        with urlopen(Request(f"{self.url}/fault", body, {"Content-Type": "application/json"}), timeout=5) as reply:
            assert reply.status == 200


def account(ledger: Path, lag_ms: int = 0, clock: str = "1,0") -> Served:
    """Serve tests/venue/server.py: one account, whose ledger outlives it; look-ups show `lag_ms` late."""
    return Served("tests.venue.server", "/api/v3/account", str(ledger), str(lag_ms), **{CLOCK: clock})


def market(weight_max: int = 6_000) -> Served:
    """Serve tests/venue/market.py: public data, at most so much weight a minute."""
    return Served("tests.venue.market", "/asked", str(weight_max))
