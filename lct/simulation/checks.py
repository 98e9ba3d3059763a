"""Checks: what must be true of a house and its venue, always, and once all faults are over."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from daemons.execution.daemon import Execution
from daemons.portfolio import Portfolio
from daemons.trading_engine import TradingEngine
from lct.domain.ledger import Ledger
from lct.domain.orders import State
from lct.domain.risk import Standing
from lct.run.house import House
from lct.simulation.house import execution_of
from lct.simulation.plan import GRAVE, Plan
from lct.simulation.witness import Witness
from lct.store.journal import Row

ZERO = Decimal(0)
NOTICED_BY = {"theft": "balance", "stranger_with_our_tag": "unknown_order", "conflicting_trade": "told twice"}
UNSETTLED = (State.SENDING, State.UNKNOWN, State.CANCELING, State.CANCEL_UNKNOWN, State.PROPOSED)

Broken = tuple[str, str]
"""An invariant by its name, and what breaks it."""


def always(house: House, witness: Witness) -> Iterator[Broken]:
    """Check what holds at every moment, faults or not."""
    execution = execution_of(house)
    book = execution.book
    if witness.unjournaled:
        yield "I01", f"the venue had {witness.unjournaled[0]} before the journal"
    for asset, total in book.ledger.trial_balance().items():
        if total:
            yield "I09", f"the entries of {asset} sum to {total}"
    known = {(trade.trade_id) for trade in witness.account.trades}
    for symbol, trade_id in book.trades_seen:
        if trade_id not in known:
            yield "I05", f"trade {trade_id} of {symbol} never happened"
    for key, leg in [*book.legs.items(), *book.over.items()]:
        order = leg.order
        if not ZERO <= order.filled <= order.amount:
            yield "I05", f"{key} filled {order.filled} of {order.amount}"
    for (owner, symbol), position in book.ledger.positions.items():
        sent = (leg.order for leg in book.at(owner, symbol) if leg.order.state is not State.PROPOSED)
        leaving = sum((order.remaining for order in sent if order.reduce_only), ZERO)
        if leaving > abs(position.amount):
            yield "I12", f"exits of {leaving} on {position.amount} of {owner} {symbol}"
        if position.amount < ZERO and not book.frozen and book.house.standing is Standing.ACTIVE:
            yield "I12", f"{owner} is short of {symbol}: {position.amount}"
    yield from _accepted(witness)


def _accepted(witness: Witness) -> Iterator[Broken]:
    times = Counter(t.order.client_order_id for t in witness.account.orders if not t.is_foreign)
    for key, count in times.items():
        if count > 1:
            yield "I02", f"the venue took {key} {count} times"


def figures(house: House, witness: Witness) -> dict[str, int]:
    """Count what was lost, doubled, orphaned and drifted between a house at rest and its venue."""
    book = execution_of(house).book
    account = witness.account
    ours = [trade for trade in account.trades if not trade.taken.is_foreign]
    lost = sum((trade.taken.order.symbol, trade.trade_id) not in book.trades_seen for trade in ours)
    orphaned = sum(
        taken.order.client_order_id not in book.legs for taken in account.open_orders() if not taken.is_foreign
    )
    assets = {*account.balances, *(asset for _, asset in book.ledger.balances)}
    drift = sum(_drifts(book.ledger, witness, asset) for asset in assets)
    return {
        "lost": lost,
        "duplicated": sum(1 for _ in _accepted(witness)),
        "orphaned": orphaned,
        "drift": drift,
    }


def _drifts(ledger: Ledger, witness: Witness, asset: str) -> bool:
    theirs = witness.account.balances.get(asset, ZERO) - witness.account.unexplained.get(asset, ZERO)
    return ledger.total(asset) != theirs


def at_the_end(house: House, witness: Witness, plan: Plan, *, noticed: set[str]) -> Iterator[Broken]:
    """Check what holds once the faults have been over for a while: nothing is stuck, and all agree."""
    execution = execution_of(house)
    book = execution.book
    for name, count in figures(house, witness).items():
        if count:
            yield name, f"{count} {_example(name, house, witness)}"
    for key, leg in book.legs.items():
        if leg.order.state in UNSETTLED:
            yield "liveness", f"{key} ({leg.name}) is still {leg.order.state.value}: {leg.order.reason}"
    if not execution.comparing.is_ready:
        yield "liveness", "the account was not compared"
    yield from _grave(execution, witness, plan, noticed=noticed)
    yield from _guarded(execution)
    yield from _agreeing(house)
    yield from in_the_journal(house.bus.journal.rows("execution"))


def in_the_journal(rows: Iterable[Row]) -> Iterator[Broken]:
    """Check what the rows of execution tell by themselves, read without any of its code."""
    standing: dict[str | None, str] = {}
    known: set[str] = set()
    for row in rows:
        body = msgspec.msgpack.decode(row.body)
        if row.type == "execution.standing_set":
            standing[body["symbol"]] = body["standing"]
        elif row.type == "execution.order_intended":
            order = body["order"]
            key = order["client_order_id"]
            if key in known:
                yield "I03", f"{key} was intended twice"
            known.add(key)
            held = {standing.get(None, "active"), standing.get(order["symbol"], "active")}
            if held != {"active"} and not order["reduce_only"]:
                yield "I20", f"{key} enters while {sorted(held)}"


def _example(name: str, house: House, witness: Witness) -> str:
    book = execution_of(house).book
    if name == "drift":
        assets = {*witness.account.balances, *(asset for _, asset in book.ledger.balances)}
        wrong = sorted(asset for asset in assets if _drifts(book.ledger, witness, asset))
        return ", ".join(
            f"{a}: {book.ledger.total(a)} in the ledger, {witness.account.balances.get(a, ZERO)} at the venue"
            for a in wrong
        )
    if name == "lost":
        return ", ".join(
            f"{t.trade_id} of {t.taken.order.client_order_id}"
            for t in witness.account.trades
            if not t.taken.is_foreign and (t.taken.order.symbol, t.trade_id) not in book.trades_seen
        )
    return ""


def is_grave(witness: Witness) -> bool:
    """Whether something struck that no fault of a line explains: the accounts differ for good."""
    return bool(_grave_kinds(witness))


def _grave_kinds(witness: Witness) -> set[str]:
    return {kind.partition(".")[2] for kind in witness.struck.struck} & set(GRAVE)


def _grave(execution: Execution, witness: Witness, plan: Plan, *, noticed: set[str]) -> Iterator[Broken]:
    """A house must have stopped at what no fault of a line explains, and at nothing else."""
    book = execution.book
    happened = sorted(_grave_kinds(witness))
    for kind in happened:
        if NOTICED_BY[kind] not in noticed:
            yield "I20", f"nobody noticed {kind}"
    if not happened and book.differences:
        yield "I08", f"the accounts do not agree: {book.differences[0]}"
    assert plan.faults or not happened, "what struck was planned"


def _guarded(execution: Execution) -> Iterator[Broken]:
    """Every position that can be sold has its stop, unless its symbol is frozen or an exit is under way."""
    book = execution.book
    for (owner, symbol), position in book.ledger.positions.items():
        instrument = execution.desk.instruments[symbol]
        exits = [leg for leg in book.at(owner, symbol) if leg.order.reduce_only and not leg.protective]
        mark = execution.marks.price(instrument)
        if position.amount <= ZERO or exits or mark is None:
            continue
        bare = instrument.amount_down(position.amount - book.protected(owner, symbol))
        if bare and instrument.objection(bare, mark * Decimal("0.98")) is None:
            yield "I24", f"{bare} of {owner} {symbol} have no stop"


def _agreeing(house: House) -> Iterator[Broken]:
    """Portfolio and trading engine have what execution has."""
    ours = execution_of(house).book.ledger
    for name, kind in (("portfolio", Portfolio), ("trading_engine", TradingEngine)):
        daemon = house.bus.seats[name].daemon
        assert isinstance(daemon, kind), f"the house has a {name}"
        theirs = daemon.ledger
        for key in {*ours.balances, *theirs.balances}:
            if ours.balance(*key) != theirs.balance(*key):
                yield "I17", f"{name} has {theirs.balance(*key)} of {key}, execution {ours.balance(*key)}"
