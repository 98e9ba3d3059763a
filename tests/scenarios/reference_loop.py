"""A plain loop over bars: what a house that trades an EMA cross must do; it shares no trading code with it."""

from dataclasses import dataclass, field
from decimal import Decimal

from lct.domain.money import ceil_to, floor_to, to_money

FAST, SLOW, BLOCK = 2 / 13, 2 / 27, 64
RISK, SHARE, LEAST = Decimal("0.01"), Decimal("0.25"), Decimal("0.25")


@dataclass
class Rules:
    """The exits as fractions, the most positions at once, and what trading costs."""

    stop: Decimal | None = Decimal("0.03")
    take: Decimal | None = None
    trailing: float | None = None
    max_bars: int | None = None
    on_signal: bool = True
    positions_max: int = 10
    fee_rate: Decimal = Decimal("0.001")
    worsening: Decimal = Decimal("0.0002")
    participation: float = 0.1


@dataclass
class Order:
    """What rests at the venue; a guard is a stop or take-profit, or a market order once its stop was touched."""

    symbol: str
    kind: str  # entry, exit, guard
    left: Decimal
    stop: Decimal | None = None
    take: Decimal | None = None
    is_market: bool = True
    tried_ns: int = -1
    spends: bool = True  # whether the signal is not traded again once it is filled


