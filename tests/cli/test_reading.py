"""What a house of processes did is read like that of one process: while it runs, and from journals when it is gone."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemons.portfolio import Portfolio
from lct.run.config import journal_folder
from lct.run.house import load_settings
from lct.run.members import feed
from lct.store.sqlite import SqliteJournal, lock_of
from tests.cli.answering import answering
from tests.cli.wire_home import furnish, living, play
from tests.wire.processes import Processes

NS = 1_700_000_000_000_000_000
NOTE = "nothing runs: as of the last commit, without marks"
SCRATCH = (".db-shm", ".db-wal")
"""What SQLite makes beside a database that it reads."""


@pytest.fixture(scope="module")
def played() -> Iterator[Path]:
    """A home whose house of processes has played two days; nobody changes it."""
    with tempfile.TemporaryDirectory(prefix="lct") as home:
        play(Path(home), furnish(Path(home)))
        yield Path(home)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for sockets."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("LCT_HTTP_PORTS", "auto")
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        yield Path(folder)


@pytest.fixture
def gone(home: Path, played: Path) -> Path:
    """The folder of the journals of that house, in a home of its own."""
    shutil.copytree(played, home, dirs_exist_ok=True)
    return account(home)


def account(home: Path) -> Path:
    return journal_folder(home, load_settings(home / "config").house)


def contents(home: Path) -> dict[str, bytes]:
    """Return all files with what is in them."""
    files = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(SCRATCH))
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def change_a_row(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("update journal set now_ns = now_ns + 1 where journal_seq = 3")
    db.commit()
    db.close()


# -- nothing runs --------------------------------------------------------------------------------------------------


def test_its_journals_tell_what_one_process_tells(gone: Path, document: Any, home: Path, tmp_path: Path) -> None:
    furnish(tmp_path)
    document("run", "--home", str(tmp_path))
    verbs = ("portfolio balances", "portfolio trades", "execution orders", "execution orders --all", "execution fills")

    told, expected = (
        {verb: document(*verb.split(), "--home", str(root)) for verb in (*verbs, "portfolio positions")}
        for root in (home, tmp_path)
    )

    positions, marked = told.pop("portfolio positions"), expected.pop("portfolio positions")
    assert told == expected
    assert len(told["portfolio trades"]) > 20
    assert positions == [{**line, "mark_price": None, "unrealized_profit": None} for line in marked] != []


def test_profit_without_marks_tells_all_that_the_ledger_knows(gone: Path, document: Any) -> None:
    found = document("portfolio", "pnl")

    assert (found["equity"], found["profit"], found["unrealized_profit"]) == (None, None, None)
    assert found["deposits"] == "10000"
    assert found["fills"] == len(document("execution", "fills")) > 0
    assert found["time"] <= "2024-01-03T00:00:00Z"


@pytest.mark.parametrize("verb", ["portfolio positions", "execution orders", "execution fills", "journal show"])
def test_reading_writes_nothing_and_takes_no_lock(gone: Path, lct: Any, home: Path, verb: str) -> None:
    before = contents(home)
    with lock_of(gone / "market_data.db"):  # whoever would take all of them would fail
        result = lct(*verb.split())

    assert result.exit_code == 0, result.stderr
    assert contents(home) == before


def test_what_the_answer_rests_on_is_said_unless_it_is_to_be_quiet(gone: Path, lct: Any) -> None:
    assert lct("portfolio", "balances").stderr.strip() == NOTE
    assert lct("portfolio", "balances", "--quiet").stderr == ""


def test_what_keeps_nothing_cannot_be_asked_when_it_is_gone(gone: Path, home: Path) -> None:
    from lct.errors import NoAnswer
    from lct.messages.strategy_engine import GetSignals
    from lct.run.reading import ask

    with pytest.raises(NoAnswer, match="strategy_engine does not run"):
        ask(home, load_settings(home / "config"), GetSignals(None, 5), lambda _: None)


def test_where_nothing_has_run_both_ways_to_begin_are_named(lct: Any, home: Path) -> None:
    furnish(home)

    result = lct("portfolio", "positions")

    assert result.exit_code == 5
    assert "`lct up`" in result.stderr
    assert "`lct run --cycles 100`" in result.stderr


def test_orders_go_to_csv_too(gone: Path, lct: Any, tmp_path: Path) -> None:
    lct("execution", "orders", "--all", "--last", "2", "--csv", str(tmp_path / "orders.csv"))

    head, *rows = (tmp_path / "orders.csv").read_text().splitlines()
    assert head.startswith("client_order_id,venue_order_id,venue,symbol")
    assert len(rows) == 2


# -- somebody lives ------------------------------------------------------------------------------------------------


def fresh_portfolio(home: Path) -> Portfolio:
    """Return a daemon that knows of nothing, which no journal of the home would say."""
    return Portfolio(feed(load_settings(home / "config").house).instruments())


def test_a_daemon_that_lives_answers_itself(gone: Path, lct: Any, home: Path) -> None:
    house = load_settings(home / "config").house
    with living(home, house, "portfolio"), answering(home, fresh_portfolio(home), NS):
        result = lct("portfolio", "positions", "--json")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "[]\n", "")


def test_a_house_that_lives_and_keeps_silent_is_no_answer(gone: Path, lct: Any, home: Path) -> None:
    with living(home, load_settings(home / "config").house, "market_data"):
        result = lct("portfolio", "positions")

    assert result.exit_code == 3


def test_a_house_that_runs_on_another_account_does_not_speak_for_this_one(gone: Path, lct: Any, home: Path) -> None:
    house = load_settings(home / "config").house
    with living(home, other(house), "portfolio"), answering(home, fresh_portfolio(home), NS):
        asked_main = lct("portfolio", "balances")
        asked_second = lct("portfolio", "balances", "--account", "second")
        asked_third = lct("portfolio", "balances", "--account", "third")

    assert asked_main.exit_code == 0
    assert "BTC" in asked_main.stdout
    assert "--account second asks it; this is paper-paper-main as of its last commit" in asked_main.stderr
    assert "BTC" not in asked_second.stdout
    assert asked_third.exit_code == 5
    assert "--account second asks it" in asked_third.stderr


def other(house: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(house, account="second")


def test_processes_answer_while_they_run_and_their_journals_afterwards(lct: Any, document: Any, home: Path) -> None:
    furnish(home)
    processes = Processes(home)
    with processes:
        processes.play_to_the_end(100)
        running = document("portfolio", "positions")
        profit = document("portfolio", "pnl")
        orders = document("execution", "orders")
        refused = [lct("portfolio", "reset", "--yes"), lct("run", "--cycles", "1")]
        checked = lct("journal", "verify")
    found = document("portfolio", "positions")

    assert profit["equity"] is not None
    assert all(line["mark_price"] is not None for line in running)
    assert running != []
    assert found == [{**line, "mark_price": None, "unrealized_profit": None} for line in running]
    assert document("execution", "orders") == orders
    assert [one.exit_code for one in refused] == [4, 4]
    assert checked.exit_code == 0, checked.stderr
    assert not (account(home) / "house.db").exists()


# -- putting aside, and running the other way ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["execution", "market_data", "rounds"])
def test_an_account_is_not_put_aside_while_any_of_its_processes_lives(gone: Path, lct: Any, name: str) -> None:
    with lock_of(gone / f"{name}.db"):
        refused = lct("portfolio", "reset", "--yes")
    moved = lct("portfolio", "reset", "--yes", "--json")

    assert refused.exit_code == 4
    assert f"in use by another lct process ({name}); `lct down`" in refused.stderr
    assert moved.exit_code == 0, moved.stderr
    assert not gone.exists()
    assert (gone.with_name(f"{gone.name}.1.old") / "execution.db").exists()
    assert not (gone.with_name(f"{gone.name}.1.old") / "house.db").exists()


def test_an_account_of_processes_is_not_run_in_one(gone: Path, lct: Any, home: Path) -> None:
    before = {path: path.read_bytes() for path in gone.iterdir()}

    result = lct("run", "--cycles", "1")

    assert result.exit_code == 4
    assert "paper-paper-main was begun by `lct up`" in result.stderr
    assert {path: path.read_bytes() for path in gone.iterdir()} == before


def test_an_account_that_one_process_of_a_house_has_begun_is_not_run_in_one(home: Path, lct: Any) -> None:
    folder = journal_folder(home, furnish(home).house)
    SqliteJournal(folder / "market_data.db").close()

    assert lct("run", "--cycles", "1").exit_code == 4
    assert not (folder / "house.db").exists()


# -- the journals themselves ---------------------------------------------------------------------------------------


def test_rows_of_all_daemons_are_shown_by_time(gone: Path, lct: Any) -> None:
    rows = lines(lct("journal", "show", "--last", "40", "--json"))
    one = lines(lct("journal", "show", "--last", "40", "--daemon", "portfolio", "--json"))

    assert len(rows) == 40
    assert {row["daemon"] for row in rows} == {"execution", "portfolio", "trading_engine"}
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    for name in ("execution", "portfolio"):
        numbers = [row["journal_seq"] for row in rows if row["daemon"] == name]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "in the order of their journal, none left out"
    assert {row["daemon"] for row in one} == {"portfolio"}


def lines(result: Any) -> list[Any]:
    import json

    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("words", [("show",), ("query", "select 1")], ids=" ".join)
def test_a_daemon_that_is_none_is_named_with_the_nearest(gone: Path, lct: Any, words: tuple[str, ...]) -> None:
    result = lct("journal", *words, "--daemon", "executon")

    assert result.exit_code == 5
    assert "did you mean 'execution'?" in result.stderr


def test_every_file_is_verified_and_those_that_do_not_hold_are_named(gone: Path, lct: Any, document: Any) -> None:
    well = document("journal", "verify")
    for name in ("portfolio", "execution"):
        change_a_row(gone / f"{name}.db")
    ill = lct("journal", "verify")

    names = ("execution", "market_data", "portfolio", "strategy_engine", "trading_engine")
    assert [(row["daemon"], row["file"]) for row in well] == [(name, f"{name}.db") for name in names]
    assert sum(row["rows"] for row in well) > 500
    assert ill.exit_code == 1
    for name in ("portfolio", "execution"):
        assert f"{gone / name}.db: journal of {name}: row 3" in ill.stderr
    assert lct("journal", "verify", str(gone / "trading_engine.db")).exit_code == 0


def test_what_is_shown_of_a_broken_chain_comes_with_a_warning(gone: Path, lct: Any) -> None:
    change_a_row(gone / "execution.db")
    warning = "the chain of execution does not hold: lct journal verify"

    fills, shown = lct("execution", "fills"), lct("journal", "show")
    others = lct("journal", "show", "--daemon", "portfolio")

    assert (fills.exit_code, shown.exit_code) == (0, 0)
    assert fills.stderr.strip() == shown.stderr.strip() == warning
    assert others.stderr == ""
    for verb in (("execution", "orders"), ("execution", "orders", "--all")):
        assert lct(*verb).exit_code == 1, "what was changed cannot be folded"


def test_a_query_asks_the_journal_of_one_daemon(gone: Path, document: Any) -> None:
    sql = "select distinct daemon from journal"

    assert document("journal", "query", sql) == [{"daemon": "execution"}]
    assert document("journal", "query", sql, "--daemon", "portfolio") == [{"daemon": "portfolio"}]


def test_the_risk_of_an_account_is_told_for_people_and_for_programs(lct: Any, home: Path) -> None:
    lct("run", "--days", "1", "--cycles", "600", "--symbols", "BTC/USDT", "--strategies", "ema_cross")

    document = json.loads(lct("portfolio", "risk", "--json", "--confidence", "0.99").stdout)
    told = lct("portfolio", "risk")

    assert list(document) == [
        "time",
        "equity",
        "spread",
        "by_venue",
        "drawdown",
        "drawdown_max",
        "tail",
        "correlations",
    ]
    assert document["tail"]["confidence"] == 0.99
    assert told.exit_code == 0
    assert "gross exposure" in told.stdout
    assert lct("portfolio", "risk", "--confidence", "2").exit_code == 2
