"""What bench_order and bench_recovery share: execution in a room with its journal, and a venue that answers at once."""

from decimal import Decimal
from pathlib import Path

from daemons.execution import Execution, Identity
from daemons.execution.config import SIMULATED
from lct.bus.room import Room
from lct.bus.seat import Heard
from lct.domain.instruments import Instrument
from lct.domain.orders import OrderType, Side
from lct.domain.venues import Terms
from lct.messages.base import Command, Event
from lct.messages.exchange import Account, Cancel, Cancelled, Find, Look, Place, Placed, Sought, Traded
from lct.messages.execution import Propose
from lct.messages.market_data import BarsClosed
from lct.store.sqlite import SqliteJournal

MINUTE_NS = 60_000_000_000
SYMBOL = "BTC/USDT"
PRICE = Decimal(20_000)
AMOUNT = Decimal("0.01")
FEE = Decimal("0.2")
CASH = Decimal(1_000_000)
INSTRUMENT = Instrument(
    "paper", "main", SYMBOL, "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(5)
)


class Venue:
    """Acknowledges and fills at once; `sent` is called with each order, at the moment it would leave."""

    role, owner, takes_again = "exchange", "execution", False

    def __init__(self, balances: dict[str, Decimal] | None = None) -> None:
        self.balances = dict(balances or {"USDT": CASH})
        self.given = 0
        self.waiting: list[Event] = []
        self.trades = 0
        self.sent = lambda: None

    def due_ns(self) -> int | None:
        return 0 if self.waiting else None

    def results(self, now_ns: int) -> list[Event]:
        told, self.waiting = self.waiting, []
        self.given += len(told)
        return told

    def do(self, command: Command, now_ns: int) -> None:
        number = self.given + len(self.waiting) + 1
        if isinstance(command, Place):
            self.sent()
            self._place(command, number, now_ns)
        elif isinstance(command, Cancel):
            self.waiting.append(Cancelled(number, now_ns, command.client_order_id, Decimal(0)))
        elif isinstance(command, Find):
            self.waiting.append(Sought(number, now_ns, command.client_order_id, None))
        else:
            assert isinstance(command, Look), command
            self.waiting.append(Account(number, now_ns, {key: value for key, value in self.balances.items() if value}))

    def _place(self, order: Place, number: int, now_ns: int) -> None:
        self.waiting.append(Placed(number, now_ns, order.client_order_id, f"v{number}"))
        if order.type is OrderType.MARKET:
            self.trades += 1
            sign = 1 if order.side is Side.BUY else -1
            self.balances["BTC"] = self.balances.get("BTC", Decimal(0)) + sign * order.amount
            self.balances["USDT"] -= sign * order.amount * PRICE + FEE
            money = (order.side, order.amount, PRICE, FEE, "USDT")
            self.waiting.append(Traded(number + 1, now_ns, order.client_order_id, f"t{self.trades}", SYMBOL, *money))

    def resume(self, heard: int) -> None:
        self.given = heard

    def heard_again(self, first: int, last: int) -> list[Event]:
        return []

    def close(self) -> None:
        pass


class Desk:
    """One execution, which is proposed to: in with an even order, out with an odd one."""

    def __init__(self, path: Path, venue: Venue, synchronous: str = "FULL") -> None:
        """Recover from the journal at `path`, or begin it."""
        self.venue = venue
        self.journal = SqliteJournal(path, synchronous=synchronous)
        self.daemon = Execution(
            Identity("bench", "paper", "main"), (INSTRUMENT,), SIMULATED, terms=Terms(), compares_every_ns=60 * 10**9
        )
        self.room = Room(self.daemon, [venue], self.journal)
        self.room.commits_results = True
        self.room.recover()
        self.now_ns = max(self.room.now_ns, 1)
        self.bars(self.room.md_seq)
        self.room.begin()
        self.settle()

    @property
    def is_ready(self) -> bool:
        return self.daemon.comparing.is_ready

    def bars(self, md_seq: int) -> None:
        """Have a minute close."""
        self.now_ns += MINUTE_NS
        values = [[float(PRICE)]] * 5
        bars = BarsClosed(md_seq + 1, self.now_ns, self.now_ns - MINUTE_NS, "1m", (SYMBOL,), *values)
        self.room.turn([Heard("market_data", 0, bars, None, None)], self.now_ns, self.room.round + 1)

    def settle(self) -> None:
        """Hear all that the venue has to say."""
        while self.venue.waiting:
            self.room.turn([], self.now_ns, self.room.round + 1)

    def propose(self, n: int) -> None:
        """Take one proposal up to the sending of its order."""
        out = n % 2 == 1
        late = 2**40, 2**40, 2**62
        side = Side.SELL if out else Side.BUY
        one = Propose(f"i{n}", "bench", SYMBOL, side, OrderType.MARKET, AMOUNT, *late, reduce_only=out)
        self.room.turn([Heard("trading_engine", 0, one, None, f"k{n}")], self.now_ns, self.room.round + 1)

    def next(self, n: int) -> None:
        """Make room for the next proposal: hear what became of the last, and let a while pass."""
        self.settle()
        if n % 10 == 0:
            self.bars(self.room.md_seq)
        self.now_ns += 20 * 10**9

    def close(self) -> None:
        self.journal.close()
