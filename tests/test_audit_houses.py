"""The independent checker over houses that ran, and against what the venue of a simulation knows."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lct.audit import Against, Audit, Identity
from lct.simulation.house import INSTALL_ID, Stand
from lct.simulation.plan import GRAVE, draw
from lct.simulation.run import _Run
from lct.store.journal import Row
from tests.audited import (
    D,
    audited,
    invariants,
    rehashed,
    rewritten,
)

# --- houses that ran


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    run_lct(made, "run", "--cycles", "2000", "--quiet")
    return made


def run_lct(home: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lct", *words],
        env={**os.environ, "LCT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def folder_of(home: Path) -> Path:
    return home / "journal" / "paper-paper-main"


def rows_of(path: Path) -> list[Row]:
    columns = "daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body"
    db = sqlite3.connect(path)
    rows = [Row._make(row) for row in db.execute(f"select {columns} from journal order by position")]
    db.close()
    return rows


def command(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lct.audit", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_house_of_two_thousand_cycles_gives_no_alarm(home: Path) -> None:
    code, printed = command(folder_of(home), "--json")

    assert (code, json.loads(printed)) == (0, [])
    assert len(rows_of(folder_of(home) / "house.db")) > 3_000, "there was something to check"


def test_its_orders_are_those_of_its_own_installation_only(home: Path) -> None:
    code, printed = command(folder_of(home), "--json", "--install-id", "f" * 32)

    assert code == 1
    assert {one["invariant"] for one in json.loads(printed)} == {"I03"}


CHANGES = {
    "amount": lambda value: str(D(value) * 2),
    "price": lambda value: str(D(value) + D("0.00000001")),
    "fee": lambda value: str(D(value) - D("0.00000001")),
    "side": lambda value: "sell" if value == "buy" else "buy",
    "trade_id": lambda value: value + "0",
    "client_order_id": lambda value: value[::-1],
}


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_no_change_to_a_fill_of_a_real_run_goes_unnoticed(home: Path, data: st.DataObject) -> None:
    rows = rows_of(folder_of(home) / "house.db")
    fills = [n for n, row in enumerate(rows) if row.type == "execution.filled"]
    at = data.draw(st.sampled_from(fills))
    field = data.draw(st.sampled_from(sorted(CHANGES)))
    value = msgpack.unpackb(rows[at].body)[field]

    audit = audited(rehashed([*rows[:at], rewritten(rows[at], **{field: CHANGES[field](value)}), *rows[at + 1 :]]))

    assert "I17" in invariants(audit)
    assert "I16" not in invariants(audit)


@pytest.fixture(scope="module", params=[8, 14, 22])
def simulated(request: pytest.FixtureRequest) -> Iterator[tuple[list[Row], Stand]]:
    run = _Run(draw(request.param, 20))
    house = run._play()  # noqa: SLF001 - the outcome has no rows
    yield list(house.bus.journal.rows()), run.stand
    assert not any(f"time.{kind}" in run.stand.struck.struck for kind in GRAVE), "a seed without what is wrong at once"


def folded(rows: list[Row]) -> Audit:
    audit = Audit(Identity(INSTALL_ID, "paper", "main"))
    for row in rows:
        audit.take(row)
    audit.settle()
    audit.settle()  # as after a second look: an entry still without its proposal is nobody's
    return audit


def ledger_of(stand: Stand) -> dict[str, Any]:
    return stand.witness.account.ledger("paper", "main", INSTALL_ID, quiescent=True)


NOTHING = {"lost": 0, "duplicated": 0, "orphaned": 0, "drift": 0}


def test_a_house_among_faults_gives_no_alarm(simulated: tuple[list[Row], Stand]) -> None:
    """Kills, lost replies, strangers, transfers: the rows hold all the same, and agree with the venue's own books."""
    rows, stand = simulated
    audit = folded(rows)

    assert list(audit.findings) == []
    assert Against(audit, ledger_of(stand)).counts() == NOTHING
    assert list(audit.findings) == []
    assert audit.execution.fills > 20, "there was something to check"


def lose_trade(ledger: dict[str, Any]) -> None:
    ledger["trades"].append({**ledger["trades"][0], "trade_id": "w-never-told"})


def double_order(ledger: dict[str, Any]) -> None:
    ledger["orders"].append({**ledger["orders"][0]})


def orphan_order(ledger: dict[str, Any]) -> None:
    ledger["orders"].append(
        {**ledger["orders"][0], "client_order_id": ledger["orders"][0]["client_order_id"][:-1] + "x", "status": "open"}
    )


def reopen_order(ledger: dict[str, Any]) -> None:
    ledger["orders"][0]["status"] = "open"


def drift(ledger: dict[str, Any]) -> None:
    ledger["balances"]["USDT"] = str(D(ledger["balances"]["USDT"]) + D("0.00000001"))


def cheapen(ledger: dict[str, Any]) -> None:
    ledger["trades"][0]["price"] = "1"


def shrink(ledger: dict[str, Any]) -> None:
    ledger["trades"][0]["amount"] = "0.00000001"


def unmake(ledger: dict[str, Any]) -> None:
    del ledger["trades"][0]


WITNESSED: dict[str, tuple[str, Callable[[dict[str, Any]], None], dict[str, int]]] = {
    "a trade that nobody booked": ("I05", lose_trade, {"lost": 1}),
    "a trade that never happened": ("I05", unmake, {}),
    "an order taken twice": ("I02", double_order, {"duplicated": 1}),
    "an order with our tag that no row has": ("I04", orphan_order, {"orphaned": 1}),
    "an order that is open there and over here": ("I04", reopen_order, {"orphaned": 1}),
    "a balance that is off by the last decimal": ("I08", drift, {"drift": 1}),
    "a trade at another price": ("I07", cheapen, {}),
    "a trade of another amount": ("I06", shrink, {}),
}


@pytest.mark.parametrize(("invariant", "plant", "counts"), WITNESSED.values(), ids=WITNESSED.keys())
def test_what_the_venue_knows_better_is_found(
    invariant: str, plant: Callable[[dict[str, Any]], None], counts: dict[str, int], simulated: tuple[list[Row], Stand]
) -> None:
    rows, stand = simulated
    audit, ledger = folded(rows), ledger_of(stand)
    ledger["orders"].sort(key=lambda order: order["client_order_id"].startswith("hand"))
    ledger["trades"].sort(key=lambda trade: trade["client_order_id"].startswith("hand"))
    plant(ledger)

    assert Against(audit, ledger).counts() == {**NOTHING, **counts}
    assert invariant in invariants(audit)


def test_the_command_compares_with_a_witness(home: Path, tmp_path: Path) -> None:
    ledger = {
        "venue": "paper",
        "account": "main",
        "install_id": "x",
        "orders": [],
        "trades": [],
        "balances": {},
        "transfers": [],
        "funding": [],
        "quiescent": False,
    }
    (tmp_path / "witness.json").write_text(json.dumps(ledger))

    code, printed = command(folder_of(home), "--witness", tmp_path / "witness.json", "--json")

    assert (code, json.loads(printed)) == (0, {"violations": [], **NOTHING})


def test_it_needs_nothing_of_the_house_and_nothing_but_msgpack() -> None:
    ask = "import sys, lct.audit.__main__; print(*(n for n in sys.modules if n.startswith(('lct.', 'msg', 'daemons'))))"

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    loaded = [
        name for name in done.stdout.split() if not name.startswith("lct.audit") and name.partition(".")[0] != "msgpack"
    ]
    assert loaded == []
