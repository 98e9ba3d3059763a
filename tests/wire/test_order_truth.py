"""Order truth with real processes: execution is killed, stopped and deceived beside a venue with books of its own.

Each test ends at rest, and compares the venue's ledger with the journal, to the last digit. `LCT_KILLS` says how often
execution is killed in the campaigns.
"""

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

import pytest

from lct.bus.points import VARIABLE
from lct.client import Client
from lct.domain.money import use_money_context
from lct.domain.orders import OrderType, Side, State
from lct.errors import LctError
from lct.messages.execution import ExecutionStatus, Filled, GetExecutionStatus, OrderIntended, OrderMoved, Propose
from tests.wire.processes import Processes, configure

SYMBOLS = ("BTC/USDT", "ETH/USDT")
AMOUNTS = {"BTC/USDT": Decimal("0.01"), "ETH/USDT": Decimal("0.2")}
HOUSE = 'exchange = "local"\nsymbols = ["BTC/USDT", "ETH/USDT"]\n'
POINTS = ("heard", "committed", "carried_out", "sending", "replied")
PATIENCE_SECONDS = 40.0


class Rig:
    """A venue, execution with its market data, and a proposer that asks again until it has an answer."""

    def __init__(self, folder: Path) -> None:
        use_money_context()
        self.home = folder / "h"
        self.ledger = folder / "venue.db"
        configure(self.home, house=HOUSE)
        plugins = self.home / "plugins" / "exchanges"
        plugins.mkdir(parents=True)
        shutil.copy(Path(__file__).parents[1] / "venue" / "local.py", plugins / "local.py")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = [sys.executable, "-m", "tests.venue.server", str(self.port), str(self.ledger)]
        self.venue = subprocess.Popen(words, cwd=Path(__file__).parents[2])
        self.house = Processes(self.home, ("execution", "market_data"), LCT_TEST_VENUE=self.url)
        self.proposed = 0

    def __enter__(self) -> Self:
        self.soon(lambda: self._answers("/api/v3/account"))
        self.house.__enter__()
        self.rest()
        return self

    def __exit__(self, *error: object) -> None:
        self.house.__exit__(*error)
        self.venue.terminate()
        self.venue.wait(10)

    def _answers(self, path: str) -> bool:
        try:
            with urlopen(self.url + path, timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def soon(self, holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        until = time.perf_counter() + seconds
        while not (found := holds()):
            assert time.perf_counter() < until, f"{holds} did not come true in {seconds} s"
            if hasattr(self, "house") and self.house.running:
                self.house.keep_up()
            time.sleep(0.02)
        return found

    def fault(self, **faults: list[dict[str, Any]]) -> None:
        body = json.dumps(faults).encode()
        with urlopen(Request(f"{self.url}/fault", body, {"Content-Type": "application/json"}), timeout=5) as reply:
            assert reply.status == 200

    def status(self) -> ExecutionStatus | None:
        try:
            with Client(self.home, patience_ms=1_000) as client:
                return client.ask(GetExecutionStatus())
        except LctError:
            return None

    def propose(self, symbol: str, side: Side = Side.BUY) -> Any:
        """Propose until an answer comes, under one intent: whoever lives answers, and nobody sends twice."""
        self.proposed += 1
        n = self.proposed
        until = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < until:
            self.house.keep_up()
            try:
                with Client(self.home, patience_ms=1_500) as client:
                    verdict = client.ask(self._proposal(n, symbol, side))
            except LctError:
                time.sleep(0.05)
                continue
            if not verdict.stale:
                return verdict
            n = self.proposed = self.proposed + 1
            time.sleep(0.1)
        raise AssertionError("no verdict came")

    def _proposal(self, n: int, symbol: str, side: Side) -> Propose:
        expires_ns = 2**62
        stop = Decimal("0.1")
        return Propose(
            f"p{n}",
            f"b{n}",
            symbol,
            side,
            OrderType.MARKET,
            AMOUNTS[symbol],
            2**40,
            2**40,
            expires_ns,
            stop_loss=stop,
            reason="test",
        )

    def rest(self) -> ExecutionStatus:
        """Wait until execution is ready and knows the fate of every order."""

        def rests() -> ExecutionStatus | None:
            status = self.status()
            is_quiet = status is not None and status.ready and not status.unknown
            return status if is_quiet and not self.unsettled() and not self.compare()["lost"] else None

        found: ExecutionStatus = self.soon(rests)
        return found

    # -- the two sides ------------------------------------------------------------------------------------------

    def journal(self) -> Iterator[Any]:
        import msgspec

        (path,) = (self.home / "journal").glob("*/execution.db")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            for kind, body in db.execute("select type, body from journal order by journal_seq").fetchall():
                yield kind, msgspec.msgpack.decode(body)

    def unsettled(self) -> list[str]:
        states: dict[str, str] = {}
        for kind, body in self.journal():
            if kind == "execution.order_intended":
                states[body["order"]["client_order_id"]] = body["order"]["state"]
            elif kind in ("execution.order_moved", "execution.filled"):
                states[body["client_order_id"]] = body["state"]
        passing = {state.value for state in (State.SENDING, State.UNKNOWN, State.CANCELING, State.CANCEL_UNKNOWN)}
        return [key for key, state in states.items() if state in passing]

    def compare(self) -> dict[str, Any]:
        """Compare the venue's ledger with the journal: what was lost, doubled, orphaned, and by how much they drift."""
        filled: dict[str, str] = {}
        states: dict[str, str] = {}
        totals: dict[str, Decimal] = {}

        def add(asset: str, amount: Decimal) -> None:
            totals[asset] = totals.get(asset, Decimal(0)) + amount

        for kind, body in self.journal():
            if kind == "execution.deposited":
                add(body["asset"], Decimal(body["amount"]))
            elif kind == "execution.order_intended":
                states[body["order"]["client_order_id"]] = body["order"]["state"]
            elif kind == "execution.order_moved":
                states[body["client_order_id"]] = body["state"]
            elif kind == "execution.filled":
                assert body["trade_id"] not in filled, f"trade {body['trade_id']} is in the journal twice"
                filled[body["trade_id"]] = body["client_order_id"]
                states[body["client_order_id"]] = body["state"]
                base, quote = body["symbol"].split("/")
                sign = 1 if body["side"] == "buy" else -1
                add(base, sign * Decimal(body["amount"]))
                add(quote, -sign * Decimal(body["amount"]) * Decimal(body["price"]) - Decimal(body["fee"]))
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as db:
            trades = db.execute("select id, cid from trades").fetchall()
            orders = db.execute("select cid, status from orders").fetchall()
            balances = {asset: Decimal(amount) for asset, amount in db.execute("select asset, amount from balances")}
        keys = [cid for cid, _ in orders]
        alive = {state.value for state in (State.OPEN, State.PARTIAL)}
        return {
            "orders": len(orders),
            "fills": len(trades),
            "lost": [n for n, _ in trades if str(n) not in filled],
            "duplicated": sorted({key for key in keys if keys.count(key) > 1}),
            "orphaned": [cid for cid, status in orders if status == "NEW" and states.get(cid) not in alive],
            "drift": {
                asset: (totals.get(asset), balances.get(asset))
                for asset in {*totals, *balances}
                if totals.get(asset, 0) != balances.get(asset, 0)
            },
        }

    def assert_true(self) -> dict[str, Any]:
        self.rest()
        found = self.compare()
        assert {name: found[name] for name in ("lost", "duplicated", "orphaned", "drift")} == {
            "lost": [],
            "duplicated": [],
            "orphaned": [],
            "drift": {},
        }
        return found


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as one:
        yield one


def test_orders_go_to_the_venue_and_their_fills_and_stops_are_in_the_journal(rig: Rig) -> None:
    for symbol in SYMBOLS:
        assert rig.propose(symbol).approved

    rig.soon(lambda: rig.compare()["orders"] == 4)  # a stop behind each
    found = rig.assert_true()

    assert (found["orders"], found["fills"]) == (4, 2)


LIES: dict[str, dict[str, Any]] = {
    "no reply to an order that was taken": {"hang": 4},
    "a line cut after an order was taken": {"cut": True},
    "an error for an order that was taken": {"status": 503, "body": "<html>"},
    "nonsense for an order that was taken": {"status": 200, "body": '{"orderId": 1}'},
    "an error for an order that was not taken": {"when": "before", "status": 503},
    "a line cut before an order was taken": {"when": "before", "cut": True},
}


@pytest.mark.timeout(180)
def test_whatever_the_venue_replies_the_truth_is_found(rig: Rig) -> None:
    for fault in LIES.values():
        rig.fault(place=[fault])
        rig.propose(random.Random(3).choice(SYMBOLS))
        rig.rest()

    rig.assert_true()


def killed(rig: Rig, chance: random.Random, kills: int) -> dict[str, Any]:
    """Propose on and on, with execution armed to die at a named point of each life, or killed at any moment."""
    began = time.perf_counter()
    waits = []
    for n in range(kills):
        point = chance.choice((*POINTS, ""))
        rig.house.environment[VARIABLE] = f"execution/{point}:{chance.randint(1, 12)}" if point else ""
        if chance.random() < 0.3:
            rig.fault(place=[chance.choice(list(LIES.values()))])
        before = rig.house.starts["execution"]
        rig.house.running["execution"].kill()
        rig.house.running["execution"].wait()
        died = time.perf_counter()
        rig.house.keep_up()
        rig.house.environment[VARIABLE] = ""  # the life after that one is not armed
        rig.propose(SYMBOLS[n % 2])
        waits.append(time.perf_counter() - died)
        assert rig.house.starts["execution"] > before
    found = rig.assert_true()
    lives = rig.house.starts["execution"]
    seconds = time.perf_counter() - began
    told = f"{lives - 1} kills, {found['orders']} orders, {found['fills']} fills in {seconds:.0f} s"
    print(f"\n{told}; answered again within {max(waits):.1f} s")  # noqa: T201 - the figures of the campaign
    return found


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_when_execution_is_killed_again_and_again(rig: Rig) -> None:
    killed(rig, random.Random(11), int(os.environ.get("LCT_KILLS", "3")))


@pytest.mark.slow
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_doubled_in_a_long_campaign(rig: Rig, seed: int) -> None:
    killed(rig, random.Random(seed), int(os.environ.get("LCT_KILLS", "40")))


@pytest.mark.timeout(120)
def test_an_execution_that_was_stopped_for_longer_than_a_request_lives_goes_on_and_doubles_nothing(rig: Rig) -> None:
    execution = rig.house.running["execution"]
    rig.propose("BTC/USDT")
    os.kill(execution.pid, signal.SIGSTOP)
    try:
        time.sleep(3)
    finally:
        os.kill(execution.pid, signal.SIGCONT)

    rig.propose("ETH/USDT")
    # the first was sent before the stop, or is refused by its stamp after it
    rig.soon(lambda: rig.compare()["fills"] >= 1)
    rig.assert_true()


@pytest.mark.timeout(120)
def test_a_second_execution_on_the_same_home_does_not_start(rig: Rig) -> None:
    words = [sys.executable, "-m", "lct.run", "execution"]
    second = subprocess.run(words, env=rig.house.environment, capture_output=True, text=True, timeout=60, check=False)

    assert second.returncode != 0
    assert rig.propose("BTC/USDT").approved
    rig.assert_true()


def flipped(path: Path) -> None:
    """Change one digit of the body of a fact, as a disk may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        position, body = db.execute("select position, body from journal where type = 'execution.filled'").fetchone()
        db.execute("update journal set body = ? where position = ?", (body.replace(b"0", b"1", 1), position))


@pytest.mark.timeout(120)
def test_a_journal_that_was_changed_is_refused_and_nothing_is_sent(rig: Rig) -> None:
    rig.propose("BTC/USDT")
    rig.soon(lambda: rig.compare()["fills"] == 1)
    rig.rest()
    before = rig.compare()["orders"]
    rig.house.running["execution"].kill()
    rig.house.running["execution"].wait()
    (path,) = (rig.home / "journal").glob("*/execution.db")
    flipped(path)

    words = [sys.executable, "-m", "lct.run", "execution"]
    result = subprocess.run(words, env=rig.house.environment, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode != 0
    log = (rig.home / "log" / "execution.log").read_text()
    assert "does not match its hash" in log
    with closing(sqlite3.connect(f"file:{rig.ledger}?mode=ro", uri=True)) as db:
        assert db.execute("select count(*) from orders").fetchone()[0] == before


def test_the_journals_names_are_those_of_the_messages() -> None:
    """The comparison reads rows by name, so that no code of the house stands between it and the disk."""
    from lct.messages.base import tag_of

    names = {tag_of(kind) for kind in (OrderIntended, OrderMoved, Filled)}
    assert names == {"execution.order_intended", "execution.order_moved", "execution.filled"}
