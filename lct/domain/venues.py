"""Venues: what one promises about the orders it takes, and so what its silence proves."""

from typing import Annotated

import msgspec
from msgspec import Meta

NS_PER_SECOND = 1_000_000_000

Ns = Annotated[int, Meta(ge=0)]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a venue keeps to; the defaults are the careful ones. Times in ns.

    A request signed with `stamp_ns` is refused by the venue itself `recv_window_ns` after that; a venue that has
    no such window needs a longer `visibility_lag_ns`, the time within which all its look-ups show what it has accepted.
    """

    idempotent_forever: bool = False
    """The same order under the same client order id never trades twice, however late it is repeated."""
    recv_window_ns: Ns = 5 * NS_PER_SECOND
    clock_error_ns: Ns = NS_PER_SECOND // 2
    visibility_lag_ns: Ns = 60 * NS_PER_SECOND
    sweeps_min: Annotated[int, Meta(ge=1)] = 3
    """How many sweeps in a row must find nothing, each proven live, before an order may be called absent."""
    endpoints_min: Annotated[int, Meta(ge=1)] = 2
    """On how many different ways of looking."""

    def settled_ns(self, stamp_ns: int) -> int:
        """Return from when on an order stamped at `stamp_ns` that nobody can see was never accepted."""
        return stamp_ns + self.recv_window_ns + self.clock_error_ns + self.visibility_lag_ns
