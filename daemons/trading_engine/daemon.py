"""The trading engine daemon: hears scores and fills, decides, and proposes."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from daemons.trading_engine.holdings import Config, Holding
from lct.daemon import Ask, Daemon, Said, Saying, answers, on
from lct.domain.exits import exit_reason, protection
from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger, deposit
from lct.domain.marks import LOOK_BACK, Marks, equity
from lct.domain.money import ONE, ZERO
from lct.domain.orders import TERMINAL, OrderType, Side, State
from lct.domain.sizing import amount_for_risk
from lct.messages.base import Event
from lct.messages.execution import Deposited, Filled, OrderMoved, Propose, Verdict
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored
from lct.messages.trading_engine import (
    DepositHeard,
    DustLeft,
    FillHeard,
    GetTradingStatus,
    Proposed,
    Settled,
    SignalFresh,
    TradingStatus,
)

SIGNAL = "signal"
REMAINDER = "remainder"
PROPOSAL_NS = 2_000_000_000
"""How long a proposal is good for."""


class TradingEngine(Daemon):
    """Durable: its unresolved proposals count as position, so a view that lags never doubles an order."""

    name = "trading_engine"
    durable = True
    rehears = (BarsClosed, Scored)

    def __init__(self, config: Config, instruments: tuple[Instrument, ...], *, cost_rate: Decimal = ZERO) -> None:
        """`cost_rate` is the fraction of a notional that fees and slippage may take, for sizing."""
        self.config = config
        self.instruments = {i.symbol: i for i in instruments}
        self.cost_rate = cost_rate
        self.ledger = Ledger()
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.unresolved: dict[str, Holding] = {}
        self.proposals = 0
        self.marks = Marks()
        self.md_seq = 0
        self.cycles = 0
        self.signals = 0
        self.withheld: Counter[str] = Counter()
        self._rows: dict[str, tuple[tuple[str, ...], list[Holding]]] = {}
        self._just_entered: list[Holding] = []
        self._watches_closes = config.exits.trailing is not None or config.exits.max_bars is not None

    # -- state --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Fold one durable event into positions and unresolved proposals."""
        if type(event) is FillHeard:
            self._apply_fill(event)
        elif type(event) is Proposed:
            holding = self.holding(event.book, event.symbol)
            holding.unresolved = event
            if not self._amount(holding):
                holding.from_md_seq = event.md_seq
            self.unresolved[event.intent_id] = holding
            self.proposals += 1
            self._set_band(holding)
        elif type(event) is Settled:
            holding = self.holding(event.book, event.symbol)
            self._resolve(holding, event.intent_id)
            holding.spent = holding.spent or event.spent
            holding.facts = max(holding.facts, event.journal_seq)
            self._set_band(holding)
        elif type(event) is SignalFresh:
            holding = self.holding(event.book, event.symbol)
            holding.spent = False
            self._set_band(holding)
        elif type(event) is DustLeft:
            holding = self.holding(event.book, event.symbol)
            holding.dust = event.amount
            self._set_band(holding)
        else:
            assert type(event) is DepositHeard, f"the trading engine cannot apply {event}"
            self.ledger.post(deposit(event.deposit.asset, event.deposit.amount))

    def _apply_fill(self, event: FillHeard) -> None:
        fill = event.fill
        holding = self.holding(fill.book, fill.symbol)
        was_flat = not self.ledger.position(fill.book, fill.symbol).amount
        self.ledger.fill(
            fill.book, fill.symbol, fill.side, fill.amount, fill.price, fill.fee, fill.fee_asset, fill.time_ns
        )
        holding.facts = fill.journal_seq
        if fill.state is State.FILLED and not fill.protective:
            over = holding.unresolved
            # a signal that was traded is not traded again, unless its own end closed the position
            if over is not None and over.intent_id == fill.intent_id and over.exits:
                holding.spent |= over.reason not in (SIGNAL, REMAINDER)
            self._resolve(holding, fill.intent_id)
        if was_flat:
            holding.from_md_seq = fill.md_seq
            holding.entry_md_seq = event.md_seq
            holding.best_close = 0.0
            if self._watches_closes:
                self._just_entered.append(holding)
        elif fill.protective:
            holding.spent = True
        self._set_band(holding)

    def _resolve(self, holding: Holding, intent_id: str) -> None:
        self.unresolved.pop(intent_id, None)
        if holding.unresolved is not None and holding.unresolved.intent_id == intent_id:
            holding.unresolved = None

    def _amount(self, holding: Holding) -> Decimal:
        return self.ledger.position(holding.book, holding.instrument.symbol).amount

    def _set_band(self, holding: Holding) -> None:
        holding.set_band(self._amount(holding), self.config)

    def holding(self, book: str, symbol: str) -> Holding:
        """Return what a book has to do with a symbol, made when first asked for."""
        found = self.holdings.get((book, symbol))
        if found is None:
            found = self.holdings[book, symbol] = Holding(book, self.instruments[symbol])
            self._set_band(found)
        return found

    def rehears_since(self, md_seq: int) -> int:
        """Need the last mark of every symbol, and the closes since the entry of each position."""
        needed = [h.from_md_seq - 1 for h in self.holdings.values() if h.unresolved is not None or self._amount(h)]
        return max(0, min([md_seq - LOOK_BACK, *needed]))

    # -- what it hears ------------------------------------------------------------------------------------------

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Saying:
        """Keep the closes; a cycle begins."""
        self.md_seq = bars.md_seq
        self.cycles += 1
        self.marks.hear(bars.symbols, bars.close)
        if self._just_entered:
            self._begin_watch(bars)
        return None

    def _begin_watch(self, bars: BarsClosed) -> None:
        """Count from the bars after the entry: those that close at the very time of the fill belong to before it.

        Bars heard again after a restart bring this about again.
        """
        waiting = []
        for holding in self._just_entered:
            position = self.ledger.position(holding.book, holding.instrument.symbol)
            if position.opened_ns > bars.time_ns:
                waiting.append(holding)
            elif position.opened_ns == bars.time_ns:
                holding.entry_md_seq = bars.md_seq
        self._just_entered = waiting

    @on(Scored)
    def decide(self, scored: Scored, now_ns: int) -> Saying:
        """Act on the scores that lie outside of what a holding may ignore."""
        row = self._rows.get(scored.strategy)
        if row is None or row[0] is not scored.symbols:
            row = (scored.symbols, [self.holding(scored.strategy, symbol) for symbol in scored.symbols])
            self._rows[scored.strategy] = row
        calling = [
            (holding, score)
            for holding, score in zip(row[1], scored.scores, strict=True)
            if (holding.watched if score is None else not holding.low < score < holding.high)
        ]
        return self._act(calling, now_ns) if calling else None

    @on(Filled)
    def hear_fill(self, fill: Filled, now_ns: int) -> Saying:
        """Keep a fill."""
        return (FillHeard(self.md_seq, fill),)

    @on(Deposited)
    def hear_deposit(self, deposited: Deposited, now_ns: int) -> Saying:
        """Keep a deposit."""
        return (DepositHeard(deposited),)

    @on(Verdict)
    def hear_verdict(self, verdict: Verdict, now_ns: int) -> Saying:
        """Settle a denied proposal; a stale one may be made again at the next score."""
        holding = self.unresolved.get(verdict.intent_id)
        if verdict.approved or holding is None or holding.unresolved is None:
            return None
        spent = not verdict.stale and not holding.unresolved.exits
        return (self._settled(holding, verdict.intent_id, 0, verdict.reason, spent=spent),)

    @on(OrderMoved)
    def hear_end(self, moved: OrderMoved, now_ns: int) -> Saying:
        """Settle a proposal whose order ended without being filled whole; that of a stranger's order is a fact too."""
        if moved.protective or moved.state not in TERMINAL or moved.symbol not in self.instruments:
            return None
        holding = self.holding(moved.book, moved.symbol)
        ours = holding.unresolved
        spent = ours is not None and ours.intent_id == moved.intent_id and not ours.exits
        return (self._settled(holding, moved.intent_id, moved.journal_seq, moved.reason, spent=spent),)

    @answers(GetTradingStatus)
    def report(self, request: GetTradingStatus, now_ns: int) -> TradingStatus:
        """Tell how trading goes."""
        return TradingStatus(self.cycles, self.signals, self.proposals, dict(sorted(self.withheld.items())))

    def _settled(self, holding: Holding, intent_id: str, seq: int, reason: str, *, spent: bool) -> Settled:
        return Settled(intent_id, holding.book, holding.instrument.symbol, seq, reason, spent)

    # -- decisions ----------------------------------------------------------------------------------------------

    def _act(self, calling: list[tuple[Holding, float | None]], now_ns: int) -> Iterator[Said]:
        for holding, score in calling:
            amount = self._amount(holding)
            if amount and amount != holding.dust:
                yield from self._leave(holding, amount, score, now_ns)
                continue
            assert score is not None, "only a position is watched without a score"
            if not self._in_zone(score):
                holding.in_zone = False
                if holding.spent:
                    yield SignalFresh(holding.book, holding.instrument.symbol)
                if amount:
                    yield from self._close(holding, amount, REMAINDER, now_ns)
            elif not holding.spent:
                self.signals += not holding.in_zone
                holding.in_zone = True
                yield from self._enter(holding, Side.BUY if score > 0.0 else Side.SELL, now_ns)

    def _in_zone(self, score: float) -> bool:
        return score >= self.config.entry_score or (self.config.allow_short and score <= -self.config.entry_score)

    def _leave(self, holding: Holding, amount: Decimal, score: float | None, now_ns: int) -> Iterator[Said]:
        close = self.marks.close(holding.instrument.symbol)
        assert close is not None, "a position has had a bar"
        side = Side.BUY if amount > ZERO else Side.SELL
        if self.md_seq > holding.entry_md_seq:
            best = holding.best_close or close
            holding.best_close = max(best, close) if side is Side.BUY else min(best, close)
        if holding.unresolved is not None:
            return
        bars_held = self.md_seq - holding.entry_md_seq
        exits = self.config.exits
        reason = exit_reason(side, close, holding.best_close or close, bars_held, score, exits, self.config.exit_score)
        if reason is not None:
            yield from self._close(holding, amount, reason, now_ns)

    def _close(self, holding: Holding, amount: Decimal, reason: str, now_ns: int) -> Iterator[Said]:
        """Propose to close a position; say once that it is too small for that."""
        price = self.marks.price(holding.instrument) or ZERO
        if holding.instrument.objection(abs(amount), price) is not None:
            if amount != holding.dust:
                yield DustLeft(holding.book, holding.instrument.symbol, amount)
        else:
            self.signals += 1
            side = Side.SELL if amount > ZERO else Side.BUY
            yield from self._propose(holding, side, abs(amount), reason, now_ns, exits=True)

    def _enter(self, holding: Holding, side: Side, now_ns: int) -> Iterator[Said]:
        amount, reason = self._size(holding.instrument, side)
        if reason is not None:
            self.withheld[reason] += 1
            return
        yield from self._propose(holding, side, amount, "entry", now_ns, exits=False)

    def _size(self, instrument: Instrument, side: Side) -> tuple[Decimal, str | None]:
        """Return how much to trade, or why nothing; unresolved entries count as positions and as cash that is gone."""
        config = self.config
        dust = {(h.book, h.instrument.symbol): h.dust for h in self.holdings.values()}
        open_now = sum(p.amount not in (ZERO, dust.get(at, ZERO)) for at, p in self.ledger.positions.items())
        entering = [h.unresolved for h in self.unresolved.values() if h.unresolved and not h.unresolved.exits]
        if open_now + len(entering) >= config.max_open_positions:
            return ZERO, "max_open_positions"
        promised = sum((proposed.notional for proposed in entering), ZERO) * (ONE + self.cost_rate)
        cash_free = self.ledger.total(instrument.quote) - promised
        if cash_free <= instrument.min_notional:
            return ZERO, "cash"
        worth = equity(self.ledger, self.marks, self.instruments)
        price = self.marks.price(instrument)
        if worth is None or price is None:
            return ZERO, "no mark"
        stop, _ = protection(side, price, config.exits, instrument)
        amount = amount_for_risk(
            worth,
            config.max_risk_per_trade,
            price,
            stop if stop is not None else ZERO,
            instrument,
            worth * config.max_position_share,
            cash_free,
            self.cost_rate,
        )
        paid = price * (ONE + self.cost_rate)
        least = config.min_cash_share * config.max_position_share * worth
        if (amount + instrument.lot) * paid > cash_free and amount * price < least:
            return ZERO, "cash"
        if not amount or (stop is not None and instrument.objection(amount, stop) is not None):
            return ZERO, "below the venue's minimum, at the stop if not now"
        return amount, None

    def _propose(
        self, holding: Holding, side: Side, amount: Decimal, reason: str, now_ns: int, *, exits: bool
    ) -> Iterator[Said]:
        instrument = holding.instrument
        intent_id = f"t{self.proposals + 1}"
        price = self.marks.price(instrument) or ZERO
        yield Proposed(
            intent_id,
            now_ns,
            self.md_seq,
            holding.book,
            instrument.symbol,
            side,
            amount,
            amount * price,
            exits,
            reason,
        )
        policy = self.config.exits
        yield Ask(
            Propose(
                intent_id,
                holding.book,
                instrument.symbol,
                side,
                OrderType.MARKET,
                amount,
                self.md_seq,
                holding.facts,
                now_ns + PROPOSAL_NS,
                reduce_only=exits,
                stop_loss=None if exits else policy.stop_loss,
                take_profit=None if exits else policy.take_profit,
                reason=reason,
            )
        )
