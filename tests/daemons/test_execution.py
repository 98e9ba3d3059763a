"""Execution: what it sends, what it denies, and what it does about protection; each durable event twice applied."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from daemons.execution import SIMULATED, Execution, Identity
from lct.daemon import Do
from lct.domain.orders import OrderType, Side, State
from lct.domain.risk import Limits
from lct.messages.exchange import Account, Cancel, Find, Look, Place, PlaceRefused
from lct.messages.execution import (
    DayStarted,
    Filled,
    OrderIntended,
    OrderMoved,
    ProposalDenied,
    Unprotected,
    Verdict,
)
from tests.daemons.execution_room import DAY, INSTRUMENTS, MINUTE, NOW, Room, entry, exit_, order_id

# -- proposals ------------------------------------------------------------------------------------------------------


def test_an_intent_is_journaled_in_sending_before_its_place_is_yielded():
    room = Room()

    said, verdict = room.propose(entry())

    intended, do = said
    assert isinstance(intended, OrderIntended)
    assert intended.order.state is State.SENDING
    assert do == Do("exchange", Place(order_id("t1"), "A/USDT", Side.BUY, OrderType.MARKET, Decimal(2), NOW))
    assert verdict == Verdict("t1", True, "", order_id("t1"))


def test_a_repeated_proposal_gets_the_stored_verdict_and_sends_nothing():
    room = Room()
    _, first = room.propose(entry())

    assert room.propose(entry(amount=Decimal(999))) == ([], first)


def test_a_repeated_denied_proposal_stays_denied():
    room = Room()
    _, first = room.propose(entry(md_seq=0))
    assert not first.approved

    assert room.propose(entry()) == ([], first)


STALE = {
    "expired": ({"expires_at_ns": NOW - 1}, "expired"),
    "older bars": ({"md_seq": 0}, "md_seq"),
}


@pytest.mark.parametrize("what", STALE)
def test_a_proposal_that_rests_on_too_little_is_denied_as_stale(what):
    changes, reason = STALE[what]
    room = Room()

    said, verdict = room.propose(entry(**changes))

    assert [type(m) for m in said] == [ProposalDenied]
    assert (verdict.approved, verdict.stale) == (False, True)
    assert verdict.reason.startswith(reason)


def test_a_proposal_that_rests_on_older_facts_is_denied_as_stale():
    room = Room()
    room.enter()

    said, verdict = room.propose(exit_(room, facts=room.facts - 1))

    assert [type(m) for m in said] == [ProposalDenied]
    assert verdict.stale
    assert verdict.reason.startswith("facts")


def test_facts_about_another_symbol_make_nothing_stale():
    room = Room()
    room.enter()

    _, verdict = room.propose(entry(intent_id="t2", symbol="B/USDT"))

    assert verdict.approved


HARD = {
    "max_order_notional": (Limits(max_order_notional=Decimal(100)), {}),
    "max_position_notional": (Limits(max_order_notional=None, max_position_notional=Decimal(199)), {}),
    "max_gross_exposure": (replace(SIMULATED, max_gross_exposure=Decimal("0.01")), {}),
    "max_open_orders": (replace(SIMULATED, max_open_orders=0), {}),
    "max_orders_per_minute": (replace(SIMULATED, max_orders_per_minute=0), {}),
    "min_price": (replace(SIMULATED, min_price=Decimal(101)), {}),
    "allow_short": (SIMULATED, {"side": Side.SELL}),
    "reduce_only": (SIMULATED, {"side": Side.SELL, "reduce_only": True}),
    "cash_free": (replace(SIMULATED, max_gross_exposure=None), {"amount": Decimal(101)}),
    "price_collar": (SIMULATED, {"type": OrderType.LIMIT, "price": Decimal(120)}),
    "instrument": (SIMULATED, {"amount": Decimal("0.15")}),
    "symbol": (SIMULATED, {"symbol": "C/USDT"}),
    "price": (SIMULATED, {"type": OrderType.LIMIT}),
}


@pytest.mark.parametrize("limit", HARD)
def test_each_hard_limit_denies_by_its_name_and_sends_nothing(limit):
    limits, changes = HARD[limit]
    room = Room(limits)

    said, verdict = room.propose(entry(**changes))

    assert [type(m) for m in said] == [ProposalDenied]
    assert (verdict.approved, verdict.stale) == (False, False)
    assert verdict.reason.startswith(limit)


def test_an_order_below_the_minimum_notional_is_denied():
    room = Room()
    room.bars(MINUTE, 2, {"A/USDT": 40.0})

    _, verdict = room.propose(entry(amount=Decimal("0.1"), md_seq=2))

    assert verdict.reason == "instrument: notional 4 is below the minimum 5"


@pytest.mark.parametrize("limits", [{"max_daily_loss": Decimal("0.01")}, {"max_drawdown": Decimal("0.01")}])
def test_a_loss_since_the_day_began_denies_entries_but_no_exit(limits):
    room = Room(replace(SIMULATED, **limits))
    room.enter("20")
    room.bars(MINUTE, 2, {"A/USDT": 90.0, "B/USDT": 50.0})

    _, denied = room.propose(entry(intent_id="t2", symbol="B/USDT", md_seq=2))
    _, approved = room.propose(exit_(room, "20"))

    assert denied.reason.startswith(next(iter(limits)))
    assert approved.approved


def test_a_second_entry_of_a_book_and_symbol_is_denied_while_the_first_lives():
    room = Room()
    room.propose(entry())

    _, verdict = room.propose(entry(intent_id="t2"))

    assert verdict.reason.startswith("live_intent")


def test_without_a_mark_everything_is_denied():
    daemon = Execution(Identity("i", "paper", "main"), INSTRUMENTS, SIMULATED)
    said = daemon.judge(entry(md_seq=0), NOW)

    denied = next(said)

    assert denied.reason == "reference_price: none is known"


# -- what the venue says --------------------------------------------------------------------------------------------


def test_a_refused_order_is_rejected_and_may_not_be_refused_twice():
    room = Room()
    room.propose(entry())
    refused = PlaceRefused(1, NOW, order_id("t1"), "no")

    (moved,) = room.hear(room.daemon.reject(refused, NOW))

    assert (moved.state, moved.reason) == (State.REJECTED, "no")
    assert room.hear(room.daemon.reject(refused, NOW)) == []
    assert room.live() == {}


def test_a_trade_id_counts_once():
    room = Room()
    room.enter("2", filled="1")

    assert room.traded(order_id("t1"), "1", "100", trade_id="t1") == []
    assert room.held == 1


def test_an_acknowledgement_after_the_first_fill_moves_nothing():
    room = Room()
    room.propose(entry())
    room.traded(order_id("t1"), "1", "100")

    assert room.placed(order_id("t1")) == []


@pytest.mark.parametrize("kind", ["place", "refusal", "cancel"])
def test_what_the_venue_says_about_an_unknown_order_changes_nothing(kind):
    room = Room()

    if kind == "place":
        assert room.placed("f" * 32) == []
    elif kind == "refusal":
        assert room.hear(room.daemon.reject(PlaceRefused(1, NOW, "f" * 32, "no"), NOW)) == []
    else:
        assert room.cancelled("f" * 32) == []


def test_an_order_whose_cancel_tells_of_more_fills_than_are_known_is_not_over_and_is_looked_for():
    room = Room()
    room.enter("2", filled="1")

    said = room.cancelled(order_id("t1"), "1.5")

    assert [type(m.command) for m in said if isinstance(m, Do)] == [Find]
    assert room.live()["order"].state is State.PARTIAL


# -- protection -----------------------------------------------------------------------------------------------------


def test_a_fill_is_protected_at_the_fraction_below_its_own_price():
    room = Room()
    room.propose(entry())

    filled, intended, do = room.traded(order_id("t1"), "2", "101.33")

    assert isinstance(filled, Filled)
    assert (filled.state, filled.protective) == (State.FILLED, False)
    guard = intended.order
    assert (guard.type, guard.side, guard.amount, guard.stop_price) == (OrderType.STOP, Side.SELL, 2, Decimal("98.29"))
    assert (guard.state, guard.reduce_only) == (State.SENDING, True)
    assert do.command.client_order_id == guard.client_order_id


def test_with_a_take_profit_protection_is_a_bracket():
    room = Room()
    room.propose(entry(take_profit=Decimal("0.05")))

    guard = room.traded(order_id("t1"), "2", "100")[1].order

    assert (guard.type, guard.stop_price, guard.take_profit_price) == (OrderType.BRACKET, Decimal(97), Decimal(105))


def test_without_fractions_nothing_is_placed():
    room = Room()
    room.propose(entry(stop_loss=None))

    assert [type(m) for m in room.traded(order_id("t1"), "2", "100")] == [Filled]


def test_each_slice_is_protected_and_only_what_no_guard_covers():
    room = Room()
    room.propose(entry(amount=Decimal(3)))

    guards = [room.traded(order_id("t1"), "1", price)[1].order for price in ("100", "102", "104")]

    assert [(g.amount, g.stop_price) for g in guards] == [(1, 97), (1, Decimal("98.94")), (1, Decimal("100.88"))]


def test_a_slice_too_small_for_the_venue_is_covered_with_the_next():
    room = Room()
    room.bars(MINUTE, 2, {"A/USDT": 40.0})
    room.propose(entry(md_seq=2))

    first = room.traded(order_id("t1"), "0.1", "40")
    second = room.traded(order_id("t1"), "0.4", "40")

    assert [type(m) for m in first] == [Filled, Unprotected]
    assert (first[1].amount, first[1].reason) == (Decimal("0.1"), "notional 3.88 is below the minimum 5")
    assert second[1].order.amount == Decimal("0.5")


def test_the_filled_part_of_an_entry_that_the_cash_did_not_cover_is_protected():
    room = Room()

    guard = room.enter("2", filled="1.5")
    (moved,) = room.cancelled(order_id("t1"), "1.5", "insufficient balance")

    assert (moved.state, moved.reason) == (State.CANCELED, "insufficient balance")
    assert room.held == Decimal("1.5")
    assert room.daemon.book.legs[guard].order.amount == Decimal("1.5")


# -- exits ----------------------------------------------------------------------------------------------------------


def test_an_exit_cancels_its_guards_first():
    room = Room()
    guard = room.enter()

    said, verdict = room.propose(exit_(room))

    intended, moved, do = said
    assert intended.order.state is State.PROPOSED
    assert (moved.client_order_id, moved.state, moved.protective) == (guard, State.CANCELING, True)
    assert do == Do("exchange", Cancel(guard, "A/USDT"))
    assert verdict.approved


def test_an_exit_is_sent_once_all_its_guards_are_gone():
    room = Room()
    room.propose(entry())
    guards = [room.traded(order_id("t1"), "1", price)[1].order.client_order_id for price in ("100", "102")]
    for guard in guards:
        room.placed(guard)
    room.propose(exit_(room))

    first, second = (room.cancelled(guard) for guard in guards)

    assert [type(m) for m in first] == [OrderMoved]
    gone, sending, do = second
    assert gone.state is State.CANCELED
    assert (sending.client_order_id, sending.state) == (order_id("x1"), State.SENDING)
    assert do.command == Place(order_id("x1"), "A/USDT", Side.SELL, OrderType.MARKET, Decimal(2), NOW, reduce_only=True)


def test_an_exit_without_guards_is_sent_at_once():
    room = Room()
    room.enter(stop_loss=None)

    said, _ = room.propose(exit_(room))

    assert [type(m) for m in said] == [OrderIntended, Do]


def test_an_exit_whose_position_was_stopped_out_meanwhile_is_denied():
    room = Room()
    guard = room.enter()
    room.propose(exit_(room))

    filled, moved = room.traded(guard, "2", "97", Side.SELL)

    assert (filled.state, filled.protective) == (State.FILLED, True)
    assert (moved.client_order_id, moved.state) == (order_id("x1"), State.DENIED)
    assert room.live() == {}
    assert room.held == 0


def test_what_a_denied_exit_leaves_is_protected_again():
    room = Room()
    guard = room.enter()
    room.propose(exit_(room))
    room.traded(guard, "0.5", "97", Side.SELL)

    said = room.cancelled(guard, "0.5")

    assert [m.state for m in said if isinstance(m, OrderMoved)] == [State.CANCELED, State.DENIED]
    (again,) = [m.order for m in said if isinstance(m, OrderIntended)]
    assert (again.amount, again.stop_price, again.type) == (Decimal("1.5"), Decimal(97), OrderType.STOP)
    assert again.client_order_id != guard


def test_what_a_partial_exit_leaves_is_protected_as_soon_as_its_guard_is_gone():
    room = Room()
    guard = room.enter()
    room.propose(exit_(room, "0.5"))

    said = room.cancelled(guard)

    assert [m.state for m in said if isinstance(m, OrderMoved)] == [State.CANCELED, State.SENDING]
    (again,) = [m.order for m in said if isinstance(m, OrderIntended)]
    assert (again.amount, again.stop_price) == (Decimal("1.5"), Decimal(97))


def test_a_partial_exit_takes_away_no_guard_that_is_not_in_its_way():
    room = Room()
    room.propose(entry(amount=Decimal(3)))
    guards = [room.traded(order_id("t1"), "1", price)[1].order.client_order_id for price in ("100", "102", "104")]
    for guard in guards:
        room.placed(guard)

    said, _ = room.propose(exit_(room, "1.5"))
    asked = [m.client_order_id for m in said if isinstance(m, OrderMoved)]
    first, second = (room.cancelled(guard) for guard in asked)

    assert set(asked) < set(guards)
    (again,) = [m.order for m in first if isinstance(m, OrderIntended)]
    assert again.amount == Decimal("0.5")  # the exit needs the other half
    assert [m.client_order_id for m in second if isinstance(m, OrderMoved)] == [asked[1], order_id("x1")]
    assert not any(isinstance(m, OrderIntended) for m in second)


def test_what_a_refused_exit_leaves_is_protected_again():
    room = Room()
    guard = room.enter()
    room.propose(exit_(room))
    room.cancelled(guard)

    said = room.hear(room.daemon.reject(PlaceRefused(1, NOW, order_id("x1"), "no"), NOW))

    (again,) = [m.order for m in said if isinstance(m, OrderIntended)]
    assert (again.amount, again.stop_price) == (2, Decimal(97))


def test_a_slice_bought_while_an_exit_waits_does_not_hold_the_exit_up():
    room = Room()
    guard = room.enter("2", filled="1")
    room.propose(exit_(room, "1"))

    slice_ = room.traded(order_id("t1"), "1", "100")
    new = [m.order.client_order_id for m in slice_ if isinstance(m, OrderIntended)]
    said = room.cancelled(guard)
    for key in new:
        room.placed(key)
        said += room.cancelled(key)

    assert any(isinstance(m, OrderMoved) and m.state is State.SENDING for m in said)


def test_an_exit_is_stale_while_its_protection_is_on_its_way():
    room = Room()
    room.propose(entry())
    room.traded(order_id("t1"), "2", "100")

    _, verdict = room.propose(exit_(room))

    assert verdict.stale
    assert verdict.reason.startswith("protection")


def test_two_exits_may_not_sell_the_same_coins():
    room = Room()
    room.enter()
    room.propose(exit_(room))

    _, verdict = room.propose(exit_(room, intent_id="x2"))

    assert verdict.reason.startswith("reduce_only")


def test_a_guard_of_another_book_is_left_alone():
    room = Room()
    guard = room.enter()
    room.enter("3", intent_id="t2", book="other")

    said, _ = room.propose(exit_(room))

    assert [m.command.client_order_id for m in said if isinstance(m, Do)] == [guard]


# -- start, days and recovery ---------------------------------------------------------------------------------------


def test_the_first_start_looks_at_the_account_and_books_it_once():
    daemon = Execution(Identity("i", "paper", "main"), INSTRUMENTS, SIMULATED)
    account = Account(1, 0, {"USDT": Decimal(5), "A": Decimal(1)})

    assert list(daemon.recovered(0)) == [Do("exchange", Look())]
    said = list(daemon.compare(account, 0))
    assert [(m.asset, m.amount) for m in said] == [("A", 1), ("USDT", 5)]
    for event in said:
        daemon.apply(event)
    assert list(daemon.compare(account, 0)) == []
    assert list(daemon.recovered(0)) == []


def test_recovery_gives_again_what_was_under_way_under_the_same_id():
    room = Room()
    guard = room.enter()
    room.propose(exit_(room))
    room.propose(entry(intent_id="t2", symbol="B/USDT"))

    said = list(room.twin.recovered(2 * NOW))

    assert said == [
        Do("exchange", Cancel(guard, "A/USDT")),
        Do("exchange", Place(order_id("t2"), "B/USDT", Side.BUY, OrderType.MARKET, Decimal(2), NOW)),
    ]


def test_a_day_starts_once_with_its_equity_and_the_peak():
    room = Room()
    room.enter("10")

    assert room.bars(DAY - MINUTE, 2, {"A/USDT": 110.0}) == [
        DayStarted(room.daemon.book.seq, DAY, Decimal("10099.9"), Decimal("10099.9"))
    ]
    assert room.bars(DAY, 3, {"A/USDT": 80.0}) == []
    (later,) = room.bars(5 * DAY, 4, {"A/USDT": 90.0})
    assert (later.day_ns, later.equity, later.peak) == (5 * DAY, Decimal("9899.9"), Decimal("10099.9"))
