"""Execution and what nobody knows: no order is sent twice, called absent without proof, or loses a late fill."""

from decimal import Decimal

import pytest

from daemons.execution import SIMULATED
from lct.daemon import Do, Later
from lct.domain.orders import OrderType, Side, State
from lct.domain.risk import Standing
from lct.domain.venues import Terms
from lct.messages.exchange import (
    Cancel,
    CancelUnclear,
    Find,
    Look,
    Place,
    PlaceRefused,
    PlaceUnclear,
    VenueOrder,
)
from lct.messages.execution import Alerted, MismatchFound, OrderMoved, StandingSet, SweepDue, Verdict
from tests.daemons.execution_room import NOW, Room, entry, order_id

SECOND = 1_000_000_000
TERMS = Terms()
KEY = order_id("t1")
SETTLED = TERMS.settled_ns(NOW)


def room_with_unknown(**parts):
    """Return a room whose one order was sent, and no reply told what became of it."""
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND, **parts)
    room.propose(entry())
    room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, KEY, "timeout"), NOW))
    return room


def at_the_venue(status="open", filled="0", amount="2", **changes):
    fields = {"price": None, "side": Side.BUY, "symbol": "A/USDT", **changes}
    return VenueOrder(
        "v1",
        KEY,
        fields["symbol"],
        fields["side"],
        OrderType.MARKET,
        Decimal(amount),
        Decimal(filled),
        status,
        fields["price"],
    )


def kinds(said):
    """Return what was said by type, a command for its Do; timers left out."""
    return [
        type(thing.command) if isinstance(thing, Do) else type(thing) for thing in said if not isinstance(thing, Later)
    ]


def moves(said):
    return [m.state for m in said if isinstance(m, OrderMoved)]


def silent(room, now_ns, times=1):
    """Let sweeps end at a time without finding anything, each asked for at that time."""
    said = []
    for _ in range(times):
        room.hear(room.daemon.look_again(SweepDue(KEY), now_ns))
        said += room.sought(KEY, now_ns=now_ns)
    return said


def test_an_order_without_a_clear_reply_is_unknown_and_looked_for_and_not_sent_again():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())

    said = room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, KEY, "timeout"), NOW))

    assert moves(said) == [State.UNKNOWN]
    assert kinds(said) == [OrderMoved, Find]


def test_a_second_order_of_that_symbol_waits_until_the_fate_of_the_first_is_known():
    room = room_with_unknown()

    _, verdict = room.propose(entry(intent_id="t2", book="other"))

    assert (verdict.approved, verdict.stale) == (False, True)
    assert verdict.reason.startswith("unknown: ")


def test_a_proposal_made_again_under_the_same_intent_is_answered_and_sends_nothing():
    room = room_with_unknown()

    assert room.propose(entry()) == ([], Verdict("t1", True, "", KEY))


def test_what_is_found_open_is_open():
    room = room_with_unknown()

    said = room.sought(KEY, at_the_venue())

    assert moves(said) == [State.OPEN]
    assert room.order(KEY).venue_order_id == "v1"


def test_a_trade_proves_that_the_order_is_there():
    room = room_with_unknown()

    room.traded(KEY, "1", "100")

    assert room.order(KEY).state is State.PARTIAL
    assert not room.daemon.book.unknown


def test_an_order_filled_whole_before_anybody_looked_is_found_by_its_trades():
    room = room_with_unknown()

    room.traded(KEY, "2", "100")
    said = room.sought(KEY, at_the_venue("closed", "2"))

    assert room.order(KEY).state is State.FILLED
    assert said == []


def test_a_cumulative_amount_without_its_trades_fills_nothing_and_is_looked_for_again():
    room = room_with_unknown()

    said = room.sought(KEY, at_the_venue("closed", "2"))

    assert room.held == 0
    assert moves(said) == [State.OPEN]
    assert any(isinstance(thing, Later) and thing.message == SweepDue(KEY) for thing in said)


def test_a_cancelled_order_found_is_over_only_with_all_its_fills():
    room = room_with_unknown()

    room.sought(KEY, at_the_venue("canceled", "1"))
    assert room.order(KEY).state is State.OPEN

    room.traded(KEY, "1", "100")
    room.sought(KEY, at_the_venue("canceled", "1"))
    assert room.order(KEY).state is State.CANCELED


