"""The witness: a venue that takes orders, fills them, forgets replies, and keeps books of its own through all of it."""

import heapq
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Self

from lct.domain.instruments import Instrument
from lct.domain.matching import Costs
from lct.domain.money import floor_to, to_money
from lct.domain.orders import OrderType, Side
from lct.domain.replies import Accepted, Rejected, Reply, Sent, classify
from lct.domain.tape import Tape
from lct.domain.venues import Terms
from lct.messages.base import Command, Event
from lct.messages.exchange import (
    Cancel,
    Cancelled,
    CancelUnclear,
    Find,
    Look,
    Place,
    Placed,
    PlaceRefused,
    PlaceUnclear,
)
from lct.ports.exchange import Exchange
from lct.simulation import looking
from lct.simulation.account import Account, Taken, Trade, protects, told
from lct.simulation.plan import SECOND_NS, Personality, Plan, Struck

MS_NS = 1_000_000
REQUESTS_MAX = 20_000
"""More than so many in one run are a house that asks without end."""
TIMEOUT_NS = 10 * SECOND_NS
"""After how long the house's side of the line gives a reply up."""

ACCEPTED_BUT = {
    "reply_truncated": Reply(200, b'{"orderId": 1, "clientOr'),
    "reply_empty": Reply(200, b""),
    "reply_html": Reply(200, b"<html>scheduled</html>"),
    "reply_500": Reply(500, b"{}"),
    "reply_503": Reply(503, b'{"code": -1000, "msg": "Unknown error"}'),
    "reply_nan": Reply(200, b'{"orderId": 1, "executedQty": NaN}'),
    "reply_id_only": Reply(200, b'{"orderId": 1}'),
    "reply_unknown_code": Reply(400, b'{"code": -9999, "msg": "?"}'),
    "reply_lost": Reply(None, error="timeout"),
}
"""Replies that prove nothing, to orders that the venue did take."""
TAKEN_NOT = {
    "request_lost": Reply(None, error="timeout"),
    "not_sent": Reply(None, error="connection refused", bytes_sent=False),
    "banned": Reply(429, b"{}"),
    "refused": Reply(400, b'{"code": -1013, "msg": "Filter failure: PERCENT_PRICE"}'),
}
"""Replies, or none, to orders that it did not take."""


