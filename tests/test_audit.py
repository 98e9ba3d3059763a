"""The independent checker: nothing to say about sound journals, and the right word about each planted wrong."""

import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from msgspec.structs import replace

import lct.audit
from lct.audit.execution import Execution
from lct.domain.orders import State
from lct.messages.base import Event
from lct.messages.execution import Adopted, Deposited, Difference, MismatchFound
from lct.messages.portfolio import FillBooked
from lct.messages.trading_engine import DustLeft
from lct.store.journal import Row
from tests.audited import (
    BOOK,
    GOOD,
    SYMBOL,
    D,
    Said,
    after,
    audited,
    closed,
    filled,
    instead,
    intended,
    invariants,
    journal_of,
    key,
    moved,
    proposed,
    rehashed,
    rewritten,
    standing,
    told,
)

Rounds = list[list[Event]]
Plant = Callable[[Rounds], Rounds]


def both(*plants: Plant) -> Plant:
    return lambda rounds: reduce(lambda made, plant: plant(made), plants, rounds)


def differing(name: str, ours: str, theirs: str = "1") -> MismatchFound:
    return MismatchFound(0, 0, (Difference("balance", name, ours, theirs),))


CASH = "10015.764"
HALT, ACTIVE = standing("halted"), standing("active")
T1 = intended("t1", "buy", "1", stop_loss=D("0.05"))
T5 = intended("t5", "buy", "1")
W0 = filled("t0", "w0", "buy", "0.1", "100", "filled")
W1 = filled("t1", "w1", "buy", "0.4", "100", "partial")
W9 = filled("t9", "w9", "sell", "0.1", "160", "filled")
STOP_1, STOP_2 = intended("t1", "sell", "0.4", "stop.w1"), intended("t1", "sell", "0.6", "stop.w2")
LATE = filled("t4", "w4", "buy", "1", "100", "filled")
DUST = intended("t8", "buy", "1")
UNCLEAR = [[intended(f"u{n}", "buy", "1"), moved(f"u{n}", "unknown")] for n in range(6)]
BARE = both(
    instead(STOP_2), instead(moved("t1", "open", "stop.w2")), instead(moved("t1", "canceling", "stop.w2")),
    instead(moved("t1", "canceled", "stop.w2")),
)  # fmt: skip


def named(order: Any, name: str) -> Any:
    return replace(order, order=replace(order.order, client_order_id=name))


PLANTED: dict[str, tuple[str, Plant]] = {
    "a fill of an order that nobody intended": ("I01", after(ACTIVE, filled("t7", "w7", "buy", "1", "9", "filled"))),
    "an order first journaled as open": ("I01", instead(T5, intended("t5", "buy", "1", state=State.OPEN))),
    "two orders of one intent": ("I02", after(T1, named(T1, "3" * 32))),
    "one id for two orders": ("I03", after(ACTIVE, named(DUST, key("t5")))),
    "an id of another installation": ("I03", after(ACTIVE, named(DUST, "f" * 32))),
    "a fill past the amount": ("I05", instead(W0, filled("t0", "w0", "buy", "0.2", "100", "filled"))),
    "a state that its fills deny": ("I05", instead(moved("t5", "open"), moved("t5", "filled"))),
    "coins adopted that nobody had": ("I06", after(ACTIVE, Adopted(0, 0, BOOK, SYMBOL, D(1), D(9)))),
    "a position told otherwise by the engine": ("I06", after(W1, DustLeft(BOOK, SYMBOL, D("0.5")))),
    "a base balance told otherwise": ("I06", after(HALT, differing("BTC", "1", "2"), HALT)),
    "cash told otherwise by a cent": ("I07", after(HALT, differing("USDT", "10015.774"))),
    "a difference that halts nothing": ("I08", after(ACTIVE, differing("USDT", CASH))),
    "a resume while the accounts differ": ("I08", after(HALT, differing("USDT", CASH))),
    "an equity that is not the cash": ("I10", instead(closed(CASH, 9), closed("10015.765", 9))),
    "an order after its denial": ("I11", after(ACTIVE, intended("t3", "buy", "1"))),
    "a denial after its order": ("I11", after(ACTIVE, replace(GOOD[19][0], intent_id="t5"))),
    "an order of another size than proposed": ("I11", instead(proposed("t1", "buy", "1"), proposed("t1", "buy", "2"))),
    "a stop for an intent that nobody had": ("I11", after(W1, intended("t6", "sell", "0.1", "stop.w1"))),
    "a stop for more than the position": ("I12", instead(STOP_1, intended("t1", "sell", "0.5", "stop.w1"))),
    "an exit that buys": ("I12", after(W1, intended("t8", "buy", "0.1", reduce_only=True))),
    "an exit proposed of more than there is": ("I12", after(W1, proposed("t8", "sell", "0.5", exits=True))),
    "coins sold that are not there": (
        "I12",
        after(ACTIVE, intended("t8", "sell", "1"), filled("t8", "w8", "sell", "1", "100", "filled")),
    ),
    "an order that rose from its end": ("I15", after(moved("t5", "canceled"), moved("t5", "open"))),
    "a step that is not in the table": ("I15", instead(moved("t5", "canceling"), moved("t5", "unknown"))),
    "a fill that leads elsewhere": ("I15", instead(W1, filled("t1", "w1", "buy", "0.4", "100", "filled"))),
    "a fill of an absent order that halts nothing": ("I15", after(moved("t4", "absent"), LATE)),
    "a trade booked twice": ("I18", after(W0, replace(W0, amount=D("0.01")))),
    "a deposit booked twice": ("I18", after(ACTIVE, *[Deposited(0, 0, "USDT", D(5), "venue:x1")] * 2)),
    "an entry while halted": ("I20", after(HALT, DUST)),
    "an entry while reducing": ("I20", after(ACTIVE, standing("reducing"), DUST)),
    "an entry in a frozen symbol": ("I20", after(ACTIVE, standing("halted", symbol=SYMBOL), DUST)),
    "a stop that may open a position": (
        "I20",
        instead(STOP_1, intended("t1", "sell", "0.4", "stop.w1", reduce_only=False)),
    ),
    "an amount that is no number": ("I22", instead(W0, replace(W0, amount=D("NaN")))),
    "a price beyond all prices": ("I22", instead(W0, replace(W0, price=D("1E+12")))),
    "an order of nothing": ("I22", instead(T5, intended("t5", "buy", "0"))),
    "an entry without the stop it asked for": ("I24", BARE),
    "six orders of unknown fate that halt nothing": ("I25", lambda rounds: [*rounds, *UNCLEAR]),
}


