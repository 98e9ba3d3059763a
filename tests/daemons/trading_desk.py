"""A trading engine at its desk: bars, scores, fills and verdicts as a test gives them."""

from decimal import Decimal

from daemons.trading_engine import Config, TradingEngine
from lct.daemon import Ask, answerers
from lct.domain.instruments import Instrument
from lct.domain.orders import Side, State
from lct.messages.base import Event
from lct.messages.execution import Deposited, Filled, OrderMoved, Verdict
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored

MINUTE = 60_000_000_000
SYMBOLS = ("A/USDT", "B/USDT")
INSTRUMENTS = tuple(
    Instrument("paper", "main", symbol, symbol[0], "USDT", Decimal("0.01"), Decimal("0.1"), Decimal("0.1"), Decimal(5))
    for symbol in SYMBOLS
)


class Desk:
    """One engine with a second one that only recovers, at closes of 100 unless told."""

    def __init__(self, cash=10_000, **config):
        self.config = Config(**config)
        self.engine, self.twin = (TradingEngine(self.config, INSTRUMENTS) for _ in range(2))
        self.bar = 0
        self.seq = 0
        self.hear(self.engine.hear_deposit(Deposited(1, 0, "USDT", Decimal(cash)), 0))

    def hear(self, said):
        heard = []
        for thing in said or ():
            if isinstance(thing, Event) and thing.durable:
                self.engine.apply(thing)
                self.twin.apply(thing)
            heard.append(thing)
        assert state_of(self.engine) == state_of(self.twin)
        return heard

    @property
    def now_ns(self):
        return self.bar * MINUTE

    def close(self, *scores, closes=(100.0, 100.0), strategy="s"):
        """Close a bar and let one strategy say its scores."""
        self.bar += 1
        symbols = SYMBOLS[: len(scores)]
        values = list(closes[: len(scores)])
        bars = BarsClosed(self.bar, self.now_ns, self.now_ns - MINUTE, "1m", symbols, *(values for _ in range(5)))
        assert self.engine.mark(bars, self.now_ns) is None
        return self.score(*scores, strategy=strategy)

    def score(self, *scores, strategy="s"):
        scored = Scored(strategy, self.bar, self.now_ns, SYMBOLS[: len(scores)], list(scores))
        return self.hear(self.engine.decide(scored, self.now_ns))

    def fill(self, intent_id, side, amount, state=State.FILLED, *, price="100", protective=False, symbol="A/USDT"):
        self.seq += 10
        fill = Filled(
            self.seq,
            self.now_ns,
            "c",
            intent_id,
            f"x{self.seq}",
            "s",
            symbol,
            side,
            Decimal(amount),
            Decimal(price),
            Decimal(0),
            "USDT",
            state,
            self.bar,
            protective,
        )
        return self.hear(self.engine.hear_fill(fill, self.now_ns))

    def end(self, intent_id, state, symbol="A/USDT", *, protective=False):
        self.seq += 10
        moved = OrderMoved(self.seq, self.now_ns, "c", intent_id, "s", symbol, state, "why", protective=protective)
        return self.hear(self.engine.hear_end(moved, self.now_ns))

    def deny(self, intent_id, *, stale=False):
        return self.hear(self.engine.hear_verdict(Verdict(intent_id, False, "why", None, stale), self.now_ns))

    def ask(self, request):
        """Let the engine answer a request; return what it said and the reply."""
        handler = answerers(self.engine)[type(request)](request, self.now_ns)
        said = []
        while True:
            try:
                said += self.hear([next(handler)])
            except StopIteration as stop:
                return said, stop.value

    def enter(self, amount="25"):
        """Have a position of A/USDT by the intent t1."""
        assert asked(self.close(1.0))
        self.fill("t1", Side.BUY, amount)


def state_of(engine):
    """Return all that is durable, to be compared."""
    holdings = {key: (h.unresolved, h.spent, h.facts, h.low, h.high, h.watched) for key, h in engine.holdings.items()}
    touched = {key: state for key, state in holdings.items() if state[0] or state[1] or state[2]}
    unresolved = {intent: (h.book, h.instrument.symbol) for intent, h in engine.unresolved.items()}
    money = dict(engine.ledger.balances), dict(engine.ledger.positions)
    return *money, touched, unresolved, engine.proposals, engine.trading


def asked(said):
    return [thing.request for thing in said if isinstance(thing, Ask)]
