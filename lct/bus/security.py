"""Security of the bus: who may connect, as a part that is handed to whoever opens a socket."""

import os
import sys
from pathlib import Path
from typing import Protocol

import zmq

from lct.bus.sockets import Context, Socket
from lct.errors import Refused


class Security(Protocol):
    """What guards the sockets of one process."""

    def start(self, context: Context, folder: Path) -> None:
        """Begin to guard the sockets of a context; Refused where that would be an open door."""

    def allow(self, endpoint: str) -> None:
        """Return where a socket may be bound or connected here; raises Refused."""

    def guard(self, socket: Socket) -> None:
        """Set what a socket needs before it is bound."""

    def call(self, socket: Socket, to: str) -> None:
        """Set what a socket needs before it is connected to a process."""

    def speaker(self, frame: zmq.Frame) -> str | None:
        """Return who sent a frame, None where only the frame itself says so."""

    def stop(self) -> None:
        """Stop guarding, before the context ends."""


class OpenIpc:
    """Sockets in a folder that belongs to one user: whoever can reach them is that user."""

    def start(self, context: Context, folder: Path) -> None:
        """Look whether the folder is nobody else's; raises Refused."""
        about = folder.lstat()
        if folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o077:
            raise Refused(f"{folder} must belong to you alone, for its sockets take orders: chmod 700 {folder}")

    def allow(self, endpoint: str) -> None:
        """Return for a socket in a folder; raises Refused for one that a network reaches."""
        if not endpoint.startswith("ipc://"):
            raise Refused(f"{endpoint} is open to strangers without keys; use ipc, or Curve keys: lct bus keys")

    def guard(self, socket: Socket) -> None:
        """Take connections of this user alone, where the system tells whose they are."""
        if sys.platform == "linux":
            socket.set(zmq.IPC_FILTER_UID, os.getuid())

    def call(self, socket: Socket, to: str) -> None:
        """Connect as anybody does."""

    def speaker(self, frame: zmq.Frame) -> str | None:
        """Return None: the folder says that it is this user, the frame which process."""
        return None

    def stop(self) -> None:
        """Nothing was started."""


OPEN_IPC = OpenIpc()
