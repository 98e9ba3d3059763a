"""What execution says and answers: orders, fills, and the verdict on every proposal."""

from typing import Annotated, ClassVar

import msgspec

from lct.domain.money import Money
from lct.domain.orders import Order, OrderType, Side, State
from lct.domain.risk import Standing
from lct.messages.base import Event, Request

By = Annotated[str, msgspec.Meta(max_length=128)]
"""Who asks: a person at the CLI, the gateway's key, a rule of execution itself."""
Reason = Annotated[str, msgspec.Meta(max_length=512)]


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
    """`amount` of `asset` came into the account (went out where negative).

    `transfer_id` is the venue's; empty for what was there at the first look, "operator:" and more for what a person
    explained.
    """

    durable = True

    journal_seq: int
    time_ns: int
    asset: str
    amount: Money
    transfer_id: str = ""


class FundingPaid(Event, frozen=True, tag="execution.funding_paid"):
    """Funding came to the position of one book (was taken where negative): its share, by amount, of what was paid."""

    durable = True

    journal_seq: int
    time_ns: int
    funding_id: str
    book: str
    symbol: str
    asset: str
    amount: Money


class Adopted(Event, frozen=True, tag="execution.adopted"):
    """`amount` (base) of what lay in the account becomes the position of a book, as if it had bought at `price`."""

    durable = True

    journal_seq: int
    time_ns: int
    book: str
    symbol: str
    amount: Money
    price: Money
    by: str = ""


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


class StandingSet(Event, frozen=True, tag="execution.standing_set"):
    """The gate of the house (of one symbol where named) now stands so, and why; latched until somebody resumes it."""

    durable = True

    journal_seq: int
    time_ns: int
    standing: Standing
    symbol: str | None
    reason: str
    by: str


class Difference(msgspec.Struct, frozen=True):
    """One line of a comparison with the venue: what (an asset, or an order), and what either side has of it."""

    kind: str
    """balance, missing_order (ours, not there), unknown_order (there with our tag, not in the journal)."""
    name: str
    ours: str
    theirs: str


class MismatchFound(Event, frozen=True, tag="execution.mismatch_found"):
    """A comparison with the venue did not come out even; a StandingSet follows, and nothing is adjusted silently."""

    durable = True

    journal_seq: int
    time_ns: int
    differences: tuple[Difference, ...]


class Reconciled(Event, frozen=True, tag="execution.reconciled"):
    """A comparison with the venue came out even (or not); told each time, journaled only where it did not."""

    time_ns: int
    even: bool
    differences: tuple[Difference, ...] = ()
    foreign: tuple[str, ...] = ()


class Decided(Event, frozen=True, tag="execution.decided"):
    """A person decided what no evidence could: the fate of an order, or what a difference was; what follows is next.

    `about` is the client order id or the asset, `verdict` the state or the amount.
    """

    durable = True

    journal_seq: int
    time_ns: int
    about: str
    verdict: str
    reason: str
    by: str


class Alerted(Event, frozen=True, tag="execution.alerted"):
    """Something a person should know at once; `kind` is late_fill, unknown_order, mismatch, halted or unprotected."""

    time_ns: int
    kind: str
    text: str
    symbol: str | None = None
    client_order_id: str | None = None


class Unprotected(Event, frozen=True, tag="execution.unprotected"):
    """`amount` of a position has no stop at the venue, and why."""

    book: str
    symbol: str
    amount: Money
    reason: str


class SweepDue(Event, frozen=True, tag="execution.sweep_due"):
    """Look for an order again; a timer of execution's own."""

    client_order_id: str


class CompareDue(Event, frozen=True, tag="execution.compare_due"):
    """Compare with the venue again; a timer of execution's own."""


class ProtectionDue(Event, frozen=True, tag="execution.protection_due"):
    """Place what is missing of a position's protection; a timer of execution's own."""

    book: str
    symbol: str


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


class Done(Event, frozen=True, tag="execution.done"):
    """What came of an order to execution: how it stands now, and what was done about it in words."""

    standing: Standing
    changed: bool
    done: str


class Halt(Request[Done], frozen=True, tag="execution.halt"):
    """Let nothing through any more, cancel all open orders but protection; with `flatten` close all positions too."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""
    flatten: bool = False


class Flatten(Request[Done], frozen=True, tag="execution.flatten"):
    """Close all positions of the house (of one symbol, one book) at the market; the gate is at REDUCING afterwards."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""
    symbol: str | None = None
    book: str | None = None


class Resume(Request[Done], frozen=True, tag="execution.resume"):
    """Let everything through again (for one symbol where named); refused while the comparison is not even."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""
    symbol: str | None = None


class CancelOrder(Request[Done], frozen=True, tag="execution.cancel_order"):
    """Cancel one order (all open ones but protection where none is named); cancels are always allowed."""

    changes: ClassVar[bool] = True

    client_order_id: str | None = None
    reason: Reason = ""
    by: By = ""


class Resolve(Request[Done], frozen=True, tag="execution.resolve"):
    """Say what became of an UNKNOWN order: ABSENT (it never was), or CANCELED (it is over with the fills we know)."""

    changes: ClassVar[bool] = True

    client_order_id: str
    verdict: State
    reason: Reason = ""
    by: By = ""


class Explain(Request[Done], frozen=True, tag="execution.explain"):
    """Explain a difference of balances as a transfer: `amount` of `asset` came in (went out where negative)."""

    changes: ClassVar[bool] = True

    asset: str
    amount: Money
    reason: Reason = ""
    by: By = ""


class Adopt(Request[Done], frozen=True, tag="execution.adopt"):
    """Give a book what lies in the account unassigned: `amount` (base) of a symbol, as if bought at `price`."""

    changes: ClassVar[bool] = True

    symbol: str
    book: str
    amount: Money
    price: Money
    by: By = ""


class Reconcile(Request[Done], frozen=True, tag="execution.reconcile"):
    """Compare with the venue now; the outcome is told as Reconciled."""

    changes: ClassVar[bool] = True


class ExecutionStatus(Event, frozen=True, tag="execution.execution_status"):
    """How execution stands: the gate, frozen symbols with the reason, and the last comparison with the venue.

    `unknown` are client order ids; `foreign` the open orders at the venue that are not ours. Times in ns, None: never.
    `unprotected_ns` is the time (message time, ns) that positions have been without a stop at the venue so far.
    """

    time_ns: int
    standing: Standing
    reason: str
    by: str
    frozen: dict[str, str]
    ready: bool
    reconciled_ns: int | None
    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]
    foreign: tuple[str, ...]
    unprotected_ns: int = 0
    denials: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it


class GetExecutionStatus(Request[ExecutionStatus], frozen=True, tag="execution.get_execution_status"):
    """How does execution stand?"""
