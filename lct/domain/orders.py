"""Orders: what one is, the states of its life, and the id under which a venue knows it."""

import enum
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from lct.domain.money import ONE, ZERO, Money, plain
from lct.errors import LctError

TAG_BYTES = 2
BODY_BYTES = 14
_MINUS_ONE = -ONE


class Side(enum.Enum):
    """Which way an order goes; of a position or a round trip: BUY is long, SELL is short."""

    BUY = "buy"
    SELL = "sell"

    # there is one of each, and an enum's own hash is that of its name, anew each time
    __hash__ = object.__hash__

    @property
    def sign(self) -> Decimal:
        """Return +1 for BUY and -1 for SELL."""
        return ONE if self is Side.BUY else _MINUS_ONE

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(enum.Enum):
    """How an order executes. STOP is a stop-market order.

    BRACKET is protection: a stop-market leg and a take-profit limit leg in one venue order; one cancels the other.
    """

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    BRACKET = "bracket"


class State(enum.Enum):
    """Where an order is in its life; what the venue has not told us is UNKNOWN, never guessed."""

    PROPOSED = "proposed"
    DENIED = "denied"
    SENDING = "sending"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELING = "canceling"
    CANCEL_UNKNOWN = "cancel_unknown"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABSENT = "absent"

    # there is one of each: Enum's own hash is that of the name, in Python, and each step of an order asks for several
    __hash__ = object.__hash__


TERMINAL = frozenset({State.DENIED, State.REJECTED, State.ABSENT, State.FILLED, State.CANCELED, State.EXPIRED})
"""States that only a late fill leaves."""

LIVE = frozenset({State.SENDING, State.UNKNOWN, State.OPEN, State.PARTIAL, State.CANCELING, State.CANCEL_UNKNOWN})
"""States in which the venue may still fill the order: the worst case counts all of what remains."""

_DONE = frozenset({State.FILLED, State.CANCELED, State.EXPIRED})
_STILL_THERE = frozenset({State.OPEN, State.PARTIAL})

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PROPOSED: frozenset({State.DENIED, State.SENDING}),
        State.SENDING: _STILL_THERE | {State.UNKNOWN, State.FILLED, State.REJECTED},
        State.UNKNOWN: _STILL_THERE | {State.FILLED, State.ABSENT},
        State.OPEN: _DONE | {State.PARTIAL, State.CANCELING},
        State.PARTIAL: _DONE | {State.CANCELING},
        # a cancel that the venue refused, or never saw, leaves the order where it was
        State.CANCELING: _STILL_THERE | _DONE | {State.CANCEL_UNKNOWN},
        State.CANCEL_UNKNOWN: _STILL_THERE | _DONE | {State.CANCELING},
        **{state: frozenset[State]() for state in TERMINAL},
    }
)
"""Which states may follow which; any other pair is an IllegalTransition."""

LATE_FILLS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.CANCELED: frozenset({State.FILLED}),
        State.EXPIRED: frozenset({State.FILLED}),
        **{
            state: frozenset({State.PARTIAL, State.FILLED})
            for state in (State.PROPOSED, State.DENIED, State.REJECTED, State.ABSENT)
        },
    }
)
"""What a fill makes of a state that TRANSITIONS would not leave that way: fills are facts, states are conclusions."""

# a fill undoes neither a cancel in flight nor the end of the rest
_KEPT_BY_FILLS = frozenset({State.CANCELING, State.CANCEL_UNKNOWN, State.CANCELED, State.EXPIRED})
_CONTRADICTED = frozenset({State.PROPOSED, State.DENIED, State.REJECTED, State.ABSENT})


class IllegalTransition(LctError):
    """An order was moved between two states that do not follow each other; its symbol must halt."""


class Overfilled(LctError):
    """A venue filled more than was ordered; its symbol must halt."""


def fill_contradicts(state: State) -> bool:
    """Whether a fill in this state proves us wrong: we held that the venue never had the order. Apply it and halt."""
    return state in _CONTRADICTED


