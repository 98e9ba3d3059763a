"""The kill switch in real processes: whatever else is dead, execution halts, and stays so until somebody resumes it."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from typer.testing import CliRunner

from lct.cli import app
from lct.client import Client
from lct.domain.risk import Standing
from lct.errors import LctError
from lct.messages.execution import ExecutionStatus, GetExecutionStatus
from lct.run.switch import FILE, last_standing, pull, release
from tests.wire.deciding import STRATEGIES, decided, journals_of
from tests.wire.processes import ROUNDS, Processes, configure
from tests.wire.supervised import soon

pytestmark = pytest.mark.timeout(240)
ALONE = ("execution",)
HOUSE = """
symbols = ["BTC/USDT", "ETH/USDT"]
timeframe = "5m"
[feeds.synthetic]
days = {days}
seed = 3
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        configure(Path(folder), house=HOUSE.format(days=7), strategy_engine=STRATEGIES)
        yield Path(folder)


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def halt() -> tuple[int, dict[str, Any]]:
    result = typed("trading", "halt", "--yes", "--reason", "too hot", "--json")
    return result.exit_code, json.loads(result.stdout)


def status(home: Path) -> ExecutionStatus | None:
    """How execution stands, None while it does not answer."""
    try:
        with Client(home, patience_ms=500) as client:
            return client.ask(GetExecutionStatus())
    except LctError:
        return None


def stands(home: Path, standing: Standing) -> bool:
    found = status(home)
    return found is not None and found.ready and found.standing is standing


def kill(house: Processes) -> None:
    """End execution as a power switch does, and have nobody start it again yet."""
    house.kill("execution")


def test_with_every_other_daemon_dead_execution_halts_at_once(home: Path) -> None:
    with Processes(home, ALONE) as house:
        soon(lambda: stands(home, Standing.ACTIVE))
        code, found = halt()

        assert code == 0
        assert (found["standing"], found["changed"], found["confirmed_by"]) == ("halted", True, "reply")
        assert halt()[1]["changed"] is False
        assert found["signalled_pid"] == house.running["execution"].pid


def test_with_its_sockets_gone_the_file_and_a_signal_suffice_and_its_journal_confirms(home: Path) -> None:
    with Processes(home, ALONE) as house:
        soon(lambda: stands(home, Standing.ACTIVE))
        for path in (home / "run").iterdir():
            if path.is_socket():
                path.unlink()
        code, found = halt()

        assert code == 0
        assert (found["standing"], found["confirmed_by"]) == ("halted", "journal")
        assert house.running["execution"].poll() is None


def test_without_the_signal_execution_looks_by_itself(home: Path) -> None:
    with Processes(home, ALONE):
        soon(lambda: stands(home, Standing.ACTIVE))
        pull(journals_of(home), "by hand", "ada")
        found = soon(lambda: stands(home, Standing.HALTED) and status(home), 10)

        assert (found.reason, found.by) == ("by hand", "ada")


def test_a_session_that_was_halted_by_the_file_can_be_lived_again(home: Path) -> None:
    with Processes(home, ALONE):
        soon(lambda: stands(home, Standing.ACTIVE))
        pull(journals_of(home), "by hand", "ada")
        soon(lambda: stands(home, Standing.HALTED))

    again = typed("journal", "replay", "execution", "--json")
    assert again.exit_code == 0, again.stderr


def test_a_frozen_execution_is_not_said_to_have_halted_and_does_when_it_goes_on(home: Path) -> None:
    with Processes(home, ALONE) as house:
        soon(lambda: stands(home, Standing.ACTIVE))
        house.running["execution"].send_signal(signal.SIGSTOP)
        try:
            code, found = halt()
        finally:
            house.running["execution"].send_signal(signal.SIGCONT)

        assert code == 3
        assert (found["standing"], found["confirmed_by"]) == (None, None)
        assert found["halt_files"] == [str(journals_of(home) / FILE)]
        soon(lambda: stands(home, Standing.HALTED))


def test_a_halt_while_execution_is_killed_holds_its_next_lives_until_somebody_checked(home: Path) -> None:
    with Processes(home, ALONE) as house:
        soon(lambda: stands(home, Standing.ACTIVE))
        kill(house)
        code, found = halt()
        assert (code, found["confirmed_by"]) == (3, None)

        house.keep_up()
        soon(lambda: stands(home, Standing.HALTED))
        release(journals_of(home))  # the latch is in the journal by now
        kill(house)
        house.keep_up()
        soon(lambda: stands(home, Standing.HALTED))

        assert typed("trading", "resume").exit_code == 4
        resumed = typed("trading", "resume", "--i-checked", "--json")
        assert resumed.exit_code == 0, resumed.stderr
        assert json.loads(resumed.stdout)["standing"] == "active"
        kill(house)
        house.keep_up()
        soon(lambda: stands(home, Standing.ACTIVE))


def test_a_signal_before_it_looks_does_not_end_it(home: Path) -> None:
    """SIGUSR1 ends a process that does not know it; one that starts has yet to say what it does with it."""
    with Processes(home, ALONE) as house:
        one = house.running["execution"]
        soon((home / "log" / "execution.log").exists)
        for _ in range(20):
            os.kill(one.pid, signal.SIGUSR1)
        soon(lambda: stands(home, Standing.ACTIVE))

        assert (one.poll(), house.starts["execution"]) == (None, 1)


def orders(home: Path) -> list[Any]:
    rows = decided(journals_of(home) / "execution.db", "execution")
    return [row for row in rows if row[0] == "execution.order_intended"]


def entries(rows: list[Any]) -> list[Any]:
    """Return what was ordered to enter, and not to leave or to guard a position."""
    intents = [msgpack.unpackb(body) for kind, _, body in rows if kind == "execution.order_intended"]
    return [intent for intent in intents if not intent["order"]["reduce_only"]]


def test_a_replayed_house_that_starts_halted_plays_to_its_end_without_an_order(home: Path) -> None:
    configure(home, house=HOUSE.format(days=2))
    pull(journals_of(home), "not today", "ada")
    with Processes(home, ROUNDS) as house:
        house.play_to_the_end(120)

    found = last_standing(journals_of(home))
    assert found is not None
    assert (found.standing, found.reason) == (Standing.HALTED, "not today")
    assert orders(home) == []


def test_a_replayed_house_halts_under_way_also_while_execution_is_killed(home: Path) -> None:
    """What is lived again after a kill is what was lived: the halt comes into no round of the past."""
    configure(home, house=HOUSE.format(days=4))
    deeds: list[str] = []

    def each() -> None:
        if not deeds and (journals_of(home) / "execution.db").exists() and len(orders(home)) > 5:
            pull(journals_of(home), "enough", "ada")
            deeds.append("halt")
        elif deeds and len(deeds) < 4:
            house.kill("execution")
            deeds.append("kill")

    with Processes(home, ROUNDS) as house:
        house.play_to_the_end(180, each)

    rows = decided(journals_of(home) / "execution.db", "execution")
    kinds = [row[0] for row in rows]
    halted = kinds.index("execution.standing_set")
    assert deeds == ["halt", "kill", "kill", "kill"]
    assert kinds.count("execution.standing_set") == 1, "each life hears of the file, and only one halts"
    assert entries(rows[:halted])
    assert not entries(rows[halted:])
