"""The witness's own books: balances, orders and trades as plain numbers; it shares no code with the house's ledger."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lct.domain.instruments import Instrument
from lct.domain.orders import OrderType, Side
from lct.messages.exchange import Place, Traded, VenueOrder

ZERO = Decimal(0)


@dataclass
class Taken:
    """An order that the venue took, from us or from a stranger."""

    venue_order_id: str
    order: Place
    accepted_ns: int
    is_foreign: bool = False
    filled: Decimal = ZERO
    status: str = "open"
    changed_ns: int = 0

    @property
    def remaining(self) -> Decimal:
        """What is not filled yet."""
        return self.order.amount - self.filled

    def seen(self, filled: Decimal, *, is_recent: bool) -> VenueOrder:
        """Return the order as a look-up tells it that knows of so many fills, and not yet of what is recent."""
        order = self.order
        status = "closed" if filled == order.amount else self.status
        if status != "open" and is_recent and filled != order.amount:
            status = "open"
        return VenueOrder(
            self.venue_order_id,
            order.client_order_id,
            order.symbol,
            order.side,
            order.type,
            order.amount,
            filled,
            status,
            order.price,
        )


@dataclass(frozen=True)
class Trade:
    """One trade, as the venue remembers it for good."""

    trade_id: str
    time_ns: int
    taken: Taken
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str


@dataclass
class Account:
    """Everything that is true at the venue."""

    balances: dict[str, Decimal]
    instruments: dict[str, Instrument]
    fee_in: str
    fee_rate: Decimal
    orders: list[Taken] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    transfers: list[tuple[str, int, str, Decimal]] = field(default_factory=list)
    unexplained: dict[str, Decimal] = field(default_factory=dict)
    _open: list[Taken] = field(default_factory=list)
    _named: dict[str, list[Taken]] = field(default_factory=dict)
    _looked_at: int = 0

    def open_orders(self) -> list[Taken]:
        """Return what is open, oldest first: what is over stays so, and is not looked at again."""
        self._catch_up()
        self._open = [taken for taken in self._open if taken.status == "open"]
        return self._open

    def named(self, key: str) -> list[Taken]:
        """Return all orders that ever came under a client order id."""
        self._catch_up()
        return self._named.get(key, [])

    def _catch_up(self) -> None:
        """Sort in the orders that came since the last look."""
        for taken in self.orders[self._looked_at :]:
            self._open.append(taken)
            self._named.setdefault(taken.order.client_order_id, []).append(taken)
        self._looked_at = len(self.orders)

    def objection(self, order: Place, price: Decimal) -> str | None:
        """Say why the venue refuses an order that would trade at about `price`, in the words of a venue."""
        instrument = self.instruments[order.symbol]
        if order.amount % instrument.lot or order.amount < instrument.min_amount:
            return '{"code": -1013, "msg": "Filter failure: LOT_SIZE"}'
        if order.amount * price < instrument.min_notional:
            return '{"code": -1013, "msg": "Filter failure: NOTIONAL"}'
        if order.side is Side.SELL:
            locked = sum((t.remaining for t in self._resting(order.symbol, Side.SELL)), ZERO)
            has = self.balances.get(instrument.base, ZERO) - locked
            enough = order.amount <= has
        else:
            needs = order.amount * price * (1 + self.fee_rate)
            locked = sum((t.remaining * (t.order.price or price) for t in self._resting(None, Side.BUY)), ZERO)
            enough = needs <= self.balances.get(instrument.quote, ZERO) - locked
        return None if enough else '{"code": -2010, "msg": "Account has insufficient balance for requested action."}'

    def _resting(self, symbol: str | None, side: Side) -> list[Taken]:
        return [t for t in self.open_orders() if t.order.side is side and symbol in (None, t.order.symbol)]

    def trade(self, taken: Taken, amount: Decimal, price: Decimal, now_ns: int) -> Trade:
        """Fill some of an order; the fee is in quote, in base or in a third coin."""
        instrument = self.instruments[taken.order.symbol]
        base, quote = instrument.base, instrument.quote
        sign = 1 if taken.order.side is Side.BUY else -1
        self._add(base, sign * amount)
        self._add(quote, -sign * amount * price)
        if self.fee_in == "base" and sign > 0:
            fee, asset = (amount * self.fee_rate).quantize(Decimal("1E-8")), base
        elif self.fee_in == "third":
            fee, asset = (amount * price * self.fee_rate / 3).quantize(Decimal("1E-8")), "FEE"
        else:
            fee, asset = (amount * price * self.fee_rate).quantize(Decimal("1E-8")), quote
        self._add(asset, -fee)
        taken.filled += amount
        taken.changed_ns = now_ns
        if not taken.remaining:
            taken.status = "closed"
        trade = Trade(f"w{len(self.trades) + 1}", now_ns, taken, amount, price, fee, asset)
        self.trades.append(trade)
        return trade

    def transfer(self, asset: str, amount: Decimal, now_ns: int) -> tuple[str, int, str, Decimal]:
        """Move coins in from outside, or out."""
        self._add(asset, amount)
        made = (f"x{len(self.transfers) + 1}", now_ns, asset, amount)
        self.transfers.append(made)
        return made

    def lose(self, asset: str, amount: Decimal) -> None:
        """Let coins vanish without any record: what no venue admits."""
        self._add(asset, -amount)
        self.unexplained[asset] = self.unexplained.get(asset, ZERO) - amount

    def _add(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def ledger(self, venue: str, account: str, install_id: str, *, quiescent: bool) -> dict[str, Any]:
        """Return all that the venue knows as a document, for whoever compares it with a journal."""
        return {
            "venue": venue,
            "account": account,
            "install_id": install_id,
            "orders": [
                {
                    "client_order_id": t.order.client_order_id,
                    "symbol": t.order.symbol,
                    "side": t.order.side.value,
                    "type": t.order.type.value,
                    "amount": str(t.order.amount),
                    "filled": str(t.filled),
                    "status": t.status,
                    "accepted_times": len(self.named(t.order.client_order_id)),
                }
                for t in self.orders
            ],
            "trades": [
                {
                    "trade_id": t.trade_id,
                    "client_order_id": t.taken.order.client_order_id,
                    "symbol": t.taken.order.symbol,
                    "side": t.taken.order.side.value,
                    "amount": str(t.amount),
                    "price": str(t.price),
                    "fee": str(t.fee),
                    "fee_asset": t.fee_asset,
                }
                for t in self.trades
            ],
            "balances": {asset: str(amount) for asset, amount in sorted(self.balances.items()) if amount},
            "transfers": [
                {"transfer_id": key, "asset": asset, "amount": str(amount)} for key, _, asset, amount in self.transfers
            ],
            "funding": [],
            "quiescent": quiescent,
        }


def told(trade: Trade, number: int) -> Traded:
    """Return a trade as the venue tells it, as the result of some number."""
    order = trade.taken.order
    return Traded(
        number,
        trade.time_ns,
        order.client_order_id,
        trade.trade_id,
        order.symbol,
        order.side,
        trade.amount,
        trade.price,
        trade.fee,
        trade.fee_asset,
    )


def protects(order: Place) -> bool:
    """Whether an order waits for a price to go against a position."""
    return order.type in (OrderType.STOP, OrderType.BRACKET)
