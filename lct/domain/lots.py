"""Lots: what was bought or sold first is closed first, for whoever must account so; the ledger goes by average cost."""

from collections import deque
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from lct.domain.money import ZERO, Money
from lct.domain.orders import Side
from lct.domain.positions import SHARE_STEP


class Lot(msgspec.Struct, frozen=True, gc=False):
    """What is open of one fill: `amount` in base and positive, `price` and `fee` in quote; `side` BUY is long."""

    side: Side
    opened_ns: int
    amount: Money
    price: Money
    fee: Money

    @property
    def sign(self) -> Decimal:
        """Return 1 where it is long, -1 where short."""
        return self.side.sign


class Realised(msgspec.Struct, frozen=True, gc=False):
    """A lot, or a part of one, and what closed it; `profit` is before `fees`, both in quote."""

    side: Side
    opened_ns: int
    closed_ns: int
    amount: Money
    entry_price: Money
    exit_price: Money
    profit: Money
    fees: Money


class Lots:
    """The open lots of one book in one symbol, oldest first."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.open: deque[Lot] = deque()

    @property
    def amount(self) -> Decimal:
        """Return what is held (base, signed)."""
        return sum((lot.sign * lot.amount for lot in self.open), ZERO)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return the profit (quote, before fees) if all were closed at `mark`."""
        return sum((lot.sign * lot.amount * (mark - lot.price) for lot in self.open), ZERO)

    def fill(self, side: Side, amount: Decimal, price: Decimal, fee: Decimal, time_ns: int) -> Iterator[Realised]:
        """Take one fill of `amount` at `price`, `fee` in quote; yield what it closes, oldest first, and open the rest.

        Fees go with the amounts; shares are cut on a grid, and the last takes what rounding left.
        """
        assert amount > ZERO, "a fill's amount is positive"
        left, fee_left = amount, fee
        while left and self.open and self.open[0].side is not side:
            lot = self.open.popleft()
            closed = min(left, lot.amount)
            own_fee = fee_left if closed == left else _share(fee_left, closed, left)
            lot_fee = lot.fee if closed == lot.amount else _share(lot.fee, closed, lot.amount)
            profit = lot.sign * closed * (price - lot.price)
            yield Realised(lot.side, lot.opened_ns, time_ns, closed, lot.price, price, profit, own_fee + lot_fee)
            left, fee_left = left - closed, fee_left - own_fee
            if closed < lot.amount:
                self.open.appendleft(msgspec.structs.replace(lot, amount=lot.amount - closed, fee=lot.fee - lot_fee))
        if left:
            self.open.append(Lot(side, time_ns, left, price, fee_left))


def _share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    return (whole * part / of).quantize(SHARE_STEP, ROUND_HALF_EVEN)
