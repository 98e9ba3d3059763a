"""The sockets: each kind made in one place, with every setting and limit of it named."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import NamedTuple, TypeAlias

import zmq

from lct.bus.wire import COMMAND_BYTES_MAX, DATA_BYTES_MAX, FRAMES_MAX, HISTORY_BYTES_MAX
from lct.errors import Refused

Socket: TypeAlias = zmq.Socket[bytes]
Context: TypeAlias = zmq.Context[Socket]

LIBZMQ_OLDEST = (4, 3, 5)
"""Before it, a long subscription overflows the stack of its publisher."""
SOCKETS_MAX = 1_024
HANDSHAKE_MS = 2_000
PING_EVERY_MS = 1_000
PING_PATIENCE_MS = 3_000
WAITING_CONNECTIONS_MAX = 128
RECONNECT_MS = 20
RECONNECT_MS_MAX = 100
"""A daemon that is back is heard again within this."""
EVENTS_WAITING_MAX = 8_192
"""Per hearer, on each side; of what comes on top the hearer learns by its gap in `seq`."""
REQUESTS_WAITING_MAX = 1_024
ENDS_WITHIN_SECONDS = 3.0
SUBSCRIPTION_BYTES_MAX = 1_024
"""What a hearer may send to a speaker: a subscription, and the words of a handshake."""
IPC_PATH_BYTES_MAX = 103


class Endpoint(NamedTuple):
    """Where one process is asked and where it tells."""

    ask: str
    tell: str


Endpoints = Mapping[str, Endpoint]


def in_folder(folder: Path, name: str) -> Endpoint:
    """Return where a process is found whose sockets lie in `folder`; Refused where the path is too long for one."""
    path = os.fsencode(folder / name)
    if len(path) + len(".tell") > IPC_PATH_BYTES_MAX:
        raise Refused(f"{folder} is too long a path for sockets; set LCT_HOME to a shorter one")
    return Endpoint(f"ipc://{folder / name}.ask", f"ipc://{folder / name}.tell")


def context() -> Context:
    """Return a context of its own; Refused where libzmq is too old."""
    if zmq.zmq_version_info() < LIBZMQ_OLDEST:
        wanted = ".".join(map(str, LIBZMQ_OLDEST))
        raise Refused(f"libzmq {zmq.zmq_version()} is too old; {wanted} or newer is needed: pip install -U pyzmq")
    made: Context = zmq.Context()
    made.set(zmq.MAX_SOCKETS, SOCKETS_MAX)
    return made


def end(context: Context) -> None:
    """Close all sockets of a context and let it go, dropping what has not left.

    libzmq waits for its own threads without a limit, and a process must be able to end: where that takes longer than
    ENDS_WITHIN_SECONDS it is left to the end of the process.
    """
    ending = Thread(target=context.destroy, kwargs={"linger": 0}, daemon=True)
    ending.start()
    ending.join(ENDS_WITHIN_SECONDS)


def answering(context: Context, bytes_max: int = COMMAND_BYTES_MAX) -> Socket:
    """Return a socket that takes requests and answers them."""
    socket = _made(context, zmq.ROUTER, bytes_max, REQUESTS_WAITING_MAX)
    socket.set(zmq.ROUTER_MANDATORY, 1)
    socket.set(zmq.ROUTER_HANDOVER, 0)
    socket.set(zmq.BACKLOG, WAITING_CONNECTIONS_MAX)
    return socket


def telling(context: Context) -> Socket:
    """Return a socket that tells events; each subscription is taken by hand."""
    socket = _made(context, zmq.XPUB, SUBSCRIPTION_BYTES_MAX, EVENTS_WAITING_MAX)
    socket.set(zmq.XPUB_MANUAL, 1)
    socket.set(zmq.BACKLOG, WAITING_CONNECTIONS_MAX)
    return socket


def asking(context: Context) -> Socket:
    """Return a socket that asks one process; what cannot leave now does not leave later."""
    socket = _made(context, zmq.DEALER, HISTORY_BYTES_MAX, REQUESTS_WAITING_MAX)
    socket.set(zmq.IMMEDIATE, 1)
    _connecting(socket)
    return socket


def hearing(context: Context) -> Socket:
    """Return a socket that hears one process."""
    socket = _made(context, zmq.SUB, DATA_BYTES_MAX, EVENTS_WAITING_MAX)
    _connecting(socket)
    return socket


def conducting(context: Context, bytes_max: int, waiting_max: int) -> Socket:
    """Return the conductor's end of the line to its daemons."""
    socket = _made(context, zmq.ROUTER, bytes_max, waiting_max)
    socket.set(zmq.ROUTER_MANDATORY, 1)
    # a daemon that comes back under its name, after either side was frozen, must be heard and not ignored for good
    socket.set(zmq.ROUTER_HANDOVER, 1)
    socket.set(zmq.BACKLOG, WAITING_CONNECTIONS_MAX)
    return socket


def conducted(context: Context, bytes_max: int, waiting_max: int, route: bytes) -> Socket:
    """Return a daemon's end of the line, known to the conductor by its route."""
    socket = _made(context, zmq.DEALER, bytes_max, waiting_max)
    socket.set(zmq.ROUTING_ID, route)
    _connecting(socket)
    return socket


def _made(context: Context, kind: int, bytes_max: int, waiting_max: int) -> Socket:
    socket = context.socket(kind)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, bytes_max)
    socket.set(zmq.SNDHWM, waiting_max)
    socket.set(zmq.RCVHWM, waiting_max)
    socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    return socket


def _connecting(socket: Socket) -> None:
    """Who connects pings; the time to live in its pings makes the other side watch too."""
    socket.set(zmq.HEARTBEAT_IVL, PING_EVERY_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, PING_PATIENCE_MS)
    socket.set(zmq.HEARTBEAT_TTL, PING_PATIENCE_MS)
    socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)


def descriptor(socket: Socket) -> int:
    """Return the descriptor that tells of a change."""
    return int(socket.get(zmq.FD))


def events(socket: Socket) -> int:
    """Return what can be done now: zmq.POLLIN and zmq.POLLOUT."""
    return int(socket.get(zmq.EVENTS))


def bound(socket: Socket) -> str:
    """Return where a socket is bound."""
    return os.fsdecode(bytes(socket.get(zmq.LAST_ENDPOINT))).rstrip("\0")


def is_absent(endpoint: str) -> bool:
    """Whether nobody can be there, because the file of an ipc socket is missing."""
    scheme, _, path = endpoint.partition("://")
    return scheme == "ipc" and not Path(path).exists()


def take_away(endpoint: str) -> None:
    """Remove the file of an ipc socket that was closed, so that nobody waits for an answer there."""
    scheme, _, path = endpoint.partition("://")
    if scheme == "ipc":
        Path(path).unlink(missing_ok=True)


def received(socket: Socket) -> list[zmq.Frame]:
    """Return the frames of the next message; raises zmq.Again where none waits.

    Of a message of too many frames one more than FRAMES_MAX is returned; the rest is read and dropped.
    """
    frame = socket.recv(zmq.NOBLOCK, copy=False)
    frames = [frame]
    while frame.more:
        frame = socket.recv(zmq.NOBLOCK, copy=False)
        if len(frames) <= FRAMES_MAX:
            frames.append(frame)
    return frames
