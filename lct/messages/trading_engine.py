"""What trading_engine says: what it proposed and what came of it; its own facts, for its own recovery."""

from lct.domain.money import Money
from lct.domain.orders import Side
from lct.messages.base import Event, Request
from lct.messages.execution import Deposited, Filled


class Proposed(Event, frozen=True, gc=False, tag="trading_engine.proposed"):
    """An intent went to execution and is unresolved; it counts as position until it is."""

    durable = True

    intent_id: str
    time_ns: int
    md_seq: int
    book: str
    symbol: str
    side: Side
    amount: Money
    notional: Money
    exits: bool
    reason: str


class Settled(Event, frozen=True, gc=False, tag="trading_engine.settled"):
    """An intent is over without (further) fills; `spent` says whether its signal may not be tried again."""

    durable = True

    intent_id: str
    book: str
    symbol: str
    journal_seq: int
    reason: str
    spent: bool


class FillHeard(Event, frozen=True, gc=False, tag="trading_engine.fill_heard"):
    """A fill, as the engine keeps it, with the bars that were known."""

    durable = True

    md_seq: int
    fill: Filled


class DepositHeard(Event, frozen=True, tag="trading_engine.deposit_heard"):
    """A deposit, as the engine keeps it."""

    durable = True

    deposit: Deposited


class SignalFresh(Event, frozen=True, gc=False, tag="trading_engine.signal_fresh"):
    """The score of a spent signal went away, so that the next one may be traded."""

    durable = True

    book: str
    symbol: str


class DustLeft(Event, frozen=True, tag="trading_engine.dust_left"):
    """A position is too small to be sold: it may be added to, and is left when its price or the next exit allows."""

    durable = True

    book: str
    symbol: str
    amount: Money


class TradingStatus(Event, frozen=True, tag="trading_engine.status"):
    """Cycles run, signals seen (a score that calls for an entry or an exit), proposals made, and entries withheld.

    `proposals` is durable; the others count this life of the daemon, bars heard again included.
    """

    cycles: int
    signals: int
    proposals: int
    withheld: dict[str, int]


class GetTradingStatus(Request[TradingStatus], frozen=True, tag="trading_engine.get_status"):
    """How does trading go?"""
