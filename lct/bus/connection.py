"""A connection: a socket on the loop that calls one process, made anew where libzmq gives it up for good."""

from collections.abc import Callable
from functools import partial

from lct.bus.calling import Watch, hang_up
from lct.bus.ear import Ear
from lct.bus.sockets import Socket


class Connection:
    """A connected socket on the loop; `socket` is another once the connection was made anew."""

    def __init__(
        self,
        make: Callable[[], Socket],
        take: Callable[[Socket], int],
        drained: Callable[[Socket], None] = lambda _socket: None,
    ) -> None:
        """Connect with `make`; `take` takes one message from the socket, as an Ear wants it."""
        self._make = make
        self._take = take
        self._drained = drained
        self._open()

    def look(self) -> None:
        """See whether something waits whose signal a send has used up."""
        self._ear.look()

    def tend(self) -> bool:
        """Connect anew where libzmq has given up; return whether it had."""
        if not self._watch.has_given_up():
            return False
        self.close()
        self._open()
        return True

    def close(self) -> None:
        """Hang up."""
        self._ear.rest()
        hang_up(self.socket)

    def _open(self) -> None:
        self.socket = self._make()
        self._watch = Watch(self.socket)
        self._ear = Ear(self.socket, partial(self._take, self.socket), partial(self._drained, self.socket))