class Order(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order as its journal tells it; frozen, each step returns the next.

    Amounts are in base and positive, prices in quote per base. `filled`, `notional_filled` (the sum of amount * price)
    and `fees` (in quote) are sums over fills.
    """

    client_order_id: str
    intent_id: str
    book: str
    symbol: str
    side: Side
    type: OrderType
    amount: Money
    price: Money | None = None
    stop_price: Money | None = None
    take_profit_price: Money | None = None
    reduce_only: bool = False
    state: State = State.PROPOSED
    filled: Money = ZERO
    notional_filled: Money = ZERO
    fees: Money = ZERO
    venue_order_id: str | None = None
    created_ns: int
    updated_ns: int
    reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Return the amount not filled yet."""
        return self.amount - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price of what is filled, None when nothing is."""
        return self.notional_filled / self.filled if self.filled else None

    @property
    def is_working(self) -> bool:
        """Whether the venue may still fill it."""
        return self.state in LIVE

    def moved(self, to: State, now_ns: int, reason: str = "", venue_order_id: str | None = None) -> "Order":
        """Return the order in state `to`; an empty reason or no venue id leaves what was there.

        Raises IllegalTransition for a pair that is not in TRANSITIONS, and for OPEN, PARTIAL or FILLED where the fills
        say otherwise: a venue's status is a hint, cumulative fills are facts.
        """
        if to not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"order {self.client_order_id}: {self.state.value} cannot become {to.value}")
        if to is State.OPEN or to is State.PARTIAL or to is State.FILLED:
            derived = _by_fills(self.filled, self.amount)
            if to is not derived:
                raise IllegalTransition(
                    f"order {self.client_order_id}: {self.state.value} cannot become {to.value} with "
                    f"{plain(self.filled)} of {plain(self.amount)} filled"
                )
        return replace(
            self,
            state=to,
            updated_ns=now_ns,
            reason=reason or self.reason,
            venue_order_id=venue_order_id or self.venue_order_id,
        )

    def acknowledged(self, venue_order_id: str, now_ns: int) -> "Order":
        """Return the order with the venue's id; SENDING and UNKNOWN become OPEN, all others stay.

        For an acknowledgement may come after the first fill, or after the cancel.
        """
        state = State.OPEN if self.state is State.SENDING or self.state is State.UNKNOWN else self.state
        return replace(self, state=state, updated_ns=now_ns, venue_order_id=venue_order_id)

    def after_fill(self, amount: Decimal, price: Decimal, fee: Decimal, now_ns: int) -> "Order":
        """Return the order after one fill of `amount` at `price`; `fee` in quote, negative for a rebate.

        Fills are taken in every state. CANCELING, CANCEL_UNKNOWN, CANCELED and EXPIRED stay until all is filled;
        a state that the fill contradicts (`fill_contradicts`) becomes PARTIAL or FILLED: what remains counts as live.
        Raises Overfilled where the sum would pass the amount.
        """
        assert amount > ZERO, "a fill's amount is positive"
        assert price > ZERO, "a fill's price is positive"
        filled = self.filled + amount
        if filled > self.amount:
            raise Overfilled(
                f"order {self.client_order_id} ({self.state.value}): {plain(filled)} filled of {plain(self.amount)}"
            )
        state = _by_fills(filled, self.amount)
        if state is State.PARTIAL and self.state in _KEPT_BY_FILLS:
            state = self.state
        return replace(
            self,
            state=state,
            filled=filled,
            notional_filled=self.notional_filled + amount * price,
            fees=self.fees + fee,
            updated_ns=now_ns,
        )


def _by_fills(filled: Decimal, amount: Decimal) -> State:
    if not filled:
        return State.OPEN
    return State.FILLED if filled == amount else State.PARTIAL


@lru_cache(maxsize=16)
def tag_of(install_id: str) -> str:
    """Return the 4 hex digits that begin every client order id of this installation."""
    return blake2b(install_id.encode(), digest_size=TAG_BYTES, person=b"lct.tag").hexdigest()


def client_order_id(install_id: str, venue: str, account: str, intent_id: str, leg: str, gen: int) -> str:
    """Return the id under which a venue knows one order: 32 lower-case hex digits, the same for the same arguments.

    It is a look-up key and no licence to send again. `leg` names which order of the intent it is, `gen` rises only
    after the one before is proven ABSENT. Each field follows its length, so no two lists of fields read the same.
    """
    digest = _begun(install_id, venue, account).copy()
    digest.update(f"{len(intent_id)}:{intent_id}{len(leg)}:{leg}{gen}".encode())
    return tag_of(install_id) + digest.hexdigest()


@lru_cache(maxsize=16)
def _begun(install_id: str, venue: str, account: str) -> blake2b:
    """Return the digest over what all orders of an account have in common."""
    text = f"{len(install_id)}:{install_id}{len(venue)}:{venue}{len(account)}:{account}"
    return blake2b(text.encode(), digest_size=BODY_BYTES, person=b"lct.order")
