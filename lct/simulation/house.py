"""The house under test: put together anew for each of its lives, on a journal that crashes as disks do."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

import msgspec
from msgspec.structs import replace

from daemons.execution import SIMULATED
from daemons.execution import Config as ExecutionConfig
from daemons.execution.daemon import Execution
from daemons.strategy_engine import Config as StrategyConfig
from daemons.trading_engine import Config as EngineConfig
from lct.domain.exits import ExitPolicy
from lct.domain.matching import Costs
from lct.domain.orders import tag_of
from lct.errors import JournalError
from lct.messages.base import tag_of as type_of
from lct.messages.execution import OrderIntended
from lct.run.config import HouseConfig
from lct.run.house import House, Parts, Settings, assemble
from lct.simulation.around import EIGHT, WATCH, Beats, Served
from lct.simulation.judge import Judge
from lct.simulation.market import QUIET_MINUTES, Market, strategies
from lct.simulation.people import People
from lct.simulation.plan import SECOND_NS, Plan, Struck
from lct.simulation.witness import Witness
from lct.store.journal import Cursor, Fact, MemoryJournal, Row

INSTALL_ID = "simulated"
CASH = Decimal(100_000)
FEE_COINS = Decimal(1_000)
RESTART_NS = 2 * SECOND_NS
"""How long a house is away between two lives."""
INTENDED = type_of(OrderIntended)
LIMITS = replace(SIMULATED, max_data_age_bars=3, repeat_seconds=0)


class Killed(BaseException):
    """The house ends here, as by kill -9; nobody but the simulation may catch it."""


class Fragile:
    """A journal at which the house may be killed, or which fails; what was committed stays."""

    keeps_outbox = True
    is_read_only = False

    def __init__(self, journal: MemoryJournal, struck: Struck, now_ns: int, intended: set[str], judge: Judge) -> None:
        """Guard a journal; `now_ns` is the earliest time that its next life can have.

        The client order ids that are committed are added to `intended`; `judge` reads every commit.
        """
        self.journal = journal
        self._judge = judge
        self._intended = intended
        self._struck = struck
        self._now_ns = now_ns
        self._kills_next_do = False
        self._more = 0

    def commit(self, facts: list[Fact], cursor: Cursor) -> None:
        """Commit, unless the fault of this commit has it otherwise."""
        fault = self._struck.next("commit")
        kind = "" if fault is None else fault.kind
        if kind == "killed_before":
            raise Killed("before the commit")
        if kind == "torn":
            raise JournalError("no space left on the device; nothing was sent")
        self.journal.commit(facts, cursor)
        if facts:
            self._judge.read(self.journal.newest())
        for fact in facts:
            if fact.type == INTENDED:
                self._intended.add(msgspec.msgpack.decode(fact.body)["order"]["client_order_id"])
        if kind in ("killed_after", "killed_thrice"):
            raise Killed("after the commit")
        self._kills_next_do = kind == "killed_between"

    def passes(self, point: str) -> None:
        """Kill the house at a point of the venue's port, where a fault says so."""
        if point == "did" and self._kills_next_do:
            self._kills_next_do = False
            raise Killed("between two commands")
        if point == "heard" and self._struck.next("round") is not None:
            raise Killed("after hearing")

    def rows(self, daemon: str | None = None, after: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of commit."""
        return self.journal.rows(daemon, after)

    def cursor(self) -> Cursor:
        """Return the cursor of the last commit, at a time that has passed meanwhile."""
        cursor = self.journal.cursor()
        return replace(cursor, now_ns=max(cursor.now_ns, self._now_ns))

    def digests(self) -> dict[str, str]:
        """Return the heads of the chains in hex."""
        return self.journal.digests()

    def close(self) -> None:
        """Do nothing."""


class Stand:
    """A witness, a market, and the lives of a house between them."""

    def __init__(self, plan: Plan) -> None:
        """Open the market and the venue; no house lives yet."""
        self.plan = plan
        self.market = Market(plan)
        self.struck = Struck(plan)
        tape, instruments = self.market.tape(), self.market.instruments()
        deposits = {"USDT": CASH, "FEE": FEE_COINS}
        self.witness = Witness(tape, instruments, deposits, plan.personality, self.struck, plan.seed)
        self.opens_ns = int(tape.times[0])
        self.start_ns = self.opens_ns + QUIET_MINUTES * tape.step_ns
        self.end_ns = self.start_ns + plan.minutes * tape.step_ns
        self.people = People(self.witness, tag_of(INSTALL_ID))
        self.people.begin(plan.faults, self.start_ns)
        self.journal = MemoryJournal()
        self.strategies = strategies(plan)
        self.lives = 0
        self.judge = Judge(INSTALL_ID)
        self.intended: set[str] = set()
        """The orders that were in the journal for good before the venue may know them."""
        self.witness.is_journaled = self.intended.__contains__

    def born(self, now_ns: int) -> House:
        """Put the next life together; Killed or JournalError where it ends before it began."""
        self.lives += 1
        self.journal = self.journal.crash()
        fragile = Fragile(self.journal, self.struck, now_ns, self.intended, self.judge)
        self.witness.passes = fragile.passes
        settings = Settings(
            house=HouseConfig(cash=CASH, costs=Costs(fee_rate=Decimal(self.plan.personality.fee_rate))),
            strategy_engine=StrategyConfig(strategies=tuple(strategy.name for strategy in self.strategies)),
            trading_engine=EngineConfig(
                max_position_share=Decimal("0.02"), exits=ExitPolicy(stop_loss=Decimal("0.01"))
            ),
            execution=ExecutionConfig(simulated=LIMITS),
            monitoring=WATCH,
        )
        parts = Parts(
            self.market,
            self.strategies,
            settings,
            fragile,
            None,
            INSTALL_ID,
            lambda _site: self.witness,
            names=EIGHT,
            ports=(Beats(EIGHT, self.lives, now_ns),),
        )
        house = assemble(parts)
        self.served = Served(house)
        self.struck.states = partial(states_in, house)
        return house


def states_in(house: House) -> Iterator[str]:
    """Yield the state of each live order of a house."""
    return (leg.order.state.value for leg in execution_of(house).book.legs.values())


def execution_of(house: House) -> Execution:
    """Return the execution daemon of a house."""
    found = house.bus.seats["execution"].daemon
    assert isinstance(found, Execution), "the house has an execution"
    return found
