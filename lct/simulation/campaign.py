"""Campaigns: many runs, what they tried in sum, and a failing one made small enough to be read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from lct.simulation.plan import STATES, Fault, Plan, draw
from lct.simulation.run import Outcome, Violation, run

MINUTES = 60
"""How long the faults of a run go on."""
SHRINKS_MAX = 200
"""Runs that making a failing one smaller may take."""
SMALL = 5
"""So few faults can be read."""


class Tally(msgspec.Struct, frozen=True):
    """The sum of a campaign: `seeds` is how many were run, `faults_by_state` how often a kind struck by order state."""

    seeds: int
    faults: int
    orders: int
    fills: int
    lost: int
    duplicated: int
    orphaned: int
    drift: int
    lives: int
    violations: tuple[Violation, ...]
    faults_by_kind: dict[str, int]
    faults_by_state: dict[str, dict[str, int]]

    @property
    def is_clean(self) -> bool:
        """Whether every run held everything."""
        return not self.violations


def outcomes(seeds: Iterable[int], minutes: int = MINUTES) -> Iterator[Outcome]:
    """Run seeds, one after the other."""
    for seed in seeds:
        yield run(draw(seed, minutes))


def tally(outcomes_: Sequence[Outcome]) -> Tally:
    """Add outcomes up."""
    by_kind: Counter[str] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for one in outcomes_:
        by_kind += one.faults
        cells += one.cells
    return Tally(
        seeds=len(outcomes_),
        faults=by_kind.total(),
        orders=sum(one.orders for one in outcomes_),
        fills=sum(one.fills for one in outcomes_),
        lost=sum(one.lost for one in outcomes_),
        duplicated=sum(one.duplicated for one in outcomes_),
        orphaned=sum(one.orphaned for one in outcomes_),
        drift=sum(one.drift for one in outcomes_),
        lives=sum(one.lives for one in outcomes_),
        violations=tuple(violation for one in outcomes_ for violation in one.violations),
        faults_by_kind=dict(sorted(by_kind.items())),
        faults_by_state={kind: {state: cells[kind, state] for state in STATES} for kind in sorted(by_kind)},
    )


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return a plan that still fails with as few faults as delta debugging finds (Zeller and Hildebrandt 2002).

    Larger parts are left out first, then smaller ones; at most SHRINKS_MAX runs are made.
    """
    left = SHRINKS_MAX
    size = max(1, len(plan.faults) // 2)
    while size >= 1 and left > 0:
        at = 0
        while at < len(plan.faults) and left > 0:
            smaller = plan.without(plan.faults[at : at + size])
            left -= 1
            if fails(smaller):
                plan = smaller
            else:
                at += size
        size //= 2
    return plan


def smallest(seed: int, invariant: str, minutes: int = MINUTES) -> tuple[Fault, ...]:
    """Return few faults of a seed that break an invariant, in the order in which they may strike."""

    def fails(plan: Plan) -> bool:
        return any(violation.invariant == invariant for violation in run(plan).violations)

    return shrunk(draw(seed, minutes), fails).faults
