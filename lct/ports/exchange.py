"""The exchange port: what sends orders and reports what became of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from lct.domain.instruments import Instrument
from lct.domain.matching import Costs
from lct.domain.orders import Order
from lct.domain.tape import Tape
from lct.domain.venues import Terms
from lct.messages.base import Command, Event
from lct.messages.exchange import (
    Account,
    Cancel,
    Cancelled,
    Find,
    Look,
    Place,
    Placed,
    PlaceRefused,
    Sought,
    Traded,
    VenueOrder,
)

__all__ = [
    "Account",
    "Cancel",
    "Cancelled",
    "Exchange",
    "Find",
    "Look",
    "Order",
    "Place",
    "PlaceRefused",
    "Placed",
    "Sought",
    "Terms",
    "Traded",
    "VenueOrder",
]


class Exchange(ABC):
    """A venue in replayed time (see ports.base.TimedPort), commanded and heard by execution alone."""

    name: ClassVar[str]
    summary: ClassVar[str]
    role = "exchange"
    owner = "execution"
    terms: ClassVar[Terms] = Terms()
    """What the venue keeps to; one that says nothing is trusted with nothing."""
    given: int

    @property
    def takes_again(self) -> bool:
        """Whether commands may be repeated after a crash: only where the same order never trades twice."""
        return self.terms.idempotent_forever

    @classmethod
    @abstractmethod
    def open(
        cls,
        tape: Callable[[], Tape],
        instruments: tuple[Instrument, ...],
        costs: Costs,
        deposits: dict[str, Decimal],
        folder: Path | None = None,
    ) -> Self:
        """Open the account: as it was left in `folder`, else holding `deposits`; without a folder nothing is kept.

        `tape` is for a venue that we play ourselves, over the bars of the house's feed.
        """

    @abstractmethod
    def due_ns(self) -> int | None:
        """Return when the next result is due."""

    @abstractmethod
    def results(self, now_ns: int) -> list[Event]:
        """Return the results due by `now_ns`, oldest first."""

    @abstractmethod
    def do(self, command: Command, now_ns: int) -> None:
        """Carry out Place, Cancel, Find or Look."""

    @abstractmethod
    def resume(self, heard: int) -> None:
        """Give again the results after number `heard`."""

    def heard_again(self, first: int, last: int) -> list[Event]:
        """Return nothing: what a venue said is durable where it mattered."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Let go of the account, if it is kept in a file."""

    @abstractmethod
    def balances(self) -> dict[str, Decimal]:
        """Look up what is ours, by asset, as a remote venue would tell."""
