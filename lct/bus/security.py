"""Security of the bus: who may connect, as a part that is handed to whoever opens a socket."""

import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import zmq

from lct.bus import sockets
from lct.bus.keys import KeyPair, check_key
from lct.bus.sockets import Context, Socket
from lct.errors import Refused

if TYPE_CHECKING:
    from lct.bus.guard import Guard

DOMAIN = "lct"


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

    def assert_strangers_refused(self, context: Context, doors: Iterable[Socket]) -> None:
        """Try to get in as a stranger; raises Refused where that succeeds, or where nobody at all gets in."""

    def stop(self) -> None:
        """Stop guarding, before the context ends."""


class OpenIpc:
    """Sockets in a folder that belongs to one user: whoever can reach them is that user."""

    def start(self, context: Context, folder: Path) -> None:
        """Look whether the folder is nobody else's; raises Refused."""
        _check_folder(folder)

    def allow(self, endpoint: str) -> None:
        """Return for a socket in a folder; raises Refused for one that a network reaches."""
        if not endpoint.startswith("ipc://"):
            raise Refused(f"{endpoint} is open to strangers without keys; use ipc, or Curve keys")

    def guard(self, socket: Socket) -> None:
        """Take connections of this user alone, where the system tells whose they are."""
        if sys.platform == "linux":
            socket.set(zmq.IPC_FILTER_UID, os.getuid())

    def call(self, socket: Socket, to: str) -> None:
        """Connect as anybody does."""

    def speaker(self, frame: zmq.Frame) -> str | None:
        """Return None: the folder says that it is this user, the frame which process."""
        return None

    def assert_strangers_refused(self, context: Context, doors: Iterable[Socket]) -> None:
        """Return: the kernel keeps strangers out of the folder, which `start` has looked at."""

    def stop(self) -> None:
        """Nothing was started."""


class Curve:
    """Sockets on a network: everything is encrypted, and only the listed keys get in.

    A key is a name: who connects with the key of `portfolio` can ask nothing in another's name. One per context, for
    libzmq asks one guard in each.
    """

    def __init__(self, own: KeyPair, allowed: Mapping[str, str]) -> None:
        """Be `own`, and know the named public keys (z85); raises Refused for none, unsound or equal ones."""
        if not allowed:
            raise Refused("no public key is allowed, so nobody could speak to this process; name those of the house")
        for name, key in allowed.items():
            check_key(key, f"the public key of {name}")
        self._own = own
        self._keys = {**allowed, own.name: own.public}
        self._names = {key: name for name, key in self._keys.items()}
        if len(self._names) < len(self._keys):
            raise Refused("two processes have the same public key; make keys for each of them")
        self._guard: Guard | None = None

    def start(self, context: Context, folder: Path) -> None:
        """Begin to look at the key of everyone who connects; raises Refused for a folder that others can reach."""
        _check_folder(folder)
        from lct.bus.guard import Guard  # asyncio comes with it, which who only asks does without

        self._guard = Guard(context, DOMAIN, self._names)
        self._guard.start()

    def allow(self, endpoint: str) -> None:
        """Return for TCP and ipc; raises Refused for anything else, which has no keys."""
        if not endpoint.startswith(("tcp://", "ipc://")):
            raise Refused(f"{endpoint}: keys guard tcp and ipc sockets only")

    def guard(self, socket: Socket) -> None:
        """Ask for a key, and let nobody in where the guard is missing."""
        self._be(socket, self._own)
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def call(self, socket: Socket, to: str) -> None:
        """Show the own key, and insist on that of the process; raises Refused where it is not known."""
        if to not in self._keys:
            raise Refused(f"the public key of {to} is not known here; only listed processes can be asked or heard")
        self._be(socket, self._own)
        socket.set(zmq.CURVE_SERVERKEY, self._keys[to].encode())

    def speaker(self, frame: zmq.Frame) -> str | None:
        """Return whose key the connection was made with."""
        return str(frame.get("User-Id"))

    def assert_strangers_refused(self, context: Context, doors: Iterable[Socket]) -> None:
        """Knock at each door with the own key, a stranger's and none; raises Refused unless only the first gets in."""
        from lct.bus.guard import REFUSED_KEY, REFUSED_PLAIN, TAKEN, knock

        stranger = KeyPair.new("stranger")
        for door in doors:
            endpoint = sockets.bound(door)
            for key, expected, what in (
                (self._own, TAKEN, "this process's own key is not let in"),
                (stranger, REFUSED_KEY, "a stranger's key is not refused"),
                (None, REFUSED_PLAIN, "who has no key is not refused"),
            ):
                found = knock(context, door, endpoint, partial(self._come_as, key))
                if found != expected:
                    seen = "nothing happened" if found is None else zmq.Event(found).name
                    raise Refused(f"{endpoint} is not safe: {what} ({seen}). Nothing is started.")

    def stop(self) -> None:
        """End the guard's thread, before its context ends."""
        if self._guard is not None:
            self._guard.stop()
            self._guard = None

    def _come_as(self, key: KeyPair | None, socket: Socket) -> None:
        if key is not None:
            self._be(socket, key)
            socket.set(zmq.CURVE_SERVERKEY, self._own.public.encode())

    def _be(self, socket: Socket, key: KeyPair) -> None:
        socket.set(zmq.CURVE_PUBLICKEY, key.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, key.secret.encode())


def _check_folder(folder: Path) -> None:
    about = folder.lstat()
    if folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise Refused(f"{folder} must belong to you alone, for its sockets take orders: chmod 700 {folder}")


OPEN_IPC = OpenIpc()
