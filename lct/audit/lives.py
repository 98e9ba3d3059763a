"""Lives: which state of an order may follow which, written down a second time; and what an order is to the checker."""

from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b

from lct.audit.findings import Body
from lct.audit.numbers import ZERO, Unsound, positive

FIRST = ("sending", "proposed")
LIVE = frozenset({"sending", "unknown", "open", "partial", "canceling", "cancel_unknown"})
OVER = frozenset({"denied", "rejected", "absent", "filled", "canceled", "expired"})
AT_THE_VENUE = ("open", "partial", "canceling", "cancel_unknown")
NEVER_THERE = frozenset({"denied", "rejected", "absent"})
"""Ends that say the venue never had the order: a fill then says that we were wrong."""
NEXT = {
    "proposed": "denied sending",
    "sending": "open partial filled unknown rejected",
    "unknown": "open partial filled absent",
    "open": "partial filled canceled expired canceling",
    "partial": "filled canceled expired canceling",
    "canceling": "open partial filled canceled expired cancel_unknown",
    "cancel_unknown": "open partial filled canceled expired canceling",
}
KEPT = frozenset({"canceling", "cancel_unknown", "canceled", "expired"})
"""States that a fill leaves as they are, until it is the last one."""


@dataclass(frozen=True)
class Identity:
    """Whose orders these are."""

    install_id: str
    venue: str
    account: str

    def tag(self) -> str:
        """Return the 4 hex digits that our client order ids begin with."""
        return blake2b(self.install_id.encode(), digest_size=2, person=b"lct.tag").hexdigest()

    def order_id(self, intent_id: str, leg: str, generation: int = 0) -> str:
        """Return the client order id: the tag, and blake2b-112 of all fields, each after its length."""
        fields = (self.install_id, self.venue, self.account, intent_id, leg)
        text = "".join(f"{len(field)}:{field}" for field in fields) + str(generation)
        return self.tag() + blake2b(text.encode(), digest_size=14, person=b"lct.order").hexdigest()


@dataclass(slots=True)
class Known:
    """An order as its rows tell it; amounts in base."""

    key: str
    intent_id: str
    leg: str
    book: str
    symbol: str
    side: str
    amount: Decimal
    reduce_only: bool
    state: str
    wants_stop: bool
    stop_share: Decimal
    guard_price: Decimal | None
    filled: Decimal = ZERO

    @property
    def place(self) -> tuple[str, str]:
        """Book and symbol."""
        return self.book, self.symbol

    @property
    def protects(self) -> bool:
        """Whether it guards a position."""
        return self.leg != "order"

    @property
    def remaining(self) -> Decimal:
        """What is not filled."""
        return self.amount - self.filled

    def by_fills(self) -> str:
        """Return the state that the fills alone give."""
        if not self.filled:
            return "open"
        return "partial" if self.filled < self.amount else "filled"

    def after_fill(self) -> str:
        """Return the state after a fill, which is in `filled` already."""
        state = self.by_fills()
        return self.state if state == "partial" and self.state in KEPT else state


def may_follow(before: str, after: str) -> bool:
    """Whether a move between two states is allowed; nothing but a fill leaves an end."""
    return after in NEXT.get(before, "").split()


def known_from(event: Body) -> Known:
    """Read an OrderIntended; Unsound where a number of it cannot be."""
    order = event["order"]
    prices = {name: order[name] for name in ("price", "stop_price", "take_profit_price")}
    read = {name: positive(value, name) for name, value in prices.items() if value is not None}
    stop_loss, take_profit = event.get("stop_loss"), event.get("take_profit")
    if order["side"] not in ("buy", "sell"):
        raise Unsound(f"side is {order['side']!r}")
    return Known(
        order["client_order_id"],
        order["intent_id"],
        event["leg"],
        order["book"],
        order["symbol"],
        order["side"],
        positive(order["amount"], "amount"),
        bool(order["reduce_only"]),
        order["state"],
        stop_loss is not None or take_profit is not None,
        ZERO if stop_loss is None else positive(stop_loss, "stop_loss"),
        read.get("stop_price") or read.get("take_profit_price"),
    )
