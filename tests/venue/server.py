"""A small exchange in a process of its own, after the manner of Binance's spot API, with a ledger that outlives it.

    python -m tests.venue.server PORT LEDGER [LAG_MS]

It knows one account. Every order, trade and balance is in the ledger (SQLite), written before anything is replied; the
faults of the next requests are set by POST /fault. Orders and trades show LAG_MS after they happened, balances at once.
"""

import asyncio
import os
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from lct.bus.wall import WallClock

RATE, ORIGIN_NS = (int(word) for word in os.environ.get("LCT_CLOCK", "1,0").split(","))
CLOCK = WallClock(RATE, ORIGIN_NS)
"""The clock of the house under test."""
PRICES = {
    f"{coin}/USDT": Decimal(price)
    for coin, price in {
        "ADA": "0.6",
        "ATOM": "10",
        "AVAX": "38",
        "BNB": "300",
        "BTC": "20000",
        "DOGE": "0.08",
        "DOT": "8",
        "ETH": "1000",
        "LINK": "15",
        "LTC": "70",
        "SOL": "100",
        "XRP": "0.6",
    }.items()
}
FEE = Decimal("0.001")
SCHEMA = """
create table if not exists orders (
  id integer primary key, cid text, symbol text, side text, type text, amount text, price text, stop text, status text,
  filled text, time_ms integer);
create table if not exists trades (
  id integer primary key, order_id integer, cid text, symbol text, side text, amount text, price text, fee text,
  time_ms integer);
create table if not exists balances (asset text primary key, amount text);
"""


class Venue:
    """The account, in SQLite: one connection, each request one transaction."""

    def __init__(self, path: Path, lag_ms: int = 0) -> None:
        self.lag_ms = lag_ms
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(f"pragma journal_mode = wal; pragma synchronous = full; {SCHEMA}")
        if not self.db.execute("select 1 from balances").fetchone():
            self.db.execute("insert into balances values ('USDT', '1000000')")
        self.faults: dict[str, list[dict[str, Any]]] = {}

    def fault(self, operation: str) -> dict[str, Any]:
        waiting = self.faults.get(operation)
        return waiting.pop(0) if waiting else {}

    def add(self, asset: str, amount: Decimal) -> None:
        row = self.db.execute("select amount from balances where asset = ?", (asset,)).fetchone()
        total = (Decimal(row[0]) if row else Decimal(0)) + amount
        self.db.execute("insert or replace into balances values (?, ?)", (asset, str(total)))

    def free(self, asset: str) -> Decimal:
        row = self.db.execute("select amount from balances where asset = ?", (asset,)).fetchone()
        locked = self.db.execute(
            "select amount, filled from orders where status = 'NEW' and side = 'SELL' and symbol like ?",
            (f"{asset}/%",),
        ).fetchall()
        return (Decimal(row[0]) if row else Decimal(0)) - sum(
            (Decimal(amount) - Decimal(filled) for amount, filled in locked), Decimal(0)
        )

    def place(self, form: Any) -> tuple[int, dict[str, Any]]:
        """Take an order whole, or refuse it in Binance's words."""
        now_ms = CLOCK.now_ns() // 1_000_000
        if now_ms > int(form["timestamp"]) + int(form["recvWindow"]):
            return 400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        cid, symbol, side = form["newClientOrderId"], form["symbol"], form["side"]
        if self.db.execute("select 1 from orders where cid = ? and status = 'NEW'", (cid,)).fetchone():
            return 400, {"code": -2010, "msg": "Duplicate order sent."}
        amount, price = Decimal(form["quantity"]), PRICES[symbol]
        base, quote = symbol.split("/")
        needs = amount if side == "SELL" else amount * price * (1 + FEE)
        if self.free(base if side == "SELL" else quote) < needs:
            return 400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}
        self.db.execute("begin immediate")
        made = self.db.execute(
            "insert into orders (cid, symbol, side, type, amount, price, stop, status, filled, time_ms) "
            "values (?, ?, ?, ?, ?, ?, ?, 'NEW', '0', ?)",
            (cid, symbol, side, form["type"], str(amount), form.get("price"), form.get("stopPrice"), now_ms),
        )
        if form["type"] == "MARKET":
            self.fill(int(made.lastrowid or 0), amount, now_ms)
        self.db.execute("commit")
        return 200, {"orderId": made.lastrowid, "clientOrderId": cid, "symbol": symbol}

    def fill(self, order_id: int, amount: Decimal, now_ms: int) -> None:
        cid, symbol, side, whole, filled = self.db.execute(
            "select cid, symbol, side, amount, filled from orders where id = ?", (order_id,)
        ).fetchone()
        price, sign = PRICES[symbol], 1 if side == "BUY" else -1
        fee = (amount * price * FEE).quantize(Decimal("1E-8"))
        base, quote = symbol.split("/")
        self.add(base, sign * amount)
        self.add(quote, -sign * amount * price - fee)
        now_filled = Decimal(filled) + amount
        status = "FILLED" if now_filled == Decimal(whole) else "NEW"
        self.db.execute("update orders set filled = ?, status = ? where id = ?", (str(now_filled), status, order_id))
        self.db.execute(
            "insert into trades (order_id, cid, symbol, side, amount, price, fee, time_ms) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            (order_id, cid, symbol, side, str(amount), str(price), str(fee), now_ms),
        )

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        found = self.db.execute(sql, values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]