def test_silence_before_the_venue_must_have_shown_the_order_proves_nothing():
    room = room_with_unknown()

    said = silent(room, SETTLED, times=20)

    assert room.order(KEY).state is State.UNKNOWN
    assert Look not in kinds(said)


def test_three_proven_sweeps_after_that_and_even_balances_prove_an_order_absent():
    room = room_with_unknown()

    assert Look not in kinds(silent(room, SETTLED + 1, times=2))
    assert Look in kinds(silent(room, SETTLED + 2))
    said = room.account(room.balances(), now_ns=SETTLED + 3)

    assert moves(said) == [State.ABSENT]
    assert not room.daemon.book.unknown


@pytest.mark.parametrize("broken", [{"proven": False}, {"endpoints": ("orders",)}])
def test_a_sweep_that_is_not_proven_or_looked_one_way_only_begins_the_count_anew(broken):
    room = room_with_unknown()
    silent(room, SETTLED + 1, times=2)

    room.sought(KEY, now_ns=SETTLED + 2, **broken)
    assert Look not in kinds(silent(room, SETTLED + 3, times=2))
    assert Look in kinds(silent(room, SETTLED + 4))


def test_a_balance_that_moved_keeps_a_silent_order_unknown():
    room = room_with_unknown()
    silent(room, SETTLED + 1, times=3)

    said = room.account({**room.balances(), "A": 2}, now_ns=SETTLED + 2)

    assert moves(said) == []
    assert room.order(KEY).state is State.UNKNOWN


def test_a_balance_that_no_order_found_anywhere_explains_halts_once_the_venue_must_have_shown_it():
    room = room_with_unknown()
    silent(room, SETTLED + 1, times=3)
    moved = {**room.balances(), "USDT": room.balances()["USDT"] - 1}

    first = room.account(moved, now_ns=SETTLED + 2)
    later = room.account(moved, now_ns=SETTLED + 2 + TERMS.visibility_lag_ns)

    assert not any(isinstance(thing, MismatchFound) for thing in first)
    (found,) = [thing for thing in later if isinstance(thing, MismatchFound)]
    assert [(one.kind, one.name) for one in found.differences] == [("balance", "USDT")]
    assert room.daemon.book.house.standing is Standing.HALTED
    assert room.order(KEY).state is State.UNKNOWN


def test_a_person_is_told_once_of_an_order_that_stays_unknown():
    room = room_with_unknown()

    said = silent(room, NOW + 120 * SECOND, times=3)

    assert [m.kind for m in said if isinstance(m, Alerted)] == ["unknown_order"]


def test_too_many_orders_of_unknown_fate_halt_the_house():
    room = Room(terms=TERMS)
    for n in range(SIMULATED.max_unknown + 1):
        room.propose(entry(intent_id=f"t{n}", book=f"b{n}", amount=Decimal("0.1")))
    said = []
    for n in range(SIMULATED.max_unknown + 1):
        said = room.hear(room.daemon.doubt(PlaceUnclear(1, NOW, order_id(f"t{n}"), "timeout"), NOW))

    assert [m.standing for m in said if isinstance(m, StandingSet)] == [Standing.HALTED]


def test_at_the_start_what_was_being_sent_is_unknown_and_never_sent_again():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())

    said = list(room.twin.recovered(2 * NOW))

    assert kinds(said) == [Look, OrderMoved, Find]
    assert not [thing for thing in said if isinstance(thing, Do) and isinstance(thing.command, Place)]


def test_at_the_start_nothing_is_approved_before_the_account_was_compared():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    fresh = room.twin

    verdicts = []

    def ask():
        verdicts.append((yield from fresh.judge(entry(), NOW)))

    for said in ask():
        fresh.apply(said)
    assert (verdicts[0].approved, verdicts[0].stale) == (False, True)
    assert verdicts[0].reason.startswith("recovery: ")


def test_a_cancel_without_a_clear_reply_is_looked_up_and_given_again_where_the_order_is_open():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry(type=OrderType.LIMIT, price=Decimal(99)))
    room.placed(KEY)
    leg = room.daemon.book.legs[KEY]
    room.hear([room.daemon.desk.moved(leg, State.CANCELING, NOW)])

    doubted = room.hear(room.daemon.doubt_cancel(CancelUnclear(1, NOW, KEY, "not found"), NOW))
    found = room.sought(KEY, at_the_venue(price=Decimal(99)))

    assert (moves(doubted), kinds(doubted)) == ([State.CANCEL_UNKNOWN], [OrderMoved, Find])
    assert moves(found) == [State.CANCELING]
    assert Cancel in kinds(found)


