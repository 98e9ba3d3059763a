"""The trading engine daemon: hears scores and fills, decides, and proposes."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from decimal import Decimal

from daemons.trading_engine.calling import Call, Calling
from daemons.trading_engine.control import Turn, turned
from daemons.trading_engine.entries import entry_size, request_of
from daemons.trading_engine.holdings import Config, Holding, begin_watch
from lct.daemon import Ask, Daemon, Said, Saying, Words, answers, on
from lct.domain.exits import exit_reason
from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger, deposit, funding
from lct.domain.marks import LOOK_BACK, Marks
from lct.domain.money import ZERO
from lct.domain.orders import TERMINAL, Side, State
from lct.messages.base import Event
from lct.messages.execution import Adopted, Deposited, Filled, FundingPaid, OrderMoved, Verdict
from lct.messages.market_data import BarsClosed, last_of_each_universe
from lct.messages.strategy_engine import Scored
from lct.messages.trading_engine import (
    AdoptionHeard,
    CycleOrdered,
    CycleRun,
    DepositHeard,
    DustLeft,
    FillHeard,
    FundingHeard,
    GetTradingStatus,
    PauseTrading,
    Proposed,
    ResumeTrading,
    RunCycle,
    Settled,
    SignalFresh,
    StartTrading,
    StopTrading,
    Trading,
    TradingSet,
    TradingStatus,
    TradingTurned,
)

SIGNAL = "signal"
REMAINDER = "remainder"


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
        self.trading = TradingSet(Trading.RUNNING, "", "")
        self.marks = Marks()
        self.md_seq = 0
        self.cycles = 0
        self.signals = 0
        self.withheld: Counter[str] = Counter()
        self._scored: dict[str, Scored] = {}
        self._calling = Calling(self.holding)
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
        elif type(event) is TradingSet:
            self.trading = event
        elif type(event) is not CycleOrdered:  # which is for whoever asks why there was an order
            self._apply_money(event)

    def _apply_money(self, event: Event) -> None:
        if type(event) is DepositHeard:
            self.ledger.post(deposit(event.deposit.asset, event.deposit.amount))
        elif type(event) is FundingHeard:
            paid = event.funding
            self.ledger.post(funding(paid.book, paid.asset, paid.amount))
        else:
            assert type(event) is AdoptionHeard, f"the trading engine cannot apply {event}"
            adopted = event.adopted
            self.ledger.adopt(adopted.book, adopted.symbol, adopted.amount, adopted.price, adopted.time_ns)
            holding = self.holding(adopted.book, adopted.symbol)
            holding.facts = adopted.journal_seq
            holding.from_md_seq = holding.entry_md_seq = event.md_seq
            self._set_band(holding)

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
            self._just_entered = begin_watch(self._just_entered, self.ledger, bars)
        return None

    @on(Scored)
    def decide(self, scored: Scored, now_ns: int) -> Saying:
        """Act on the scores that lie outside of what a holding may ignore."""
        self._scored[scored.strategy] = scored
        if scored.md_seq < self.md_seq:
            return None  # it came late, and what it says is of bars that others have followed
        calling = self._calling.of(scored)
        return self._act(calling, now_ns, self.trading.state) if calling else None

    def silent_for(self, heard: Sequence[Words]) -> int:
        """Bars, and scores that call for nothing, are heard in silence, but where a position begins to be watched."""
        if type(heard[0][0]) is BarsClosed:
            return 0 if self._just_entered else len(heard)
        for count, words in enumerate(heard):
            for word in words:
                if type(word) is Scored and self._calling.is_any(word):
                    return count
        return len(heard)

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Keep the closes and the last scores: those that call for nothing leave nothing else behind."""
        bars = last_of_each_universe(heard)
        for last in bars:
            self.mark(last, last.time_ns)
        self.cycles += len(heard) - len(bars) if bars else 0
        for word in heard[-1]:
            if type(word) is Scored:
                self._scored[word.strategy] = word

    @on(Filled)
    def hear_fill(self, fill: Filled, now_ns: int) -> Saying:
        """Keep a fill."""
        return (FillHeard(self.md_seq, fill),)

    @on(Deposited)
    def hear_deposit(self, deposited: Deposited, now_ns: int) -> Saying:
        """Keep a deposit."""
        return (DepositHeard(deposited),)

    @on(FundingPaid)
    def hear_funding(self, paid: FundingPaid, now_ns: int) -> Saying:
        """Keep funding."""
        return (FundingHeard(paid),)

    @on(Adopted)
    def hear_adoption(self, adopted: Adopted, now_ns: int) -> Saying:
        """Keep what a book has taken over: its exits are ours from now on."""
        return (AdoptionHeard(self.md_seq, adopted),)

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

    def _settled(self, holding: Holding, intent_id: str, seq: int, reason: str, *, spent: bool) -> Settled:
        return Settled(intent_id, holding.book, holding.instrument.symbol, seq, reason, spent)

    # -- what it is asked ---------------------------------------------------------------------------------------

    @answers(GetTradingStatus)
    def report(self, request: GetTradingStatus, now_ns: int) -> TradingStatus:
        """Tell how trading goes."""
        withheld = dict(sorted(self.withheld.items()))
        trading = self.trading
        return TradingStatus(
            self.cycles, self.signals, self.proposals, withheld, trading.state, trading.reason, trading.by
        )

    @answers(StartTrading)
    def start(self, request: StartTrading, now_ns: int) -> Generator[Said, None, TradingTurned]:
        """Trade again after a stop."""
        return self._turn(request)

    @answers(StopTrading)
    def stop(self, request: StopTrading, now_ns: int) -> Generator[Said, None, TradingTurned]:
        """Propose nothing any more."""
        return self._turn(request)

    @answers(PauseTrading)
    def pause(self, request: PauseTrading, now_ns: int) -> Generator[Said, None, TradingTurned]:
        """Enter nothing new."""
        return self._turn(request)

    @answers(ResumeTrading)
    def resume(self, request: ResumeTrading, now_ns: int) -> Generator[Said, None, TradingTurned]:
        """Enter again after a pause."""
        return self._turn(request)

    def _turn(self, request: Turn) -> Generator[Said, None, TradingTurned]:
        before = self.trading.state
        state, done = turned(type(request), before)
        if state is not before:
            yield TradingSet(state, request.reason, request.by)
        return TradingTurned(state, state is not before, done)

    @answers(RunCycle)
    def run_cycle(self, request: RunCycle, now_ns: int) -> Generator[Said, None, CycleRun]:
        """Decide once on the last scores as if trading ran, whatever its state, which stays."""
        state = self.trading.state
        if not self._scored:
            return CycleRun(state, self.md_seq, 0, [], "nothing: no scores have been heard yet")
        yield CycleOrdered(request.reason, request.by)
        self.cycles += 1
        proposed: list[Proposed] = []
        for strategy in sorted(self._scored):
            for said in self._act(self._calling.of(self._scored[strategy]), now_ns, Trading.RUNNING):
                if type(said) is Proposed:
                    proposed.append(said)
                yield said
        return CycleRun(state, self.md_seq, len(self._scored), proposed, f"decided, and proposed {len(proposed)}")

    # -- decisions ----------------------------------------------------------------------------------------------

    def _act(self, calling: list[Call], now_ns: int, state: Trading) -> Iterator[Said]:
        for holding, score in calling:
            amount = self._amount(holding)
            if amount and amount != holding.dust:
                yield from self._leave(holding, amount, score, now_ns, state)
                continue
            assert score is not None, "only a position is watched without a score"
            if not self._in_zone(score):
                holding.in_zone = False
                if holding.spent:
                    yield SignalFresh(holding.book, holding.instrument.symbol)
                if amount:
                    yield from self._close(holding, amount, REMAINDER, now_ns, state)
            elif not holding.spent:
                self.signals += not holding.in_zone
                holding.in_zone = True
                yield from self._enter(holding, Side.BUY if score > 0.0 else Side.SELL, now_ns, state)

    def _in_zone(self, score: float) -> bool:
        return score >= self.config.entry_score or (self.config.allow_short and score <= -self.config.entry_score)

    def _leave(
        self, holding: Holding, amount: Decimal, score: float | None, now_ns: int, state: Trading
    ) -> Iterator[Said]:
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
            yield from self._close(holding, amount, reason, now_ns, state)

    def _close(self, holding: Holding, amount: Decimal, reason: str, now_ns: int, state: Trading) -> Iterator[Said]:
        """Propose to close a position; say once that it is too small for that."""
        price = self.marks.price(holding.instrument) or ZERO
        if holding.instrument.objection(abs(amount), price) is not None:
            if amount != holding.dust:
                yield DustLeft(holding.book, holding.instrument.symbol, amount)
        elif state is Trading.STOPPED:
            self.withheld[state.value] += 1
        else:
            self.signals += 1
            side = Side.SELL if amount > ZERO else Side.BUY
            yield from self._propose(holding, side, abs(amount), reason, now_ns, exits=True)

    def _enter(self, holding: Holding, side: Side, now_ns: int, state: Trading) -> Iterator[Said]:
        if state is not Trading.RUNNING:
            self.withheld[state.value] += 1
            return
        amount, reason = entry_size(
            holding.instrument,
            side,
            self.holdings.values(),
            self.ledger,
            self.marks,
            self.instruments,
            self.config,
            self.cost_rate,
        )
        if reason is not None:
            self.withheld[reason] += 1
            return
        yield from self._propose(holding, side, amount, "entry", now_ns, exits=False)

    def _propose(
        self, holding: Holding, side: Side, amount: Decimal, reason: str, now_ns: int, *, exits: bool
    ) -> Iterator[Said]:
        instrument = holding.instrument
        notional = amount * (self.marks.price(instrument) or ZERO)
        where = (self.md_seq, holding.book, instrument.symbol)
        proposed = Proposed(f"t{self.proposals + 1}", now_ns, *where, side, amount, notional, exits, reason)
        yield proposed
        yield Ask(request_of(proposed, holding.facts, self.config.exits))
