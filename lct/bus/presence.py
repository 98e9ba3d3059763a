"""The run directory: who is in the house, and since when; a file per daemon, rewritten with every heartbeat."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lct.errors import Refused

BEAT_SECONDS = 1.0
SOCKET_PATH_MAX = 80
"""Of the 104 bytes that macOS allows, supervisord needs some for the file it makes first."""
FILE_BYTES_MAX = 65_536


@dataclass(frozen=True)
class Presence:
    """What a daemon writes about itself; times are of the wall clock, in ns. `ready` turns true after its recovery."""

    daemon: str
    pid: int
    epoch: int
    ready: bool
    started_ns: int
    beat_ns: int
    instance: int = 0
    http_port: int | None = None
    md_seq: int = 0
    version: str = ""
    supervisor: str | None = None
    reasons: list[str] = field(default_factory=list)


def socket_folder(home: Path) -> Path:
    """Return the folder of a home's sockets, made for nobody else; short, for a socket's path may not be long.

    It is `run` of the home, or where that is too long a folder of the user's runtime directory named by a hash.
    Raises Refused where somebody else owns it, or may write to it.
    """
    folder = home / "run"
    if len(os.fsencode(folder)) > SOCKET_PATH_MAX:
        import hashlib  # a tenth of `lct status`, and most paths are short

        digest = hashlib.blake2b(os.fsencode(folder), digest_size=6).hexdigest()
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - the folder is checked below
        folder = base / f"lct-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077 or folder.is_symlink():
        raise Refused(f"{folder} must belong to you alone: chmod 700 it, or set LCT_HOME to a folder of yours")
    return folder


def write(run: Path, presence: Presence) -> None:
    """Write a presence file whole, over the one before."""
    path = run / f"{presence.daemon}.json"
    fresh = path.with_suffix(f".{presence.pid}")
    fresh.write_text(json.dumps(asdict(presence)), encoding="utf-8")
    fresh.replace(path)


def read(run: Path) -> dict[str, Presence | None]:
    """Return the presences of a run directory by daemon; None for a file that cannot be read."""
    found: dict[str, Presence | None] = {}
    for path in sorted(run.glob("*.json")):
        try:
            text = path.read_bytes()[:FILE_BYTES_MAX]
        except FileNotFoundError:
            continue
        try:
            found[path.stem] = Presence(**json.loads(text))
        except (ValueError, TypeError):
            found[path.stem] = None
    return found
