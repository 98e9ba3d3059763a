"""Plans: which faults a seed tries, drawn before the run, so that a failing one can be repeated and made smaller."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from lct.domain.orders import TERMINAL, State

SECOND_NS = 1_000_000_000
STATES = tuple(state.value for state in State if state not in TERMINAL)
"""The states of an order that is not over."""

AT_OPERATIONS: dict[str, tuple[str, ...]] = {
    "place": (
        "request_lost",
        "reply_lost",
        "request_late",
        "not_sent",
        "refused",
        "banned",
        "reply_truncated",
        "reply_empty",
        "reply_html",
        "reply_500",
        "reply_503",
        "reply_nan",
        "reply_id_only",
        "reply_unknown_code",
        "sliced",
    ),
    "cancel": ("request_lost", "reply_lost", "fill_first", "fill_late", "not_found"),
    "trade": ("untold", "twice", "late", "many_times"),
    "find": ("blind", "dead", "unanswered"),
    "look": ("unsettled", "dead", "unanswered"),
    "commit": ("killed_before", "killed_after", "killed_between", "torn", "killed_thrice"),
    "round": ("killed",),
}
"""Faults of the n-th of an operation."""

AT_TIMES: dict[str, int] = {
    "maintenance": 6,
    "silence": 6,
    "disturbed": 4,
    "foreign_order": 2,
    "foreign_trade": 2,
    "deposit": 2,
    "withdrawal": 2,
    "operator_halt": 2,
    "operator_cancel": 3,
    "operator_flatten": 2,
    "operator_resolve": 3,
    "repeated_proposal": 4,
    "feed_gap": 2,
}
"""Faults, and doings of people, at a time; at most so many of each in one run."""

GRAVE = ("theft", "stranger_with_our_tag", "conflicting_trade")
"""What a house must stop at: at most one in a run, in its first two thirds, for it waits until its aim is there."""
GRAVE_ODDS = 0.75

RATES = (0.0, 0.0, 0.03, 0.25)
"""How often a kind of fault strikes, drawn for each kind anew: a few at high rates find more than all at low ones."""
OPERATIONS_PLANNED = 400
KILLS_MAX = 12
"""Kills of one run, by each way of killing: a life costs more than all its orders."""
KILLS_SPREAD = 1_200
"""Over how many commits, and results heard, they are spread."""
KILLING = ("commit", "round")


class Fault(NamedTuple):
    """One fault: at the n-th operation, or at a time (`at` in seconds from the start); `size` is a number in [0, 1).

    One at a time that has an `aim` waits from then on until an order of the house is in that state.
    """

    operation: str
    at: int
    kind: str
    size: float
    aim: str = ""

    def __str__(self) -> str:
        """Write it as a person reads it."""
        if self.operation == "time":
            return f"{self.kind} at {self.at} s" + (f", once an order is {self.aim}" if self.aim else "")
        return f"{self.kind} at {self.operation} {self.at}"


class Personality(msgspec.Struct, frozen=True):
    """What a venue is like in one run: fees, and how long its look-ups may lag behind what it has done (ns)."""

    fee_in: str
    fee_rate: str
    lag_ns: int
    slices_max: int


class Plan(msgspec.Struct, frozen=True):
    """All that a seed decides: the venue, the size of the market, and the faults."""

    seed: int
    personality: Personality
    symbols: int
    minutes: int
    faults: tuple[Fault, ...]

    def without(self, faults: Iterable[Fault]) -> "Plan":
        """Return the same run with some faults left out."""
        gone = set(faults)
        return msgspec.structs.replace(self, faults=tuple(fault for fault in self.faults if fault not in gone))

    def kinds(self) -> Counter[str]:
        """Count the faults by kind."""
        return Counter(f"{fault.operation}.{fault.kind}" for fault in self.faults)


def draw(seed: int, minutes: int) -> Plan:
    """Return what a seed tries over a market of so many minutes."""
    chance = random.Random(f"lct.plan.{seed}")
    personality = Personality(
        fee_in=chance.choice(("quote", "quote", "base", "third")),
        fee_rate=chance.choice(("0", "0.001", "0.00075")),
        lag_ns=chance.choice((0, 0, 2, 20, 55)) * SECOND_NS,
        slices_max=chance.choice((1, 3, 50)),
    )
    faults: list[Fault] = []
    for operation, kinds in AT_OPERATIONS.items():
        rates = {kind: chance.choice(RATES) for kind in kinds}
        total = min(sum(rates.values()), 0.5)
        struck = [n for n in range(1, OPERATIONS_PLANNED + 1) if chance.random() < total]
        if operation in KILLING:
            struck = sorted(chance.sample(range(1, KILLS_SPREAD), min(len(struck), KILLS_MAX)))
        for n in struck:
            kind = chance.choices(list(rates), list(rates.values()))[0]
            faults.append(Fault(operation, n, kind, chance.random()))
    for kind, most in AT_TIMES.items():
        times = [(chance.randrange(60, minutes * 60), chance.random()) for _ in range(chance.choice((0, 0, 1, most)))]
        faults += [Fault("time", at, kind, size) for at, size in times]
    if chance.random() < GRAVE_ODDS:
        faults.append(Fault("time", chance.randrange(60, minutes * 40), chance.choice(GRAVE), chance.random()))
    symbols = chance.choice((1, 2, 3))
    return Plan(seed, personality, symbols, minutes, tuple(_aimed(fault, chance) for fault in faults))


def _aimed(fault: Fault, chance: random.Random) -> Fault:
    """Aim a fault at a state, or at none."""
    return fault._replace(aim=chance.choice(("", *STATES))) if fault.operation == "time" else fault


class Struck:
    """Finds the fault of an operation as it comes, and counts what struck: by kind, and by the orders that there were.

    `cells` counts a fault once for each state in which an order of the house was then.
    """

    def __init__(self, plan: Plan) -> None:
        """Take a plan; nothing has happened yet."""
        self._at = {(fault.operation, fault.at): fault for fault in plan.faults if fault.operation != "time"}
        self._counts: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.cells: Counter[tuple[str, str]] = Counter()
        self.states: Callable[[], Iterable[str]] = tuple
        """Returns the states that orders of the house are in."""
        self.is_over = False
        """Whether the faults are over: then the venue is well, and nobody is killed."""

    def next(self, operation: str) -> Fault | None:
        """Count one more of an operation, and return the fault that strikes it."""
        self._counts[operation] += 1
        fault = None if self.is_over else self._at.get((operation, self._counts[operation]))
        if fault is not None:
            self.count(fault)
        return fault

    def count(self, fault: Fault) -> None:
        """Count a fault that struck."""
        kind = f"{fault.operation}.{fault.kind}"
        self.struck[kind] += 1
        for state in set(self.states()):
            self.cells[kind, state] += 1