def test_a_fill_races_its_cancel_and_wins():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.placed(KEY)
    leg = room.daemon.book.legs[KEY]
    room.hear([room.daemon.desk.moved(leg, State.CANCELING, NOW)])

    room.traded(KEY, "2", "100")

    assert room.order(KEY).state is State.FILLED
    assert room.held == 2
    assert room.cancelled(KEY, "2") == []


def test_a_late_fill_of_a_cancelled_order_is_booked_and_protected_and_told():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.placed(KEY)
    room.cancelled(KEY)

    said = room.traded(KEY, "1", "100")

    assert room.held == 1
    assert room.order(KEY).state is State.CANCELED
    assert [m.kind for m in said if isinstance(m, Alerted)] == ["late_fill"]
    assert Place in kinds(said)


def test_a_fill_of_an_order_that_we_held_for_refused_is_booked_and_halts_the_house():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.hear(room.daemon.reject(PlaceRefused(1, NOW, KEY, "no"), NOW))

    said = room.traded(KEY, "1", "100")

    assert room.held == 1
    assert room.order(KEY).state is State.PARTIAL
    assert [m.standing for m in said if isinstance(m, StandingSet)] == [Standing.HALTED]


def test_the_same_trade_told_with_another_price_halts_the_house_and_is_not_booked():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.traded(KEY, "1", "100", trade_id="x")

    said = room.traded(KEY, "1", "101", trade_id="x")

    assert room.held == 1
    assert [m.standing for m in said if isinstance(m, StandingSet)] == [Standing.HALTED]


def test_more_fills_than_were_ordered_freeze_the_symbol():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.traded(KEY, "2", "100")

    said = room.traded(KEY, "1", "100")

    assert room.held == 2
    assert [(m.standing, m.symbol) for m in said if isinstance(m, StandingSet)] == [(Standing.HALTED, "A/USDT")]


def test_another_order_under_our_id_freezes_the_symbol_and_is_not_taken_for_ours():
    room = room_with_unknown()

    said = room.sought(KEY, at_the_venue(amount="3"))

    assert room.order(KEY).state is State.UNKNOWN
    assert [(m.standing, m.symbol) for m in said if isinstance(m, StandingSet)] == [(Standing.HALTED, "A/USDT")]


def test_a_stop_that_the_venue_refuses_is_placed_anew_less_and_less_often_and_a_person_is_told():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.placed(KEY)
    room.traded(KEY, "2", "100")
    waits, alerts = [], 0
    for _ in range(8):
        (guard,) = (leg for leg in room.daemon.book.legs.values() if leg.protective)
        said = room.hear(room.daemon.reject(PlaceRefused(1, NOW, guard.order.client_order_id, "no"), NOW))
        alerts += sum(isinstance(m, Alerted) and m.kind == "unprotected" for m in said)
        (later,) = (thing for thing in said if isinstance(thing, Later))
        waits.append((later.at_ns - NOW) // SECOND)
        assert kinds(room.hear(room.daemon.protect_again(later.message, NOW))).count(Place) == 1

    assert (waits, alerts) == ([1, 2, 4, 8, 16, 32, 60, 60], 1)


def test_a_position_that_lost_its_stop_without_anybody_noticing_gets_it_at_the_next_comparison():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.enter()
    guard = next(leg for leg in room.daemon.book.legs.values() if leg.protective)
    room.hear([room.daemon.desk.moved(guard, State.CANCELED, NOW)])

    said = room.account(room.balances(), now_ns=2 * NOW)

    assert kinds(said).count(Place) == 1


def test_the_time_without_a_stop_is_counted_from_the_fill_to_the_acknowledgement_of_the_stop():
    room = Room(terms=TERMS, compares_every_ns=60 * SECOND)
    room.propose(entry())
    room.placed(KEY)
    room.traded(KEY, "2", "100", now_ns=NOW)
    guard = next(leg.order.client_order_id for leg in room.daemon.book.legs.values() if leg.protective)

    room.placed(guard, now_ns=NOW + 5)

    assert room.daemon.guards.unprotected_ns(NOW + 100) == 5
