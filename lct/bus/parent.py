"""The parent of a process: the supervisor that started it, whose end is its own."""

import os
import socket
from contextlib import closing
from pathlib import Path

SUPERVISED = "SUPERVISOR_ENABLED"
ADDRESS, SCHEME = "SUPERVISOR_SERVER_URL", "unix://"


class Parent:
    """Notices that the supervisor is gone, also where it ended before this process could look."""

    def __init__(self) -> None:
        """Look who started this process, and whether that one listens still."""
        self.pid = os.getppid()
        self._is_supervised = SUPERVISED in os.environ
        self._was_late = self._is_supervised and not _listens(os.environ.get(ADDRESS, ""))

    @property
    def is_gone(self) -> bool:
        """Whether this process was started by a supervisor that has ended."""
        return self._is_supervised and (self._was_late or os.getppid() != self.pid)


def _listens(url: str) -> bool:
    """Whether somebody listens at an address; of one that is no unix socket nothing is known."""
    if not url.startswith(SCHEME):
        return True
    path = Path(url.removeprefix(SCHEME))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
        try:
            line.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it has too much to do, or the path is too long for us: that is no end
            return True
    return True
