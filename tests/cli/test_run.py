"""`lct run` and what is read from its home afterwards: it goes on after anything, and its shapes are fixed."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from lct.messages.base import encode, tag_of
from lct.messages.execution import Deposited
from lct.store.journal import Fact
from lct.store.sqlite import SqliteJournal

SMALL = ("--days", "1", "--symbols", "BTC/USDT,ETH/USDT", "--strategies", "ema_cross,trend")
FAST = ("--set", "strategy_engine.parameters.ema_cross.fast=3", "--set", "strategy_engine.parameters.ema_cross.slow=8")
SUMMARY = ["cycles", "md_seq", "time", "equity", "profit", "orders", "fills", "open_positions", "finished"]


@pytest.fixture
def played(document: Any) -> Any:
    """A home in which a house ran for 600 minutes."""
    return document("run", *SMALL, *FAST, "--cycles", "600")


def test_a_run_goes_on_where_the_last_stopped(document: Any) -> None:
    first = document("run", *SMALL, "--cycles", "100")
    second = document("run", "--strategies", "ema_cross", "--cycles", "50")

    assert list(first) == SUMMARY
    assert (first["cycles"], first["md_seq"], first["time"]) == (100, 100, "2024-01-01T01:40:00Z")
    assert (second["cycles"], second["md_seq"], second["finished"]) == (50, 150, False)


def test_a_strategy_that_still_holds_something_cannot_be_left_out(document: Any, lct: Any) -> None:
    document("run", *SMALL, "--cycles", "100")
    assert document("portfolio", "positions") != [], "the test needs a position"

    refused = lct("run", "--strategies", "trend", "--cycles", "50")

    assert refused.exit_code == 4
    assert "ema_cross still holds" in refused.stderr


def test_an_account_that_was_put_aside_begins_anew(document: Any, lct: Any, home: Path) -> None:
    document("run", *SMALL, "--cycles", "100")

    aside = Path(document("portfolio", "reset", "--yes")["put_aside"])

    assert (aside / "house.db").exists()
    assert lct("portfolio", "pnl").exit_code == 5
    assert document("run", *SMALL, "--cycles", "10")["md_seq"] == 10


def test_an_account_is_not_put_aside_without_a_word(document: Any, lct: Any) -> None:
    document("run", *SMALL, "--cycles", "10")

    assert lct("portfolio", "reset").exit_code != 0
    assert document("portfolio", "pnl")["fills"] >= 0


def test_pieces_end_where_one_run_ends(document: Any, tmp_path: Path) -> None:
    whole = document("run", *SMALL, *FAST, "--home", str(tmp_path / "whole"))
    for _ in range(3):
        pieces = document("run", *SMALL, *FAST, "--cycles", "500", "--home", str(tmp_path / "pieces"))

    assert (whole["finished"], pieces["finished"]) == (True, True)
    assert {**pieces, "cycles": 0} == {**whole, "cycles": 0}
    assert whole["orders"] > 0
    assert document("run", "--home", str(tmp_path / "whole"))["cycles"] == 0


def test_killed_at_any_time_it_ends_where_an_undisturbed_run_ends(spawn: Any, home: Path, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")  # noqa: TID251 - which moments to kill at; printed, to repeat them
    print("seed", seed)  # noqa: T201 - shown when it fails
    random = Random(seed)
    words = ["run", "--days", "3", *SMALL[2:], *FAST, "--json"]
    undisturbed = json.loads(spawn(*words, "--home", str(tmp_path / "undisturbed")).stdout)
    kills = 0

    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", "lct", *words],
            env={**os.environ, "LCT_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0.6, 1.6))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    done = spawn(*words)

    assert done.returncode == 0, done.stderr
    assert kills > 0
    assert {**json.loads(done.stdout), "cycles": 0} == {**undisturbed, "cycles": 0}
    assert spawn("journal", "verify").returncode == 0


def test_an_interrupt_stops_cleanly_and_the_next_run_goes_on(home: Path, document: Any) -> None:
    words = ["run", "--days", "30", *SMALL[2:], "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", *words],
        env={**os.environ, "LCT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(home / "journal" / "paper-paper-main" / "paper.db")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)

    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    stopped = json.loads(out)
    assert stopped["finished"] is False
    assert document("run", *SMALL[-2:], "--cycles", "10")["md_seq"] == stopped["md_seq"] + 10


def test_a_halted_account_does_not_run_before_somebody_checked(lct: Any, document: Any, home: Path) -> None:
    document("run", *SMALL, "--cycles", "10")
    halted = lct("trading", "halt", "--yes", "--reason", "too hot")
    refused = lct("run", *SMALL[-2:], "--cycles", "10")
    unchecked = lct("trading", "resume")
    resumed = lct("trading", "resume", "--i-checked")

    assert (unchecked.exit_code, resumed.exit_code) == (4, 0), resumed.stderr
    assert halted.exit_code == 3, "nobody runs, so only the file stands"
    assert refused.exit_code == 4
    assert "paper-paper-main is halted (operator, too hot)" in refused.stderr
    assert "lct trading resume --i-checked --account main" in refused.stderr
    assert document("run", *SMALL[-2:], "--cycles", "10")["md_seq"] == 20


def test_a_halt_stops_a_run_between_two_rounds(home: Path, spawn: Any) -> None:
    words = ["run", "--days", "60", *SMALL[2:], "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", *words],
        env={**os.environ, "LCT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(home / "journal" / "paper-paper-main" / "paper.db")
    time.sleep(0.5)
    spawn("trading", "halt", "--yes", "--json")

    out, err = process.communicate(timeout=60)

    assert process.returncode == 4, err
    assert json.loads(out)["finished"] is False
    assert "is halted (operator)" in err
    assert "protection stands" in err
    assert json.loads(spawn("execution", "status", "--json").stdout)["standing"] == "halted"
    checked = spawn("trading", "resume", "--i-checked", "--json")
    assert json.loads(checked.stdout)["standing"] == "active", checked.stderr
    assert json.loads(spawn("execution", "status", "--json").stdout)["standing"] == "active"
    assert spawn("journal", "verify").returncode == 0


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.perf_counter() + 30
    while not path.exists():
        assert time.perf_counter() < deadline, f"{path} did not come"
        time.sleep(0.05)


def test_a_second_run_of_the_same_home_is_refused(home: Path, lct: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", "run", "--days", "30", *SMALL[2:]],
        env={**os.environ, "LCT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(home / "journal" / "paper-paper-main" / "house.json")

    second = lct("run", "--days", "30", *SMALL[2:])
    process.kill()
    process.wait()

    assert second.exit_code == 4
    assert "in use by another lct process" in second.stderr


def test_another_market_is_refused(played: Any, lct: Any) -> None:
    result = lct("run", "--cash", "5")

    assert result.exit_code == 4
    assert "cash" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("portfolio", "positions"),
        ("portfolio", "pnl"),
        ("execution", "orders"),
        ("execution", "fills"),
        ("journal", "verify"),
    ],
    ids=" ".join,
)
def test_where_nothing_ran_it_says_so(lct: Any, words: tuple[str, ...]) -> None:
    result = lct(*words)

    assert result.exit_code == 5
    assert "lct run" in result.stderr


def test_positions_have_their_shape(played: Any, document: Any, lct: Any) -> None:
    found = document("portfolio", "positions")

    keys = ["symbol", "amount", "average_price", "mark_price", "unrealized_profit", "realized_profit", "strategy"]
    assert played["open_positions"] == len(found) > 0
    assert all(list(line) == keys and all(isinstance(value, str) for value in line.values()) for line in found)
    assert "fees" in lct("portfolio", "positions").stdout


def test_profit_adds_up(played: Any, document: Any) -> None:
    from decimal import Decimal

    found = document("portfolio", "pnl")

    parts = {
        name: Decimal(found[name]) for name in ("deposits", "realized_profit", "unrealized_profit", "fees", "equity")
    }
    made = parts["realized_profit"] + parts["unrealized_profit"] - parts["fees"]
    assert parts["deposits"] + made == parts["equity"] == Decimal(played["equity"])
    assert {"asset", "total"} == set(document("portfolio", "balances")[0])


def test_trades_and_fills_go_to_csv(played: Any, document: Any, tmp_path: Path) -> None:
    trades = document("portfolio", "trades", "--last", "3", "--csv", str(tmp_path / "trades.csv"))
    fills = document("execution", "fills", "--csv", str(tmp_path / "fills.csv"))

    assert len(trades) == 3
    assert len(fills) == played["fills"]
    for name, rows in (("trades", trades), ("fills", fills)):
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            assert list(csv.DictReader(file)) == rows


def test_orders_have_their_shape(played: Any, document: Any) -> None:
    kept, every = document("execution", "orders"), document("execution", "orders", "--all")

    keys = "client_order_id venue_order_id venue symbol side type amount price filled average_price status strategy"
    assert all(list(order) == [*keys.split(), "created_at", "reason"] for order in every)
    assert len(every) == played["orders"]
    assert sorted(order["client_order_id"] for order in kept) == sorted(order["client_order_id"] for order in every)
    assert document("execution", "orders", "--all", "--last", "2") == every[-2:]
    assert {order["status"] for order in every} <= {"filled", "open", "canceled", "sending"}


def test_the_journal_is_shown_verified_and_queried(played: Any, lct: Any, document: Any) -> None:
    lines = [
        json.loads(line)
        for line in lct("journal", "show", "--type", "execution.filled", "--last", "2", "--json").stdout.splitlines()
    ]
    counted = document(
        "journal", "query", "select daemon, count(*) as rows from journal group by daemon order by daemon"
    )

    keys = ["daemon", "journal_seq", "epoch", "round", "time", "type", "heard_ref", "hash", "body"]
    assert [list(line) for line in lines] == [keys, keys]
    assert lines[0]["body"]["state"] == "filled"
    verified = [{**row, "file": "house.db", "violations": []} for row in counted]
    assert document("journal", "verify") == verified


def test_what_no_chain_shows_is_named_by_the_audit(played: Any, lct: Any, home: Path) -> None:
    """Whoever can write the file can make its chains anew; the checker looks at what the rows say."""
    folder = home / "journal" / "paper-paper-main"
    journal = SqliteJournal(folder / "house.db")
    seq = max(row.journal_seq for row in journal.rows("execution")) + 1
    twice = Deposited(seq, 0, "USDT", Decimal(1), "venue:x")
    for number in (seq, seq + 1):
        fact = Fact("execution", "", tag_of(Deposited), encode(replace(twice, journal_seq=number)))
        journal.commit([fact], journal.cursor())
    journal.close()

    result = lct("journal", "verify", "--json")

    assert result.exit_code == 1
    assert f"I18 execution row {seq + 1}: venue:x is booked twice" in result.stderr
    row = next(row for row in json.loads(result.stdout) if row["daemon"] == "execution")
    assert [one["invariant"] for one in row["violations"]] == ["I18", "I08"], "the paper account has no such coins"


def test_a_changed_row_is_named(played: Any, lct: Any, home: Path) -> None:
    path = home / "journal" / "paper-paper-main" / "house.db"
    db = sqlite3.connect(path)
    db.execute("update journal set now_ns = now_ns + 1 where daemon = 'portfolio' and journal_seq = 3")
    db.commit()
    db.close()

    result = lct("journal", "verify", str(path))

    assert result.exit_code == 1
    assert "journal of portfolio: row 3" in result.stderr
    assert lct("doctor").exit_code == 1


def test_a_query_that_never_ends_can_be_interrupted(played: Any, home: Path) -> None:
    endless = "with recursive n(i) as (select 1 union all select i from n) select count(*) from n"
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", "journal", "query", endless],
        env={**os.environ, "LCT_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (130, "interrupted\n")


def test_what_is_no_number_is_null(played: Any, document: Any) -> None:
    assert document("journal", "query", "select 9e999 as x, x'ff' as y") == [{"x": None, "y": "ff"}]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from journal",
        "attach 'x.db' as x",
        "pragma journal_mode = delete",
        "select load_extension('x')",
        "nonsense",
    ],
)
def test_a_query_only_reads(played: Any, lct: Any, home: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)

    result = lct("journal", "query", sql)

    assert result.exit_code == 2, result.stdout
    assert not (home / "x.db").exists()


def test_a_file_that_is_no_journal_is_refused(lct: Any, tmp_path: Path) -> None:
    (tmp_path / "house.db").write_text("hello" * 1000)

    assert lct("journal", "verify", str(tmp_path)).exit_code == 1
    assert lct("journal", "verify", str(tmp_path / "nowhere")).exit_code == 5


def test_a_broken_record_of_the_first_run_is_named(played: Any, lct: Any, home: Path) -> None:
    (home / "journal" / "paper-paper-main" / "house.json").write_text("{")

    result = lct("run", "--cycles", "1")

    assert result.exit_code == 1
    assert "house.json cannot be read" in result.stderr


@pytest.mark.parametrize("account", ["../../x", "a-b", "/abs", "a\nb", ""])
def test_an_account_is_no_path(lct: Any, home: Path, account: str) -> None:
    assert lct("run", "--account", account).exit_code == 2
    assert lct("portfolio", "pnl", "--account", account).exit_code == 2
    assert not home.exists()


def test_accounts_have_their_own_houses(document: Any, home: Path) -> None:
    document("run", *SMALL, "--cycles", "10")
    document("run", *SMALL, "--cycles", "20", "--account", "second", "--cash", "500")

    assert document("portfolio", "pnl")["deposits"] == "10000"
    assert document("portfolio", "pnl", "--account", "second")["deposits"] == "500"


def test_everything_in_the_home_is_closed_to_others(played: Any, home: Path) -> None:
    assert [path for path in home.rglob("*") if path.stat().st_mode & 0o077] == []


def test_each_start_and_stop_is_a_line_in_the_log_of_the_home(document: Any, home: Path) -> None:
    document("run", *SMALL, "--cycles", "30")
    document("run", *SMALL[-2:], "--cycles", "20")

    lines = [json.loads(line) for line in (home / "log" / "house.log").read_text().splitlines()]

    assert [line["message"] for line in lines] == ["house.started", "house.stopped"] * 2
    assert [line["md_seq"] for line in lines] == [0, 30, 30, 50]
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2]
