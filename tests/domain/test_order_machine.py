"""The order automaton against a small model that knows only facts: what was asked, what the venue did and filled.

The model keeps no states. It says of each step whether it must be allowed, and of each order what is true after it.
"""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lct.domain.money import use_money_context
from lct.domain.orders import (
    LIVE,
    TERMINAL,
    IllegalTransition,
    Order,
    OrderType,
    Overfilled,
    Side,
    State,
    fill_contradicts,
)

AMOUNT = Decimal(10)


class Model:
    """Facts about one order: sent or denied, seen at the venue, cancel asked, over and why, and its fills."""

    def __init__(self) -> None:
        self.sent = self.seen = self.lost = self.cancel_asked = self.cancel_lost = False
        self.over: State | None = None
        self.filled = 0

    def state(self) -> State:
        """Return the state that these facts make, from the most certain fact to the least."""
        if self.filled == AMOUNT:
            return State.FILLED
        if self.over in (State.CANCELED, State.EXPIRED):
            return self.over
        if self.over is not None and not self.filled:
            return self.over
        if self.cancel_asked and self.over is None:
            return State.CANCEL_UNKNOWN if self.cancel_lost else State.CANCELING
        if self.filled:
            return State.PARTIAL
        if self.seen:
            return State.OPEN
        if self.lost:
            return State.UNKNOWN
        return State.SENDING if self.sent else State.PROPOSED


class Automaton(RuleBasedStateMachine):
    """Random lives of one order: replies lost and late, cancels that race fills, fills after everything."""

    @initialize()
    def begin(self) -> None:
        use_money_context()
        self.now = 0
        self.model = Model()
        self.order = Order(
            client_order_id="c",
            intent_id="i",
            book="b",
            symbol="A/USDT",
            side=Side.BUY,
            type=OrderType.LIMIT,
            amount=AMOUNT,
            price=Decimal(100),
            created_ns=0,
            updated_ns=0,
        )

    def _move(self, to: State, *, allowed: bool) -> bool:
        """Try a move; it must be possible exactly where the facts allow it."""
        self.now += 1
        if allowed:
            self.order = self.order.moved(to, self.now)
            return True
        with pytest.raises(IllegalTransition):
            self.order.moved(to, self.now)
        return False

    @property
    def _unknown_to_venue(self) -> bool:
        model = self.model
        return model.sent and not (model.seen or model.filled or model.over)

    @rule(denied=st.booleans())
    def gate(self, denied: bool) -> None:
        to = State.DENIED if denied else State.SENDING
        fresh = not (self.model.sent or self.model.over or self.model.filled)
        if self._move(to, allowed=fresh):
            self.model.sent, self.model.over = not denied, State.DENIED if denied else None

    @rule()
    @precondition(lambda self: self.order.state not in (State.CANCELING, State.CANCEL_UNKNOWN))
    def acknowledge(self) -> None:
        if self._move(State.OPEN, allowed=self.order.state in (State.SENDING, State.UNKNOWN)):
            self.model.seen = True

    @rule()
    def refuse(self) -> None:
        if self._move(State.REJECTED, allowed=self._unknown_to_venue and not self.model.lost):
            self.model.over = State.REJECTED

    @rule()
    def lose_the_reply(self) -> None:
        if self._move(State.UNKNOWN, allowed=self._unknown_to_venue and not self.model.lost):
            self.model.lost = True

    @rule()
    def prove_absent(self) -> None:
        if self._move(State.ABSENT, allowed=self._unknown_to_venue and self.model.lost):
            self.model.over = State.ABSENT

    @rule()
    def ask_for_the_cancel(self) -> None:
        allowed = self.order.state in (State.OPEN, State.PARTIAL, State.CANCEL_UNKNOWN)
        if self._move(State.CANCELING, allowed=allowed):
            self.model.seen = self.model.cancel_asked = True
            self.model.cancel_lost = False

    @rule()
    def lose_the_cancel(self) -> None:
        if self._move(State.CANCEL_UNKNOWN, allowed=self.order.state is State.CANCELING):
            self.model.cancel_lost = True

    @rule(to=st.sampled_from([State.CANCELED, State.EXPIRED]))
    def end(self, to: State) -> None:
        there = (State.OPEN, State.PARTIAL, State.CANCELING, State.CANCEL_UNKNOWN)
        if self._move(to, allowed=self.order.state in there):
            self.model.over = to

    @rule(to=st.sampled_from([State.OPEN, State.PARTIAL, State.FILLED]))
    @precondition(lambda self: self.order.state in (State.CANCELING, State.CANCEL_UNKNOWN))
    def leave_it_where_it_was(self, to: State) -> None:
        derived = State.PARTIAL if self.model.filled else State.OPEN
        if self._move(to, allowed=to is derived):
            self.model.cancel_asked = self.model.cancel_lost = False

    @rule(units=st.integers(1, 6))
    def fill(self, units: int) -> None:
        """A fill may come at any time; it is refused only where it would pass the amount."""
        self.now += 1
        before = self.order
        if self.model.filled + units > AMOUNT:
            with pytest.raises(Overfilled):
                before.after_fill(Decimal(units), Decimal(100), Decimal(0), self.now)
            return
        self.order = before.after_fill(Decimal(units), Decimal(100), Decimal(0), self.now)
        self.model.filled += units
        contradicted = self.model.over in (State.DENIED, State.REJECTED, State.ABSENT) or not self.model.sent
        assert fill_contradicts(before.state) is (contradicted and before.state is not State.PARTIAL)
        if contradicted:
            # our proof was wrong: it lives, as far as we can tell now
            self.model.over, self.model.sent = None, True
        self.model.seen = True

    @invariant()
    def the_state_is_what_the_facts_make(self) -> None:
        assert self.order.state is self.model.state()

    @invariant()
    def the_fills_add_up(self) -> None:
        assert self.order.filled == self.model.filled
        assert 0 <= self.order.filled <= self.order.amount
        assert self.order.notional_filled == 100 * self.model.filled

    @invariant()
    def what_may_still_fill_is_live_and_counts_as_exposure(self) -> None:
        over = self.model.over is not None or self.model.filled == AMOUNT
        assert (self.order.state in TERMINAL) is over
        assert self.order.is_working is (not over and self.model.sent)
        assert not (TERMINAL & LIVE)


Automaton.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_the_automaton_agrees_with_a_model_of_the_facts = Automaton.TestCase
