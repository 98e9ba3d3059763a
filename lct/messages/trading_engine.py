"""What trading_engine says: what it proposed and what came of it; its own facts, for its own recovery.

It is asked to start, stop, pause and resume, and to run one cycle now.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from msgspec import Meta

from lct.domain.money import Money
from lct.domain.orders import Side
from lct.messages.base import Event, Request
from lct.messages.execution import Adopted, Deposited, Filled, FundingPaid

Reason = Annotated[str, Meta(max_length=200)]
By = Annotated[str, Meta(max_length=80)]
"""Who asks, as the house should remember it: `operator`, `gateway:<key id>`."""


class Trading(StrEnum):
    """Whether the engine proposes: all; exits only; nothing. Protection at the venue stands in each."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


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


class AdoptionHeard(Event, frozen=True, tag="trading_engine.adoption_heard"):
    """A book has taken over what lay in the account, as the engine keeps it, with the bars that were known."""

    durable = True

    md_seq: int
    adopted: Adopted


class FundingHeard(Event, frozen=True, tag="trading_engine.funding_heard"):
    """Funding, as the engine keeps it."""

    durable = True

    funding: FundingPaid


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


class TradingSet(Event, frozen=True, tag="trading_engine.trading_set"):
    """Trading was started, stopped, paused or resumed."""

    durable = True

    state: Trading
    reason: str
    by: str


class CycleOrdered(Event, frozen=True, tag="trading_engine.cycle_ordered"):
    """Somebody had one cycle run, out of turn; what it proposed follows."""

    durable = True

    reason: str
    by: str


class TradingStatus(Event, frozen=True, tag="trading_engine.status"):
    """Cycles run, signals seen (a score that calls for an entry or an exit), proposals made, and what was withheld.

    `proposals` and `state`, with the reason of who set it, are durable; the others count this life of the daemon, bars
    heard again included.
    """

    cycles: int
    signals: int
    proposals: int
    withheld: dict[str, int]
    state: Trading = Trading.RUNNING
    reason: str = ""
    by: str = ""


class GetTradingStatus(Request[TradingStatus], frozen=True, tag="trading_engine.get_status"):
    """How does trading go?"""


class TradingTurned(Event, frozen=True, tag="trading_engine.trading_turned"):
    """How trading stands after a request to start, stop, pause or resume, and what was done about it."""

    state: Trading
    changed: bool
    done: str


class StartTrading(Request[TradingTurned], frozen=True, tag="trading_engine.start_trading"):
    """Trade again after a stop."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""


class StopTrading(Request[TradingTurned], frozen=True, tag="trading_engine.stop_trading"):
    """Propose nothing any more, exits included; protective stops at the venue stand."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""


class PauseTrading(Request[TradingTurned], frozen=True, tag="trading_engine.pause_trading"):
    """Enter nothing new; exits go on."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""


class ResumeTrading(Request[TradingTurned], frozen=True, tag="trading_engine.resume_trading"):
    """Enter again after a pause."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""


class CycleRun(Event, frozen=True, tag="trading_engine.cycle_run"):
    """What one cycle out of turn decided: `strategies` had scores, `proposed` went to execution.

    `md_seq` is that of the last bars known, 0 before the first.
    """

    state: Trading
    md_seq: int
    strategies: int
    proposed: list[Proposed]
    done: str


class RunCycle(Request[CycleRun], frozen=True, tag="trading_engine.run_cycle"):
    """Decide once, now, on the last scores that were heard: entries too, and whether trading is stopped or not."""

    changes: ClassVar[bool] = True

    reason: Reason = ""
    by: By = ""
