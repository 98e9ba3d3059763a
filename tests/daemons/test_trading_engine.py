"""The trading engine: when it proposes, how much, and when it holds its tongue."""

from decimal import Decimal

import pytest

from daemons.trading_engine import PROPOSAL_NS, Config
from lct.config import override
from lct.domain.exits import ExitPolicy
from lct.domain.money import money_hook
from lct.domain.orders import OrderType, Side, State
from lct.errors import ConfigError
from lct.messages.execution import Adopted, Deposited, FundingPaid, Propose, Verdict
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored
from lct.messages.trading_engine import (
    DepositHeard,
    FillHeard,
    GetTradingStatus,
    Proposed,
    Settled,
    SignalFresh,
)
from tests.daemons.trading_desk import MINUTE, Desk, asked

# -- entries --------------------------------------------------------------------------------------------------------


def test_a_score_in_the_zone_is_proposed_and_journaled_first():
    desk = Desk()

    proposed, ask = desk.close(1.0)

    # a quarter of the equity is less than what the stop 3 % away would allow
    assert proposed == Proposed(
        "t1", MINUTE, 1, "s", "A/USDT", Side.BUY, Decimal(25), Decimal(2500), exits=False, reason="entry"
    )
    assert ask.request == Propose(
        "t1", "s", "A/USDT", Side.BUY, OrderType.MARKET, Decimal(25), 1, 0, MINUTE + PROPOSAL_NS,
        stop_loss=Decimal("0.03"), reason="entry",
    )  # fmt: skip


@pytest.mark.parametrize("score", [None, -1.0, 0.0, 0.49])
def test_without_an_opinion_or_in_the_quiet_band_nothing_is_proposed(score):
    assert Desk().close(score) == []


@pytest.mark.parametrize("score", [None, 0.01, 0.4, 1.0])
def test_a_position_in_its_band_is_kept(score):
    desk = Desk()
    desk.enter()

    assert desk.close(score) == []


def test_the_size_is_what_the_stop_may_cost():
    desk = Desk(max_risk_per_trade=Decimal("0.003"))

    proposed, _ = desk.close(1.0)

    assert proposed.amount == 10  # 10,000 x 0.3 % / 3


def test_a_score_of_bars_that_others_have_followed_is_not_acted_upon():
    desk = Desk()
    desk.close(0.0)
    desk.close(0.0)
    late = Scored("s", 1, MINUTE, ("A/USDT",), [1.0])

    assert desk.hear(desk.engine.decide(late, desk.now_ns)) == []
    assert asked(desk.score(1.0))


def test_at_most_one_intent_of_a_book_and_symbol_is_unresolved():
    desk = Desk()
    desk.close(1.0)

    assert desk.close(1.0) == []
    assert desk.close(0.0) == []
    assert asked(desk.close(1.0, strategy="other"))


def test_unresolved_entries_count_as_positions():
    desk = Desk(max_open_positions=1)

    first = desk.close(1.0, 1.0)
    later = desk.close(None, 1.0)

    assert [r.symbol for r in asked(first)] == ["A/USDT"]
    assert later == []
    assert desk.engine.report(GetTradingStatus(), 0).withheld == {"max_open_positions": 2}


def test_unresolved_entries_count_as_cash_that_is_gone():
    desk = Desk(max_position_share=Decimal("0.7"), max_risk_per_trade=Decimal("0.9"))

    first, second = asked(desk.close(1.0, 1.0))

    assert (first.amount, second.amount) == (70, 30)


def test_no_cash_is_withheld_and_counted():
    desk = Desk(cash=4)

    assert desk.close(1.0) == []
    assert desk.engine.report(GetTradingStatus(), 0).withheld == {"cash": 1}


def test_a_stop_below_the_venue_s_minimum_is_not_entered():
    desk = Desk(cash="20.1", max_position_share=Decimal("0.25"))

    assert desk.close(1.0, closes=(50.0,)) == []


