"""Trading control: what the engine proposes while it is paused or stopped, and what it answers."""

import pytest

from lct.domain.exits import ExitPolicy
from lct.domain.orders import Side
from lct.messages.base import Codec, encode
from lct.messages.trading_engine import (
    CycleOrdered,
    CycleRun,
    GetTradingStatus,
    PauseTrading,
    Proposed,
    ResumeTrading,
    RunCycle,
    SignalFresh,
    StartTrading,
    StopTrading,
    Trading,
    TradingSet,
    TradingTurned,
)
from tests.daemons.trading_desk import Desk, asked

RUNNING, PAUSED, STOPPED = Trading.RUNNING, Trading.PAUSED, Trading.STOPPED
STATES = {RUNNING: (), PAUSED: (PauseTrading,), STOPPED: (StopTrading,)}


def desk_in(state, **config):
    desk = Desk(**config)
    for kind in STATES[state]:
        desk.ask(kind())
    return desk


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        (STOPPED, StartTrading, RUNNING),
        (RUNNING, StopTrading, STOPPED),
        (PAUSED, StopTrading, STOPPED),
        (RUNNING, PauseTrading, PAUSED),
        (PAUSED, ResumeTrading, RUNNING),
    ],
)
def test_a_request_turns_trading_and_says_who_asked_and_why(before, kind, after):
    desk = desk_in(before)

    said, reply = desk.ask(kind("the news", "operator"))

    assert said == [TradingSet(after, "the news", "operator")]
    assert (reply.state, reply.changed) == (after, True)
    status = desk.engine.report(GetTradingStatus(), 0)
    assert (status.state, status.reason, status.by) == (after, "the news", "operator")


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (RUNNING, StartTrading),
        (PAUSED, StartTrading),
        (STOPPED, StopTrading),
        (PAUSED, PauseTrading),
        (STOPPED, PauseTrading),
        (RUNNING, ResumeTrading),
        (STOPPED, ResumeTrading),
    ],
)
def test_a_request_that_makes_no_sense_in_a_state_changes_nothing_and_is_told_so(before, kind):
    desk = desk_in(before)

    said, reply = desk.ask(kind())

    assert said == []
    assert (reply.state, reply.changed) == (before, False)
    assert reply.done.startswith("nothing: ")


def test_trading_runs_until_somebody_asks():
    assert Desk().engine.report(GetTradingStatus(), 0).state == "running"


@pytest.mark.parametrize("state", [PAUSED, STOPPED])
def test_nothing_new_is_entered_while_trading_is_paused_or_stopped(state):
    desk = desk_in(state)

    assert desk.close(1.0) == []
    assert desk.close(1.0) == []
    assert desk.engine.report(GetTradingStatus(), 0).withheld == {state.value: 2}


@pytest.mark.parametrize(("state", "kind"), [(PAUSED, ResumeTrading), (STOPPED, StartTrading)])
def test_a_signal_that_still_stands_is_entered_once_trading_goes_on(state, kind):
    desk = desk_in(state)
    desk.close(1.0)
    desk.ask(kind())

    assert [request.reason for request in asked(desk.close(1.0))] == ["entry"]


def test_exits_go_on_while_trading_is_paused():
    desk = Desk()
    desk.enter()
    desk.ask(PauseTrading())

    (request,) = asked(desk.close(0.0))

    assert (request.reason, request.side) == ("signal", Side.SELL)


@pytest.mark.parametrize("exits", [ExitPolicy(), ExitPolicy(max_bars=1, on_signal=False)])
def test_a_stopped_engine_proposes_no_exit_either_and_does_so_after_the_start(exits):
    desk = Desk(exits=exits)
    desk.enter()
    desk.ask(StopTrading())

    assert [desk.close(0.0) for _ in range(3)] == [[], [], []]
    desk.ask(StartTrading())
    assert [request.reduce_only for request in asked(desk.close(0.0))] == [True]


def test_a_signal_that_ends_during_a_stop_is_fresh_again_after_it():
    desk = Desk()
    desk.close(1.0)
    desk.deny("t1")
    desk.ask(StopTrading())

    assert desk.close(0.0) == [SignalFresh("s", "A/USDT")]
    desk.ask(StartTrading())
    assert asked(desk.close(1.0))


# -- one cycle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_cycle_out_of_turn_decides_on_the_last_scores_in_any_state(state):
    desk = Desk()
    desk.ask(StopTrading())
    desk.close(1.0, 1.0)
    if state is not STOPPED:
        desk.ask(StartTrading())
    if state is PAUSED:
        desk.ask(PauseTrading())

    said, reply = desk.ask(RunCycle("try it", "operator"))

    proposed = [thing for thing in said if isinstance(thing, Proposed)]
    assert said[0] == CycleOrdered("try it", "operator")
    assert [p.symbol for p in proposed] == ["A/USDT", "B/USDT"]
    assert [request.intent_id for request in asked(said)] == ["t1", "t2"]
    assert reply == CycleRun(state, 1, 1, proposed, "decided, and proposed 2")
    assert desk.engine.trading.state is state


def test_a_cycle_does_not_propose_what_is_unresolved_a_second_time():
    desk = Desk()
    desk.close(1.0)

    said, reply = desk.ask(RunCycle())

    assert said == [CycleOrdered("", "")]
    assert reply.proposed == []


def test_a_cycle_leaves_a_position_that_the_stop_kept():
    desk = Desk()
    desk.enter()
    desk.ask(StopTrading())
    desk.close(0.0)

    _, reply = desk.ask(RunCycle())

    assert [(p.side, p.exits) for p in reply.proposed] == [(Side.SELL, True)]


def test_without_scores_there_is_nothing_to_decide_on():
    said, reply = Desk().ask(RunCycle())

    assert said == []
    assert reply == CycleRun(RUNNING, 0, 0, [], "nothing: no scores have been heard yet")


# -- on the wire ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [StartTrading, StopTrading, PauseTrading, ResumeTrading, RunCycle])
def test_what_changes_the_house_says_so_and_takes_no_field_that_it_does_not_know(kind):
    codec = Codec((kind,))
    extra = encode(kind()).replace(b"\x83", b"\x84", 1) + b"\xa3now\xc3"

    assert kind.changes
    assert codec.decode(encode(kind("why", "who"))) == kind("why", "who")
    with pytest.raises(ValueError, match="unknown field"):
        codec.decode(extra)
    with pytest.raises(ValueError, match="length"):
        codec.decode(encode(kind("x" * 201)))


def test_a_reply_reads_back_as_it_was():
    turned = TradingTurned(PAUSED, changed=True, done="paused")

    assert Codec((TradingTurned,)).decode(encode(turned)) == turned
