"""Orders: the automaton against a small reference model, and the ids."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lct.domain.money import ZERO, use_money_context
from lct.domain.orders import (
    LATE_FILLS,
    LIVE,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    Order,
    OrderType,
    Overfilled,
    Side,
    State,
    client_order_id,
    fill_contradicts,
    tag_of,
)
from lct.errors import LctError

PRICE = Decimal("100.5")
FEE = Decimal("0.01")


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def an_order(state: State = State.PROPOSED, amount: str = "10", filled: str = "0") -> Order:
    return Order(
        client_order_id="c1",
        intent_id="i1",
        book="fused",
        symbol="BTC/USDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        amount=Decimal(amount),
        filled=Decimal(filled),
        notional_filled=Decimal(filled) * PRICE,
        state=state,
        created_ns=1,
        updated_ns=1,
    )


def test_a_side_has_a_sign_and_an_opposite() -> None:
    assert Side.BUY.sign == 1
    assert Side.SELL.sign == -1
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


def test_every_state_is_in_the_table_and_terminal_states_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {state for state in State if not TRANSITIONS[state]} == TERMINAL
    assert set(State) - TERMINAL - LIVE == {State.PROPOSED}


def test_every_state_can_be_reached() -> None:
    reached = {State.PROPOSED}
    for _ in State:
        reached |= {to for state in reached for to in TRANSITIONS[state]}

    assert reached == set(State)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("to", list(State))
def test_a_pair_outside_the_table_raises_and_names_order_and_states(state: State, to: State) -> None:
    order = an_order(state)

    if to in TRANSITIONS[state] and to not in {State.PARTIAL, State.FILLED}:
        assert order.moved(to, 5).state is to
    else:
        with pytest.raises(IllegalTransition, match=f"c1.*{state.value}.*{to.value}"):
            order.moved(to, 5)


def test_a_filled_status_without_the_fills_is_not_believed() -> None:
    with pytest.raises(IllegalTransition, match="4 of 10 filled"):
        an_order(State.PARTIAL, filled="4").moved(State.FILLED, 5)


def test_a_refused_cancel_leaves_the_order_as_its_fills_say() -> None:
    canceling = an_order(State.CANCELING, filled="4")

    assert canceling.moved(State.PARTIAL, 5).state is State.PARTIAL
    with pytest.raises(IllegalTransition):
        canceling.moved(State.OPEN, 5)


def test_moving_keeps_the_reason_and_the_venue_id_that_it_is_not_given() -> None:
    order = an_order(State.SENDING).moved(State.UNKNOWN, 2, reason="timeout", venue_order_id="v1")

    moved = order.moved(State.OPEN, 3)

    assert (moved.reason, moved.venue_order_id, moved.updated_ns, moved.created_ns) == ("timeout", "v1", 3, 1)


@pytest.mark.parametrize("state", list(State))
def test_an_acknowledgement_opens_what_was_sent_and_changes_no_other_state(state: State) -> None:
    order = an_order(state).acknowledged("v1", 2)

    assert order.state is (State.OPEN if state in {State.SENDING, State.UNKNOWN} else state)
    assert order.venue_order_id == "v1"


@pytest.mark.parametrize("state", [state for state in State if state is not State.FILLED])
@pytest.mark.parametrize("amount", ["4", "10"])
def test_fills_are_accepted_in_every_state(state: State, amount: str) -> None:
    order = an_order(state)

    after = order.after_fill(Decimal(amount), PRICE, FEE, 7)

    assert after.filled == Decimal(amount)
    assert after.notional_filled == Decimal(amount) * PRICE
    assert (after.fees, after.updated_ns) == (FEE, 7)
    assert after.state is state or after.state in TRANSITIONS[state] | LATE_FILLS.get(state, frozenset())
    assert (after.state is State.FILLED) is (amount == "10")


@pytest.mark.parametrize("state", [State.CANCELING, State.CANCEL_UNKNOWN, State.CANCELED, State.EXPIRED])
def test_a_partial_fill_undoes_no_cancel(state: State) -> None:
    assert an_order(state).after_fill(Decimal(4), PRICE, ZERO, 7).state is state


@pytest.mark.parametrize("state", [State.REJECTED, State.ABSENT, State.DENIED])
def test_what_remains_of_an_order_that_was_thought_dead_counts_as_live(state: State) -> None:
    order = an_order(state)

    assert fill_contradicts(state)
    assert not order.is_working
    assert order.after_fill(Decimal(4), PRICE, ZERO, 7).is_working


def test_a_late_fill_after_a_cancel_contradicts_nothing() -> None:
    assert {s for s in State if fill_contradicts(s)} == {
        State.PROPOSED,
        State.DENIED,
        State.REJECTED,
        State.ABSENT,
    }


@pytest.mark.parametrize("state", list(State))
def test_more_than_was_ordered_raises(state: State) -> None:
    with pytest.raises(Overfilled, match=r"c1 .*10\.5 filled of 10"):
        an_order(state, filled="4").after_fill(Decimal("6.5"), PRICE, ZERO, 7)


@pytest.mark.parametrize(("amount", "price"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_a_fill_of_nothing_or_for_nothing_is_a_bug(amount: str, price: str) -> None:
    with pytest.raises(AssertionError):
        an_order(State.OPEN).after_fill(Decimal(amount), Decimal(price), ZERO, 7)


@given(parts=st.lists(st.integers(1, 500), min_size=1, max_size=8), data=st.data())
def test_the_fills_of_an_order_may_come_in_any_order(parts: list[int], data: st.DataObject) -> None:
    order = an_order(State.OPEN, amount=str(sum(parts)))
    fills = [(Decimal(part), PRICE + i, Decimal(i) / 8) for i, part in enumerate(parts)]

    outcomes = []
    for sequence in (fills, data.draw(st.permutations(fills))):
        after = order
        for amount, price, fee in sequence:
            after = after.after_fill(amount, price, fee, 9)
        outcomes.append(after)

    assert outcomes[0] == outcomes[1]
    assert outcomes[0].state is State.FILLED
    assert outcomes[0].remaining == 0


def test_the_average_price_is_none_until_something_is_filled() -> None:
    order = an_order(State.OPEN)

    assert order.average_price is None
    twice = order.after_fill(Decimal(1), Decimal(100), ZERO, 2).after_fill(Decimal(3), Decimal(104), ZERO, 3)
    assert twice.average_price == 103


def test_a_client_order_id_is_the_same_for_the_same_arguments_and_fits_every_venue() -> None:
    made = client_order_id("install", "paper", "main", "i1", "entry", 0)

    assert made == client_order_id("install", "paper", "main", "i1", "entry", 0)
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert made.startswith(tag_of("install"))
    assert re.fullmatch("[0-9a-f]{4}", tag_of("install"))


FIELD = st.text(alphabet="a1:|\x1f\x00é", max_size=4)
FIELDS = st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD, st.integers(0, 12))


@given(one=FIELDS, other=FIELDS)
def test_two_lists_of_fields_have_two_ids(
    one: tuple[str, str, str, str, str, int], other: tuple[str, str, str, str, str, int]
) -> None:
    assert (client_order_id(*one) == client_order_id(*other)) is (one == other)


@given(fields=st.lists(FIELD, min_size=5, max_size=5), cut=st.integers(0, 3), moved=st.integers(1, 3))
def test_a_character_that_moves_into_the_next_field_changes_the_id(fields: list[str], cut: int, moved: int) -> None:
    joined = fields[cut] + fields[cut + 1]
    other = list(fields)
    other[cut], other[cut + 1] = joined[:moved], joined[moved:]

    one, two = ((f[0], f[1], f[2], f[3], f[4], 1) for f in (fields, other))

    assert (client_order_id(*one) == client_order_id(*two)) is (fields == other)


def test_an_illegal_transition_is_an_error_of_lct() -> None:
    assert issubclass(IllegalTransition, LctError)
    assert issubclass(Overfilled, LctError)


ARROWS = {
    "proposed": {"denied", "sending"},
    "sending": {"open", "unknown", "rejected"},
    "unknown": {"open", "absent"},
    "open": {"canceling", "canceled", "expired"},
    "partial": {"canceling", "canceled", "expired"},
    "canceling": {"canceled", "expired", "cancel_unknown", "open"},
    "cancel_unknown": {"canceled", "expired", "canceling", "open"},
}
"""The arrows of the drawing that no fill causes; `open` stands for open or partial, whatever the fills say."""


class Automaton(RuleBasedStateMachine):
    """An order against a model that knows a word and a whole number: its state and what is filled."""

    AMOUNT = 5

    def __init__(self) -> None:
        super().__init__()
        self.order = an_order(amount=str(self.AMOUNT))
        self.word = "proposed"
        self.filled = 0
        self.now_ns = 1

    def _still_there(self) -> str:
        return "partial" if self.filled else "open"

    @rule(to=st.sampled_from(list(State)))
    def move(self, to: State) -> None:
        self.now_ns += 1
        arrow = "open" if to.value in {"open", "partial"} else to.value
        legal = arrow in ARROWS.get(self.word, set()) and (arrow != "open" or to.value == self._still_there())
        if self.word in {"sending", "unknown"} and self.filled:
            legal = False  # cannot be: a fill has moved it on
        if legal:
            self.order = self.order.moved(to, self.now_ns)
            self.word = to.value
        else:
            before = self.order
            with pytest.raises(IllegalTransition):
                self.order.moved(to, self.now_ns)
            assert self.order is before

    @rule()
    def acknowledge(self) -> None:
        self.now_ns += 1
        self.order = self.order.acknowledged("v1", self.now_ns)
        if self.word in {"sending", "unknown"}:
            self.word = "open"

    @precondition(lambda self: self.filled < self.AMOUNT)
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        self.now_ns += 1
        amount = data.draw(st.integers(1, self.AMOUNT - self.filled))
        self.order = self.order.after_fill(Decimal(amount), PRICE, FEE, self.now_ns)
        self.filled += amount
        if self.filled == self.AMOUNT:
            self.word = "filled"
        elif self.word not in {"canceling", "cancel_unknown", "canceled", "expired"}:
            self.word = "partial"

    @rule(more=st.integers(1, 3))
    def overfill(self, more: int) -> None:
        with pytest.raises(Overfilled):
            self.order.after_fill(Decimal(self.AMOUNT - self.filled + more), PRICE, FEE, self.now_ns)

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.order.state.value == self.word
        assert self.order.filled == self.filled
        assert self.order.remaining == self.AMOUNT - self.filled
        assert self.order.notional_filled == self.filled * PRICE
        assert (self.order.state is State.FILLED) is (self.filled == self.AMOUNT)
        assert not (self.order.is_working and self.order.state in TERMINAL)


TestAutomaton = Automaton.TestCase
TestAutomaton.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
