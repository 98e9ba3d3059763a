"""The plugin for the exchange of tests/venue: a stranger's, put into the plugins folder of a home under test."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Self
from urllib.parse import urlencode

from lct.bus.wall import WallClock
from lct.domain.orders import OrderType, Side
from lct.domain.replies import Accepted, Rejected, Reply, Sent, classify
from lct.domain.venues import Terms
from lct.messages.exchange import (
    Account,
    Cancelled,
    CancelUnclear,
    Placed,
    PlaceRefused,
    PlaceUnclear,
    Sought,
    Traded,
    VenueOrder,
)
from lct.ports.remote import Remote

TIMEOUT_SECONDS = 2.0
RATE, ORIGIN_NS = (int(word) for word in os.environ.get("LCT_CLOCK", "1,0").split(","))
A_SECOND_NS = int(1_000_000_000 * RATE)
"""A second of the machine, on the clock of the house."""
TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.BRACKET: "STOP_LOSS",
}
STATUS = {"NEW": "open", "FILLED": "closed", "CANCELED": "canceled"}


class Local(Remote):
    name = "local"
    summary = "the exchange of the tests, over HTTP"
    clock = WallClock(RATE, ORIGIN_NS)
    terms = Terms(recv_window_ns=A_SECOND_NS, clock_error_ns=0, visibility_lag_ns=A_SECOND_NS, sweeps_min=2)

    @classmethod
    def open(cls, tape: Any, instruments: Any, costs: Any, deposits: Any, folder: Any = None) -> Self:
        return cls()

    def __init__(self) -> None:
        super().__init__()
        self.url = os.environ["LCT_TEST_VENUE"]
        self.seen = 0

    async def ask(self, method: str, path: str, **about: Any) -> Reply:
        """Send one request, once, and read its reply; whatever goes wrong on the line is a reply too."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(self.url, timeout=timeout) as session,
                session.request(method, path, allow_redirects=False, **about) as reply,
            ):
                return Reply(reply.status, await reply.read())
        except TimeoutError:
            return Reply(None, error="timeout")
        except aiohttp.ClientConnectorError as error:
            return Reply(None, error=str(error), bytes_sent=False)
        except aiohttp.ClientError as error:
            return Reply(None, error=str(error))

    async def json(self, path: str, **query: str) -> Any:
        reply = await self.ask("GET", path, params=query)
        if reply.status == 200:
            return json.loads(reply.body)
        if reply.status == 400:
            return None
        raise ConnectionError(reply.error or str(reply.status))

    async def place(self, command: Any) -> Any:
        form = {
            "symbol": command.symbol,
            "side": command.side.value.upper(),
            "type": TYPES[command.type],
            "quantity": str(command.amount),
            "newClientOrderId": command.client_order_id,
            "timestamp": str(command.stamp_ns // 1_000_000),
            "recvWindow": str(self.terms.recv_window_ns // 1_000_000),
        }
        if command.stop_price is not None:
            form["stopPrice"] = str(command.stop_price)
        self.passes("sending")
        body = urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        reply = await self.ask("POST", "/api/v3/order", data=self.halves(body), headers=headers)
        self.passes("replied")
        key = command.client_order_id
        verdict = classify(reply, Sent(key, command.symbol, form["side"], command.amount))
        if isinstance(verdict, Accepted):
            return Placed(0, self.now(), key, verdict.venue_order_id)
        if isinstance(verdict, Rejected):
            return PlaceRefused(0, self.now(), key, verdict.reason)
        return PlaceUnclear(0, self.now(), key, verdict.reason)

    async def halves(self, body: bytes) -> AsyncIterator[bytes]:
        """Give a body out in two parts: a process may end between them, and after them."""
        half = len(body) // 2
        yield body[:half]
        self.passes("half_sent")
        yield body[half:]
        self.passes("sent")

    async def cancel(self, command: Any) -> Any:
        key = command.client_order_id
        self.passes("cancelling")
        reply = await self.ask("DELETE", "/api/v3/order", params={"origClientOrderId": key})
        self.passes("cancel_replied")
        if reply.status != 200:
            return CancelUnclear(0, self.now(), key, reply.error or reply.body[:80].decode(errors="replace"))
        return Cancelled(0, self.now(), key, Decimal(json.loads(reply.body)["filled"]))

    async def find(self, command: Any) -> list[Any]:
        key = command.client_order_id
        try:
            await self.json("/api/v3/account")
            trades = await self._trades(0)
            document = await self.json("/api/v3/order", origClientOrderId=key)
            open_orders = await self.json("/api/v3/openOrders")
        except (ConnectionError, ValueError):
            return [Sought(0, self.now(), key, None)]
        self.passes("sought")
        found = document or next((o for o in open_orders if o["cid"] == key), None)
        order = None if found is None else seen(found)
        mine = [trade for trade in trades if trade.client_order_id == key]
        return [*mine, Sought(0, self.now(), key, order, () if order else ("order", "open", "trades"), is_proven=True)]

    async def look(self, command: Any) -> list[Any]:
        try:
            trades = await self._trades(0)
            account = await self.json("/api/v3/account")
        except (ConnectionError, ValueError):
            return []
        self.passes("looked")
        balances = {asset: Decimal(amount) for asset, amount in account["balances"].items() if Decimal(amount)}
        settled = int(trades[-1].trade_id if trades else 0) == account["lastTrade"]
        return [*trades, Account(0, self.now(), balances, tuple(map(seen, account["orders"])), settled)]

    async def listen(self) -> None:
        """Poll for trades: a stream would be sooner."""
        while True:
            try:
                trades = await self._trades(self.seen)
            except (ConnectionError, ValueError):
                trades = []
            if trades:
                self.passes("traded")
                self.seen = int(trades[-1].trade_id)
                self.tell(*trades)
            await asyncio.sleep(0.1)

    async def _trades(self, after: int) -> list[Traded]:
        found: list[Traded] = []
        while page := await self.json("/api/v3/myTrades", fromId=str(after)):
            found += [traded(row) for row in page]
            after = page[-1]["id"]
        return found

    def now(self) -> int:
        return self.clock.now_ns()


def seen(row: Any) -> VenueOrder:
    kind = {name: kind for kind, name in TYPES.items()}[row["type"]]
    price = None if row["price"] is None else Decimal(row["price"])
    amounts = Decimal(row["amount"]), Decimal(row["filled"])
    side = Side[row["side"]]
    return VenueOrder(str(row["id"]), row["cid"], row["symbol"], side, kind, *amounts, STATUS[row["status"]], price)


def traded(row: Any) -> Traded:
    return Traded(
        0,
        row["time_ms"] * 1_000_000,
        row["cid"],
        str(row["id"]),
        row["symbol"],
        Side[row["side"]],
        Decimal(row["amount"]),
        Decimal(row["price"]),
        Decimal(row["fee"]),
        "USDT",
    )
