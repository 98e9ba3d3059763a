"""The operator's verbs: halt, resume, flatten, and what a person may do about orders; over real sockets."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from daemons.trading_engine import Config, TradingEngine
from lct.cli import app, operating
from lct.domain.orders import State
from lct.domain.risk import Standing
from lct.messages.execution import (
    Adopt,
    CancelOrder,
    Difference,
    Explain,
    Flatten,
    Halt,
    Reconcile,
    Resolve,
    Resume,
)
from lct.messages.trading_engine import Trading, TradingSet
from lct.run.switch import FILE, pull
from lct.store.sqlite import SqliteJournal
from tests.cli.answering import answering
from tests.daemons.standing_execution import NOW, StandingExecution
from tests.daemons.trading_desk import INSTRUMENTS

FOREIGN = "\x1b[2Jevil\u202e"
ID = f"{1:032x}"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for sockets."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        yield Path(folder)


@pytest.fixture
def folder(home: Path) -> Path:
    """The folder of the account of house.toml."""
    return home / "journal" / "paper-paper-main"


@contextmanager
def house(home: Path, *daemons: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for daemon in daemons:
            stack.enter_context(answering(home, daemon, NOW))
        yield


def typed(text: str, *words: str) -> Any:
    """Run `lct` with a person who types."""
    return CliRunner().invoke(app, list(words), input=text)


def engine(state: Trading = Trading.RUNNING) -> TradingEngine:
    made = TradingEngine(Config(), INSTRUMENTS)
    made.apply(TradingSet(state, "", ""))
    return made


# -- halt -----------------------------------------------------------------------------------------------------------


def test_a_halt_is_confirmed_by_execution_and_leaves_the_file(document: Any, home: Path, folder: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        found = document("trading", "halt", "--yes", "--reason", "too hot", "--flatten")

    assert found == {
        "standing": "halted",
        "changed": True,
        "done": "halted",
        "halt_files": [str(folder / FILE)],
        "signalled_pid": None,
        "confirmed_by": "reply",
    }
    assert execution.asked == [Halt("too hot", "operator", True)]
    assert json.loads((folder / FILE).read_text())["reason"] == "too hot"


def test_with_nobody_there_a_halt_leaves_the_file_and_says_so(lct: Any, home: Path, folder: Path) -> None:
    result = lct("trading", "halt", "--yes", "--flatten", "--json")

    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert (found["standing"], found["confirmed_by"], found["halt_files"]) == (None, None, [str(folder / FILE)])
    assert "halts before anything else when it starts" in found["done"]
    assert "no confirmation: execution is not running" in result.stderr
    assert "positions were not closed" in result.stderr


def test_a_halt_asks_for_its_own_name_and_does_nothing_before(home: Path, folder: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        refused = [typed(text, "trading", "halt") for text in ("", "yes\n", "HALT\n")]
        before = (folder / FILE).exists()
        done = typed("halt\n", "trading", "halt", "--json")

    assert [result.exit_code for result in refused] == [4, 4, 4]
    assert not before
    assert done.exit_code == 0
    assert len(execution.asked) == 1


def test_a_dry_run_of_a_halt_tells_what_would_be_cancelled_and_changes_nothing(
    document: Any, home: Path, folder: Path
) -> None:
    execution = StandingExecution()
    with house(home, execution):
        found = document("trading", "halt", "--dry-run")

    assert found["cancelled"] == [f"{1:032x}", f"{4:032x}"], "working orders, and no protection"
    assert found["halt_files"] == [str(folder / FILE)]
    assert (execution.asked, (folder / FILE).exists()) == ([], False)


def test_a_halt_means_the_accounts_in_hand_whatever_the_configuration_says(lct: Any, home: Path) -> None:
    """A house that replays runs another account than that of house.toml, which may be broken besides."""
    (home / "config").mkdir()
    (home / "config" / "house.toml").write_text("what = 'is this'\n")
    other = home / "journal" / "paper-paper-replay"
    other.mkdir(parents=True)
    lock = SqliteJournal(other / "execution.db")
    result = lct("trading", "halt", "--yes", "--json")
    lock.close()
    named = lct("trading", "halt", "--yes", "--json")

    assert json.loads(result.stdout)["halt_files"] == [str(other / FILE)]
    assert named.exit_code == 2, "nothing is in hand, and the configuration names no account"


# -- resume ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [Standing.HALTED, Standing.REDUCING])
def test_what_is_latched_is_resumed_only_by_who_checked(
    lct: Any, document: Any, home: Path, standing: Standing
) -> None:
    execution = StandingExecution(standing, f"mismatch {FOREIGN}", "execution")
    with house(home, execution, engine()):
        refused = lct("trading", "resume")
        before = list(execution.asked)
        resumed = document("trading", "resume", "--i-checked", "--reason", "explained")

    assert refused.exit_code == 4
    assert f"the gate is {standing.value} (execution, mismatch [2Jevil)" in refused.stderr
    assert "lct trading resume --i-checked" in refused.stderr
    assert before == []
    assert execution.asked == [Resume("explained", "operator")]
    assert (resumed["standing"], resumed["gate"], resumed["state"]) == ("active", "resumed", "running")


def test_a_file_that_stands_is_enough_to_refuse_and_goes_before_execution_is_asked(
    lct: Any, document: Any, home: Path, folder: Path
) -> None:
    pull(folder, "too hot", "ada")
    execution = StandingExecution()
    execution.refuses = "the last comparison was not even"
    with house(home, execution, engine()):
        refused = lct("trading", "resume")
        stood = (folder / FILE).exists()
        not_even = lct("trading", "resume", "--i-checked")

    assert (refused.exit_code, stood) == (4, True)
    assert str(folder / FILE) in refused.stderr
    assert not_even.exit_code == 4
    assert "the last comparison was not even" in not_even.stderr
    assert not (folder / FILE).exists(), "the latch is execution's own"


def test_without_execution_the_file_goes_and_the_rest_is_said_to_be_open(lct: Any, folder: Path) -> None:
    pull(folder, "too hot", "ada")
    result = lct("trading", "resume", "--i-checked")

    assert result.exit_code == 3
    assert "If it was halted, it still is" in result.stderr
    assert not (folder / FILE).exists()


def test_a_pause_is_resumed_without_having_checked_anything(document: Any, home: Path) -> None:
    paused = engine(Trading.PAUSED)
    with house(home, StandingExecution(), paused):
        found = document("trading", "resume")

    assert (found["state"], found["changed"], paused.trading.state) == ("running", True, Trading.RUNNING)


def test_one_symbol_is_let_go_and_the_engine_is_not_asked(document: Any, home: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        found = document("trading", "resume", "--i-checked", "--symbol", "ETH/USDT")

    assert execution.asked == [Resume("", "operator", "ETH/USDT")]
    assert found == {"standing": "active", "gate": "resumed", "removed": []}


def test_status_tells_of_the_gate_and_of_the_file(document: Any, home: Path, folder: Path) -> None:
    pull(folder, "", "ada")
    with house(home, StandingExecution(Standing.HALTED, "too hot", "ada"), engine()):
        found = document("trading", "status")
    with house(home, engine()):
        without = document("trading", "status")

    assert {name: found[name] for name in ("state", "standing", "standing_reason", "standing_by", "halt_files")} == {
        "state": "running",
        "standing": "halted",
        "standing_reason": "too hot",
        "standing_by": "ada",
        "halt_files": [str(folder / FILE)],
    }
    assert without["standing"] is None


def test_flatten_asks_first_and_names_what_it_closes(home: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        refused = typed("no\n", "trading", "flatten", "--symbol", "BTC/USDT")
        done = typed("flatten\n", "trading", "flatten", "--symbol", "BTC/USDT", "--book", "trend", "--json")

    assert refused.exit_code == 4
    assert "close BTC/USDT at the market" in refused.stderr
    assert json.loads(done.stdout) == {"standing": "reducing", "changed": True, "done": "2 positions are closed"}
    assert execution.asked == [Flatten("", "operator", "BTC/USDT", "trend")]


# -- orders ---------------------------------------------------------------------------------------------------------


DEEDS = {
    "cancel": (("cancel", ID), CancelOrder(ID, "why", "operator")),
    "cancel-all": (("cancel-all",), CancelOrder(None, "why", "operator")),
    "resolve absent": (("resolve", ID, "--absent"), Resolve(ID, State.ABSENT, "why", "operator")),
    "resolve over": (("resolve", ID, "--over"), Resolve(ID, State.CANCELED, "why", "operator")),
}


@pytest.mark.parametrize(("words", "asked"), DEEDS.values(), ids=DEEDS)
def test_what_a_person_may_do_about_an_order(document: Any, home: Path, words: tuple[str, ...], asked: Any) -> None:
    execution = StandingExecution()
    with house(home, execution):
        untyped = typed("", "execution", *words)
        found = document("execution", *words, "--reason", "why", "--yes")

    assert untyped.exit_code == 4
    assert list(found) == ["standing", "changed", "done"]
    assert execution.asked == [asked]


def test_adopting_gives_a_book_what_lies_in_the_account(document: Any, home: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        document("execution", "adopt", "BTC/USDT", "0.5", "--price", "42000", "--book", "trend", "--yes")

    assert execution.asked == [Adopt("BTC/USDT", "trend", Decimal("0.5"), Decimal(42_000), "operator")]


@pytest.mark.parametrize(
    "words",
    [
        ("resolve", ID, "--yes"),
        ("resolve", ID, "--absent", "--over", "--yes"),
        ("adopt", "BTC/USDT", "-1", "--price", "1", "--book", "trend", "--yes"),
        ("adopt", "BTC/USDT", "1", "--price", "nan", "--book", "trend", "--yes"),
        ("reconcile", "--explain", "USDT", "250", "--yes"),
        ("reconcile", "--explain", "USDT", "0", "--reason", "x", "--yes"),
        ("reconcile", "--explain", "USDT", "much", "--reason", "x", "--yes"),
    ],
)
def test_what_makes_no_sense_is_bad_usage_and_asks_nobody(lct: Any, home: Path, words: tuple[str, ...]) -> None:
    execution = StandingExecution()
    with house(home, execution):
        result = lct("execution", *words)

    assert result.exit_code == 2
    assert execution.asked == []


def test_dry_runs_of_cancels_tell_which_orders_and_change_nothing(document: Any, lct: Any, home: Path) -> None:
    execution = StandingExecution()
    with house(home, execution):
        one = document("execution", "cancel", ID, "--dry-run")
        every = document("execution", "cancel-all", "--dry-run")
        nobody = lct("execution", "cancel", "f" * 32, "--dry-run")

    assert (one["client_order_id"], one["status"]) == (ID, "open")
    assert [row["status"] for row in every] == ["open", "unknown"]
    assert nobody.exit_code == 5
    assert execution.asked == []


# -- comparing ------------------------------------------------------------------------------------------------------


def test_a_comparison_that_comes_out_even_ends_with_0(document: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.foreign = ("7781",)
    with house(home, execution):
        found = document("execution", "reconcile")

    assert found == {
        "even": True,
        "reconciled_at": "2024-01-01T00:00:01Z",
        "standing": "active",
        "differences": [],
        "foreign": ["7781"],
        "unknown": [f"{4:032x}"],
    }
    assert execution.asked == [Reconcile()]


def test_a_difference_is_shown_cleaned_and_ends_with_1(lct: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.differences = (Difference("balance", f"USDT{FOREIGN}", "100", "350"),)
    with house(home, execution):
        table = lct("execution", "reconcile")
        told = lct("execution", "reconcile", "--json")

    assert (table.exit_code, told.exit_code) == (1, 1)
    assert "\x1b" not in table.stdout
    assert json.loads(told.stdout)["differences"][0]["theirs"] == "350"


def test_explaining_comes_before_comparing(document: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.differences = (Difference("balance", "USDT", "100", "350"),)
    with house(home, execution):
        found = document("execution", "reconcile", "--explain", "USDT", "-250", "--reason", "rent", "--yes")

    assert execution.asked == [Explain("USDT", Decimal(-250), "rent", "operator"), Reconcile()]
    assert found["even"]


def test_a_venue_that_tells_nothing_is_no_answer(lct: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.compares = False
    with house(home, execution):
        result = lct("execution", "reconcile", "--wait", "0.2")

    assert result.exit_code == 3
    assert "no comparison came to an end within 0.2 s" in result.stderr


def test_a_house_that_compares_nothing_says_so_at_once(lct: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.reconciled_ns = None
    with house(home, execution):
        result = lct("execution", "reconcile")

    assert result.exit_code == 4
    assert "in replayed time the paper venue is a part of it" in result.stderr
    assert execution.asked == []


def test_order_ids_complete(home: Path) -> None:
    with house(home, StandingExecution()):
        found = list(operating.complete_orders("0" * 31))
        none = list(operating.complete_orders("f"))

    assert found == [f"{number:032x}" for number in (1, 2, 3, 4)]
    assert none == []
    assert list(operating.complete_orders("")) == [], "nobody is there"


def test_a_refusal_of_execution_is_exit_code_4(lct: Any, home: Path) -> None:
    execution = StandingExecution()
    execution.refuses = "this order is not unknown"
    with house(home, execution):
        result = lct("execution", "resolve", ID, "--absent", "--yes")

    assert result.exit_code == 4
    assert "this order is not unknown" in result.stderr
