"""People and weather: what happens at the witness without the house: strangers, transfers, maintenance, theft."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from lct.domain.money import floor_to
from lct.domain.orders import OrderType, Side
from lct.messages.exchange import Disturbed, Place, Transferred
from lct.simulation.account import told
from lct.simulation.plan import SECOND_NS, Fault
from lct.simulation.witness import Witness

SILENCE_NS = 90 * SECOND_NS
MAINTENANCE_NS = 120 * SECOND_NS
REPEATED = 12


class People:
    """Does to a venue what a plan has for certain times."""

    def __init__(self, witness: Witness, tag: str) -> None:
        """`tag` begins the client order ids of the house."""
        self.witness = witness
        self.tag = tag
        self._strangers = 0

    def begin(self, faults: tuple[Fault, ...], start_ns: int) -> None:
        """Put what is planned for certain times, whatever the house does then, into the venue's calendar."""
        for fault in faults:
            if self.can(fault) and not fault.aim:
                self.witness.at(start_ns + fault.at * SECOND_NS, partial(self.act, fault), on_the_line=False)

    def can(self, fault: Fault) -> bool:
        """Whether a fault is for us to do."""
        return fault.operation == "time" and hasattr(self, fault.kind)

    def act(self, fault: Fault, now_ns: int) -> None:
        """Do what is planned, and count it, unless the faults are over or it cannot be done."""
        do: Callable[[Fault, int], bool] = getattr(self, fault.kind)
        if not self.witness.struck.is_over and do(fault, now_ns):
            self.witness.struck.count(fault)

    def _symbol(self, fault: Fault) -> str:
        symbols = sorted(self.witness.account.instruments)
        return symbols[int(fault.size * len(symbols))]

    def _order(self, fault: Fault, key: str, side: Side, price: Decimal, kind: OrderType, now_ns: int) -> Place:
        symbol = self._symbol(fault)
        instrument = self.witness.account.instruments[symbol]
        least = max(instrument.min_amount, instrument.min_notional / price) * 2
        amount = floor_to(least, instrument.lot) + instrument.lot
        limit = floor_to(price, instrument.tick) if kind is OrderType.LIMIT else None
        return Place(key, symbol, side, kind, amount, now_ns, limit)

    def maintenance(self, fault: Fault, now_ns: int) -> bool:
        """Answer nothing for a while."""
        self.witness.down_until = now_ns + MAINTENANCE_NS
        self.disturbed(fault, self.witness.down_until)
        return True

    def silence(self, fault: Fault, now_ns: int) -> bool:
        """Tell no trades for a while, though the line stands."""
        self.witness.silent_until = now_ns + SILENCE_NS
        return True

    def disturbed(self, fault: Fault, now_ns: int) -> bool:
        """Have the line break and come back."""
        self.witness.tell(lambda number, at_ns: Disturbed(number, at_ns, "reconnected"), now_ns)
        return True

    def foreign_order(self, fault: Fault, now_ns: int) -> bool:
        """Let a stranger place an order on the same account, far from the market."""
        self._strangers += 1
        price = self.witness.price(self._symbol(fault)) / 2
        order = self._order(fault, f"hand-{self._strangers}", Side.BUY, price, OrderType.LIMIT, now_ns)
        self.witness.take(order, now_ns, is_foreign=True)
        return True

    def foreign_trade(self, fault: Fault, now_ns: int) -> bool:
        """Let a stranger buy on the same account."""
        self._strangers += 1
        price = self.witness.price(self._symbol(fault))
        order = self._order(fault, f"hand-{self._strangers}", Side.BUY, price, OrderType.MARKET, now_ns)
        if self.witness.account.objection(order, price) is not None:
            return False
        taken = self.witness.take(order, now_ns, is_foreign=True)
        self.witness.tell_trade(self.witness.account.trade(taken, order.amount, price, now_ns), now_ns)
        return True

    def deposit(self, fault: Fault, now_ns: int) -> bool:
        """Let money come in."""
        return self._transfer(fault, Decimal(int(fault.size * 500) + 1), now_ns)

    def withdrawal(self, fault: Fault, now_ns: int) -> bool:
        """Let money go out."""
        return self._transfer(fault, -Decimal(int(fault.size * 50) + 1), now_ns)

    def _transfer(self, fault: Fault, amount: Decimal, now_ns: int) -> bool:
        made, _, asset, moved = self.witness.account.transfer("USDT", amount, now_ns)
        if fault.size < 0.5:
            self.witness.tell(lambda number, at_ns: Transferred(number, at_ns, made, asset, moved), now_ns + SECOND_NS)
        return True

    # -- what a house must stop at ------------------------------------------------------------------------------

    def theft(self, fault: Fault, now_ns: int) -> bool:
        """Let money vanish without a record."""
        self.witness.account.lose("USDT", Decimal("0.01"))
        return True

    def stranger_with_our_tag(self, fault: Fault, now_ns: int) -> bool:
        """Let another instance of the house place an order."""
        key = self.tag + f"{int(fault.size * 2**32):08x}".rjust(28, "0")
        price = self.witness.price(self._symbol(fault)) / 2
        self.witness.take(self._order(fault, key, Side.BUY, price, OrderType.LIMIT, now_ns), now_ns, is_foreign=True)
        return True

    def conflicting_trade(self, fault: Fault, now_ns: int) -> bool:
        """Tell a trade again, with another price."""
        ours = [trade for trade in self.witness.account.trades if not trade.taken.is_foreign]
        if not ours:
            return False
        trade = ours[-1]
        wrong = replace(told(trade, 0), price=trade.price * 2)

        def act(at_ns: int) -> None:
            self.witness.tell(lambda number, _: told(trade, number), at_ns)
            self.witness.tell(lambda number, _: replace(wrong, number=number), at_ns + 1)

        for n in range(REPEATED):
            # again and again, for a house that is killed at that moment has not heard it
            self.witness.at(now_ns + n * 10 * SECOND_NS, act, on_the_line=False)
        return True
