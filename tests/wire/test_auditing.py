"""The checker beside a real house: silent while its members are killed, and heard when something is planted."""

import random
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgpack
import pytest

from lct.audit import Audit
from lct.audit.journals import identity_of
from lct.audit.watching import Watch
from lct.client import Client
from lct.clock import now_ns
from lct.domain.risk import Standing
from lct.messages.execution import GetExecutionStatus
from tests.wire.supervised import EIGHT, House
from tests.wire.test_crashes import fills_of, furnish, journals_of, living, soon

__all__ = ["living"]


@pytest.fixture
def watch(living: House) -> Watch:
    folder = journals_of(living.home)
    identity = identity_of(folder, None, None)
    assert identity is not None, "the home says whose orders these are"
    return Watch(folder, lambda: Audit(identity, kept=1_000), folder / "HALT", folder / "audit")


@pytest.mark.timeout(100)
def test_a_watch_says_nothing_of_a_house_whose_members_are_killed(living: House, watch: Watch) -> None:
    soon(lambda: fills_of(living) > 5)
    found = watch.look()
    for name in random.Random(3).sample(EIGHT, len(EIGHT)):
        was = living.kill(name)
        ends = time.perf_counter() + 20
        while not living.ready((name,), other_than=was) and time.perf_counter() < ends:
            found += watch.look()
            time.sleep(0.02)
    had = fills_of(living)
    soon(lambda: fills_of(living) > had)
    found += watch.look()

    assert found == []
    assert watch.audit.execution.fills > had, "it has followed"
    assert set(watch.audit.chains.heads) >= {"execution", "portfolio", "trading_engine"}


def falsify(path: Path) -> None:
    """Have the paper account say that an order which is over was filled by a little more than it was."""
    with closing(sqlite3.connect(path)) as db, db:
        key, body = db.execute("select client_order_id, body from orders where not live order by rowid desc").fetchone()
        order = msgpack.unpackb(body)
        order["filled"] = str(Decimal(order["filled"]) + Decimal("0.00000001"))
        db.execute("update orders set body = ? where client_order_id = ?", (msgpack.packb(order), key))


@pytest.mark.timeout(120)
def test_the_checker_that_stands_in_every_house_halts_it_at_what_it_finds(tmp_path: Path) -> None:
    home = tmp_path / "h"
    furnish(home)
    with House(home, replayed=False, LCT_CLOCK=f"300,{now_ns()}") as house:
        soon(lambda: house.ready() and fills_of(house) > 3)
    falsify(journals_of(home) / "paper.db")

    with House(home, replayed=False, LCT_CLOCK=f"300,{now_ns()}") as house, Client(home) as client:
        soon(house.ready)
        soon(lambda: client.ask(GetExecutionStatus()).standing is Standing.HALTED, 20)
        status = client.ask(GetExecutionStatus())

    assert status.by == "audit"
    assert "I05 does not hold" in status.reason
    (dump,) = (journals_of(home) / "audit").iterdir()
    assert dump.name.startswith("I05-execution")
