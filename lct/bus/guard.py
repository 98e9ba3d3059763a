"""The guard: looks at the key of everyone who connects, as libzmq asks it to (ZAP)."""

from collections.abc import Callable, Mapping
from typing import cast

import zmq
from zmq.auth import Authenticator
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from lct.bus.sockets import Context, Socket
from lct.clock import monotonic_ns

KNOCK_MS = 2_000
"""How long a connection may take to be taken or refused, when a door is tried."""
CALLER = {int(zmq.ROUTER): int(zmq.DEALER), int(zmq.XPUB): int(zmq.SUB)}
TAKEN = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
REFUSED_KEY = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
REFUSED_PLAIN = int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
BROKEN_OFF = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)


class Guard(ThreadAuthenticator):
    """Answers libzmq, in a thread of its own, whether a key is let in, and under which name."""

    def __init__(self, context: Context, domain: str, names: Mapping[str, str]) -> None:
        """Guard the sockets of a context that have this domain; `names` are those of the keys (z85) to let in."""
        super().__init__(context)
        self._names_by_key = names
        self.configure_curve_callback(domain, self)  # "*" would be no wildcard: the sockets have a domain

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a key (z85, as the authenticator hands it over) is on the list."""
        return key.decode() in self._names_by_key

    def curve_user_id(self, client_public_key: bytes) -> str:
        """Return the name of a key that was let in."""
        return self._names_by_key[z85.encode(client_public_key).decode()]

    def stop(self) -> None:
        """End the thread; of one that died nobody would take the word, and waiting for that would never end."""
        pipe = cast("Socket | None", self.pipe)
        if pipe is None or self.is_alive():
            super().stop()
        else:
            pipe.close(linger=0)
            Authenticator.stop(self)


def knock(context: Context, door: Socket, endpoint: str, come: Callable[[Socket], None]) -> int | None:
    """Connect to a door once and return how that ended (TAKEN, REFUSED_KEY, REFUSED_PLAIN), None where it did not.

    `come` sets what the caller shows of itself. A connection that is broken off is tried again until the time is over.
    """
    socket = context.socket(CALLER[int(door.get(zmq.TYPE))])
    socket.set(zmq.LINGER, 0)
    come(socket)
    monitor = socket.get_monitor_socket(TAKEN | REFUSED_KEY | REFUSED_PLAIN | BROKEN_OFF)
    socket.connect(endpoint)
    until_ns = monotonic_ns() + KNOCK_MS * 1_000_000
    found = None
    while found in {None, BROKEN_OFF} and monitor.poll(max(0, until_ns - monotonic_ns()) // 1_000_000):
        found = int(recv_monitor_message(monitor)["event"])
    socket.disable_monitor()
    monitor.close(linger=0)
    socket.close(linger=0)
    return found
