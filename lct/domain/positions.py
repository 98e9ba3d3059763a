"""Positions: lots at average cost, their profit, and the round trips they close."""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from lct.domain.money import ZERO, Money
from lct.domain.orders import Side

SHARE_STEP = Decimal("1E-20")
"""Shares of a cost or a fee are cut on this grid: what is taken and what is left then add up without rounding."""


class Closed(msgspec.Struct, frozen=True, gc=False):
    """One round trip, from flat to flat (or through it): averages in quote, amount in base, time in ns UTC.

    `side` is that of the position: BUY was long. `profit` is net of `fees`, all fees of the trip, both in quote.
    """

    side: Side
    amount: Money
    entry_average: Money
    exit_average: Money
    opened_ns: int
    closed_ns: int
    profit: Money
    fees: Money


class Position(msgspec.Struct, frozen=True, gc=False):
    """What a book holds of one symbol, by the average-cost method.

    `amount` (base) and `cost` (quote) are positive when long, negative when short. `realized` is gross of `fees`; both
    are sums over its whole life, in quote. So `realized - cost - fees` is always the cash that its fills moved.
    The fields from `opened_ns` on are of the round trip that is open: `entry_amount` and `entry_notional` are what was
    put on, `exit_notional` what was taken off, `trip_fees` its share of the fees.
    """

    amount: Money = ZERO
    cost: Money = ZERO
    realized: Money = ZERO
    fees: Money = ZERO
    opened_ns: int = 0
    entry_amount: Money = ZERO
    entry_notional: Money = ZERO
    exit_notional: Money = ZERO
    trip_fees: Money = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Return what one unit cost on average (quote), None when flat."""
        return self.cost / self.amount if self.amount else None

    @property
    def side(self) -> Side | None:
        """Return BUY when long, SELL when short, None when flat."""
        if not self.amount:
            return None
        return Side.BUY if self.amount > ZERO else Side.SELL

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return the profit (quote, gross of fees) if all were closed at `mark`."""
        return self.amount * mark - self.cost

    def after(
        self, side: Side, amount: Decimal, price: Decimal, fee: Decimal, time_ns: int
    ) -> tuple["Position", Closed | None]:
        """Return the position after one fill, and the round trip that it closed, if it did.

        `amount` (base) and `price` (quote per base) are positive, `fee` is in quote (negative: a rebate). A partial
        close removes cost * closed / amount; a full close all cost that is left; a reversal closes all and opens the
        rest at `price`, the fee shared by amount.
        """
        assert amount > ZERO, "a fill's amount is positive"
        assert price > ZERO, "a fill's price is positive"
        held = self.amount
        if not held:
            return _opened(self, side, amount, price, fee, time_ns), None
        if (held > ZERO) is (side is Side.BUY):
            return self._increased(side, amount, price, fee), None
        size = abs(held)
        if amount < size:
            return self._reduced(side, amount, price, fee), None
        if amount == size:
            return self._closed(amount * price, fee, time_ns)
        own_fee = (fee * size / amount).quantize(SHARE_STEP, ROUND_HALF_EVEN)
        flat, closed = self._closed(size * price, own_fee, time_ns)
        return _opened(flat, side, amount - size, price, fee - own_fee, time_ns), closed

    def _increased(self, side: Side, amount: Decimal, price: Decimal, fee: Decimal) -> "Position":
        notional = amount * price
        signed, cost = (amount, notional) if side is Side.BUY else (-amount, -notional)
        return Position(
            self.amount + signed,
            self.cost + cost,
            self.realized,
            self.fees + fee,
            self.opened_ns,
            self.entry_amount + amount,
            self.entry_notional + notional,
            self.exit_notional,
            self.trip_fees + fee,
        )

    def _reduced(self, side: Side, amount: Decimal, price: Decimal, fee: Decimal) -> "Position":
        notional = amount * price
        signed, proceeds = (amount, -notional) if side is Side.BUY else (-amount, notional)
        removed = (self.cost * -signed / self.amount).quantize(SHARE_STEP, ROUND_HALF_EVEN)
        return Position(
            self.amount + signed,
            self.cost - removed,
            self.realized + proceeds - removed,
            self.fees + fee,
            self.opened_ns,
            self.entry_amount,
            self.entry_notional,
            self.exit_notional + notional,
            self.trip_fees + fee,
        )

    def _closed(self, notional: Decimal, fee: Decimal, time_ns: int) -> tuple["Position", Closed]:
        exit_notional = self.exit_notional + notional
        fees = self.trip_fees + fee
        if self.amount > ZERO:
            side, proceeds, gross = Side.BUY, notional, exit_notional - self.entry_notional
        else:
            side, proceeds, gross = Side.SELL, -notional, self.entry_notional - exit_notional
        closed = Closed(
            side,
            self.entry_amount,
            self.entry_notional / self.entry_amount,
            exit_notional / self.entry_amount,
            self.opened_ns,
            time_ns,
            gross - fees,
            fees,
        )
        return Position(ZERO, ZERO, self.realized + proceeds - self.cost, self.fees + fee), closed


def _opened(flat: Position, side: Side, amount: Decimal, price: Decimal, fee: Decimal, time_ns: int) -> Position:
    notional = amount * price
    signed, cost = (amount, notional) if side is Side.BUY else (-amount, -notional)
    return Position(signed, cost, flat.realized, flat.fees + fee, time_ns, amount, notional, ZERO, fee)
