"""The paper venue: fills orders from recorded bars, keeps its own books, and remembers every client order id."""

import heapq
from bisect import insort
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Self

import numpy as np

from lct.domain.bars import Floats
from lct.domain.instruments import Instrument, Kind, split_symbol
from lct.domain.matching import (
    Costs,
    bracket_outcome,
    fee,
    fill_amount,
    limit_fill_price,
    market_price,
    stop_fill_price,
)
from lct.domain.money import ONE, ZERO, to_money
from lct.domain.orders import OrderType, Side
from lct.domain.tape import Tape
from lct.errors import JournalError
from lct.messages.base import Command, Event
from lct.ports.exchange import (
    Account,
    Cancel,
    Cancelled,
    Exchange,
    Find,
    Look,
    Place,
    Placed,
    PlaceRefused,
    Sought,
    Terms,
    Traded,
)
from plugins.exchanges._paper_books import PaperBooks, Past, Resting, Totals
from plugins.exchanges._paper_sight import first_touch, levels, seen

APART = "One of both was lost or restored without the other: restore both from one moment, or `lct portfolio reset`."
BLOCK_BARS = 256
"""A search for the bar that touches an order skips blocks of so many bars whose extremes do not."""


class Paper(Exchange):
    """Reads the bars through its own handle, so that a fill is due at a bar's open and a stop inside the bar.

    Nothing that it knows ahead of the house's time leaves it before it is due.
    """

    name = "paper"
    summary = "fills from recorded bars: fees, spread, slippage, partial fills, stops worst case first"
    terms = Terms(idempotent_forever=True, visibility_lag_ns=0)

    def __init__(
        self,
        tape: Tape,
        instruments: tuple[Instrument, ...],
        costs: Costs,
        deposits: dict[str, Decimal],
        books: PaperBooks | None = None,
    ) -> None:
        """Open an account holding `deposits`; books that have one already go on with that instead."""
        self.given = 0
        self._heard = 0
        self._tape = tape
        self._instruments = {i.symbol: i for i in instruments}
        self._costs = costs
        self._books = books
        self._balances = dict(deposits)
        self._live: dict[str, Resting] = {}
        self._past: dict[str, Past] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._ready: list[tuple[int, int, Event]] = []
        self._numbered = 0
        self._orders = 0
        self._trades = 0
        self._changed: dict[str, Resting | Past] = {}
        self._extremes: dict[str, tuple[Floats, Floats]] = {}
        self._reported: list[tuple[int, int, Event]] = []
        if books is not None:
            self._load(books)

    @classmethod
    def open(
        cls,
        tape: Callable[[], Tape],
        instruments: tuple[Instrument, ...],
        costs: Costs,
        deposits: dict[str, Decimal],
        folder: Path | None = None,
    ) -> Self:
        """Open the account that is kept in paper.db of a folder, or one in memory."""
        return cls(tape(), instruments, costs, deposits, PaperBooks(folder / "paper.db") if folder else None)

    # -- the port -----------------------------------------------------------------------------------------------

    def due_ns(self) -> int | None:
        """Return when the next result is due: those that are ready, or the next fill."""
        if self._ready:
            first = self._ready[0][0]
            return min(first, self._heap[0][0]) if self._heap else first
        return self._heap[0][0] if self._heap else None

    def results(self, now_ns: int) -> list[Event]:
        """Let the bars happen up to now and return what became of the orders."""
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, _, key = heapq.heappop(self._heap)
            resting = self._live.get(key)
            if resting is not None and resting.due_ns == due_ns:
                self._happen(resting)
        told = []
        while self._ready and self._ready[0][0] <= now_ns:
            _, number, event = self._ready.pop(0)
            self.given = number
            told.append(event)
        self._save()
        return told

    def do(self, command: Command, now_ns: int) -> None:
        """Carry out a command; one that was carried out before changes nothing."""
        # a command follows a commit, and the commit holds all that was given before it
        self._heard = self.given
        if isinstance(command, Place):
            self._place(command, now_ns)
        elif isinstance(command, Cancel):
            self._cancel(command, now_ns)
        elif isinstance(command, Find):
            self._find(command, now_ns)
        else:
            assert isinstance(command, Look), f"the paper venue cannot do {command}"
            orders = tuple(seen(resting) for resting in self._live.values())
            self._report(Account(self._next(), now_ns, dict(self._balances), orders), now_ns)
        self._save()

    def resume(self, heard: int) -> None:
        """Give again what was reported after result `heard`; JournalError where the journal is not this account's."""
        if self._books is not None:
            if heard > self._numbered:
                raise JournalError(
                    f"the journal heard {heard} results, the paper account has {self._numbered}. {APART}"
                )
            if heard < self._heard:
                raise JournalError(
                    f"the paper account was heard up to {self._heard}, the journal up to {heard}. {APART}"
                )
            self._ready = self._books.results_after(heard)
        self.given = self._heard = heard

    def close(self) -> None:
        """Close the books."""
        if self._books is not None:
            self._books.close()

    def balances(self) -> dict[str, Decimal]:
        """Return the venue's own books: what is ours by asset, zeros left out."""
        return {asset: amount for asset, amount in sorted(self._balances.items()) if amount}

    # -- orders -------------------------------------------------------------------------------------------------

    def _place(self, order: Place, now_ns: int) -> None:
        key = order.client_order_id
        if key in self._live or key in self._past:
            return
        objection = self._objection(order)
        if objection is not None:
            self._is_past(key, Past(ZERO))
            self._report(PlaceRefused(self._next(), now_ns, key, objection), now_ns)
            return
        self._orders += 1
        first = self._tape.first_from(order.symbol, now_ns)
        is_market = order.type is OrderType.MARKET
        resting = Resting(order, f"paper-{self._orders}", order.amount, first, self._orders, at_market=is_market)
        self._live[key] = self._changed[key] = resting
        self._schedule(resting)
        self._report(Placed(self._next(), now_ns, key, resting.venue_order_id), now_ns)

    def _objection(self, order: Place) -> str | None:
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            return f"no market {order.symbol}"
        if order.amount <= ZERO or order.amount % instrument.lot:
            return f"amount {order.amount} is not a multiple of the lot {instrument.lot}"
        if order.amount < instrument.min_amount:
            return f"amount {order.amount} is below the minimum {instrument.min_amount}"
        if order.side is Side.SELL and instrument.kind is Kind.SPOT:
            promised = sum(
                (
                    r.remaining
                    for r in self._live.values()
                    if r.order.symbol == order.symbol and r.order.side is Side.SELL
                ),
                ZERO,
            )
            free = self._balances.get(instrument.base, ZERO) - promised
            if order.amount > free:
                return f"insufficient balance: {order.amount} of {free} {instrument.base} free"
        return None

    def _cancel(self, command: Cancel, now_ns: int) -> None:
        key = command.client_order_id
        past = self._past.get(key, Past(ZERO))
        if past.cancelled:
            return
        resting = self._live.get(key)
        filled = past.filled if resting is None else resting.order.amount - resting.remaining
        self._is_past(key, Past(filled, cancelled=True))
        self._report(Cancelled(self._next(), now_ns, key, filled, "" if resting else "not open"), now_ns)

    def _find(self, command: Find, now_ns: int) -> None:
        """Tell an order that rests; all else was told when it happened, and is told again where it was not heard."""
        resting = self._live.get(command.client_order_id)
        order = None if resting is None else seen(resting)
        self._report(
            Sought(self._next(), now_ns, command.client_order_id, order, ("orders", "trades"), is_proven=True), now_ns
        )

    def _schedule(self, resting: Resting) -> None:
        """Find the bar at which the order does something, from its index `at` on."""
        order = resting.order
        bars = self._tape.bars(order.symbol)
        instrument = self._instruments[order.symbol]
        at = resting.at if resting.at_market else self._touched(order, resting.at)
        while at < len(bars) and not fill_amount(resting.remaining, float(bars.volume[at]), self._costs, instrument):
            resting.at_market = resting.at_market or self._outcome(order, at) == "stop"
            at = at + 1 if resting.at_market else self._touched(order, at + 1)
        resting.at = at
        if at >= len(bars):
            resting.due_ns = 0
            return
        inside = not resting.at_market and not self._at_open(order, float(bars.open[at]))
        resting.due_ns = int(bars.open_ns[at]) + (self._tape.step_ns - 1 if inside else 0)
        # orders that are due together go by age, which a restart does not change
        heapq.heappush(self._heap, (resting.due_ns, resting.age, order.client_order_id))

    def _touched(self, order: Place, at: int) -> int:
        """Return the index of the first bar from `at` on that touches the order, or the number of bars."""
        bars = self._tape.bars(order.symbol)
        below, above = levels(order)
        total = len(bars)
        # the rest of the block that `at` is in; then the first block with a touch in it, and that alone bar by bar
        block = at // BLOCK_BARS
        end = (block + 1) * BLOCK_BARS
        first = first_touch(bars.low[at:end], bars.high[at:end], below, above)
        if first is None and end < total:
            lows, highs = self._extremes_of(order.symbol)
            ahead = first_touch(lows[block + 1 :], highs[block + 1 :], below, above)
            if ahead is None:
                return total
            at = (block + 1 + ahead) * BLOCK_BARS
            end = at + BLOCK_BARS
            first = first_touch(bars.low[at:end], bars.high[at:end], below, above)
        return total if first is None else at + first

    def _extremes_of(self, symbol: str) -> tuple[Floats, Floats]:
        """Return the lowest low and the highest high of each block of a symbol's bars."""
        found = self._extremes.get(symbol)
        if found is None:
            bars = self._tape.bars(symbol)
            starts = np.arange(0, len(bars), BLOCK_BARS)
            found = np.fmin.reduceat(bars.low, starts), np.fmax.reduceat(bars.high, starts)
            self._extremes[symbol] = found
        return found

    def _at_open(self, order: Place, open_: float) -> bool:
        below, above = levels(order)
        return open_ <= below or open_ >= above

    def _happen(self, resting: Resting) -> None:
        """Fill what the order's bar fills, and look for the next bar where something remains."""
        order, at = resting.order, resting.at
        bars = self._tape.bars(order.symbol)
        instrument = self._instruments[order.symbol]
        amount = fill_amount(resting.remaining, float(bars.volume[at]), self._costs, instrument)
        outcome = "market" if resting.at_market else self._outcome(order, at)
        price = self._price(order, at, outcome)
        if order.side is Side.BUY and instrument.kind is Kind.SPOT:
            affordable = self._affordable(price, instrument)
            if affordable < amount:
                self._trade(resting, affordable, price)
                self._end(resting, "insufficient balance")
                return
        self._trade(resting, amount, price)
        if resting.remaining:
            # a stop that was touched is a market order for the rest
            resting.at_market = resting.at_market or outcome == "stop"
            resting.at = at + 1
            self._schedule(resting)

    def _affordable(self, price: Decimal, instrument: Instrument) -> Decimal:
        """Return how much of an instrument (base, on the lot) the account can pay for, fee included."""
        cash = self._balances.get(instrument.quote, ZERO)
        if cash <= ZERO:
            return ZERO
        amount = instrument.amount_down(cash / (price * (ONE + self._costs.fee_rate)))
        # the fee is rounded up, and may be what is missing
        return amount if amount * price + fee(amount * price, self._costs.fee_rate) <= cash else amount - instrument.lot

    def _outcome(self, order: Place, at: int) -> str:
        """Return as what a bar that touches an order fills it: limit, stop or take_profit."""
        if order.type is OrderType.LIMIT:
            return "limit"
        if order.type is OrderType.STOP:
            return "stop"
        bars = self._tape.bars(order.symbol)
        open_, high, low = float(bars.open[at]), float(bars.high[at]), float(bars.low[at])
        return bracket_outcome(order.side, order.stop_price, order.take_profit_price, open_, high, low) or "stop"

    def _price(self, order: Place, at: int, outcome: str) -> Decimal:
        instrument = self._instruments[order.symbol]
        open_ = to_money(float(self._tape.bars(order.symbol).open[at]), instrument.tick)
        if outcome == "market":
            return market_price(open_, order.side, self._costs, instrument)
        if outcome == "stop":
            assert order.stop_price is not None, "a stop has its price"
            return stop_fill_price(order.side, order.stop_price, open_, self._costs, instrument)
        limit = order.price if outcome == "limit" else order.take_profit_price
        assert limit is not None, "a limit has its price"
        return limit_fill_price(order.side, limit, open_)

    def _trade(self, resting: Resting, amount: Decimal, price: Decimal) -> None:
        if not amount:
            return
        order = resting.order
        base, quote = split_symbol(order.symbol)
        paid = fee(amount * price, self._costs.fee_rate)
        sign = order.side.sign
        self._balances[base] = self._balances.get(base, ZERO) + sign * amount
        self._balances[quote] = self._balances.get(quote, ZERO) - sign * amount * price - paid
        resting.remaining -= amount
        self._trades += 1
        key = order.client_order_id
        self._changed[key] = resting
        if not resting.remaining:
            self._is_past(key, Past(order.amount))
        trade_id = f"t{self._trades}"
        time_ns = resting.due_ns
        self._report(
            Traded(self._next(), time_ns, key, trade_id, order.symbol, order.side, amount, price, paid, quote), time_ns
        )

    def _end(self, resting: Resting, reason: str) -> None:
        key = resting.order.client_order_id
        filled = resting.order.amount - resting.remaining
        self._is_past(key, Past(filled))
        self._report(Cancelled(self._next(), resting.due_ns, key, filled, reason), resting.due_ns)

    # -- results and books --------------------------------------------------------------------------------------

    def _is_past(self, key: str, past: Past) -> None:
        self._live.pop(key, None)
        self._past[key] = self._changed[key] = past

    def _next(self) -> int:
        self._numbered += 1
        return self._numbered

    def _report(self, event: Event, due_ns: int) -> None:
        insort(self._ready, (due_ns, self._numbered, event))
        self._reported.append((due_ns, self._numbered, event))

    def _save(self) -> None:
        if self._books is not None and (self._changed or self._reported):
            totals = Totals(self._balances, self._numbered, self._heard, self._orders, self._trades)
            self._books.save(totals, self._changed, self._reported, self._heard)
        self._changed.clear()
        self._reported.clear()

    def _load(self, books: PaperBooks) -> None:
        """Go on with the account in the books, if there is one."""
        totals = books.totals()
        if totals is None:
            return
        self._balances = dict(totals.balances)
        self._numbered, self._orders, self._trades = totals.numbered, totals.orders, totals.trades
        self._heard = totals.heard
        live, self._past = books.orders()
        for resting in live:
            self._live[resting.order.client_order_id] = resting
            self._schedule(resting)
