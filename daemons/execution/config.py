"""The settings of execution: its hard limits, where money is at stake and where it is not."""

from typing import Annotated

import msgspec
from msgspec import Meta

from lct.domain.money import Money
from lct.domain.risk import Count, Limits


class SimulatedLimits(Limits, frozen=True, forbid_unknown_fields=True):
    """The hard limits where nothing is at stake: the same, with other defaults."""

    max_order_notional: Annotated[Money | None, Meta(description="largest order, in quote")] = None
    max_position_notional: Annotated[
        Money | None, Meta(description="largest position in one symbol over all books, live orders filled, in quote")
    ] = None
    max_open_orders: Annotated[Count, Meta(description="orders live at once, protection apart")] = 1_000
    max_orders_per_minute: Annotated[Count, Meta(description="orders sent in any 60 seconds, protection apart")] = (
        10_000
    )
    max_orders_per_second: Annotated[Count, Meta(description="orders sent in any second, protection apart")] = 1_000
    max_alike_per_minute: Annotated[
        Count | None, Meta(description="orders of one strategy, symbol and side in any 60 seconds")
    ] = None
    max_data_age_bars: Annotated[
        Count | None, Meta(description="age of a symbol's last close, in bars, from which nothing is entered")
    ] = None
    forbid_self_cross: Annotated[bool, Meta(description="deny what would trade with a resting order of our own")] = (
        False
    )
    max_daily_loss: Annotated[
        Money | None, Meta(description="loss since 00:00 UTC, as a fraction of the equity then")
    ] = None
    max_drawdown: Annotated[
        Money | None, Meta(description="fall from the highest equity that a UTC day began with, as a fraction of it")
    ] = None
    runaway_factor: Annotated[
        Count | None, Meta(description="fills of a minute, against the hour's average; more halt trading")
    ] = None


SIMULATED = SimulatedLimits()
REAL = Limits()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gate allows."""

    simulated: Annotated[SimulatedLimits, Meta(description="hard limits of paper money")] = SIMULATED
    live: Annotated[Limits, Meta(description="hard limits of real money")] = REAL
    orders_kept: Annotated[int, Meta(ge=0, description="orders that are over and still listed")] = 1_000
    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8006
