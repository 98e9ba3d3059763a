"""Execution compared with its venue: what differs is a halt with a diff, and nothing is adjusted by itself."""

from decimal import Decimal

from lct.daemon import Do, Later
from lct.domain.orders import OrderType, Side, State
from lct.domain.risk import Standing
from lct.domain.venues import Terms
from lct.messages.exchange import Disturbed, Find, Funded, Look, Traded, Transferred, VenueOrder
from lct.messages.execution import (
    Adopt,
    Alerted,
    CompareDue,
    Deposited,
    Difference,
    Explain,
    GetExecutionStatus,
    MismatchFound,
    Reconciled,
    Resume,
    StandingSet,
)
from tests.daemons.execution_room import NOW, Room, entry, order_id

SECOND = 1_000_000_000
KEY = order_id("t1")


LAG = Terms().visibility_lag_ns


def compared_room():
    return Room(terms=Terms(), compares_every_ns=60 * SECOND)


def twice(room, balances, *orders, now_ns=NOW):
    """Have the venue tell the same until it must be believed; return what is said at last."""
    room.account(balances, *orders, now_ns=now_ns)
    return room.account(balances, *orders, now_ns=now_ns + LAG)


def standings(said):
    return [(m.standing, m.symbol) for m in said if isinstance(m, StandingSet)]


def found(said):
    return [m.differences for m in said if isinstance(m, MismatchFound)]


def stranger(key="someone-else", amount="5", price="90", side=Side.BUY, symbol="A/USDT"):
    return VenueOrder("v9", key, symbol, side, OrderType.LIMIT, Decimal(amount), Decimal(0), "open", Decimal(price))


def test_an_even_comparison_is_told_and_comes_again_in_a_minute():
    room = compared_room()

    said = room.account({"USDT": 10_000})

    assert said == [Reconciled(NOW, True), Later("compare", NOW + 60 * SECOND, CompareDue())]


def test_a_difference_is_believed_once_it_outlives_the_lag_of_the_venue():
    room = compared_room()

    once = room.account({"USDT": 9_999})
    _, verdict = room.propose(entry())
    still = room.account({"USDT": 9_999}, now_ns=NOW + LAG - 1)
    believed = room.account({"USDT": 9_999}, now_ns=NOW + LAG)

    assert once == [Later("compare", NOW + SECOND, CompareDue())]
    assert (verdict.stale, verdict.reason) == (True, "comparison: USDT differs, and is looked at again")
    assert found(still) == []
    assert found(believed) == [(Difference("balance", "USDT", "10000", "9999"),)]
    assert standings(believed) == [(Standing.HALTED, None)]
    assert [m.kind for m in believed if isinstance(m, Alerted)] == ["mismatch"]


def test_a_difference_of_a_base_asset_freezes_its_symbol_and_no_other():
    room = compared_room()
    said = twice(room, {"USDT": 10_000, "A": 1})

    assert standings(said) == [(Standing.HALTED, "A/USDT")]
    _, denied = room.propose(entry())
    _, approved = room.propose(entry(intent_id="t2", symbol="B/USDT"))
    assert denied.reason.startswith("standing: halted")
    assert approved.approved


def test_a_difference_that_is_known_is_journaled_once_and_its_end_too():
    room = compared_room()
    twice(room, {"USDT": 9_999})
    assert found(room.account({"USDT": 9_999})) == []

    said = room.account({"USDT": 10_000})

    assert found(said) == [()]
    assert room.daemon.book.house.standing is Standing.HALTED  # latched: a person resumes


def test_an_account_that_moved_while_it_was_read_proves_nothing():
    room = compared_room()

    assert room.account({"USDT": 1}, settled=False) == [Later("compare", NOW + SECOND, CompareDue())]


def test_assets_of_an_order_on_its_way_are_compared_once_it_is_known():
    room = compared_room()
    room.propose(entry())

    said = twice(room, {"USDT": 9_800, "A": 2})

    assert found(said) == []


def test_an_order_of_ours_that_no_journal_has_halts_the_house():
    room = compared_room()
    key = KEY[:4] + "0" * 28
    said = twice(room, {"USDT": 10_000}, stranger(key))

    assert [d.kind for d in found(said)[0]] == ["unknown_order"]
    assert standings(said) == [(Standing.HALTED, None)]


def test_a_strangers_order_is_shown_and_counts_as_exposure_and_is_left_alone():
    room = compared_room()

    said = room.account({"USDT": 10_000}, stranger(amount="99", price="100"))
    _, verdict = room.propose(entry(amount=Decimal("1.1")))

    assert [m.foreign for m in said if isinstance(m, Reconciled)] == [("v9",)]
    assert not any(isinstance(thing, Do) for thing in said)
    assert verdict.reason.startswith(("cash_free", "max_gross_exposure"))


def test_an_open_order_that_the_venue_does_not_list_is_looked_for():
    room = compared_room()
    room.propose(entry(type=OrderType.LIMIT, price=Decimal(99)))
    room.placed(KEY)

    said = room.account({"USDT": 10_000})

    assert [type(thing.command) for thing in said if isinstance(thing, Do)] == [Find]


