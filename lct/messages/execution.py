"""What execution says and answers: orders, fills, and the verdict on every proposal."""

from lct.domain.money import Money
from lct.domain.orders import Order, OrderType, Side, State
from lct.messages.base import Event, Request


class Verdict(Event, frozen=True, gc=False, tag="execution.verdict"):
    """The answer to a proposal, and to each repeat of it. `stale` means: propose again once you have heard more."""

    intent_id: str
    approved: bool
    reason: str = ""
    client_order_id: str | None = None
    stale: bool = False


class Propose(Request[Verdict], frozen=True, gc=False, tag="execution.propose", forbid_unknown_fields=True):
    """Have an order sent, if the gate allows it; execution repeats the stored verdict for an intent it knows.

    `md_seq` and `facts` are what the proposer had heard: the last bars, and the last execution fact about this
    (book, symbol). `stop_loss` and `take_profit` are fractions of each fill's price, at which protection is placed.
    An exit (`reduce_only`) replaces the protection of its book and symbol.
    """

    intent_id: str
    book: str
    symbol: str
    side: Side
    type: OrderType
    amount: Money
    md_seq: int
    facts: int
    expires_at_ns: int
    price: Money | None = None
    reduce_only: bool = False
    stop_loss: Money | None = None
    take_profit: Money | None = None
    reason: str = ""


class Deposited(Event, frozen=True, tag="execution.deposited"):
    """`amount` of `asset` came into the account (went out where negative)."""

    durable = True

    journal_seq: int
    time_ns: int
    asset: str
    amount: Money


class ProposalDenied(Event, frozen=True, gc=False, tag="execution.proposal_denied"):
    """The gate refused a proposal; `reason` names the limit, the value and the bound."""

    durable = True

    journal_seq: int
    time_ns: int
    intent_id: str
    book: str
    symbol: str
    reason: str
    stale: bool = False


class OrderIntended(Event, frozen=True, gc=False, tag="execution.order_intended"):
    """An order was decided; journaled before the venue can hear of it.

    In state SENDING it is about to be sent, in PROPOSED it waits for the protection that it replaces to go. `leg` is
    "order", or for protection "stop." and the trade or intent that it guards; the fractions are those of the proposal.
    """

    durable = True

    journal_seq: int
    order: Order
    leg: str
    md_seq: int
    stop_loss: Money | None = None
    take_profit: Money | None = None


class OrderMoved(Event, frozen=True, gc=False, tag="execution.order_moved"):
    """An order is now in `state`."""

    durable = True

    journal_seq: int
    time_ns: int
    client_order_id: str
    intent_id: str
    book: str
    symbol: str
    state: State
    reason: str = ""
    venue_order_id: str | None = None
    protective: bool = False


class Filled(Event, frozen=True, gc=False, tag="execution.filled"):
    """One fill of one order: the fact that positions, cash and profit are folds of.

    `time_ns` is the venue's time of the trade, `state` that of the order after it, `md_seq` the bars on which the order
    was decided, `protective` whether it was a stop or bracket that guarded a position.
    """

    durable = True

    journal_seq: int
    time_ns: int
    client_order_id: str
    intent_id: str
    trade_id: str
    book: str
    symbol: str
    side: Side
    amount: Money
    price: Money
    fee: Money
    fee_asset: str
    state: State
    md_seq: int
    protective: bool = False


class Unprotected(Event, frozen=True, tag="execution.unprotected"):
    """`amount` of a position has no stop at the venue, and why."""

    book: str
    symbol: str
    amount: Money
    reason: str


class Orders(Event, frozen=True, tag="execution.orders"):
    """Orders, oldest first."""

    orders: list[Order]


class GetOrders(Request[Orders], frozen=True, tag="execution.get_orders"):
    """Which orders are live, and which of those that are over are still kept?"""


class DayStarted(Event, frozen=True, tag="execution.day_started"):
    """The equity (quote) at the first bars of a UTC day, and the highest such: what losses are measured from."""

    durable = True

    journal_seq: int
    day_ns: int
    equity: Money
    peak: Money