class Doors:
    """The paths of the API, and the faults that strike their replies."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v3/order", self.place)
        app.router.add_delete("/api/v3/order", self.cancel)
        app.router.add_get("/api/v3/order", self.order)
        app.router.add_get("/api/v3/openOrders", self.open_orders)
        app.router.add_get("/api/v3/myTrades", self.trades)
        app.router.add_get("/api/v3/account", self.account)
        app.router.add_get("/ledger", self.ledger)
        app.router.add_post("/fault", self.fault)
        return app

    async def strike(self, request: web.Request, fault: dict[str, Any]) -> web.StreamResponse | None:
        """Do to a reply what a fault says; None lets it go its way."""
        if fault.get("hang"):
            await asyncio.sleep(float(fault["hang"]))
        if fault.get("cut"):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if "status" in fault:
            return web.Response(status=fault["status"], text=fault.get("body", ""))
        return None

    async def place(self, request: web.Request) -> web.StreamResponse:
        try:
            form = await request.post()
        except ConnectionResetError:  # who sent it died on the way
            return web.Response()
        fault = self.venue.fault("place")
        if fault.get("when") == "before":
            return await self.strike(request, fault) or web.Response(status=503)
        status, document = self.venue.place(form)
        return await self.strike(request, fault) or web.json_response(document, status=status)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        cid = request.query["origClientOrderId"]
        fault = self.venue.fault("cancel")
        done = self.venue.db.execute("update orders set status = 'CANCELED' where cid = ? and status = 'NEW'", (cid,))
        found = self.venue.rows("select * from orders where cid = ?", cid)
        struck = await self.strike(request, fault)
        if struck is not None:
            return struck
        if not done.rowcount:
            return web.json_response({"code": -2011, "msg": "Unknown order sent."}, status=400)
        return web.json_response(found[-1])

    def shown_ms(self) -> int:
        """Return up to when what happened shows."""
        return CLOCK.now_ns() // 1_000_000 - self.venue.lag_ms

    async def order(self, request: web.Request) -> web.StreamResponse:
        key = request.query["origClientOrderId"]
        found = self.venue.rows("select * from orders where cid = ? and time_ms <= ?", key, self.shown_ms())
        if not found:
            return web.json_response({"code": -2013, "msg": "Order does not exist."}, status=400)
        return web.json_response(found[-1])

    async def open_orders(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self._open())

    async def trades(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("fromId", 0))
        sql = "select * from trades where id > ? and time_ms <= ? order by id limit 1000"
        return web.json_response(self.venue.rows(sql, after, self.shown_ms()))

    async def account(self, _: web.Request) -> web.StreamResponse:
        venue = self.venue
        last = venue.db.execute("select coalesce(max(id), 0) from trades").fetchone()[0]
        balances = {row["asset"]: row["amount"] for row in venue.rows("select * from balances")}
        return web.json_response({"balances": balances, "orders": self._open(), "lastTrade": last})

    def _open(self) -> list[dict[str, Any]]:
        sql = "select * from orders where status = 'NEW' and time_ms <= ? order by id"
        return self.venue.rows(sql, self.shown_ms())

    async def ledger(self, _: web.Request) -> web.StreamResponse:
        """Show whose orders were taken, each as often as it was."""
        return web.json_response([row["cid"] for row in self.venue.rows("select cid from orders order by id")])

    async def fault(self, request: web.Request) -> web.StreamResponse:
        for operation, faults in (await request.json()).items():
            self.venue.faults.setdefault(operation, []).extend(faults)
        return web.json_response({})


if __name__ == "__main__":
    doors = Doors(Venue(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
    web.run_app(doors.application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
