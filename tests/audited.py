"""A small account's journals, told event by event, for tests that plant what must not be."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgpack
from msgspec.structs import replace

from lct.audit import Audit, Identity
from lct.audit.chain import digest_of
from lct.domain.orders import Order, OrderType, Side, State, client_order_id
from lct.domain.risk import Standing
from lct.messages.base import Event, encode, tag_of
from lct.messages.execution import (
    DayStarted,
    Deposited,
    Filled,
    OrderIntended,
    OrderMoved,
    ProposalDenied,
    StandingSet,
)
from lct.messages.portfolio import DayClosed, DepositBooked, FillBooked, Track
from lct.messages.trading_engine import DepositHeard, FillHeard, Proposed
from lct.store.journal import Cursor, Fact, MemoryJournal, Row

D = Decimal
SYMBOL, BOOK = "BTC/USDT", "trend"
OURS = Identity("0123abcd", "paper", "main")


class Said(NamedTuple):
    """An event of one daemon, in one round of one epoch."""

    daemon: str
    round: int
    event: Event
    epoch: int = 1


def key(intent: str, leg: str = "order") -> str:
    """The client order id of a leg."""
    return client_order_id(OURS.install_id, OURS.venue, OURS.account, intent, leg, 0)


def intended(intent: str, side: str, amount: str, leg: str = "order", **more: Any) -> OrderIntended:
    """An order; one with another leg protects."""
    stop_loss = more.pop("stop_loss", None)
    guards = leg != "order"
    fields = {
        "type": OrderType.STOP if guards else OrderType.MARKET,
        "stop_price": D(95) if guards else None,
        "reduce_only": guards,
        "state": State.SENDING,
        **more,
    }
    order = Order(
        client_order_id=key(intent, leg),
        intent_id=intent,
        book=BOOK,
        symbol=SYMBOL,
        side=Side(side),
        amount=D(amount),
        created_ns=0,
        updated_ns=0,
        **fields,
    )
    return OrderIntended(0, order, leg, 7, stop_loss)


def moved(intent: str, state: str, leg: str = "order") -> OrderMoved:
    """A move of an order."""
    return OrderMoved(0, 0, key(intent, leg), intent, BOOK, SYMBOL, State(state), protective=leg != "order")


def filled(intent: str, trade: str, side: str, amount: str, price: str, state: str, leg: str = "order") -> Filled:
    """A fill with a fee of 0.1 % in quote."""
    fee = D(amount) * D(price) / 1000
    head = (0, 0, key(intent, leg), intent, trade, BOOK, SYMBOL, Side(side))
    return Filled(*head, D(amount), D(price), fee, "USDT", State(state), 7, protective=leg != "order")


def standing(name: str, by: str = "ada", symbol: str | None = None) -> StandingSet:
    """A word of the gate."""
    return StandingSet(0, 0, Standing(name), symbol, "a reason", by)


def proposed(intent: str, side: str, amount: str, *, exits: bool = False) -> Proposed:
    """What the engine proposes."""
    return Proposed(intent, 0, 7, BOOK, SYMBOL, Side(side), D(amount), D(100), exits, "entry")


def closed(equity: str, md_seq: int) -> DayClosed:
    """The equity at the last bars of a day."""
    return DayClosed(0, float(equity), Track(md_seq, equity=float(equity)))


GOOD: list[list[Event]] = [
    [Deposited(0, 0, "USDT", D(10_000))],
    [proposed("t0", "buy", "0.1"), intended("t0", "buy", "0.1")],
    [moved("t0", "open")],
    [filled("t0", "w0", "buy", "0.1", "100", "filled")],
    [intended("t9", "sell", "0.1", reduce_only=True)],
    [filled("t9", "w9", "sell", "0.1", "160", "filled")],
    [proposed("t1", "buy", "1")],
    [intended("t1", "buy", "1", stop_loss=D("0.05"))],
    [moved("t1", "open")],
    [filled("t1", "w1", "buy", "0.4", "100", "partial"), intended("t1", "sell", "0.4", "stop.w1")],
    [filled("t1", "w2", "buy", "0.6", "100", "filled"), intended("t1", "sell", "0.6", "stop.w2")],
    [moved("t1", "open", "stop.w1"), moved("t1", "open", "stop.w2")],
    [proposed("t2", "sell", "1", exits=True)],
    [
        intended("t2", "sell", "1", reduce_only=True, state=State.PROPOSED),
        moved("t1", "canceling", "stop.w1"),
        moved("t1", "canceling", "stop.w2"),
    ],
    [moved("t1", "canceled", "stop.w1")],
    [moved("t1", "canceled", "stop.w2"), moved("t2", "sending")],
    [moved("t2", "open")],
    [filled("t2", "w3", "sell", "1", "110", "filled")],
    [closed("10015.764", 9)],
    [ProposalDenied(0, 0, "t3", BOOK, SYMBOL, "cash_free: too little")],
    [proposed("t4", "buy", "1"), intended("t4", "buy", "1"), moved("t4", "unknown")],
    [moved("t4", "absent")],
    [proposed("t5", "buy", "1"), intended("t5", "buy", "1")],
    [moved("t5", "open")],
    [moved("t5", "canceling")],
    [moved("t5", "canceled")],
    [standing("halted")],
    [standing("active")],
    [DayStarted(0, 0, D("10015.764"), D("10015.764"))],
]


def told(rounds: Iterable[Iterable[Event]]) -> list[Said]:
    """Number what execution says; portfolio and engine hold each of its facts in the round after."""
    said: list[Said] = []
    count, held = 0, 0
    for number, events in enumerate(rounds, start=1):
        late: list[Said] = []
        for event in events:
            daemon = tag_of(type(event)).partition(".")[0]
            if daemon == "execution":
                count += 1
                event = replace(event, **({"journal_seq": count} if hasattr(event, "journal_seq") else {}))  # noqa: PLW2901
                late += held_by_both(event, 2 * number + 1, held)
            said.append(Said(daemon, 2 * number, event))
        held += len(late)
        said += late
    return said


def held_by_both(event: Event, number: int, marked: int) -> Iterator[Said]:
    """What the two hearers make of a fact."""
    track = Track(min(marked, 6))
    if isinstance(event, Filled):
        yield Said("portfolio", number, FillBooked(event, track))
        yield Said("trading_engine", number, FillHeard(7, event))
    elif isinstance(event, Deposited):
        yield Said("portfolio", number, DepositBooked(event, track))
        yield Said("trading_engine", number, DepositHeard(event))


def journal_of(said: Iterable[Said], journal: Any = None) -> Any:
    """Commit what was said, each round at once, to a journal (one in memory unless given): chains are sound then."""
    made = MemoryJournal() if journal is None else journal
    group: list[Said] = []
    for one in [*said, None]:
        if group and (one is None or (one.round, one.epoch) != (group[0].round, group[0].epoch)):
            facts = [Fact(w.daemon, "", tag_of(type(w.event)), encode(w.event)) for w in group]
            made.commit(facts, Cursor(group[0].epoch, group[0].round))
            group = []
        if one is not None:
            group.append(one)
    return made


def audited(rows: Iterable[Row], **settings: Any) -> Audit:
    """An audit that has taken all rows."""
    audit = Audit(OURS, **settings)
    for row in rows:
        audit.take(row)
    audit.settle()
    return audit


def invariants(audit: Audit) -> set[str]:
    """The ids of what does not hold."""
    return {violation.invariant for violation in audit.findings}


def after(marker: Event, *events: Event) -> Callable[[list[list[Event]]], list[list[Event]]]:
    """A plant: one more round of events behind the one that holds `marker`."""

    def plant(rounds: list[list[Event]]) -> list[list[Event]]:
        at = next(n for n, events_ in enumerate(rounds) if marker in events_)
        return [*rounds[: at + 1], list(events), *rounds[at + 1 :]]

    return plant


def instead(old: Event, *new: Event) -> Callable[[list[list[Event]]], list[list[Event]]]:
    """A plant: an event becomes others, or none."""

    def plant(rounds: list[list[Event]]) -> list[list[Event]]:
        assert any(old in events for events in rounds), "there is nothing to replace"
        return [[x for event in events for x in (new if event == old else [event])] for events in rounds]

    return plant


def rehashed(rows: list[Row]) -> list[Row]:
    """Make the chains sound over whatever the rows say now."""
    heads: dict[str, bytes] = {}
    made = []
    for row in rows:
        new = row._replace(prev_hash=heads.get(row.daemon, bytes(16)))
        made.append(new._replace(hash=digest_of(new)))
        heads[row.daemon] = made[-1].hash
    return made


def rewritten(row: Row, **fields: Any) -> Row:
    return row._replace(body=msgpack.packb({**msgpack.unpackb(row.body), **fields}))
