"""Instruments: what can be traded where, and in which steps."""

import enum
from decimal import Decimal

import msgspec

from lct.domain.money import ONE, ZERO, Money, ceil_to, floor_to, plain


class Kind(enum.Enum):
    """What a position in the instrument is: coins owned, or a contract without expiry."""

    SPOT = "spot"
    PERPETUAL = "perpetual"


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market of one account: its identity and the venue's filters.

    `tick` is the price step, `lot` the amount step; the minimums are the venue's (`min_notional` in quote).
    """

    venue: str
    account: str
    symbol: str
    base: str
    quote: str
    tick: Money
    lot: Money
    min_amount: Money = ZERO
    min_notional: Money = ZERO
    kind: Kind = Kind.SPOT
    settle: str | None = None
    contract_size: Money = ONE

    def amount_down(self, amount: Decimal) -> Decimal:
        """Round an amount down to the lot: never more than was meant."""
        return floor_to(amount, self.lot)

    def price_against(self, price: Decimal, *, buying: bool) -> Decimal:
        """Round a price to the tick against us: up when buying, down when selling."""
        return ceil_to(price, self.tick) if buying else floor_to(price, self.tick)

    def objection(self, amount: Decimal, price: Decimal) -> str | None:
        """Say why the venue would refuse an order of this size at this price, or None."""
        if amount <= ZERO or price <= ZERO:
            return "amount and price must be positive"
        if amount % self.lot != ZERO:
            return f"amount {plain(amount)} is not a multiple of the lot {plain(self.lot)}"
        if amount < self.min_amount:
            return f"amount {plain(amount)} is below the minimum {plain(self.min_amount)}"
        if amount * price < self.min_notional:
            return f"notional {plain(amount * price)} is below the minimum {plain(self.min_notional)}"
        return None


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split ccxt's unified `BASE/QUOTE` (or `BASE/QUOTE:SETTLE`) into base and quote.

    Raises ValueError where there is no slash.
    """
    base, slash, rest = symbol.partition("/")
    if not slash or not base or not rest:
        msg = f"not a symbol like BTC/USDT: {symbol!r}"
        raise ValueError(msg)
    return base, rest.partition(":")[0]
