"""The campaign: what it finds where nothing is wrong, what it finds where something is, and that it finds it again."""

import itertools
import subprocess
import sys

import pytest

from lct.simulation.campaign import MINUTES, outcomes, shrunk, tally
from lct.simulation.plan import GRAVE, STATES, Fault, draw
from lct.simulation.run import run
from tests.simulation.bugs import BUGS

SEEDS_MAX = 60
"""So many runs each bug may take to be found."""


def seeds():
    """The seeds that every bug is tried with: those that hold what a house must stop at come early, by turns."""
    plain = itertools.count(1)
    grave = [_with(kind) for kind in GRAVE]
    for n in itertools.count():
        yield from itertools.islice(plain, 4)
        yield next(grave[n % len(grave)])


def _with(kind):
    return (n for n in itertools.count(10_000) if any(fault.kind == kind for fault in draw(n, MINUTES).faults))


def caught_after(most=SEEDS_MAX):
    """Return how many runs it takes until one breaks, and what broke; None where none does."""
    for n, seed in enumerate(itertools.islice(seeds(), most), start=1):
        try:
            outcome = run(draw(seed, MINUTES))
        except (AssertionError, Exception) as error:  # noqa: BLE001 - a house that cannot go on is caught as well
            return n, f"{type(error).__name__}: {error}"
        if outcome.violations:
            return n, f"{outcome.violations[0].invariant}: {outcome.violations[0].detail}"
    return None


def test_nothing_is_lost_doubled_orphaned_or_adrift():
    found = tally(list(outcomes(itertools.islice(seeds(), 10))))

    assert [(v.seed, v.invariant, v.detail) for v in found.violations] == []
    assert (found.lost, found.duplicated, found.orphaned, found.drift) == (0, 0, 0, 0)
    assert found.faults > 500
    assert found.lives > 20


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_nothing_is_lost_in_sixty_runs():
    found = tally(list(outcomes(range(1_000, 1_060))))

    assert [(v.seed, v.invariant, v.detail) for v in found.violations] == []
    kills = [states for kind, states in found.faults_by_state.items() if kind.startswith(("commit.", "round."))]
    assert {name: sum(states[name] for states in kills) > 10 for name in STATES} == dict.fromkeys(STATES, True)


QUICK = (
    "an_order_without_a_clear_reply_is_sent_again",
    "trades_are_booked_each_time_they_are_told",
    "what_is_unknown_counts_as_refused",
    "a_fee_goes_through_a_float",
)


@pytest.mark.parametrize("name", QUICK)
def test_a_bug_of_the_commonest_kinds_is_caught(name, monkeypatch):
    BUGS[name](monkeypatch)

    assert caught_after(20) is not None


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(set(BUGS) - set(QUICK)))
def test_each_bug_is_caught_by_a_campaign_that_does_not_know_it(name, monkeypatch):
    BUGS[name](monkeypatch)

    assert caught_after() is not None


def test_a_seed_is_the_same_in_every_process_whatever_python_does_with_hashes():
    code = "from lct.simulation.run import run; from lct.simulation.plan import draw; print(run(draw(5, 20)).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True
        ).stdout
        for salt in ("0", "1", "77")
    }

    assert len(digests) == 1


def test_a_failing_plan_is_made_as_small_as_what_it_fails_by():
    plan = draw(3, MINUTES)
    guilty = set(plan.faults[5:50:20])

    small = shrunk(plan, lambda smaller: guilty <= set(smaller.faults))

    assert set(small.faults) == guilty


def test_a_fault_is_written_as_it_is_read():
    assert str(Fault("place", 3, "reply_lost", 0.5)) == "reply_lost at place 3"
    assert str(Fault("time", 90, "theft", 0.5)) == "theft at 90 s"
