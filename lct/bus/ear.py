"""An ear: one socket on an asyncio loop, drained on its descriptor; `zmq.asyncio` carries a sixth of the traffic."""

import asyncio
from collections.abc import Callable

import zmq

from lct.bus.sockets import Socket, descriptor, events

DRAINED_MAX = 128
"""Words taken from one socket before the others have their turn."""


class Ear:
    """One socket on the loop, drained when its descriptor says so, a limited number of messages at a time.

    libzmq's descriptor tells a change and not a state, and any send or receive may use the signal up: so each drain
    goes on until nothing waits, and `look` follows each send.
    """

    def __init__(self, socket: Socket, take: Callable[[], int], drained: Callable[[], None] = lambda: None) -> None:
        """Hear a socket: `take` takes a message and returns how many things were in it, 0 where none waits any more.

        Then `drained` is called.
        """
        self.socket = socket
        self._take = take
        self._drained = drained
        self._is_due = False
        self._looks_later = False
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor(socket)
        self._loop.add_reader(self._descriptor, self._drain)
        self._again()

    def look(self) -> None:
        """See whether something waits whose signal a send has used up."""
        self._looks_later = False
        if self._is_open and not self._is_due and events(self.socket) & zmq.POLLIN:
            self._again()

    def look_later(self) -> None:
        """Look once after many sends, before the loop waits again."""
        if not self._looks_later:
            self._looks_later = True
            self._loop.call_soon(self.look)

    def rest(self) -> None:
        """Hear nothing more; the socket stays open."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Hear nothing more, and close the socket."""
        self.rest()
        self.socket.close(linger=0)

    def _again(self) -> None:
        self._is_due = True
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._is_due = False
        try:
            taken = 0
            while taken < DRAINED_MAX and self._is_open:
                count = self._take()
                if not count:
                    self._drained()
                    return
                taken += count
        except BaseException:
            self._again()  # the signal is spent, and more may wait
            raise
        if self._is_open:
            self._again()
