"""Execution and its operator: the gate, the switch, flattening, cancelling, and a person's word."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from daemons.execution import SIMULATED
from lct.daemon import Do
from lct.domain.orders import OrderType, Side, State
from lct.domain.risk import Standing
from lct.domain.venues import Terms
from lct.messages.exchange import Cancel, HaltOrdered, Place, PlaceRefused, PlaceUnclear
from lct.messages.execution import (
    CancelOrder,
    Decided,
    Flatten,
    Halt,
    OrderIntended,
    OrderMoved,
    Resolve,
    Resume,
    StandingSet,
)
from tests.daemons.execution_room import DAY, MINUTE, NOW, Room, entry, exit_, order_id

KEY = order_id("t1")


def commands(said):
    return [thing.command for thing in said if isinstance(thing, Do)]


def resting(room, intent_id="t1", **changes):
    """Have a limit order rest at the venue."""
    room.propose(entry(intent_id=intent_id, type=OrderType.LIMIT, price=Decimal(99), **changes))
    room.placed(order_id(intent_id))


def test_a_halt_is_journaled_before_anything_is_cancelled_and_leaves_protection_standing():
    room = Room()
    guard = room.enter()
    resting(room, "t2", book="other")

    said, done = room.ask(Halt("enough", "me"))

    assert isinstance(said[0], StandingSet)
    assert [c.client_order_id for c in commands(said)] == [order_id("t2")]
    assert room.order(guard).state is State.OPEN
    assert (done.standing, done.changed) == (Standing.HALTED, True)


@pytest.mark.parametrize("what", ["entry", "exit"])
def test_nothing_is_approved_while_the_house_is_halted(what):
    room = Room()
    room.enter()
    room.ask(Halt())

    _, verdict = room.propose(entry(intent_id="t2", book="b") if what == "entry" else exit_(room))

    assert verdict.reason.startswith("standing: halted")


def test_a_halt_is_latched_over_a_restart():
    room = Room()
    room.ask(Halt("enough"))

    assert room.twin.book.house.standing is Standing.HALTED


def test_the_switch_outside_of_the_bus_halts_as_the_request_does():
    room = Room()
    resting(room)

    said = room.hear(room.daemon.obey_switch(HaltOrdered(1, NOW, "the file", "me"), NOW))

    assert [type(c) for c in commands(said)] == [Cancel]
    assert (room.daemon.book.house.reason, room.daemon.book.house.by) == ("the file", "me")


def test_an_order_that_shows_up_after_the_halt_is_cancelled():
    room = Room(terms=Terms())
    room.propose(entry(type=OrderType.LIMIT, price=Decimal(99)))
    room.ask(Halt())

    said = room.placed(KEY)

    assert [m.state for m in said if isinstance(m, OrderMoved)] == [State.OPEN, State.CANCELING]
    assert [type(c) for c in commands(said)] == [Cancel]


def test_flattening_takes_the_stop_away_and_then_sells_what_is_held():
    room = Room()
    guard = room.enter()

    said, done = room.ask(Flatten("home time", "me"))
    gone = room.cancelled(guard)

    assert [c.client_order_id for c in commands(said)] == [guard]
    (sell,) = commands(gone)
    assert (type(sell), sell.side, sell.amount, sell.reduce_only) == (Place, Side.SELL, Decimal(2), True)
    assert done.standing is Standing.REDUCING


def test_a_second_flattening_sells_nothing_twice():
    room = Room()
    guard = room.enter()
    room.ask(Flatten())
    room.cancelled(guard)

    said, _ = room.ask(Flatten())

    assert commands(said) == []


def test_a_halted_house_can_still_be_flattened():
    room = Room()
    room.enter(stop_loss=None)

    said, done = room.ask(Halt(flatten=True))

    assert [c.side for c in commands(said)] == [Side.SELL]
    assert done.standing is Standing.HALTED


def test_only_what_reduces_is_approved_while_reducing():
    room = Room()
    room.enter(stop_loss=None)
    room.ask(Flatten(symbol="B/USDT"))

    _, entered = room.propose(entry(intent_id="t2", book="b"))
    _, left = room.propose(exit_(room))

    assert entered.reason.startswith("standing: reducing")
    assert left.approved


def test_what_is_too_small_to_be_sold_is_named():
    room = Room()
    room.enter(stop_loss=None)
    room.bars(MINUTE, 2, {"A/USDT": 1.0, "B/USDT": 50.0})

    _, done = room.ask(Flatten())

    assert "left: s A/USDT: notional 2 is below the minimum 5" in done.done


def test_resuming_opens_the_gate():
    room = Room()
    room.ask(Halt())

    _, done = room.ask(Resume("looked", "me"))
    _, verdict = room.propose(entry())

    assert done.standing is Standing.ACTIVE
    assert verdict.approved


def test_one_order_is_cancelled_by_its_id_and_an_unknown_id_is_named():
    room = Room()
    resting(room)

    said, done = room.ask(CancelOrder(KEY))
    _, missing = room.ask(CancelOrder("nothing"))

    assert [type(c) for c in commands(said)] == [Cancel]
    assert done.changed
    assert (missing.changed, missing.done) == (False, "no such order")


@pytest.mark.parametrize("fate", [State.ABSENT, State.CANCELED])
def test_a_person_decides_the_fate_of_an_unknown_order_and_the_journal_says_who(fate):
    room = Room(terms=Terms())
    room.propose(entry())
    room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, KEY, "timeout"), NOW))

    said, done = room.ask(Resolve(KEY, fate, "asked support", "me"), Terms().settled_ns(NOW) + 1)

    assert isinstance(said[0], Decided)
    assert said[0].by == "me"
    assert room.order(KEY).state is fate
    assert done.changed


@pytest.mark.parametrize("fate", [State.ABSENT, State.CANCELED])
def test_nobody_can_say_that_an_order_is_over_while_its_request_may_still_arrive(fate):
    room = Room(terms=Terms())
    room.propose(entry())
    room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, KEY, "timeout"), NOW))

    said, done = room.ask(Resolve(KEY, fate), Terms().settled_ns(NOW))

    assert (said, done.changed) == ([], False)
    assert "may still arrive, or not show yet, for another 1 s" in done.done
    assert room.order(KEY).state is State.UNKNOWN


@pytest.mark.parametrize("fate", [State.FILLED, State.REJECTED])
def test_nobody_can_say_that_an_order_was_filled_or_refused(fate):
    room = Room(terms=Terms())
    room.propose(entry())
    room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, KEY, "timeout"), NOW))

    said, done = room.ask(Resolve(KEY, fate))

    assert (said, done.changed) == ([], False)


def test_an_order_whose_fate_is_known_is_not_open_to_a_persons_word():
    room = Room()
    resting(room)

    said, done = room.ask(Resolve(KEY, State.ABSENT))

    assert (said, done.changed) == ([], False)


def test_more_refusals_in_a_minute_than_allowed_halt_the_house():
    room = Room(replace(SIMULATED, max_rejects_per_minute=2))
    said = []
    for n in range(3):
        room.propose(entry(intent_id=f"t{n}", book=f"b{n}", amount=Decimal("0.1")))
        said = room.hear(room.daemon.reject(PlaceRefused(1, NOW, order_id(f"t{n}"), "no"), NOW))

    assert [m.standing for m in said if isinstance(m, StandingSet)] == [Standing.HALTED]


def test_many_times_the_usual_fills_halt_the_house():
    room = Room(replace(SIMULATED, runaway_factor=10, max_orders_per_second=10_000))
    halted = []
    for n in range(150):
        room.propose(entry(intent_id=f"t{n}", book=f"b{n}", amount=Decimal("0.1"), stop_loss=None))
        halted += [m for m in room.traded(order_id(f"t{n}"), "0.1", "100") if isinstance(m, StandingSet)]

    assert [m.reason.partition(":")[0] for m in halted] == ["runaway_factor"]


def test_a_daily_loss_lets_nothing_new_in_until_the_day_is_over():
    room = Room(replace(SIMULATED, max_daily_loss=Decimal("0.01")))
    room.enter("20")
    room.bars(MINUTE, 2, {"A/USDT": 90.0, "B/USDT": 50.0})
    said, _ = room.propose(entry(intent_id="t2", symbol="B/USDT", md_seq=2))
    assert [m.standing for m in said if isinstance(m, StandingSet)] == [Standing.REDUCING]

    room.bars(DAY, 3, {"A/USDT": 90.0, "B/USDT": 50.0})

    assert room.daemon.book.house.standing is Standing.ACTIVE


SUSPICIOUS = {
    "max_alike_per_minute": {"max_alike_per_minute": 0},
    "max_orders_per_second": {"max_orders_per_second": 0},
    "restricted": {"restricted": ("A/USDT",)},
    "max_order_amount": {"max_order_amount": Decimal(1)},
}


@pytest.mark.parametrize("limit", SUSPICIOUS)
def test_each_control_denies_by_its_name(limit):
    room = Room(replace(SIMULATED, **SUSPICIOUS[limit]))

    _, verdict = room.propose(entry())

    assert verdict.reason.startswith(limit)


def test_the_same_order_does_not_come_twice_within_seconds():
    room = Room(replace(SIMULATED, repeat_seconds=10))
    room.propose(entry(stop_loss=None))
    room.traded(KEY, "2", "100")

    _, again = room.propose(entry(intent_id="t2", facts=room.facts))
    _, another = room.propose(entry(intent_id="t3", facts=room.facts, amount=Decimal(1)))

    assert again.reason.startswith("repeat_seconds")
    assert another.approved


def test_nothing_is_entered_on_an_old_close():
    room = Room(replace(SIMULATED, max_data_age_bars=3))

    _, fresh = room.propose(entry(expires_at_ns=DAY), now_ns=MINUTE + 3 * MINUTE)
    _, old = room.propose(entry(intent_id="t2", book="b", expires_at_ns=DAY), now_ns=MINUTE + 4 * MINUTE)

    assert fresh.approved
    assert old.reason == "max_data_age_bars: 4 > 3"


def test_a_symbol_that_froze_in_the_feed_is_old_though_others_go_on():
    room = Room(replace(SIMULATED, max_data_age_bars=1))
    for n in range(2, 6):
        room.bars((n - 1) * MINUTE, n, {"B/USDT": 50.0})

    _, verdict = room.propose(entry(md_seq=5, expires_at_ns=DAY), now_ns=5 * MINUTE)

    assert verdict.reason.startswith("max_data_age_bars")


def test_no_order_trades_with_a_resting_order_of_another_book():
    room = Room(replace(SIMULATED, forbid_self_cross=True))
    room.enter("2", take_profit=Decimal("0.02"))  # its bracket sells at 102

    _, crossing = room.propose(entry(intent_id="t2", book="b", type=OrderType.LIMIT, price=Decimal(102)))
    _, below = room.propose(entry(intent_id="t3", book="b", type=OrderType.LIMIT, price=Decimal(101)))

    assert crossing.reason.startswith("forbid_self_cross")
    assert below.approved


def test_a_second_halt_changes_nothing():
    room = Room()
    room.ask(Halt())
    said, _ = room.ask(Halt())

    assert not [m for m in said if isinstance(m, OrderIntended | StandingSet)]