def test_a_broken_line_has_the_account_compared():
    room = compared_room()

    do, _ = room.hear(room.daemon.compare_anew(Disturbed(1, NOW, "reconnected"), NOW))

    assert isinstance(do.command, Look)


def test_a_transfer_is_booked_once_and_then_the_accounts_agree():
    room = compared_room()
    told = Transferred(1, NOW, "d1", "USDT", Decimal(500))

    said = room.hear(room.daemon.hear_transfer(told, NOW))
    again = room.hear(room.daemon.hear_transfer(told, NOW))

    assert [(m.asset, m.amount) for m in said if isinstance(m, Deposited)] == [("USDT", Decimal(500))]
    assert again == []
    assert found(room.account({"USDT": 10_500})) == []


def test_a_trade_by_hand_is_booked_as_what_it_moved_and_can_be_adopted():
    room = compared_room()
    trade = Traded(1, NOW, "by-hand", "h1", "A/USDT", Side.BUY, Decimal(3), Decimal(100), Decimal("0.3"), "USDT")
    for _ in range(2):
        room.hear(room.daemon.fill(trade, NOW))
    assert room.balances() == {"A": 3, "B": 0, "USDT": Decimal("9699.7")}

    _, done = room.ask(Adopt("A/USDT", "s", Decimal(3), Decimal(100)))

    assert done.changed
    assert room.held == 3
    assert room.balances() == {"A": 3, "B": 0, "USDT": Decimal("9699.7")}


def test_no_more_can_be_adopted_than_lies_unassigned():
    room = compared_room()

    said, done = room.ask(Adopt("A/USDT", "s", Decimal(1), Decimal(100)))

    assert (said, done.changed) == ([], False)


def test_a_trade_with_our_tag_that_no_journal_has_halts_the_house_and_is_not_explained_away():
    room = compared_room()
    trade = Traded(1, NOW, KEY, "h1", "A/USDT", Side.BUY, Decimal(3), Decimal(100), Decimal(0), "USDT")

    said = room.hear(room.daemon.fill(trade, NOW))

    assert standings(said) == [(Standing.HALTED, None)]
    assert room.balances()["A"] == 0


def test_funding_is_shared_by_amount_to_the_last_digit():
    room = compared_room()
    for n, (book, amount) in enumerate((("s", "1"), ("t", "2"))):
        room.propose(entry(intent_id=f"t{n}", book=book, amount=Decimal(amount), stop_loss=None))
        room.placed(order_id(f"t{n}"))
        room.traded(order_id(f"t{n}"), amount, "100")
    before = room.balances()["USDT"]

    said = room.hear(room.daemon.hear_funding(Funded(1, NOW, "f1", "A/USDT", "USDT", Decimal("-0.1")), NOW))

    assert sum(m.amount for m in said) == Decimal("-0.1")
    assert [m.book for m in said] == ["s", "t"]
    assert room.balances()["USDT"] == before - Decimal("0.1")
    assert room.hear(room.daemon.hear_funding(Funded(1, NOW, "f1", "A/USDT", "USDT", Decimal("-0.1")), NOW)) == []


def test_trading_is_not_resumed_while_the_accounts_differ():
    room = compared_room()
    twice(room, {"USDT": 9_999})

    _, refused = room.ask(Resume())
    room.account({"USDT": 10_000})
    _, done = room.ask(Resume())

    assert (refused.changed, done.changed) == (False, True)
    assert "balance USDT" in refused.done
    assert room.daemon.book.house.standing is Standing.ACTIVE


def test_a_difference_is_explained_by_exactly_its_amount_and_in_no_other_way():
    room = compared_room()
    twice(room, {"USDT": 9_999})

    _, wrong = room.ask(Explain("USDT", Decimal(-2), "fee"))
    said, right = room.ask(Explain("USDT", Decimal(-1), "fee", "me"))

    assert (wrong.changed, right.changed) == (False, True)
    assert [m.transfer_id.partition(":")[0] for m in said if isinstance(m, Deposited)] == ["operator"]
    assert found(room.account({"USDT": 9_999})) == [()]


def test_the_status_tells_the_gate_the_diff_and_what_is_unknown():
    room = compared_room()
    twice(room, {"USDT": 10_000, "A": 1}, stranger())

    _, status = room.ask(GetExecutionStatus())

    assert status.standing is Standing.ACTIVE
    assert list(status.frozen) == ["A/USDT"]
    assert status.differences == (Difference("balance", "A", "0", "1"),)
    assert (status.foreign, status.unknown, status.ready) == (("v9",), (), True)


def test_a_live_order_that_stays_unseen_freezes_its_symbol():
    room = compared_room()
    room.propose(entry(type=OrderType.LIMIT, price=Decimal(99)))
    room.placed(KEY)
    late = Terms().settled_ns(NOW) + 1
    room.account({"USDT": 10_000}, now_ns=late)
    for n in range(3):
        room.daemon.seeking.sweeps[KEY].asked_ns = late + n
        room.sought(KEY, now_ns=late + n)
    said = twice(room, {"USDT": 10_000}, now_ns=late + 9)

    assert [d.kind for d in found(said)[0]] == ["missing_order"]
    assert standings(said) == [(Standing.HALTED, "A/USDT")]
    assert room.order(KEY).state is State.OPEN
