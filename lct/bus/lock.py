"""The lock of a place: libzmq lets a second process bind a path and steal its traffic; the kernel does not."""

import fcntl
import os
from pathlib import Path

from lct.errors import Refused


def locked(path: Path, name: str) -> int:
    """Return the descriptor that holds a lock as long as this process lives; Refused where another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise Refused(f"{name} runs already, as process {holder}; lct status shows it, lct down ends it") from None
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor
