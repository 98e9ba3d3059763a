"""What execution commands of a venue's port, and what the port reports back.

A port classifies each reply by a whitelist: what is not proven is `PlaceUnclear` or `CancelUnclear`, never a refusal.
Every trade that a port sees, by whatever way, is told as `Traded`; execution knows each by its `trade_id`.
"""

import msgspec

from lct.domain.money import Money
from lct.domain.orders import OrderType, Side
from lct.messages.base import Command, Event


class Place(Command, frozen=True, gc=False, tag="exchange.place"):
    """Send one order, once, signed with exactly `stamp_ns`."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    amount: Money
    stamp_ns: int
    price: Money | None = None
    stop_price: Money | None = None
    take_profit_price: Money | None = None
    reduce_only: bool = False


class Cancel(Command, frozen=True, gc=False, tag="exchange.cancel"):
    """Cancel one order; safe to repeat."""

    client_order_id: str
    symbol: str


class Find(Command, frozen=True, gc=False, tag="exchange.find"):
    """Look one order up by every way the venue offers; its trades since `since_ns` come first, then Sought."""

    client_order_id: str
    symbol: str
    since_ns: int


class Placed(Event, frozen=True, gc=False, tag="exchange.placed"):
    """The venue acknowledged the order."""

    number: int
    time_ns: int
    client_order_id: str
    venue_order_id: str


class PlaceRefused(Event, frozen=True, tag="exchange.place_refused"):
    """The venue proved that the order was never accepted."""

    number: int
    time_ns: int
    client_order_id: str
    reason: str


class Traded(Event, frozen=True, gc=False, tag="exchange.traded"):
    """One trade of one order; `trade_id` is unique per venue, account and symbol, the fee is in `fee_asset`."""

    number: int
    time_ns: int
    client_order_id: str
    trade_id: str
    symbol: str
    side: Side
    amount: Money
    price: Money
    fee: Money
    fee_asset: str


class PlaceUnclear(Event, frozen=True, tag="exchange.place_unclear"):
    """Nobody knows whether the venue has the order: no reply, one that cannot be read, or one that proves nothing."""

    number: int
    time_ns: int
    client_order_id: str
    reason: str


class CancelUnclear(Event, frozen=True, tag="exchange.cancel_unclear"):
    """Nobody knows whether the cancel took effect; "not found" is such an answer too."""

    number: int
    time_ns: int
    client_order_id: str
    reason: str


class VenueOrder(msgspec.Struct, frozen=True, gc=False):
    """An order as a venue tells it; `status` is its hint: open, closed (filled), canceled, expired or rejected.

    `client_order_id` is empty where a stranger gave none, `price` None for market orders, `filled` the sum so far.
    """

    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    amount: Money
    filled: Money
    status: str
    price: Money | None = None


class Sought(Event, frozen=True, tag="exchange.sought"):
    """What one sweep for an order found.

    `order` is what the venue has of it, None where no way found any; `endpoints` names the ways that answered and had
    nothing. `is_proven` says that a control read of the same sweep succeeded: without it, silence proves nothing.
    """

    number: int
    time_ns: int
    client_order_id: str
    order: VenueOrder | None
    endpoints: tuple[str, ...] = ()
    is_proven: bool = False


class Disturbed(Event, frozen=True, tag="exchange.disturbed"):
    """The line to the venue broke and is there again, or it refused for a while: compare the accounts."""

    number: int
    time_ns: int
    reason: str


class Transferred(Event, frozen=True, tag="exchange.transferred"):
    """`amount` of `asset` came in from outside (went out where negative); an id that was told before is no news."""

    number: int
    time_ns: int
    transfer_id: str
    asset: str
    amount: Money


class Funded(Event, frozen=True, tag="exchange.funded"):
    """The venue paid funding on a perpetual position (took it where negative); an id told before is no news."""

    number: int
    time_ns: int
    funding_id: str
    symbol: str
    asset: str
    amount: Money


class HaltOrdered(Event, frozen=True, tag="exchange.halt_ordered"):
    """Somebody pulled the kill switch (the file or the signal) outside of the bus."""

    number: int
    time_ns: int
    reason: str
    by: str


class Cancelled(Event, frozen=True, gc=False, tag="exchange.cancelled"):
    """The order is dead; `filled` is its final cumulative amount, read after the cancel."""

    number: int
    time_ns: int
    client_order_id: str
    filled: Money
    reason: str = ""


class Look(Command, frozen=True, tag="exchange.look"):
    """Read the account: missed trades and transfers since `since_ns` come first, then Account."""

    since_ns: int = 0


class Account(Event, frozen=True, tag="exchange.account"):
    """What the venue says is ours, by asset, and all its open orders, after all results before `number`.

    `settled` is false where something moved while it was read, so that balances and results may not be of one moment.
    """

    number: int
    time_ns: int
    balances: dict[str, Money]
    orders: tuple[VenueOrder, ...] = ()
    settled: bool = True
