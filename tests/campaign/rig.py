"""The rig of the campaigns: a venue with books of its own, execution beside it, and who proposes to it.

It compares the venue's ledger with the rows of the journal, to the last digit, by a reading of its own.
"""

import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import msgspec

from lct.client import Client
from lct.domain.money import use_money_context
from lct.domain.orders import OrderType, Side, State
from lct.errors import LctError
from lct.messages.execution import ExecutionStatus, GetExecutionStatus, Propose
from lct.run.process import CLOCK
from tests.venue.served import account
from tests.wire.processes import Processes, Start, configure, spawned

SYMBOLS = ("BTC/USDT", "ETH/USDT")
AMOUNTS = {"BTC/USDT": Decimal("0.01"), "ETH/USDT": Decimal("0.2")}
AMOUNT = Decimal(5)
"""Of every other symbol."""
STATUS = {"NEW": "open", "FILLED": "closed", "CANCELED": "canceled"}
PATIENCE_SECONDS = 40.0
NO_MARK = "reference_price"
DAYS = 2
"""How long the market lasts: its history of one day, and today."""
LIMIT_UNKNOWN = 50
LIMITS = f"""
[simulated]
repeat_seconds = 0
max_gross_exposure = 100
max_unknown = {LIMIT_UNKNOWN}
"""
"""One strategy goes in and out of a symbol as fast as it can."""


def entry(n: int, symbol: str) -> Propose:
    """Propose to buy, for a book of its own, with a stop behind it."""
    return _proposal(f"p{n}", f"b{n}", symbol, Side.BUY, AMOUNTS[symbol], stop_loss=Decimal("0.1"))


def round_trip(n: int, attempt: int, symbol: str) -> Propose:
    """Propose the n-th step in a symbol: in with an even one, out with an odd one; each attempt is one intent."""
    base = symbol.partition("/")[0]
    amount = AMOUNTS.get(symbol, AMOUNT)
    book = f"trip-{base}"
    if n % 2:
        return _proposal(f"{base}{n}.{attempt}", book, symbol, Side.SELL, amount, reduce_only=True)
    return _proposal(f"{base}{n}.{attempt}", book, symbol, Side.BUY, amount, stop_loss=Decimal("0.1"))


def _proposal(intent: str, book: str, symbol: str, side: Side, amount: Decimal, **more: Any) -> Propose:
    late = 2**40, 2**40, 2**62  # it has heard all there is, and never expires
    return Propose(intent, book, symbol, side, OrderType.MARKET, amount, *late, reason="test", **more)


class Rig:
    """A venue, execution with its market data, and a proposer that asks again until it has an answer."""

    def __init__(
        self,
        folder: Path,
        symbols: tuple[str, ...] = SYMBOLS,
        start: Start = spawned,
        *,
        names: tuple[str, ...] = ("execution", "market_data"),
        lag_ms: int = 0,
        clock: str = "1,0",
    ) -> None:
        use_money_context()
        self.symbols = symbols
        self.home = folder / "h"
        self.ledger = folder / "venue.db"
        house = f'exchange = "local"\nsymbols = {json.dumps(symbols)}\n\n[feeds.synthetic]\ndays = {DAYS}\n'
        configure(self.home, house=house, execution=LIMITS)
        plugins = self.home / "plugins" / "exchanges"
        plugins.mkdir(parents=True)
        shutil.copy(Path(__file__).parents[1] / "venue" / "local.py", plugins / "local.py")
        self.venue = account(self.ledger, lag_ms, clock)
        self.fault = self.venue.fault
        environment = {"LCT_TEST_VENUE": self.venue.url, CLOCK: clock}
        self.house = Processes(self.home, names, start=start, **environment)
        self.proposed = 0

    def __enter__(self) -> Self:
        self.venue.__enter__()
        self.house.__enter__()
        if self.house.names:  # else somebody else starts a house here
            self.rest()
        return self

    def __exit__(self, *error: object) -> None:
        self.house.__exit__(*error)
        self.venue.__exit__(*error)

    def soon(self, holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        until = time.perf_counter() + seconds
        while not (found := holds()):
            assert time.perf_counter() < until, f"{holds} did not come true in {seconds} s"
            if self.house.running:
                self.house.keep_up()
            time.sleep(0.02)
        return found

    def status(self) -> ExecutionStatus | None:
        try:
            with Client(self.home, patience_ms=1_000) as client:
                return client.ask(GetExecutionStatus())
        except LctError:
            return None

    def propose(self, symbol: str) -> Any:
        """Propose an entry until an answer comes, under one intent: whoever lives answers, and nobody sends twice.

        One that came before the first bars is an entry that nobody could judge: another follows it.
        """
        self.proposed += 1
        n = self.proposed
        until = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < until:
            self.house.keep_up()
            try:
                with Client(self.home, patience_ms=1_500) as client:
                    verdict = client.ask(entry(n, symbol))
            except LctError:
                time.sleep(0.05)
                continue
            if not verdict.stale and not verdict.reason.startswith(NO_MARK):
                return verdict
            n = self.proposed = self.proposed + 1
            time.sleep(0.1)
        raise AssertionError("no verdict came")

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

    def witness(self) -> dict[str, Any]:
        """Return the venue's ledger as the independent checker reads one (docs/truth.md)."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as db:
            orders = db.execute("select cid, status, filled from orders").fetchall()
            trades = db.execute(
                "select cast(id as text), cid, symbol, lower(side), amount, price, fee from trades"
            ).fetchall()
            balances = dict(db.execute("select asset, amount from balances").fetchall())
        names = ("trade_id", "client_order_id", "symbol", "side", "amount", "price", "fee")
        times = Counter(cid for cid, _, _ in orders)
        return {
            "venue": "local",
            "account": "main",
            "install_id": (self.home / "install_id").read_text(encoding="utf-8").strip(),
            "quiescent": True,
            "orders": [
                {"client_order_id": cid, "status": STATUS[status], "filled": filled, "accepted_times": times[cid]}
                for cid, status, filled in orders
            ],
            "trades": [{**dict(zip(names, row, strict=True)), "fee_asset": "USDT"} for row in trades],
            "balances": {asset: amount for asset, amount in balances.items() if Decimal(amount)},
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