@dataclass
class Loop:
    """`rows` gives each symbol's bars as {open_ns: (open, high, low, close, volume)}; run() trades them all."""

    rows: dict
    instruments: dict
    step_ns: int
    cash: Decimal
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        self.held = dict.fromkeys(self.rows, Decimal(0))
        self.marks, self.entered_ns, self.bars_held, self.best = {}, {}, {}, {}
        self.orders, self.fills, self.spent, self.dust = [], [], set(), {}
        self.scores = {symbol: self.ema_scores(rows) for symbol, rows in self.rows.items()}

    def run(self):
        opens = {open_ns for rows in self.rows.values() for open_ns in rows}
        for now in sorted(opens | {open_ns + self.step_ns for open_ns in opens}):
            self.at_open(now)
            self.at_open(now)  # and guards of what was just bought
            closed = [symbol for symbol in sorted(self.rows) if now - self.step_ns in self.rows[symbol]]
            if closed:
                waiting = self.decide(closed, now)
                self.at_open(now)
                for order in waiting:  # an exit takes the place of its guards, which must be gone first
                    self.orders = [o for o in self.orders if o.symbol != order.symbol] + [order]
                self.at_open(now)
            self.at_open(now)  # guards of what was just bought
            self.inside(now)
        return self

    def equity(self):
        return self.cash + sum(amount * self.marks[symbol] for symbol, amount in self.held.items() if amount)

    def ema_scores(self, rows):
        """Whether the fast average is above the slow one, both started where the block before the bar's own starts."""
        scores, times = {}, sorted(rows)
        for block in {t // self.step_ns // BLOCK for t in times}:
            first = (block - 1) * BLOCK * self.step_ns
            window = [t for t in times if first <= t < first + 2 * BLOCK * self.step_ns]
            if first not in rows and not any(first - BLOCK * self.step_ns <= t < first for t in times):
                continue
            fast = slow = rows[window[0]][3]
            for before, t in enumerate(window):
                fast += FAST * (rows[t][3] - fast)
                slow += SLOW * (rows[t][3] - slow)
                if before >= 26 and t // self.step_ns // BLOCK == block:
                    scores[t] = fast > slow
        return scores

    # -- decisions at a close -----------------------------------------------------------------------------------

    def decide(self, closed, now):
        """Place what a close calls for; return the exits that have to wait for their guards to go."""
        for symbol in closed:
            self.marks[symbol] = to_money(self.rows[symbol][now - self.step_ns][3], self.instruments[symbol].tick)
        for symbol in self.rows:
            if self.held[symbol] and self.entered_ns[symbol] < now:
                self.bars_held[symbol] += 1
                if symbol in closed:
                    close = self.rows[symbol][now - self.step_ns][3]
                    self.best[symbol] = max(self.best.get(symbol, close), close)
        waiting = []
        for symbol in closed:
            score = self.scores[symbol].get(now - self.step_ns)
            if any(o.symbol == symbol and o.kind != "guard" for o in self.orders):
                continue  # one intent at a time
            is_dust = self.held[symbol] != 0 and self.held[symbol] == self.dust.get(symbol)
            if score is False and (is_dust or not self.held[symbol]):
                self.spent.discard(symbol)
            if is_dust and score is False:
                if self.fits(symbol, self.held[symbol], self.marks[symbol]):
                    self.orders.append(Order(symbol, "exit", self.held[symbol], spends=False))
            elif self.held[symbol] and not is_dust:
                self.leave(symbol, score, self.rows[symbol][now - self.step_ns][3], waiting)
            elif score and symbol not in self.spent:
                self.enter(symbol)
        return waiting

    def leave(self, symbol, score, close, waiting):
        """Sell all where a close calls for it; what is too small to be sold is dust, and may be added to."""
        rules = self.rules
        is_over = rules.on_signal and score is False
        is_behind = rules.trailing is not None and close <= self.best.get(symbol, close) * (1 - rules.trailing)
        is_late = rules.max_bars is not None and self.bars_held[symbol] >= rules.max_bars
        if not (is_over or is_behind or is_late):
            return
        if not self.fits(symbol, self.held[symbol], self.marks[symbol]):
            self.dust[symbol] = self.held[symbol]
            return
        guarded = any(o.symbol == symbol for o in self.orders)
        order = Order(symbol, "exit", self.held[symbol], spends=is_behind or not is_over)
        (waiting if guarded else self.orders).append(order)

    def fits(self, symbol, amount, price):
        return (
            0 < amount >= self.instruments[symbol].min_amount
            and amount * price >= self.instruments[symbol].min_notional
        )

    def enter(self, symbol):
        """Buy so much that the stop costs one percent, within a quarter of the equity and the cash that is free."""
        entries = [o for o in self.orders if o.kind == "entry"]
        price, cost, lot = self.marks[symbol], self.rules.fee_rate + self.rules.worsening, self.instruments[symbol].lot
        cash = self.cash - sum(o.promised for o in entries) * (1 + cost)
        positions = sum(1 for s, amount in self.held.items() if amount and amount != self.dust.get(s)) + len(entries)
        if positions >= self.rules.positions_max or cash <= self.instruments[symbol].min_notional:
            return
        stop = self.stop_at(symbol, price) or Decimal(0)
        loss = price - stop + cost * (price + stop)
        worth = self.equity()
        most = min(worth * SHARE / price, cash / (price * (1 + cost)), worth * RISK / loss)
        amount = floor_to(most, lot)
        is_all_cash = (amount + lot) * price * (1 + cost) > cash
        if is_all_cash and amount * price < worth * SHARE * LEAST:
            return
        if not self.fits(symbol, amount, price) or (stop and not self.fits(symbol, amount, stop)):
            return
        live = sum(o.left * self.marks[o.symbol] for o in entries)
        gross = sum(abs(held) * self.marks[s] for s, held in self.held.items() if held)
        if amount * price * (1 + cost) > self.cash - live * (1 + cost) or gross + live + amount * price > worth:
            self.spent.add(symbol)  # the gate denies it
            return
        order = Order(symbol, "entry", amount)
        order.promised = amount * price
        self.orders.append(order)

    def stop_at(self, symbol, price):
        tick = self.instruments[symbol].tick
        return self.rules.stop and max(floor_to(price * (1 - self.rules.stop), tick), tick)

    # -- the venue ----------------------------------------------------------------------------------------------

    def at_open(self, now):
        """Fill market orders at the open of a bar, and guards that the open lies beyond."""
        for order in list(self.orders):
            row, tick = self.rows[order.symbol].get(now), self.instruments[order.symbol].tick
            if row is None or order.tried_ns == now:
                continue
            open_ = to_money(row[0], tick)
            if order.is_market or (order.stop is not None and row[0] <= float(order.stop)):
                order.is_market = True
                self.fill(order, self.worse(order, open_), now, now)
            elif order.take is not None and row[0] >= float(order.take):
                self.fill(order, max(order.take, open_), now, now)

    def inside(self, now):
        """Fill guards that the bar which opens now touches: the stop first, as the worst."""
        for order in list(self.orders):
            row = self.rows[order.symbol].get(now)
            if row is None or order.tried_ns == now or order.is_market:
                continue
            if order.stop is not None and row[2] <= float(order.stop):
                order.is_market = True
                self.fill(order, self.worse(order, order.stop), now, now + self.step_ns - 1)
            elif order.take is not None and row[1] >= float(order.take):
                self.fill(order, order.take, now, now + self.step_ns - 1)

    def worse(self, order, price):
        tick, worsening = self.instruments[order.symbol].tick, self.rules.worsening
        return (
            ceil_to(price * (1 + worsening), tick)
            if order.kind == "entry"
            else max(floor_to(price * (1 - worsening), tick), tick)
        )

    def fill(self, order, price, bar_ns, time_ns):
        """Fill what the bar's volume and the cash allow; protect what was bought."""
        order.tried_ns, symbol, lot = bar_ns, order.symbol, self.instruments[order.symbol].lot
        ours = self.rows[symbol][bar_ns][4] * self.rules.participation
        amount = order.left if ours >= float(order.left) else to_money(ours, lot, "ROUND_FLOOR")
        if not amount:
            return
        if order.kind == "entry":
            affordable = floor_to(self.cash / (price * (1 + self.rules.fee_rate)), lot)
            if affordable < amount:  # what cannot be paid is cancelled
                order.left = amount = affordable
                self.spent.add(symbol)
        if amount > 0:
            self.book(order, amount, price, time_ns)
        if not order.left:
            self.orders.remove(order)
            if order.kind == "exit" and order.spends:
                self.spent.add(symbol)
        elif order.kind == "guard":
            self.spent.add(symbol)
        if order.kind == "entry" and amount > 0:
            self.protect(symbol, price)

    def book(self, order, amount, price, time_ns):
        symbol, sign = order.symbol, 1 if order.kind == "entry" else -1
        fee = ceil_to(amount * price * self.rules.fee_rate, Decimal("1E-8"))
        if not self.held[symbol]:
            self.entered_ns[symbol], self.bars_held[symbol] = time_ns, 0
            self.best.pop(symbol, None)
        if order.kind == "guard":
            self.spent.add(symbol)
        self.held[symbol] += sign * amount
        self.cash -= sign * amount * price + fee
        order.left -= amount
        self.fills.append((symbol, sign, amount, price, fee, time_ns))

    def protect(self, symbol, price):
        """Place a guard for what is held and not covered, where the venue takes one of that size."""
        amount = self.held[symbol] - sum(o.left for o in self.orders if o.symbol == symbol and o.kind == "guard")
        stop, tick = self.stop_at(symbol, price), self.instruments[symbol].tick
        take = self.rules.take and floor_to(price * (1 + self.rules.take), tick)
        if (stop or take) and self.fits(symbol, amount, stop or take):
            self.orders.append(Order(symbol, "guard", amount, stop, take, is_market=False))
