"""The dashboard: shows in a terminal what a client of the house hears; it changes nothing and may die at any time."""

import os
import signal
from pathlib import Path

DRAWS_A_SECOND = 10


def show(home: Path, refresh_seconds: float) -> int:
    """Show the house of a home until somebody quits; return the exit code.

    Textual draws on stderr and reads keys from stdin: both must be terminals.
    """
    limit_drawing()
    from lct.tui.app import Dashboard
    from lct.tui.house import Watcher
    from lct.tui.live import LiveHouse

    dashboard = Dashboard(Watcher(LiveHouse(home), refresh_seconds), home)
    dashboard.run()
    signal.alarm(0)
    return dashboard.return_code or 0


def limit_drawing() -> None:
    """Let Textual draw at most so often; it reads that when it is first imported, so call this before."""
    os.environ["TEXTUAL_FPS"] = str(DRAWS_A_SECOND)
