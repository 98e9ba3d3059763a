"""Trades: round trips that are over."""

from typing import Literal

import msgspec

from lct.domain.money import Money


class Trade(msgspec.Struct, frozen=True):
    """One closed trade of one book; money in quote, `amount` in base, `profit` after `fees`."""

    book: str
    symbol: str
    side: Literal["long", "short"]
    amount: Money
    entry_price: Money
    exit_price: Money
    entry_ns: int
    exit_ns: int
    profit: Money
    fees: Money
