"""The same daemons by rounds of a conductor make the same decisions as on the local bus, through kills of anyone."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lct.store.journal import MemoryJournal
from tests.scenarios.stage import Stage, arm, site_of
from tests.scenarios.test_recovery import PLANS, Plan


def decided(rows: Any) -> list[tuple[Any, ...]]:
    return [(row.type, row.now_ns, row.body) for row in rows]


def in_one_process(plan: Plan) -> dict[str, Any]:
    journal = MemoryJournal()
    house = plan.house(journal, None)
    house.bus.run()
    told: dict[str, Any] = {name: decided(journal.rows(name)) for name in house.bus.seats}
    return {**told, "venue": house.exchange.balances()}


def by_rounds(plan: Plan, folder: Path, monkeypatch: Any, seed: int, kills: int, every: int) -> tuple[Any, Stage]:
    (folder / "venue").mkdir()
    stage = Stage(site_of(plan.parts(MemoryJournal(), folder / "venue")), folder, seed, kills, every)
    arm(monkeypatch, stage.fate)
    try:
        stage.run()
        told: dict[str, Any] = {name: decided(stage.journals[name].rows()) for name in stage.journals}
        return {**told, "venue": stage.ports["execution"][0].balances()}, stage
    finally:
        stage.close()


def first_difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    for name, value in expected.items():
        other = found[name]
        if value != other and isinstance(value, list):
            at = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), -1)
            return f"{name}[{at}] of {len(value)} and {len(other)}: {value[at]} / {other[at : at + 1]}"
        if value != other:
            return f"{name}: {value} / {other}"
    return ""


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.policy}-{plan.timeframe}")
def test_rounds_of_a_conductor_decide_what_one_process_decides(plan, tmp_path, monkeypatch):
    expected = in_one_process(plan)

    found, _ = by_rounds(plan, tmp_path, monkeypatch, seed=1, kills=0, every=1)

    assert first_difference(expected, found) == ""
    assert len(expected["execution"]) > 20


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.policy}-{plan.timeframe}")
def test_no_kill_of_any_process_at_any_point_changes_a_decision(plan, tmp_path, monkeypatch):
    expected = in_one_process(plan)

    found, stage = by_rounds(plan, tmp_path, monkeypatch, seed=plan.seed, kills=200, every=60)

    assert first_difference(expected, found) == "", f"after {len(stage.fate.kills)}: {stage.fate.kills[-5:]}"
    assert len(stage.fate.kills) == 200
    assert len(Counter(kill.split()[0] for kill in stage.fate.kills)) == 6, "not everyone was killed"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(300, 308))
def test_no_schedule_of_kills_changes_a_decision(seed, tmp_path, monkeypatch):
    plan = PLANS[seed % len(PLANS)]
    expected = in_one_process(plan)

    found, stage = by_rounds(plan, tmp_path, monkeypatch, seed=seed, kills=1_000, every=1 + seed % 37)

    assert first_difference(expected, found) == "", f"after {len(stage.fate.kills)}: {stage.fate.kills[-5:]}"
