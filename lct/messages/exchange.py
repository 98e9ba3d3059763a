"""What execution commands of a venue's port, and what the port reports back."""

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


class Cancelled(Event, frozen=True, gc=False, tag="exchange.cancelled"):
    """The order is dead; `filled` is its final cumulative amount, read after the cancel."""

    number: int
    time_ns: int
    client_order_id: str
    filled: Money
    reason: str = ""


class Look(Command, frozen=True, tag="exchange.look"):
    """Read the account: its balances come back as Account."""


class Account(Event, frozen=True, tag="exchange.account"):
    """What the venue says is ours, by asset, after all results before `number`."""

    number: int
    time_ns: int
    balances: dict[str, Money]
