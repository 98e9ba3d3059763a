"""The dashboard shows how the gate stands, and halts the house once somebody has typed that, whoever is dead."""

from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from lct.domain.risk import Standing
from lct.messages.execution import Difference, ExecutionStatus, GetExecutionStatus
from tests.tui.scene import DAEMONS, GATE, Stage, play


def gate(standing: Standing, **about: Any) -> ExecutionStatus:
    return msgspec.structs.replace(GATE, standing=standing, **about)


def test_a_halt_is_seen_at_once_with_who_and_why_at_80_columns() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.replies[GetExecutionStatus] = gate(Standing.HALTED, by="ada", reason="too hot [red]\x1b")
        stage.look()
        await pilot.pause()
        halted = stage.text()
        stage.house.replies[GetExecutionStatus] = gate(Standing.REDUCING)
        stage.look()
        await pilot.pause()

        assert "gate HALTED (ada, too hot [red])" in halted
        assert "gate REDUCING" in stage.text()

    play(act, size=(80, 24))


def test_unknown_orders_and_mismatches_are_counted_beside_the_gate() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.replies[GetExecutionStatus] = gate(
            Standing.ACTIVE,
            unknown=("a", "b"),
            frozen={"BTC/USDT": "halted: x"},
            differences=(Difference("balance", "USDT", "1", "2"),),
        )
        stage.look()
        await pilot.pause()

        assert "gate active, 2 unknown, 1 frozen, 1 mismatched" in stage.text()

    play(act)


def test_a_gate_that_nobody_tells_of_any_more_is_told_as_of_then() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.replies[GetExecutionStatus] = gate(Standing.HALTED)
        stage.look()
        stage.house.kill("execution")
        stage.clock.move(5)
        stage.look()
        await pilot.pause()

        assert "gate was HALTED" in stage.text()

    play(act)


async def told(stage: Stage, pilot: Pilot[None], words: str) -> None:
    """Wait until something is on the screen."""
    for _ in range(200):
        await pilot.pause(0.01)
        if words in " ".join(stage.text().split()):
            return
    raise AssertionError(f"{words!r} did not come: {stage.text()}")


@pytest.mark.parametrize(
    "words", [["h", "enter"], ["h", *"yes", "enter"], ["h", *"HALT", "enter"], ["h", *"halt", "escape"]]
)
def test_nothing_is_halted_before_the_word_is_typed(words: list[str]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("h")
        assert "No order is let through any more" in stage.text()
        await pilot.press(*words)
        await pilot.pause(0.05)

        assert stage.house.halts == []
        assert len(stage.app.screen_stack) == 1

    play(act)


def test_h_halts_once_the_word_is_typed_with_every_daemon_dead_too() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.kill(*DAEMONS)
        stage.look()
        await pilot.press("h", *"halt", "enter")
        await told(stage, pilot, "halted; 2 orders are being cancelled")

        assert stage.house.halts == ["halted in the dashboard"]

    play(act)


def test_a_halt_that_fails_says_so_and_the_dashboard_goes_on() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.halt_fails = "nothing runs in this home [/]\x1b"
        await pilot.press("h", *"halt", "enter")
        await told(stage, pilot, "NOT halted:")

        assert "[/]" in stage.text()
        stage.look()

    play(act)
