"""What a bus in replayed time needs of a port: when its next result is due, and the results."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lct.messages.base import Command, Event


class TimedPort(Protocol):
    """The outside of one daemon (`owner`) in replayed time: a recording, or a venue that is simulated from one.

    Results are numbered from 1 without a gap and always come in the same order for the same commands.
    """

    role: str
    """What `Do` calls it: feed, exchange."""
    owner: str

    @property
    def takes_again(self) -> bool:
        """Whether a command that may have been carried out before a crash can be given again without harm."""
        ...

    @property
    def given(self) -> int:
        """How many results were given so far, which is the number of the last one."""
        ...

    def due_ns(self) -> int | None:
        """Return when the next result is due, or None while nothing is on its way."""
        ...

    def results(self, now_ns: int) -> list[Event]:
        """Return the results due by `now_ns`, oldest first."""
        ...

    def do(self, command: Command, now_ns: int) -> None:
        """Carry out a command of the owner, whose outcome comes as a result."""
        ...

    def resume(self, heard: int) -> None:
        """Start again where the first `heard` results were heard for good: later ones are given once more."""
        ...

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return the results first..last again, for state that is rebuilt; empty where the port does not keep them."""
        ...


@runtime_checkable
class RecordedPort(TimedPort, Protocol):
    """A port that knows what it will give, whatever it is told to do: a recording."""

    def ahead(self, most: int) -> tuple[Sequence[int], Sequence[Event]]:
        """Return when some of the next results are due, each at its own time, and the results; at most `most`."""
        ...

    def pass_by(self, count: int) -> None:
        """Count the next results as given."""
        ...