def test_a_market_that_cannot_be_shorted_is_not_unless_allowed():
    assert Desk().close(-1.0) == []

    (request,) = asked(Desk(allow_short=True).close(-1.0))
    assert request.side is Side.SELL


# -- what becomes of them -------------------------------------------------------------------------------------------


def test_a_fill_is_kept_with_the_bars_that_were_known():
    desk = Desk()
    desk.close(1.0)

    (heard,) = desk.fill("t1", Side.BUY, "25")

    assert isinstance(heard, FillHeard)
    assert heard.md_seq == 1
    assert desk.engine.unresolved == {}


def test_a_partial_fill_leaves_the_intent_unresolved():
    desk = Desk()
    desk.close(1.0)

    desk.fill("t1", Side.BUY, "1", State.PARTIAL)

    assert desk.close(0.0) == []
    assert list(desk.engine.unresolved) == ["t1"]


def test_a_stale_verdict_lets_it_propose_again():
    desk = Desk()
    desk.close(1.0)

    (settled,) = desk.deny("t1", stale=True)

    assert settled == Settled("t1", "s", "A/USDT", 0, "why", spent=False)
    assert [r.intent_id for r in asked(desk.close(1.0))] == ["t2"]


def test_a_denied_entry_is_spent_until_its_signal_went_away():
    desk = Desk()
    desk.close(1.0)

    (settled,) = desk.deny("t1")

    assert settled.spent
    assert desk.close(1.0) == []
    assert desk.close(0.2) == [SignalFresh("s", "A/USDT")]
    assert asked(desk.close(1.0))


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELED, State.DENIED, State.EXPIRED])
def test_an_entry_that_ended_otherwise_than_filled_is_spent(state):
    desk = Desk()
    desk.close(1.0)

    (settled,) = desk.end("t1", state)

    assert settled == Settled("t1", "s", "A/USDT", desk.seq, "why", spent=True)
    assert desk.close(1.0) == []


def test_a_stop_is_followed_by_no_second_entry_on_the_same_signal():
    desk = Desk()
    desk.enter()
    desk.fill("t1", Side.SELL, "25", protective=True)

    assert desk.close(1.0) == []
    assert desk.close(None) == []
    assert desk.close(0.0) == [SignalFresh("s", "A/USDT")]
    assert asked(desk.close(1.0))


def test_an_approval_and_a_repeated_verdict_change_nothing():
    desk = Desk()
    desk.close(1.0)

    assert desk.hear(desk.engine.hear_verdict(Verdict("t1", True), 0)) == []
    desk.deny("t1")
    assert desk.deny("t1") == []


def test_the_end_of_a_guard_settles_nothing():
    desk = Desk()
    desk.close(1.0)

    assert desk.end("t1", State.CANCELED, protective=True) == []
    assert desk.end("t1", State.OPEN) == []


def test_what_became_of_somebody_else_s_order_is_a_fact_that_proposals_rest_on():
    desk = Desk()
    desk.enter()

    desk.end("operator-1", State.REJECTED)

    (request,) = asked(desk.close(0.0))
    assert request.facts == desk.seq


# -- exits ----------------------------------------------------------------------------------------------------------


def test_a_signal_that_is_over_ends_the_position():
    desk = Desk()
    desk.enter()

    proposed, ask = desk.close(0.0)

    assert proposed.exits
    assert (ask.request.side, ask.request.amount, ask.request.reduce_only) == (Side.SELL, 25, True)
    assert (ask.request.reason, ask.request.facts) == ("signal", desk.seq)
    assert (ask.request.stop_loss, ask.request.take_profit) == (None, None)


def test_a_denied_exit_is_proposed_again_at_the_next_bar():
    desk = Desk()
    desk.enter()
    desk.close(0.0)
    desk.deny("t2")

    assert asked(desk.close(0.0))


def test_without_exits_on_signal_a_position_waits_for_its_guard():
    desk = Desk(exits=ExitPolicy(on_signal=False))
    desk.enter()

    assert desk.close(-1.0) == []


