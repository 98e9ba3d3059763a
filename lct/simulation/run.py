"""One run: a house lives, dies and lives again under a plan, and is then left in peace to find out what is true."""

import json
from collections import Counter
from hashlib import blake2b

import msgspec

from lct.domain.money import use_money_context
from lct.domain.orders import State
from lct.domain.risk import Standing
from lct.errors import JournalError
from lct.messages.execution import CancelOrder, Flatten, Halt, Propose, Resolve, Resume
from lct.run.house import House
from lct.simulation import around, checks
from lct.simulation.house import INSTALL_ID, RESTART_NS, Killed, Stand, execution_of, states_in
from lct.simulation.market import CALM_MINUTES
from lct.simulation.plan import SECOND_NS, Fault, Plan

LIVES_MAX = 500
FOREVER_NS = 2**62
STEP_NS = 30 * SECOND_NS
"""How often the checks that hold always are made."""
PEACE_NS = 300 * SECOND_NS
"""How long a house has after the last bar to come to rest."""
OPERATOR = "operator_"
REPEATED = "repeated_proposal"
FAR = 2**40
"""More bars and facts than any run has: what rests on so many is never stale."""


class Violation(msgspec.Struct, frozen=True):
    """What did not hold, in which run."""

    seed: int
    invariant: str
    detail: str


class Outcome(msgspec.Struct, frozen=True):
    """What one run tried, and what came of it; `digest` is of the journals and of the venue's books."""

    seed: int
    faults: Counter[str]
    lives: int
    orders: int
    fills: int
    lost: int
    duplicated: int
    orphaned: int
    drift: int
    violations: tuple[Violation, ...]
    digest: str
    cells: Counter[tuple[str, str]]
    """How often a fault struck while an order was in a state."""

    @property
    def is_clean(self) -> bool:
        """Whether everything held."""
        return not self.violations


def run(plan: Plan) -> Outcome:
    """Play a plan to its end and look at everything; the same plan gives the same outcome, to the last bit."""
    use_money_context()
    return _Run(plan).outcome()


