"""Looking: what the witness tells who asks it: look-ups that lag, are blind, or do not answer, and accounts."""

from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from lct.messages.exchange import Account, Find, Look, Sought, Transferred, VenueOrder
from lct.simulation.account import ZERO, Taken, Trade, told

if TYPE_CHECKING:
    from lct.simulation.witness import Witness


def find(witness: "Witness", command: Find, now_ns: int) -> None:
    """Sweep for an order: its trades first, then what the ways of looking say."""
    fault = witness.struck.next("find")
    kind = "" if fault is None else fault.kind
    if kind == "unanswered":
        return

    def act(at_ns: int) -> None:
        if kind == "dead" or at_ns < witness.down_until:
            _sought(witness, command, None, (), at_ns, is_proven=False)
            return
        known_ns = at_ns - _lag(witness)
        trades = [t for t in _trades(witness, known_ns) if t.taken.order.client_order_id == command.client_order_id]
        for trade in trades:
            if trade.time_ns >= command.since_ns:
                _tell_trade(witness, trade, at_ns)
        endpoints = ["open_orders", "trades"]
        order = None
        if kind != "blind":
            endpoints.append("orders")
            taken = witness.account.named(command.client_order_id)
            seen = [one for one in taken if one.accepted_ns <= known_ns]
            order = _seen(seen[-1], trades, known_ns) if seen else None
        _sought(witness, command, order, tuple(endpoints), at_ns, is_proven=True)

    witness.at(now_ns + witness.latency(), act, on_the_line=False)


def _seen(taken: Taken, trades: list[Trade], known_ns: int) -> VenueOrder:
    """Return an order as it is shown at a time, by its trades up to there."""
    filled = sum((trade.amount for trade in trades if trade.taken is taken), Decimal(ZERO))
    return taken.seen(filled, is_recent=taken.changed_ns > known_ns)


def _sought(
    witness: "Witness",
    command: Find,
    order: VenueOrder | None,
    endpoints: tuple[str, ...],
    now_ns: int,
    *,
    is_proven: bool,
) -> None:
    key = command.client_order_id
    ways = endpoints if order is None else ()
    witness.tell(lambda number, at_ns: Sought(number, at_ns, key, order, ways, is_proven), now_ns + LINE_NS)


LINE_NS = 20_000_000
"""How long the answers of one look take; the same for all of them, so that they come in order."""


def look(witness: "Witness", command: Look, now_ns: int) -> None:
    """Read the account: transfers and trades that are shown by now, then balances and open orders."""
    fault = witness.struck.next("look")
    kind = "" if fault is None else fault.kind
    if kind in ("unanswered", "dead"):
        return

    def act(at_ns: int) -> None:
        if at_ns < witness.down_until:
            return
        known_ns = at_ns - _lag(witness)
        for transfer_id, time_ns, asset, amount in witness.account.transfers:
            if time_ns >= command.since_ns:
                _tell_transfer(witness, transfer_id, asset, amount, at_ns)
        trades = _trades(witness, known_ns)
        for trade in trades:
            if trade.time_ns >= command.since_ns:
                _tell_trade(witness, trade, at_ns)
        filled: defaultdict[int, Decimal] = defaultdict(Decimal)
        for trade in trades:
            filled[id(trade.taken)] += trade.amount
        shown = (taken for taken in witness.account.orders if taken.accepted_ns <= known_ns)
        seen = (taken.seen(filled[id(taken)], is_recent=taken.changed_ns > known_ns) for taken in shown)
        orders = tuple(order for order in seen if order.status == "open")
        balances = witness.balances()
        settled = kind != "unsettled"
        witness.tell(lambda number, told_ns: Account(number, told_ns, balances, orders, settled), at_ns + LINE_NS)

    witness.at(now_ns + witness.latency(), act, on_the_line=False)


def _lag(witness: "Witness") -> int:
    most = witness.personality.lag_ns
    return witness.chance.randint(0, most) if most else 0


def _trades(witness: "Witness", known_ns: int) -> list[Trade]:
    """Return the trades up to a time: they are in its order."""
    trades = witness.account.trades
    return trades[: bisect_right(trades, known_ns, key=lambda trade: trade.time_ns)]


def _tell_trade(witness: "Witness", trade: Trade, now_ns: int) -> None:
    witness.tell(lambda number, _: told(trade, number), now_ns + LINE_NS)


def _tell_transfer(witness: "Witness", transfer_id: str, asset: str, amount: Decimal, now_ns: int) -> None:
    witness.tell(lambda number, at_ns: Transferred(number, at_ns, transfer_id, asset, amount), now_ns + LINE_NS)
