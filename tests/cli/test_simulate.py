"""`lct simulate`: what was tried and what held, for people and for programs; a failing seed comes with its command."""

import json
from typing import Any

import pytest

from daemons.execution.seeking import Seeking
from lct.domain.orders import State

SHAPE = ["seeds", "faults", "orders", "fills", "lost", "duplicated", "orphaned", "drift"]


def test_the_document_has_its_shape_and_says_that_nothing_was_lost(lct: Any) -> None:
    result = lct("simulate", "--seeds", "2", "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert list(found)[: len(SHAPE)] == SHAPE
    assert (found["seeds"], found["violations"]) == (2, [])
    assert [found[name] for name in SHAPE[4:]] == [0, 0, 0, 0]
    assert sum(found["faults_by_kind"].values()) == found["faults"] > 0


def test_a_person_sees_each_kind_of_fault_in_each_state_of_an_order(lct: Any) -> None:
    lines = lct("simulate", "--seed", "2").stdout.splitlines()

    assert lines[0].split()[:4] == ["fault", "struck", "proposed", "sending"]
    assert any(line.split() == ["invariants", "held", "all"] for line in lines)


def test_the_same_seed_tells_the_same(lct: Any) -> None:
    assert lct("simulate", "--seed", "2", "--json").stdout == lct("simulate", "--seed", "2", "--json").stdout


@pytest.mark.timeout(300)
def test_a_failing_seed_is_told_with_its_command_and_made_small(lct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(self: Seeking, leg: Any, reason: str, now_ns: int) -> Any:
        yield from self.guards.over(leg, State.REJECTED, now_ns, reason, now_ns)

    monkeypatch.setattr(Seeking, "lose", lose)
    result = lct("simulate", "--seed", "2", "--shrink")

    assert result.exit_code == 1
    assert "again: lct simulate --seed 2 --shrink" in result.stderr
    small = result.stderr.partition("with these faults alone:\n")[2].splitlines()
    assert 1 <= len(small) <= 5
    assert all(" at " in line for line in small)


def test_no_seeds_is_refused(lct: Any) -> None:
    assert lct("simulate", "--seeds", "0").exit_code == 2
