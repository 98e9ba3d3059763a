"""Monitoring alerts what execution cries, once a minute, and knows how it stands."""

import pytest

from daemons.monitoring import UNPROTECTED_QUIET_NS, Monitoring
from lct.daemon import Ask, Later, NoReply
from lct.domain.metrics import GateMetrics
from lct.domain.risk import Standing
from lct.messages.base import Codec, encode
from lct.messages.execution import Alerted, Difference, ExecutionStatus, GetExecutionStatus, Reconciled
from lct.messages.monitoring import Alert, GetMetrics, Metrics, ReviewDue, StandingDue

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND

CID = "5f3a" * 8


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("late_fill", "warning"), ("unknown_order", "critical"), ("mismatch", "critical"), ("halted", "critical")],
)
def test_what_execution_cries_is_alerted(kind, severity):
    daemon = Monitoring(())

    (alert,) = daemon.cry(Alerted(7, kind, "what happened\x1b[2J", "BTC/USDT", CID), START)

    assert alert == Alert(severity, kind, f"BTC/USDT: what happened[2J (order {CID})", START)


def test_the_same_cry_about_the_same_is_alerted_once_a_minute_and_about_another_at_once():
    daemon = Monitoring(())
    cry = Alerted(7, "unknown_order", "nobody knows", "BTC/USDT", CID)
    other = Alerted(7, "unknown_order", "nobody knows", "BTC/USDT", "0" * 32)

    told = [daemon.cry(cry, START), daemon.cry(cry, START + SECOND), daemon.cry(other, START + SECOND)]

    assert [said is None for said in told] == [False, True, False]
    assert daemon.cry(cry, START + UNPROTECTED_QUIET_NS) is not None


def test_that_accounts_agree_is_told_only_after_they_did_not():
    daemon = Monitoring(())
    differs = Reconciled(7, False, (Difference("balance", "USDT", "1", "2"),))
    agrees = Reconciled(8, True)

    told = [daemon.compared(found, START) for found in (agrees, differs, differs, agrees, agrees)]

    assert [said and said[0].name for said in told] == [None, None, None, "accounts_agree", None]


STATUS = ExecutionStatus(
    100 * SECOND,
    Standing.REDUCING,
    "flattened",
    "ada",
    {"BTC/USDT": "halted: x"},
    True,
    40 * SECOND,
    (Difference("balance", "USDT", "1", "2"),),
    (CID,),
    ("77", "78"),
    unprotected_ns=1_500_000_000,
)


def test_execution_is_asked_how_it_stands_and_the_answer_ages():
    daemon = Monitoring(("execution",))
    asking = daemon.ask_gate(StandingDue(), START)

    again, ask = next(asking), next(asking)
    assert isinstance(again, Later)
    assert ask == Ask(GetExecutionStatus(), ask.deadline_ns)
    with pytest.raises(StopIteration):
        asking.send(STATUS)
    told = daemon.metrics(GetMetrics(), START + 2 * SECOND)

    assert told.gate == GateMetrics("reducing", 1, 2, 1, 1, 1.5, 60.0, 2.0)
    assert Codec((Metrics,)).decode(encode(told)) == told


def test_where_execution_does_not_answer_what_it_told_stays_and_it_is_asked_again():
    daemon = Monitoring(("execution",))
    first = daemon.ask_gate(StandingDue(), START)
    next(first), next(first)
    with pytest.raises(StopIteration):
        first.send(STATUS)
    second = daemon.ask_gate(StandingDue(), START + SECOND)
    assert isinstance(next(second), Later)
    next(second)
    with pytest.raises(StopIteration):
        second.throw(NoReply("x"))

    assert daemon.metrics(GetMetrics(), START + SECOND).gate.age_seconds == 1.0


def test_a_house_without_execution_is_not_asked_how_its_execution_stands():
    assert [type(said.message) for said in Monitoring(("portfolio",)).recovered(START)] == [ReviewDue]
    assert [type(said.message) for said in Monitoring(("execution",)).recovered(START)] == [ReviewDue, StandingDue]