def wrong(rounds: Rounds) -> set[str]:
    return invariants(audited(journal_of(told(rounds)).rows()))


def test_a_sound_account_gives_no_alarm() -> None:
    assert wrong(GOOD) == set()


@pytest.mark.parametrize(("invariant", "plant"), PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_is_found_by_its_name(invariant: str, plant: Plant) -> None:
    found = wrong(plant(GOOD))

    assert invariant in found
    assert "I16" not in found, "the chain was made anew: it may not be what tells"


SOUND: dict[str, Plant] = {
    "a fill of an absent order that halts": after(moved("t4", "absent"), LATE, standing("halted", "execution"), ACTIVE),
    "a difference that freezes": after(ACTIVE, differing("USDT", CASH), standing("halted", symbol=SYMBOL)),
    "a late fill after a cancel": after(
        moved("t5", "canceled"), filled("t5", "w5", "buy", "0.4", "100", "canceled"), HALT, ACTIVE
    ),
    "an exit while halted": both(after(W0, HALT), after(W9, ACTIVE)),
    "six orders of unknown fate that halt": lambda rounds: [*rounds, *UNCLEAR[:5], [*UNCLEAR[5], HALT]],
    "a stop that the venue refused": both(
        instead(moved("t1", "open", "stop.w2"), moved("t1", "rejected", "stop.w2")),
        instead(moved("t1", "canceling", "stop.w2")),
        instead(moved("t1", "canceled", "stop.w2")),
    ),
}


@pytest.mark.parametrize("plant", SOUND.values(), ids=SOUND.keys())
def test_what_only_looks_wrong_gives_no_alarm(plant: Plant) -> None:
    assert wrong(plant(GOOD)) == set()


# --- hearers, epochs and chains: planted in what was said, and in the rows


def last_fill(said: list[Said], name: str) -> int:
    return max(n for n, one in enumerate(said) if one.daemon == name and hasattr(one.event, "fill"))


def twice(name: str) -> Callable[[list[Said]], list[Said]]:
    return lambda said: [*said, said[last_fill(said, name)]]


def otherwise(said: list[Said]) -> list[Said]:
    at = last_fill(said, "portfolio")
    booked = said[at].event
    assert isinstance(booked, FillBooked), "portfolio books fills"
    return [
        *said[:at],
        said[at]._replace(event=replace(booked, fill=replace(booked.fill, price=D(1)))),
        *said[at + 1 :],
    ]


def invented(said: list[Said]) -> list[Said]:
    booked = said[last_fill(said, "portfolio")].event
    assert isinstance(booked, FillBooked), "portfolio books fills"
    return [*said, Said("portfolio", 999, replace(booked, fill=replace(booked.fill, journal_seq=77)))]


def forgotten(said: list[Said]) -> list[Said]:
    fills = [one for one in said if one.daemon == "trading_engine" and hasattr(one.event, "fill")]
    return [one for one in said if one is not fills[1]]


HEARD: dict[str, tuple[str, Callable[[list[Said]], list[Said]]]] = {
    "a fill that the engine lacks": ("I17", forgotten),
    "a fill that portfolio has twice": ("I17", twice("portfolio")),
    "a fill that the engine has twice": ("I17", twice("trading_engine")),
    "a fill that portfolio has otherwise": ("I17", otherwise),
    "a fill that portfolio made up": ("I17", invented),
    "a writer of an older epoch": (
        "I26",
        lambda said: [s._replace(epoch=2 if n < 20 else 1) for n, s in enumerate(said)],
    ),
}


@pytest.mark.parametrize(("invariant", "plant"), HEARD.values(), ids=HEARD.keys())
def test_what_others_hold_is_compared_too(invariant: str, plant: Callable[[list[Said]], list[Said]]) -> None:
    found = invariants(audited(journal_of(plant(told(GOOD))).rows()))

    assert invariant in found
    assert "I16" not in found


def changed(rows: list[Row], at: int, **fields: Any) -> list[Row]:
    return [row._replace(**fields) if n == at else row for n, row in enumerate(rows)]


BROKEN: dict[str, tuple[str, Callable[[list[Row]], list[Row]]]] = {
    "a body that was changed": ("I16", lambda rows: changed(rows, 9, body=rows[10].body)),
    "a time that was changed": ("I16", lambda rows: changed(rows, 9, now_ns=5)),
    "a row that calls its body something else": ("I16", lambda rows: rehashed(changed(rows, 9, type="execution.x"))),
    "a row that is missing": ("I17", lambda rows: rows[:9] + rows[10:]),
    "an event that has another number than its row": ("I17", lambda rows: rehashed(renumbered(rows, 1))),
}


def renumbered(rows: list[Row], by: int) -> list[Row]:
    at = next(n for n, row in enumerate(rows) if row.type == "execution.order_moved")
    return [*rows[:at], rewritten(rows[at], journal_seq=rows[at].journal_seq + by), *rows[at + 1 :]]


@pytest.mark.parametrize(("invariant", "plant"), BROKEN.values(), ids=BROKEN.keys())
def test_rows_that_were_tampered_with_are_found(invariant: str, plant: Callable[[list[Row]], list[Row]]) -> None:
    assert invariant in invariants(audited(plant(list(journal_of(told(GOOD)).rows()))))


def test_money_that_is_a_float_is_no_money() -> None:
    rows = list(journal_of(told(GOOD)).rows())
    at = next(n for n, row in enumerate(rows) if row.type == "execution.filled")

    found = audited(rehashed([*rows[:at], rewritten(rows[at], fee=0.01), *rows[at + 1 :]]))

    assert "I22" in invariants(found)


@pytest.mark.parametrize("kept", [None, 2])
def test_what_was_forgotten_is_not_called_wrong(kept: int | None) -> None:
    """A watch remembers so many finished orders; what it does not know any more proves nothing."""
    rounds = [*GOOD, *[[intended(f"o{n}", "buy", "1"), moved(f"o{n}", "rejected")] for n in range(3)]]
    late = [[filled("t5", "w5", "buy", "0.4", "100", "canceled"), HALT]]

    audit = audited(journal_of(told([*rounds, *late])).rows(), kept=kept)

    assert invariants(audit) == set()


def test_every_event_that_execution_journals_is_folded() -> None:
    """A type that the checker does not know would change the books unseen."""
    from daemons.execution.state import KINDS
    from lct.messages.base import tag_of

    names = {"_" + tag_of(kind).partition(".")[2] for kind in KINDS}

    assert {name for name in names if not hasattr(Execution, name)} == {"_decided"}


def test_books_that_do_not_add_up_are_their_own_objection() -> None:
    """No row can unbalance an entry; a fault of the checker's own would show here."""
    books = audited(journal_of(told(GOOD)).rows()).execution.books
    assert books.objections() == []

    books.accounts["book:trend", "USDT"] += D("0.00000001")

    assert [invariant for invariant, _ in books.objections()] == ["I09", "I07"]


def test_each_invariant_that_it_claims_has_something_planted() -> None:
    claimed = set(re.findall(r"^    (I\d\d)  ", lct.audit.__doc__ or "", re.MULTILINE))
    planted = {invariant for plants in (PLANTED, HEARD, BROKEN) for invariant, *_ in plants.values()}

    assert claimed - planted == {"I04", "I09", "I23"}, "those need a witness, limits or broken books"
    assert planted <= claimed
