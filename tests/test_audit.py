"""The independent checker: nothing to say about sound journals, and the right word about each planted wrong."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lct.audit import Against, Audit, Identity
from lct.audit.chain import digest_of
from lct.audit.execution import Execution
from lct.domain.orders import State
from lct.messages.base import Event
from lct.messages.execution import Adopted, Deposited, Difference, MismatchFound
from lct.messages.portfolio import FillBooked
from lct.messages.trading_engine import DustLeft
from lct.simulation.house import INSTALL_ID, Stand
from lct.simulation.plan import GRAVE, draw
from lct.simulation.run import _Run
from lct.store.journal import Row
from tests.audited import (
    BOOK,
    GOOD,
    SYMBOL,
    D,
    Said,
    after,
    audited,
    closed,
    filled,
    instead,
    intended,
    invariants,
    journal_of,
    key,
    moved,
    proposed,
    standing,
    told,
)

Rounds = list[list[Event]]
Plant = Callable[[Rounds], Rounds]


def both(*plants: Plant) -> Plant:
    return lambda rounds: reduce(lambda made, plant: plant(made), plants, rounds)


def differing(name: str, ours: str, theirs: str = "1") -> MismatchFound:
    return MismatchFound(0, 0, (Difference("balance", name, ours, theirs),))


CASH = "10015.764"
HALT, ACTIVE = standing("halted"), standing("active")
T1 = intended("t1", "buy", "1", stop_loss=D("0.05"))
T5 = intended("t5", "buy", "1")
W0 = filled("t0", "w0", "buy", "0.1", "100", "filled")
W1 = filled("t1", "w1", "buy", "0.4", "100", "partial")
W9 = filled("t9", "w9", "sell", "0.1", "160", "filled")
STOP_1, STOP_2 = intended("t1", "sell", "0.4", "stop.w1"), intended("t1", "sell", "0.6", "stop.w2")
LATE = filled("t4", "w4", "buy", "1", "100", "filled")
DUST = intended("t8", "buy", "1")
UNCLEAR = [[intended(f"u{n}", "buy", "1"), moved(f"u{n}", "unknown")] for n in range(6)]
BARE = both(
    instead(STOP_2), instead(moved("t1", "open", "stop.w2")), instead(moved("t1", "canceling", "stop.w2")),
    instead(moved("t1", "canceled", "stop.w2")),
)  # fmt: skip


def named(order: Any, name: str) -> Any:
    return replace(order, order=replace(order.order, client_order_id=name))


PLANTED: dict[str, tuple[str, Plant]] = {
    "a fill of an order that nobody intended": ("I01", after(ACTIVE, filled("t7", "w7", "buy", "1", "9", "filled"))),
    "an order first journaled as open": ("I01", instead(T5, intended("t5", "buy", "1", state=State.OPEN))),
    "two orders of one intent": ("I02", after(T1, named(T1, "3" * 32))),
    "one id for two orders": ("I03", after(ACTIVE, named(DUST, key("t5")))),
    "an id of another installation": ("I03", after(ACTIVE, named(DUST, "f" * 32))),
    "a fill past the amount": ("I05", instead(W0, filled("t0", "w0", "buy", "0.2", "100", "filled"))),
    "a state that its fills deny": ("I05", instead(moved("t5", "open"), moved("t5", "filled"))),
    "coins adopted that nobody had": ("I06", after(ACTIVE, Adopted(0, 0, BOOK, SYMBOL, D(1), D(9)))),
    "a position told otherwise by the engine": ("I06", after(W1, DustLeft(BOOK, SYMBOL, D("0.5")))),
    "a base balance told otherwise": ("I06", after(HALT, differing("BTC", "1", "2"), HALT)),
    "cash told otherwise by a cent": ("I07", after(HALT, differing("USDT", "10015.774"))),
    "a difference that halts nothing": ("I08", after(ACTIVE, differing("USDT", CASH))),
    "a resume while the accounts differ": ("I08", after(HALT, differing("USDT", CASH))),
    "an equity that is not the cash": ("I10", instead(closed(CASH, 9), closed("10015.765", 9))),
    "an order after its denial": ("I11", after(ACTIVE, intended("t3", "buy", "1"))),
    "a denial after its order": ("I11", after(ACTIVE, replace(GOOD[19][0], intent_id="t5"))),
    "an order of another size than proposed": ("I11", instead(proposed("t1", "buy", "1"), proposed("t1", "buy", "2"))),
    "a stop for an intent that nobody had": ("I11", after(W1, intended("t6", "sell", "0.1", "stop.w1"))),
    "a stop for more than the position": ("I12", instead(STOP_1, intended("t1", "sell", "0.5", "stop.w1"))),
    "an exit that buys": ("I12", after(W1, intended("t8", "buy", "0.1", reduce_only=True))),
    "an exit proposed of more than there is": ("I12", after(W1, proposed("t8", "sell", "0.5", exits=True))),
    "coins sold that are not there": (
        "I12",
        after(ACTIVE, intended("t8", "sell", "1"), filled("t8", "w8", "sell", "1", "100", "filled")),
    ),
    "an order that rose from its end": ("I15", after(moved("t5", "canceled"), moved("t5", "open"))),
    "a step that is not in the table": ("I15", instead(moved("t5", "canceling"), moved("t5", "unknown"))),
    "a fill that leads elsewhere": ("I15", instead(W1, filled("t1", "w1", "buy", "0.4", "100", "filled"))),
    "a fill of an absent order that halts nothing": ("I15", after(moved("t4", "absent"), LATE)),
    "a trade booked twice": ("I18", after(W0, replace(W0, amount=D("0.01")))),
    "a deposit booked twice": ("I18", after(ACTIVE, *[Deposited(0, 0, "USDT", D(5), "venue:x1")] * 2)),
    "an entry while halted": ("I20", after(HALT, DUST)),
    "an entry while reducing": ("I20", after(ACTIVE, standing("reducing"), DUST)),
    "an entry in a frozen symbol": ("I20", after(ACTIVE, standing("halted", symbol=SYMBOL), DUST)),
    "a stop that may open a position": (
        "I20",
        instead(STOP_1, intended("t1", "sell", "0.4", "stop.w1", reduce_only=False)),
    ),
    "an amount that is no number": ("I22", instead(W0, replace(W0, amount=D("NaN")))),
    "a price beyond all prices": ("I22", instead(W0, replace(W0, price=D("1E+12")))),
    "an order of nothing": ("I22", instead(T5, intended("t5", "buy", "0"))),
    "an entry without the stop it asked for": ("I24", BARE),
    "six orders of unknown fate that halt nothing": ("I25", lambda rounds: [*rounds, *UNCLEAR]),
}


def wrong(rounds: Rounds) -> set[str]:
    return invariants(audited(journal_of(told(rounds)).rows()))


def test_a_sound_account_gives_no_alarm() -> None:
    assert wrong(GOOD) == set()


@pytest.mark.parametrize(("invariant", "plant"), PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_is_found_by_its_name(invariant: str, plant: Plant) -> None:
    found = wrong(plant(GOOD))

    assert invariant in found
    assert "I16" not in found, "the chain was made anew: it may not be what tells"


SOUND: dict[str, Plant] = {
    "a fill of an absent order that halts": after(moved("t4", "absent"), LATE, standing("halted", "execution"), ACTIVE),
    "a difference that freezes": after(ACTIVE, differing("USDT", CASH), standing("halted", symbol=SYMBOL)),
    "a late fill after a cancel": after(
        moved("t5", "canceled"), filled("t5", "w5", "buy", "0.4", "100", "canceled"), HALT, ACTIVE
    ),
    "an exit while halted": both(after(W0, HALT), after(W9, ACTIVE)),
    "six orders of unknown fate that halt": lambda rounds: [*rounds, *UNCLEAR[:5], [*UNCLEAR[5], HALT]],
    "a stop that the venue refused": both(
        instead(moved("t1", "open", "stop.w2"), moved("t1", "rejected", "stop.w2")),
        instead(moved("t1", "canceling", "stop.w2")),
        instead(moved("t1", "canceled", "stop.w2")),
    ),
}


@pytest.mark.parametrize("plant", SOUND.values(), ids=SOUND.keys())
def test_what_only_looks_wrong_gives_no_alarm(plant: Plant) -> None:
    assert wrong(plant(GOOD)) == set()


# --- hearers, epochs and chains: planted in what was said, and in the rows


def last_fill(said: list[Said], name: str) -> int:
    return max(n for n, one in enumerate(said) if one.daemon == name and hasattr(one.event, "fill"))


def twice(name: str) -> Callable[[list[Said]], list[Said]]:
    return lambda said: [*said, said[last_fill(said, name)]]


def otherwise(said: list[Said]) -> list[Said]:
    at = last_fill(said, "portfolio")
    booked = said[at].event
    assert isinstance(booked, FillBooked), "portfolio books fills"
    return [
        *said[:at],
        said[at]._replace(event=replace(booked, fill=replace(booked.fill, price=D(1)))),
        *said[at + 1 :],
    ]


def invented(said: list[Said]) -> list[Said]:
    booked = said[last_fill(said, "portfolio")].event
    assert isinstance(booked, FillBooked), "portfolio books fills"
    return [*said, Said("portfolio", 999, replace(booked, fill=replace(booked.fill, journal_seq=77)))]


def forgotten(said: list[Said]) -> list[Said]:
    fills = [one for one in said if one.daemon == "trading_engine" and hasattr(one.event, "fill")]
    return [one for one in said if one is not fills[1]]


HEARD: dict[str, tuple[str, Callable[[list[Said]], list[Said]]]] = {
    "a fill that the engine lacks": ("I17", forgotten),
    "a fill that portfolio has twice": ("I17", twice("portfolio")),
    "a fill that the engine has twice": ("I17", twice("trading_engine")),
    "a fill that portfolio has otherwise": ("I17", otherwise),
    "a fill that portfolio made up": ("I17", invented),
    "a writer of an older epoch": (
        "I26",
        lambda said: [s._replace(epoch=2 if n < 20 else 1) for n, s in enumerate(said)],
    ),
}


@pytest.mark.parametrize(("invariant", "plant"), HEARD.values(), ids=HEARD.keys())
def test_what_others_hold_is_compared_too(invariant: str, plant: Callable[[list[Said]], list[Said]]) -> None:
    found = invariants(audited(journal_of(plant(told(GOOD))).rows()))

    assert invariant in found
    assert "I16" not in found


def changed(rows: list[Row], at: int, **fields: Any) -> list[Row]:
    return [row._replace(**fields) if n == at else row for n, row in enumerate(rows)]


BROKEN: dict[str, tuple[str, Callable[[list[Row]], list[Row]]]] = {
    "a body that was changed": ("I16", lambda rows: changed(rows, 9, body=rows[10].body)),
    "a time that was changed": ("I16", lambda rows: changed(rows, 9, now_ns=5)),
    "a row that calls its body something else": ("I16", lambda rows: rehashed(changed(rows, 9, type="execution.x"))),
    "a row that is missing": ("I17", lambda rows: rows[:9] + rows[10:]),
    "an event that has another number than its row": ("I17", lambda rows: rehashed(renumbered(rows, 1))),
}


def rehashed(rows: list[Row]) -> list[Row]:
    """Make the chains sound over whatever the rows say now."""
    heads: dict[str, bytes] = {}
    made = []
    for row in rows:
        new = row._replace(prev_hash=heads.get(row.daemon, bytes(16)))
        made.append(new._replace(hash=digest_of(new)))
        heads[row.daemon] = made[-1].hash
    return made


def rewritten(row: Row, **fields: Any) -> Row:
    return row._replace(body=msgpack.packb({**msgpack.unpackb(row.body), **fields}))


def renumbered(rows: list[Row], by: int) -> list[Row]:
    at = next(n for n, row in enumerate(rows) if row.type == "execution.order_moved")
    return [*rows[:at], rewritten(rows[at], journal_seq=rows[at].journal_seq + by), *rows[at + 1 :]]


@pytest.mark.parametrize(("invariant", "plant"), BROKEN.values(), ids=BROKEN.keys())
def test_rows_that_were_tampered_with_are_found(invariant: str, plant: Callable[[list[Row]], list[Row]]) -> None:
    assert invariant in invariants(audited(plant(list(journal_of(told(GOOD)).rows()))))


def test_money_that_is_a_float_is_no_money() -> None:
    rows = list(journal_of(told(GOOD)).rows())
    at = next(n for n, row in enumerate(rows) if row.type == "execution.filled")

    found = audited(rehashed([*rows[:at], rewritten(rows[at], fee=0.01), *rows[at + 1 :]]))

    assert "I22" in invariants(found)


@pytest.mark.parametrize("kept", [None, 2])
def test_what_was_forgotten_is_not_called_wrong(kept: int | None) -> None:
    """A watch remembers so many finished orders; what it does not know any more proves nothing."""
    rounds = [*GOOD, *[[intended(f"o{n}", "buy", "1"), moved(f"o{n}", "rejected")] for n in range(3)]]
    late = [[filled("t5", "w5", "buy", "0.4", "100", "canceled"), HALT]]

    audit = audited(journal_of(told([*rounds, *late])).rows(), kept=kept)

    assert invariants(audit) == set()


def test_every_event_that_execution_journals_is_folded() -> None:
    """A type that the checker does not know would change the books unseen."""
    from daemons.execution.state import KINDS
    from lct.messages.base import tag_of

    names = {"_" + tag_of(kind).partition(".")[2] for kind in KINDS}

    assert {name for name in names if not hasattr(Execution, name)} == {"_decided"}


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


@pytest.fixture(scope="module", params=[3, 6, 31])
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
