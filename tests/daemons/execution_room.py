"""A room for one execution daemon: a twin applies each durable event as recovery does."""

from collections.abc import Generator
from decimal import Decimal

from msgspec.structs import replace

from daemons.execution import SIMULATED, Execution, Identity
from lct.domain.instruments import Instrument
from lct.domain.orders import OrderType, Side, client_order_id
from lct.messages.base import Event
from lct.messages.exchange import Account, Cancelled, Placed, Sought, Traded
from lct.messages.execution import GetOrders, OrderIntended, Propose
from lct.messages.market_data import BarsClosed

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
INSTRUMENTS = tuple(
    Instrument(
        "paper", "main", f"{name}/USDT", name, "USDT", Decimal("0.01"), Decimal("0.1"), Decimal("0.1"), Decimal(5)
    )
    for name in "AB"
)
NOW = MINUTE


class Room:
    """One execution daemon with a second one that only recovers: it applies the durable events and nothing else."""

    def __init__(self, limits=SIMULATED, **parts):
        self.daemon, self.twin = (
            Execution(Identity("i", "paper", "main"), INSTRUMENTS, limits, **parts) for _ in range(2)
        )
        self.number = 0
        self.account({"USDT": 10_000}, now_ns=0)
        self.bars(0, 1, {"A/USDT": 100.0, "B/USDT": 50.0})

    def hear(self, said):
        """Apply what is durable at once, as a bus does, and return all that was said."""
        heard = []
        for thing in said or ():
            if isinstance(thing, Event) and thing.durable:
                self.daemon.apply(thing)
                self.twin.apply(thing)
            heard.append(thing)
        assert state_of(self.daemon) == state_of(self.twin)
        return heard

    def bars(self, open_ns, md_seq, closes):
        values = list(closes.values())
        bars = BarsClosed(md_seq, open_ns + MINUTE, open_ns, "1m", tuple(closes), *(values for _ in range(5)))
        for daemon in (self.twin, self.daemon):  # both hear: marks are rebuilt by hearing again
            said = daemon.mark(bars, bars.time_ns)
        return self.hear(said)

    def propose(self, proposal, now_ns=NOW):
        """Return what was said on the way to the verdict, and the verdict."""
        verdict = []

        def answer():
            verdict.append((yield from self.daemon.judge(proposal, now_ns)))

        return self.hear(answer()), verdict[0]

    def placed(self, key, now_ns=NOW):
        return self.hear(self.daemon.acknowledge(Placed(0, now_ns, key, "v-" + key[-4:]), now_ns))

    def traded(self, key, amount, price, side=Side.BUY, now_ns=NOW, trade_id=None, symbol="A/USDT"):
        self.number += 1
        trade = Traded(
            0,
            now_ns,
            key,
            trade_id or f"t{self.number}",
            symbol,
            side,
            Decimal(amount),
            Decimal(price),
            Decimal("0.1"),
            "USDT",
        )
        return self.hear(self.daemon.fill(trade, now_ns))

    def account(self, balances, *orders, now_ns=NOW, settled=True):
        """Have the venue tell what is ours."""
        money = {asset: Decimal(amount) for asset, amount in balances.items()}
        return self.hear(self.daemon.compare(Account(1, now_ns, money, orders, settled), now_ns))

    def sought(self, key, order=None, endpoints=("orders", "trades"), proven=True, now_ns=NOW):
        """Have a sweep end, and return what follows."""
        return self.hear(self.daemon.hear_sweep(Sought(1, now_ns, key, order, endpoints, proven), now_ns))

    def ask(self, request, now_ns=NOW):
        """Have an operator ask; return what was said, and the reply."""
        handler = next(
            getattr(self.daemon, name)
            for name in dir(self.daemon)
            if getattr(getattr(self.daemon, name), "replies_to", None) is type(request)
        )
        reply = []

        def answer():
            said = handler(request, now_ns)
            reply.append((yield from said) if isinstance(said, Generator) else said)

        return self.hear(answer()), reply[0]

    def order(self, key):
        """Return an order, over or not."""
        return (self.daemon.book.legs.get(key) or self.daemon.book.over[key]).order

    def balances(self):
        """Return what the venue has if it agrees with the fold."""
        ledger = self.daemon.book.ledger
        return {asset: ledger.total(asset) for asset in ("A", "B", "USDT")}

    def cancelled(self, key, filled="0", reason="", now_ns=NOW):
        return self.hear(self.daemon.cancel(Cancelled(0, now_ns, key, Decimal(filled), reason), now_ns))

    def enter(self, amount="2", filled=None, price="100", **changes):
        """Have a long position with its guard acknowledged; return the guard's id, or None."""
        self.propose(entry(amount=Decimal(amount), **changes))
        key = order_id(changes.get("intent_id", "t1"))
        self.placed(key)
        said = self.traded(key, filled or amount, price)
        guards = [m.order.client_order_id for m in said if isinstance(m, OrderIntended)]
        for guard in guards:
            self.placed(guard)
        return guards[0] if guards else None

    @property
    def facts(self):
        return self.daemon.book.facts.get(("s", "A/USDT"), 0)

    @property
    def held(self):
        return self.daemon.book.ledger.position("s", "A/USDT").amount

    def live(self):
        return {leg.name: leg.order for leg in self.daemon.book.legs.values()}


def state_of(daemon):
    """Return all that is durable, to be compared."""
    book = daemon.book
    return (
        daemon.report(GetOrders(), 0),
        dict(book.ledger.balances),
        dict(book.ledger.positions),
        dict(book.verdicts),
        dict(book.facts),
        dict(book.trades_seen),
        book.rates.state(),
        {key: dict(legs) for key, legs in book.live.items()},
        (book.seq, book.deposited, book.next_day_ns, book.day_equity, book.peak, book.told_ns),
        (book.house, dict(book.frozen), book.differences, list(book.unknown), dict(book.transfers_seen)),
    )


def order_id(intent_id, leg="order"):
    return client_order_id("i", "paper", "main", intent_id, leg, 0)


def entry(**changes):
    proposal = Propose(
        "t1",
        "s",
        "A/USDT",
        Side.BUY,
        OrderType.MARKET,
        Decimal(2),
        1,
        0,
        NOW + 1,
        stop_loss=Decimal("0.03"),
        reason="entry",
    )
    return replace(proposal, **changes)


def exit_(room, amount="2", **changes):
    proposal = Propose(
        "x1",
        "s",
        "A/USDT",
        Side.SELL,
        OrderType.MARKET,
        Decimal(amount),
        room.daemon.desk.md_seq,
        room.facts,
        NOW + 1,
        reduce_only=True,
        reason="signal",
    )
    return replace(proposal, **changes)