def test_a_close_too_far_behind_the_best_one_ends_the_position():
    desk = Desk(exits=ExitPolicy(trailing=Decimal("0.1")))
    desk.enter()

    assert desk.close(1.0, closes=(120.0,)) == []
    assert desk.close(1.0, closes=(109.0,)) == []
    (request,) = asked(desk.close(1.0, closes=(108.0,)))
    assert request.reason == "trailing"


@pytest.mark.parametrize("score", [1.0, None])
def test_a_position_is_left_after_its_bars_also_without_a_score(score):
    desk = Desk(exits=ExitPolicy(max_bars=3))
    desk.enter()

    assert [asked(desk.close(score)) for _ in range(2)] == [[], []]
    (request,) = asked(desk.close(score))
    assert request.reason == "time"


def test_closes_count_while_the_entry_is_still_filling():
    desk = Desk(exits=ExitPolicy(trailing=Decimal("0.1")))
    desk.close(1.0)
    desk.fill("t1", Side.BUY, "1", State.PARTIAL)
    assert desk.close(1.0, closes=(120.0,)) == []
    desk.fill("t1", Side.BUY, "24")

    (request,) = asked(desk.close(1.0, closes=(105.0,)))

    assert request.reason == "trailing"


def test_the_bar_that_closes_as_a_late_entry_fills_does_not_count():
    desk = Desk(exits=ExitPolicy(max_bars=1, trailing=Decimal("0.1")))
    desk.close(1.0)
    desk.bar += 1  # the fill at this open is heard before the bar that closes there
    desk.fill("t1", Side.BUY, "25")
    desk.bar -= 1

    assert desk.close(1.0, closes=(200.0,)) == []
    (request,) = asked(desk.close(1.0, closes=(101.0,)))
    assert request.reason == "time"


def test_the_watch_on_closes_is_rebuilt_by_hearing_bars_again():
    desk = Desk(exits=ExitPolicy(trailing=Decimal("0.1")))
    desk.enter()
    desk.close(1.0, closes=(120.0,))

    assert desk.twin.rehears_since(desk.bar) == 0
    for n, close in ((1, 100.0), (2, 120.0)):
        bars = BarsClosed(n, n * MINUTE, (n - 1) * MINUTE, "1m", ("A/USDT",), *([close] for _ in range(5)))
        desk.twin.mark(bars, 0)
        list(desk.twin.decide(Scored("s", n, n * MINUTE, ("A/USDT",), [1.0]), 0) or ())

    holding, again = (engine.holding("s", "A/USDT") for engine in (desk.engine, desk.twin))
    assert (again.best_close, again.entry_md_seq) == (holding.best_close, holding.entry_md_seq) == (120.0, 1)


def test_deposits_are_kept():
    deposited = Deposited(3, 0, "USDT", Decimal(5))

    assert list(Desk().engine.hear_deposit(deposited, 0)) == [DepositHeard(deposited)]


@pytest.mark.parametrize("name", ["max_risk_per_trade", "max_position_share", "min_cash_share"])
@pytest.mark.parametrize("value", ["-0.1", "1.1"])
def test_a_fraction_that_is_none_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        override(Config(), [f"{name}={value}"], money_hook)


# -- what moves money without an order -------------------------------------------------------------------------------


def test_what_a_book_takes_over_is_its_position_and_its_exits_are_decided_from_then_on():
    desk = Desk()
    desk.close(0.2)

    desk.hear(desk.engine.hear_adoption(Adopted(7, 0, "s", "A/USDT", Decimal(3), Decimal(100)), 0))
    proposed, _ = desk.close(-0.5)

    assert (proposed.side, proposed.amount, proposed.exits) == (Side.SELL, Decimal(3), True)


def test_funding_moves_the_cash_that_the_next_entry_is_sized_by():
    desk = Desk()
    desk.hear(desk.engine.hear_funding(FundingPaid(7, 0, "f", "s", "A/USDT", "USDT", Decimal(-5_000)), 0))

    proposed, _ = desk.close(1.0)

    assert proposed.amount == Decimal("12.5")
