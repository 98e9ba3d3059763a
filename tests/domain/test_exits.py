"""Exits: where protection stands, and what a close decides."""

from decimal import Decimal
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.exits import ExitPolicy, exit_reason, protection
from lct.domain.instruments import Instrument
from lct.domain.money import use_money_context
from lct.domain.orders import Side


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def d(text: str) -> Decimal:
    return Decimal(text)


INSTRUMENT = Instrument("paper", "main", "BTC/USDT", "BTC", "USDT", d("0.1"), d("0.001"))
BOTH = ExitPolicy(stop_loss=d("0.03"), take_profit=d("0.05"), trailing=d("0.1"), max_bars=10)


def test_a_long_is_protected_below_and_takes_profit_above() -> None:
    assert protection(Side.BUY, d("101.1"), BOTH, INSTRUMENT) == (d("98.0"), d("106.1"))


def test_a_short_is_protected_above_and_takes_profit_below() -> None:
    assert protection(Side.SELL, d("101.1"), BOTH, INSTRUMENT) == (d("104.2"), d("96.1"))


def test_what_the_policy_leaves_out_is_not_placed() -> None:
    assert protection(Side.BUY, d("100"), ExitPolicy(stop_loss=None), INSTRUMENT) == (None, None)


@pytest.mark.parametrize("side", list(Side))
def test_protection_is_never_below_one_tick(side: Side) -> None:
    policy = ExitPolicy(stop_loss=d("0.9"), take_profit=d("1.5"))

    stop, take = protection(side, d("0.1"), policy, INSTRUMENT)

    assert stop is not None
    assert take is not None
    assert min(stop, take) >= INSTRUMENT.tick


@given(
    side=st.sampled_from(list(Side)),
    ticks=st.integers(100, 10**9),
    loss=st.integers(1, 999).map(lambda n: Decimal(n) / 1000),
)
def test_a_stop_is_on_the_tick_and_at_most_one_tick_worse_than_asked(side: Side, ticks: int, loss: Decimal) -> None:
    entry = ticks * INSTRUMENT.tick

    stop, _ = protection(side, entry, ExitPolicy(stop_loss=loss), INSTRUMENT)

    assert stop is not None
    assert stop % INSTRUMENT.tick == 0
    lost = (entry - stop) * side.sign
    assert entry * loss <= lost < entry * loss + INSTRUMENT.tick or stop == INSTRUMENT.tick


@pytest.mark.parametrize(
    ("side", "close", "best", "expected"),
    [
        (Side.BUY, 90.0, 100.0, "trailing"),
        (Side.BUY, 90.1, 100.0, None),
        (Side.SELL, 110.1, 100.0, "trailing"),
        (Side.SELL, 109.9, 100.0, None),
    ],
)
def test_a_close_too_far_behind_the_best_one_ends_the_position(
    side: Side, close: float, best: float, expected: str | None
) -> None:
    assert exit_reason(side, close, best, 1, None, BOTH) == expected


@pytest.mark.parametrize(
    ("side", "score", "threshold", "expected"),
    [
        (Side.BUY, 0.0, 0.0, "signal"),
        (Side.BUY, -0.01, 0.0, "signal"),
        (Side.BUY, 0.01, 0.0, None),
        (Side.BUY, 0.2, 0.3, "signal"),
        (Side.BUY, -0.2, -0.3, None),
        (Side.SELL, 0.0, 0.0, "signal"),
        (Side.SELL, -0.01, 0.0, None),
        (Side.SELL, -0.2, 0.3, "signal"),
        (Side.BUY, None, 0.0, None),
        (Side.BUY, nan, 0.0, None),
    ],
)
def test_a_score_that_no_longer_holds_the_position_ends_it(
    side: Side, score: float | None, threshold: float, expected: str | None
) -> None:
    assert exit_reason(side, 100.0, 100.0, 1, score, BOTH, threshold) == expected


def test_a_policy_may_ignore_the_score() -> None:
    assert exit_reason(Side.BUY, 100.0, 100.0, 1, -1.0, ExitPolicy(on_signal=False)) is None


def test_time_runs_out_after_max_bars() -> None:
    assert exit_reason(Side.BUY, 100.0, 100.0, 9, None, BOTH) is None
    assert exit_reason(Side.BUY, 100.0, 100.0, 10, None, BOTH) == "time"


def test_the_first_reason_that_holds_is_the_one_told() -> None:
    assert exit_reason(Side.BUY, 50.0, 100.0, 10, -1.0, BOTH) == "trailing"
    assert exit_reason(Side.BUY, 100.0, 100.0, 10, -1.0, BOTH) == "signal"


@pytest.mark.parametrize("bad", ["0", "-0.1", "1", "NaN", "Infinity"])
@pytest.mark.parametrize("name", ["stop_loss", "trailing"])
def test_a_fraction_outside_0_to_1_is_refused(name: str, bad: str) -> None:
    with pytest.raises(ValueError, match=name):
        ExitPolicy(**{name: d(bad)})  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["0", "-0.1", "NaN", "Infinity"])
def test_a_profit_is_taken_above_zero(bad: str) -> None:
    with pytest.raises(ValueError, match="take_profit"):
        ExitPolicy(take_profit=d(bad))


def test_a_position_is_held_for_a_bar_at_least() -> None:
    with pytest.raises(ValueError, match="max_bars"):
        ExitPolicy(max_bars=0)