class _Run:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stand = Stand(plan)
        self.broken: dict[checks.Broken, None] = {}
        self.noticed: set[str] = set()
        """What the house ever stopped at: kinds of differences, and a trade that was told twice (or it stood still)."""
        self._waiting = [fault for fault in plan.faults if self._waits(fault)]

    def outcome(self) -> Outcome:
        house = self._play()
        witness, plan = self.stand.witness, self.plan
        for broken in checks.at_the_end(house, witness, plan, noticed=self.noticed):
            self.broken[broken] = None
        for broken in around.at_the_end(house, self.stand.served):
            self.broken[broken] = None
        account = witness.account
        if not checks.is_grave(witness):
            self.stand.judge.compare(account)
        self._hear_judge()
        document = account.ledger("witness", "main", INSTALL_ID, quiescent=True)
        told = json.dumps([document, house.bus.journal.digests()], sort_keys=True)
        return Outcome(
            plan.seed,
            self.stand.struck.struck,
            self.stand.lives,
            sum(not taken.is_foreign for taken in account.orders),
            sum(not trade.taken.is_foreign for trade in account.trades),
            **checks.figures(house, witness),
            violations=tuple(Violation(plan.seed, name, detail) for name, detail in self.broken),
            digest=blake2b(told.encode(), digest_size=16).hexdigest(),
            cells=self.stand.struck.cells,
        )

    def _play(self) -> House:
        """Have the house live until it reaches the end of the plan in one piece."""
        now_ns = self.stand.opens_ns
        for _ in range(LIVES_MAX):
            house = None
            try:
                house = self.stand.born(now_ns)
                self._live(house)
            except Killed:
                now_ns = self._now_ns(house, now_ns)
            except JournalError:
                now_ns = self._now_ns(house, now_ns)
            else:
                return house
        raise AssertionError(f"seed {self.plan.seed}: {LIVES_MAX} lives, and none came to the end")

    def _now_ns(self, house: House | None, now_ns: int) -> int:
        """Return when the next life begins: a little after this one ended."""
        ended_ns = now_ns if house is None else house.bus.now_ns
        return max(now_ns, ended_ns) + RESTART_NS

    def _live(self, house: House) -> None:
        stand = self.stand
        rest_ns = stand.end_ns + CALM_MINUTES * stand.market.tape().step_ns + PEACE_NS
        at_ns = max(house.bus.now_ns, stand.start_ns - STEP_NS)
        while at_ns < rest_ns:
            at_ns = min(at_ns + STEP_NS, rest_ns)
            if at_ns < stand.end_ns:
                self._strike_until(house, at_ns)
            house.bus.run(until_ns=at_ns)
            self._look(house)
            if at_ns >= stand.end_ns:
                self._calm_down(house)

    def _look(self, house: House) -> None:
        for broken in checks.always(house, self.stand.witness):
            self.broken[broken] = None
        self._hear_judge()
        book = execution_of(house).book
        self.noticed |= {difference.kind for difference in book.differences}
        # a house that is halted for another reason has no other one to tell
        if "told twice" in book.house.reason or book.house.standing is Standing.HALTED:
            self.noticed.add("told twice")

    def _hear_judge(self) -> None:
        for broken in self.stand.judge.fresh():
            self.broken[broken] = None

    def _calm_down(self, house: House) -> None:
        """End the faults; a person looks, and has the house go on where the accounts agree.

        Where they do not, no balance can prove that an order never was: the person says so, who asked the venue.
        """
        if not self.stand.struck.is_over:
            self.stand.struck.is_over = True
            self.stand.witness.down_until = self.stand.witness.silent_until = 0
        execution = execution_of(house)
        if execution.book.house.standing is not Standing.ACTIVE and not execution.book.differences:
            house.ask(Resume("the faults are over", "simulation"))
        if execution.book.differences:
            self._resolve(house, sorted(execution.book.unknown))

    def _waits(self, fault: Fault) -> bool:
        """Whether a fault has to be watched for: what a person does, and what is aimed."""
        is_person = OPERATOR in fault.kind or fault.kind == REPEATED
        return is_person or bool(fault.aim and self.stand.people.can(fault))

    def _strike_until(self, house: House, until_ns: int) -> None:
        """Go on from one event to the next while faults wait for their moment, and let each strike when it is there."""
        book = execution_of(house).book
        seq, states = -1, set[str]()
        while self._due(house.bus.now_ns) and (due_ns := house.bus.due_ns) <= until_ns:
            house.bus.run(until_ns=due_ns)
            if seq != book.seq:
                seq, states = book.seq, set(states_in(house))
            for fault in self._due(house.bus.now_ns):
                if not fault.aim or fault.aim in states:
                    self._waiting.remove(fault)
                    self._strike(house, fault)

    def _due(self, now_ns: int) -> list[Fault]:
        return [fault for fault in self._waiting if self.stand.start_ns + fault.at * SECOND_NS <= now_ns]

    def _strike(self, house: House, fault: Fault) -> None:
        if self.stand.people.can(fault):
            self.stand.people.act(fault, house.bus.now_ns)
        else:
            self._operate(house, fault)

    def _operate(self, house: House, fault: Fault) -> None:
        """Do what a person does in the middle of it all."""
        book = execution_of(house).book
        kind = fault.kind.removeprefix(OPERATOR)
        self.stand.struck.count(fault)
        self.stand.served.tell(kind)
        if kind == "halt":
            house.ask(Halt("a person", "simulation", flatten=fault.size < 0.3))
            house.ask(Resume("a person", "simulation"))
        elif kind == "flatten":
            house.ask(Flatten("a person", "simulation"))
            house.ask(Resume("a person", "simulation"))
        elif kind == "cancel":
            house.ask(CancelOrder(None, "a person", "simulation"))
        elif kind == REPEATED:
            self._repeat(house)
        else:
            assert kind == "resolve", f"no person does {kind}"
            self._resolve(house, sorted(book.unknown))

    def _repeat(self, house: House) -> None:
        """Have the last proposal come once more, as when its answer was lost on the way."""
        book = execution_of(house).book
        legs = [leg.order for leg in (*book.over.values(), *book.legs.values()) if not leg.protective]
        if legs:
            last = max(legs, key=lambda order: (order.created_ns, order.client_order_id))
            house.ask(
                Propose(
                    last.intent_id,
                    last.book,
                    last.symbol,
                    last.side,
                    last.type,
                    last.amount,
                    FAR,
                    FAR,
                    FOREVER_NS,
                    reduce_only=last.reduce_only,
                )
            )

    def _resolve(self, house: House, unknown: list[str]) -> None:
        """Decide as a person who asked the venue would: what is not there and never was, is absent."""
        account = self.stand.witness.account
        for key in unknown:
            if not account.named(key):
                house.ask(Resolve(key, State.ABSENT, "asked the venue", "simulation"))