class Witness(Exchange):
    """Plays a venue over recorded bars. Nothing that it promised in `terms` is broken, whatever fault strikes."""

    name = "witness"
    summary = "a venue with faults and books of its own, for simulation"
    terms = Terms()

    def __init__(
        self,
        tape: Tape,
        instruments: tuple[Instrument, ...],
        deposits: dict[str, Decimal],
        personality: Personality,
        struck: Struck,
        seed: int,
    ) -> None:
        """Open an account holding `deposits` at a venue of some personality, where the faults of a plan strike."""
        self.given = 0
        self.tape = tape
        self.personality = personality
        self.struck = struck
        self._bar_ends: list[int] = (tape.times + (tape.step_ns - 1)).tolist()
        self.is_journaled: Callable[[str], bool] = lambda _: True
        """Whether an order is in the journal of the house by now; asked when a request arrives."""
        self.unjournaled: list[str] = []
        self.passes: Callable[[str], None] = lambda _: None
        """Called at the points where a house may be killed: `heard` what was told, `did` a command."""
        rate = Decimal(personality.fee_rate)
        self.account = Account(dict(deposits), {i.symbol: i for i in instruments}, personality.fee_in, rate)
        self.chance = random.Random(f"lct.witness.{seed}")
        self._heap: list[tuple[int, int, bool, Callable[[int], None]]] = []
        self._numbered = 0
        self._told: list[Event] = []
        self._bar = 0
        self._requests = 0
        self.silent_until = self.down_until = 0

    @classmethod
    def open(
        cls,
        tape: Callable[[], Tape],
        instruments: tuple[Instrument, ...],
        costs: Costs,
        deposits: dict[str, Decimal],
        folder: Path | None = None,  # noqa: ARG003 - its books are in memory, and outlive every house
    ) -> Self:
        """Open an account at a venue that is well."""
        calm = Personality("quote", str(costs.fee_rate), 0, 1)
        return cls(tape(), instruments, deposits, calm, Struck(Plan(0, calm, 1, 0, ())), 0)

    # -- the port -----------------------------------------------------------------------------------------------

    def due_ns(self) -> int | None:
        """Return when something happens next: a bar that may touch a resting order, a request, a reply."""
        bar_ns = self._bar_ns()
        if not self._heap:
            return bar_ns
        return self._heap[0][0] if bar_ns is None else min(bar_ns, self._heap[0][0])

    def _bar_ns(self) -> int | None:
        return self._bar_ends[self._bar] if self._bar < len(self._bar_ends) else None

    def results(self, now_ns: int) -> list[Event]:
        """Let all happen that is due, and return what of it is told."""
        while (due_ns := self.due_ns()) is not None and due_ns <= now_ns:
            if due_ns == self._bar_ns():
                self._touch(self._bar, due_ns)
                self._bar += 1
            else:
                _, _, _, act = heapq.heappop(self._heap)
                act(due_ns)
        told, self._told = self._told, []
        if told:
            self.passes("heard")
        return told

    def resume(self, heard: int) -> None:
        """Go on with a new life of the house: what was on the line to the old one is lost."""
        self.given = heard
        self._told = []
        self._heap = [entry for entry in self._heap if not entry[2]]
        heapq.heapify(self._heap)

    def close(self) -> None:
        """Stay: a venue survives its customers."""

    def balances(self) -> dict[str, Decimal]:
        """Return what is ours, by asset."""
        return {asset: amount for asset, amount in sorted(self.account.balances.items()) if amount}

    def do(self, command: Command, now_ns: int) -> None:
        """Take a request on its way."""
        self._requests += 1
        assert self._requests <= REQUESTS_MAX, f"the house asked {REQUESTS_MAX} times, and does not come to rest"
        self._carry(command, now_ns)
        self.passes("did")

    def _carry(self, command: Command, now_ns: int) -> None:
        if isinstance(command, Place):
            self._place(command, now_ns)
        elif isinstance(command, Cancel):
            self._cancel(command, now_ns)
        elif isinstance(command, Find):
            looking.find(self, command, now_ns)
        else:
            assert isinstance(command, Look), f"no venue can do {command}"
            looking.look(self, command, now_ns)

    def at(self, due_ns: int, act: Callable[[int], None], *, on_the_line: bool) -> None:
        """Have something happen at a time; what is on the line to a house is lost with that life of it."""
        self._numbered += 1
        heapq.heappush(self._heap, (due_ns, self._numbered, on_the_line, act))

    def tell(self, make: Callable[[int, int], Event], due_ns: int) -> None:
        """Have the house hear an event, made of its number and the time, unless its life ends before."""

        def act(now_ns: int) -> None:
            self.given += 1
            self._told.append(make(self.given, now_ns))

        self.at(due_ns, act, on_the_line=True)

    def latency(self) -> int:
        """Return how long a message takes one way (ns)."""
        return self.chance.randint(1, 80) * MS_NS

    def price(self, symbol: str) -> Decimal:
        """Return the last close before the bar in progress, on the tick."""
        bars, instrument = self.tape.bars(symbol), self.account.instruments[symbol]
        return to_money(float(bars.close[max(0, min(self._bar, len(bars)) - 1)]), instrument.tick)

    # -- placing ------------------------------------------------------------------------------------------------

    def _place(self, order: Place, now_ns: int) -> None:
        fault = self.struck.next("place")
        kind = "" if fault is None else fault.kind
        arrives_ns = now_ns + self.latency()
        if kind == "request_late":
            assert fault is not None, "it has a kind"
            arrives_ns = now_ns + int(fault.size * 8 * SECOND_NS)
        if kind in TAKEN_NOT:
            wait_ns = TIMEOUT_NS if kind == "request_lost" else self.latency()
            self._answer(order, TAKEN_NOT[kind], now_ns + wait_ns)
            return
        self.at(arrives_ns, lambda at_ns: self._arrive(order, kind, now_ns, at_ns), on_the_line=False)

    def _arrive(self, order: Place, kind: str, sent_ns: int, now_ns: int) -> None:
        """Take an order, or refuse it in the words of a venue; then the reply goes its way."""
        back_ns = now_ns + self.latency()
        if now_ns < self.down_until:
            self._answer(order, Reply(503, b"<html>maintenance</html>"), back_ns)
            return
        objection = self._objection(order, now_ns)
        if objection is not None:
            self._answer(order, Reply(400, objection.encode()), back_ns)
            return
        taken = self.take(order, now_ns)
        self._begin_fills(taken, now_ns, sliced=kind == "sliced")
        reply = ACCEPTED_BUT.get(kind)
        if reply is None:
            body = f'{{"orderId": "{taken.venue_order_id}", "clientOrderId": "{order.client_order_id}"}}'
            reply = Reply(200, body.encode())
        late = back_ns > sent_ns + TIMEOUT_NS
        if late or reply.status is None:
            self._answer(order, ACCEPTED_BUT["reply_lost"], max(back_ns, sent_ns + TIMEOUT_NS))
        else:
            self._answer(order, reply, back_ns)

    def _objection(self, order: Place, now_ns: int) -> str | None:
        key = order.client_order_id
        if now_ns > order.stamp_ns + self.terms.recv_window_ns:
            return '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}'
        if any(taken.status == "open" for taken in self.account.named(key)):
            return '{"code": -2010, "msg": "Duplicate order sent."}'
        return self.account.objection(order, self.price(order.symbol))

    def take(self, order: Place, now_ns: int, *, is_foreign: bool = False) -> Taken:
        """Put an order into the book."""
        taken = Taken(f"v{len(self.account.orders) + 1}", order, now_ns, is_foreign, changed_ns=now_ns)
        self.account.orders.append(taken)
        if not is_foreign and not self.is_journaled(order.client_order_id):
            self.unjournaled.append(order.client_order_id)
        return taken

    def _answer(self, order: Place, reply: Reply, due_ns: int) -> None:
        """Put a raw reply through the parse layer, and tell what it proves."""
        key = order.client_order_id
        verdict = classify(reply, Sent(key, order.symbol, order.side.value, order.amount))

        def made(number: int, now_ns: int) -> Event:
            if isinstance(verdict, Accepted):
                return Placed(number, now_ns, key, verdict.venue_order_id)
            if isinstance(verdict, Rejected):
                return PlaceRefused(number, now_ns, key, verdict.reason)
            return PlaceUnclear(number, now_ns, key, verdict.reason)

        self.tell(made, due_ns)

    # -- filling ------------------------------------------------------------------------------------------------

    def _begin_fills(self, taken: Taken, now_ns: int, *, sliced: bool) -> None:
        """Fill a market order in one or more slices; others wait for their price."""
        if taken.order.type is not OrderType.MARKET:
            return
        lot = self.account.instruments[taken.order.symbol].lot
        most = self.personality.slices_max if not sliced else 50
        slices = min(self.chance.randint(1, most), int(taken.order.amount / lot))
        left = taken.order.amount
        for n in range(slices):
            amount = left if n == slices - 1 else max(lot, floor_to(left / (slices - n), lot))
            left -= amount
            due_ns = now_ns + n * self.chance.randint(1, 900) * MS_NS

            def act(at_ns: int, amount: Decimal = amount) -> None:
                self._fill(taken, amount, self.price(taken.order.symbol), at_ns)

            self.at(due_ns, act, on_the_line=False)

    def _fill(self, taken: Taken, amount: Decimal, price: Decimal, now_ns: int) -> None:
        amount = min(amount, taken.remaining)
        if taken.status == "open" and amount > 0:
            self.tell_trade(self.account.trade(taken, amount, price, now_ns), now_ns)

    def _touch(self, bar: int, now_ns: int) -> None:
        """Let a bar happen: stops and limits that it touches are filled, worst price first."""
        for taken in self.account.open_orders():
            order = taken.order
            bars = self.tape.bars(order.symbol)
            if order.type is OrderType.MARKET or bar >= len(bars):
                continue
            low, high = float(bars.low[bar]), float(bars.high[bar])
            price = self._touched(order, low, high)
            if price is not None:
                self._fill(taken, taken.remaining, price, now_ns)

    def _touched(self, order: Place, low: float, high: float) -> Decimal | None:
        selling = order.side is Side.SELL
        if protects(order):
            stop, take = order.stop_price, order.take_profit_price
            if stop is not None and (low <= float(stop) if selling else high >= float(stop)):
                return stop
            if take is not None and (high >= float(take) if selling else low <= float(take)):
                return take
            return None
        assert order.price is not None, "a limit order has its price"
        return order.price if (high >= float(order.price) if selling else low <= float(order.price)) else None

    def tell_trade(self, trade: Trade, now_ns: int) -> None:
        """Tell a trade on the private stream, as the fault of its turn has it."""
        fault = self.struck.next("trade")
        kind = "" if fault is None else fault.kind
        if now_ns < self.silent_until or kind == "untold":
            return
        times = {"twice": 2, "many_times": 5}.get(kind, 1)
        wait_ns = 0
        if kind == "late":
            assert fault is not None, "it has a kind"
            wait_ns = int(fault.size * 40 * SECOND_NS)
        for _ in range(times):
            self.tell(lambda number, _: told(trade, number), now_ns + wait_ns + self.latency())

    # -- cancelling ---------------------------------------------------------------------------------------------

    def _cancel(self, command: Cancel, now_ns: int) -> None:
        fault = self.struck.next("cancel")
        kind = "" if fault is None else fault.kind
        if kind == "request_lost":
            self._doubt(command, "timeout", now_ns + TIMEOUT_NS)
            return
        self.at(now_ns + self.latency(), lambda at_ns: self._cancel_arrives(command, kind, at_ns), on_the_line=False)

    def _cancel_arrives(self, command: Cancel, kind: str, now_ns: int) -> None:
        key, back_ns = command.client_order_id, now_ns + self.latency()
        taken = next((t for t in self.account.named(key) if t.status == "open"), None)
        if taken is None or kind == "not_found" or now_ns < self.down_until:
            self._doubt(command, "Unknown order sent.", back_ns)
            return
        if kind == "fill_first":
            self._fill(taken, taken.remaining, self.price(taken.order.symbol), now_ns)
            self._doubt(command, "Unknown order sent.", back_ns)
            return
        lot = self.account.instruments[taken.order.symbol].lot
        if kind == "fill_late" and taken.remaining > lot:
            # matched before the cancel, told long after it
            amount = max(lot, floor_to(taken.remaining / 2, lot))
            trade = self.account.trade(taken, amount, self.price(taken.order.symbol), now_ns)
            self.tell(lambda number, _: told(trade, number), now_ns + self.chance.randint(1, 100) * SECOND_NS)
        taken.status, taken.changed_ns = "canceled", now_ns
        filled = taken.filled
        if kind == "reply_lost":
            self._doubt(command, "timeout", now_ns + TIMEOUT_NS)
        else:
            self.tell(lambda number, at_ns: Cancelled(number, at_ns, key, filled), back_ns)

    def _doubt(self, command: Cancel, reason: str, due_ns: int) -> None:
        key = command.client_order_id
        self.tell(lambda number, now_ns: CancelUnclear(number, now_ns, key, reason), due_ns)
