"""Quotes: what a venue tells everybody about its markets."""

from typing import NamedTuple

import msgspec

from lct.domain.instruments import Instrument
from lct.domain.money import Money
from lct.domain.orders import Side


class Listing(msgspec.Struct, frozen=True):
    """A market of a venue; fees are fractions of the notional, None where the venue does not tell.

    `is_active` is false where nobody can trade it now, None where that is not known.
    """

    instrument: Instrument
    is_active: bool | None
    maker_fee: Money | None
    taker_fee: Money | None


class Quote(msgspec.Struct, frozen=True):
    """The last price of a symbol, the best bid and ask, and the last 24 hours; None is what the venue does not tell.

    `time_ns` is the venue's own time of it, `volume` in base, `change` a fraction.
    """

    symbol: str
    time_ns: int | None
    last: Money | None
    bid: Money | None
    ask: Money | None
    high: Money | None
    low: Money | None
    volume: Money | None
    change: Money | None


class Level(NamedTuple):
    """What stands in a book at one price, in base."""

    price: Money
    amount: Money


class Book(msgspec.Struct, frozen=True):
    """The best levels of an order book, best first."""

    symbol: str
    time_ns: int | None
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Deal(msgspec.Struct, frozen=True):
    """A trade between others; `side` is the taker's, None (as the id) where the venue does not tell."""

    trade_id: str | None
    time_ns: int
    side: Side | None
    price: Money
    amount: Money
