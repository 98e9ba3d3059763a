"""Calling: sockets that are connected to a process, and watched for the day that libzmq gives them up."""

import sys
from collections.abc import Callable

import zmq

from lct.bus.security import Security
from lct.bus.sockets import Context, Socket

TEND_SECONDS = 1.0
"""How often connections are looked after; one that was given up is back within twice that."""
CHANGES_MAX = 1_000
DISCONNECTED = int(zmq.EVENT_DISCONNECTED)
CHANGES = DISCONNECTED | int(zmq.EVENT_CONNECT_RETRIED) | int(zmq.EVENT_HANDSHAKE_SUCCEEDED)


def connected(security: Security, made: Callable[[Context], Socket], context: Context, to: str, at: str) -> Socket:
    """Return a socket that is connected to a process, and watched; raises Refused where it may not be."""
    security.allow(at)
    socket = made(context)
    try:
        security.call(socket, to)
        socket.get_monitor_socket(CHANGES)
        socket.connect(at)
    except BaseException:
        hang_up(socket)
        raise
    return socket


def hang_up(socket: Socket) -> None:
    """Close a socket and what watches it."""
    monitor = socket.get_monitor_socket(CHANGES)
    socket.disable_monitor()
    monitor.close(linger=0)
    socket.close(linger=0)


class Watch:
    """Notices that libzmq has given a connection up.

    After a protocol error (a frame that is too large, a key that is refused) it is closed and, unlike after any other
    end, not tried again: a disconnection that no new attempt follows.
    """

    def __init__(self, socket: Socket) -> None:
        """Watch a socket that `connected` has made."""
        self._changes = socket.get_monitor_socket(CHANGES)
        self._is_lost = False

    def has_given_up(self) -> bool:
        """Whether the last that happened is a disconnection, and nothing more since this was asked before."""
        was_lost = self._is_lost
        for _ in range(CHANGES_MAX):
            try:
                change, _where = self._changes.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._is_lost = int.from_bytes(change[:2], sys.byteorder) == DISCONNECTED
            was_lost = False
        return was_lost
