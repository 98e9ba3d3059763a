"""Bugs that the campaign must catch, each switched on from outside; the campaign does not know which one is on."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from daemons.execution.comparing import Comparing
from daemons.execution.daemon import Execution
from daemons.execution.desk import place
from daemons.execution.guards import Guards
from daemons.execution.judging import Judging
from daemons.execution.seeking import Seeking
from daemons.execution.state import Book
from daemons.portfolio import Portfolio
from lct.bus.local import LocalBus
from lct.domain import ledger as ledger_module
from lct.domain import orders as orders_module
from lct.domain.money import ZERO
from lct.domain.orders import State
from lct.domain.venues import Terms
from lct.messages.exchange import Traded
from lct.simulation import house as house_module
from lct.simulation.witness import Witness
from lct.store.journal import MemoryJournal

Patch = Callable[[Any], None]
"""Switches a bug on, by a monkeypatch."""

BUGS: dict[str, Patch] = {}


def bug(switch: Patch) -> Patch:
    """Put a bug on the list under the name of its function."""
    BUGS[switch.__name__] = switch
    return switch


# -- sending --------------------------------------------------------------------------------------------------------


@bug
def an_order_without_a_clear_reply_is_sent_again(patch):
    def lose(self, leg, reason, now_ns):
        yield place(leg.order, now_ns)

    patch.setattr(Seeking, "lose", lose)


@bug
def what_was_being_sent_when_a_life_ended_is_sent_again(patch):
    patch.setattr(Witness, "takes_again", True)


@bug
def an_order_is_sent_before_it_is_committed(patch):
    def commit(self):
        facts, self._facts = self._facts, []
        commands, self._commands = self._commands, []
        self._carry_out(commands)
        self.journal.commit(facts, self._cursor(commands))
        self._commits += 1
        for seat in self._seats:
            if seat.ports:
                seat.look()

    patch.setattr(LocalBus, "_commit", commit)


@bug
def an_intent_is_judged_anew_each_time_it_comes(patch):
    def judge(self, proposal, now_ns):
        self.desk.book.verdicts.pop(proposal.intent_id, None)
        return judged(self, proposal, now_ns)

    judged = Judging.judge
    patch.setattr(Judging, "judge", judge)


# -- what lasts -----------------------------------------------------------------------------------------------------


@bug
def the_last_commit_is_lost_in_a_crash(patch):
    def crash(self, lost=0):
        left = MemoryJournal()
        for rows, cursor in self._commits[:-1]:
            left._commits.append((rows, cursor))
            for row in rows:
                left._chain.take(row)
        left._synced = len(left._commits)
        return left

    patch.setattr(MemoryJournal, "crash", crash)


@bug
def the_cursor_is_saved_before_what_it_stands_for(patch):
    def commit(self, facts, cursor):
        fault = self._struck.next("commit")
        if fault is not None:
            self.journal.commit([], cursor)
            raise house_module.Killed("between the cursor and the facts")
        self.journal.commit(facts, cursor)

    patch.setattr(house_module.Fragile, "commit", commit)


# -- fills ----------------------------------------------------------------------------------------------------------


class Forgetful(dict):
    """Knows nothing when it is asked."""

    def get(self, key, default=None):
        return default


@bug
def trades_are_booked_each_time_they_are_told(patch):
    def init(self, **parts):
        made(self, **parts)
        self.trades_seen = Forgetful()

    made = Book.__init__
    patch.setattr(Book, "__init__", init)


@bug
def a_fee_goes_through_a_float(patch):
    def filled(self, leg, traded, state):
        rounded = Decimal(repr(float(traded.fee) * 1.0000001)).quantize(Decimal("1E-12"))
        return told(self, leg, replace(traded, fee=rounded), state)

    told = Execution._filled
    patch.setattr(Execution, "_filled", filled)


@bug
def a_fee_is_booked_with_the_wrong_sign(patch):
    def postings(book, base, quote, side, amount, price, fee, fee_asset):
        return right(book, base, quote, side, amount, price, -fee, fee_asset)

    right = ledger_module.fill_postings
    patch.setattr(ledger_module, "fill_postings", postings)


@bug
def the_fill_of_an_order_that_is_over_is_dropped(patch):
    _hear_fills(patch, lambda self, traded: traded.client_order_id not in self.book.over)


@bug
def a_trade_that_is_told_in_two_ways_is_passed_over(patch):
    _hear_fills(patch, lambda self, traded: (traded.symbol, traded.trade_id) not in self.book.trades_seen)


def _hear_fills(patch, is_heard):
    def fill(self, traded, now_ns):
        return right(self, traded, now_ns) if is_heard(self, traded) else ()

    right = Execution.fill
    fill.hears = (Traded,)
    patch.setattr(Execution, "fill", fill)


@bug
def a_part_of_an_order_counts_as_all_of_it(patch):
    patch.setattr(orders_module, "_by_fills", lambda filled, amount: State.FILLED if filled else State.OPEN)


# -- what is not known ----------------------------------------------------------------------------------------------


@bug
def what_is_unknown_counts_as_refused(patch):
    def lose(self, leg, reason, now_ns):
        yield from self.guards.over(leg, State.REJECTED, now_ns, reason, now_ns)

    patch.setattr(Seeking, "lose", lose)


@bug
def one_look_that_finds_nothing_proves_an_order_absent(patch):
    patch.setattr(Witness, "terms", Terms(sweeps_min=1, endpoints_min=1))
    patch.setattr(Terms, "settled_ns", lambda self, stamp_ns: 0)


@bug
def nobody_looks_a_second_time(patch):
    patch.setattr(Seeking, "due", lambda self, due, now_ns: iter(()))


@bug
def a_cancel_that_finds_nothing_counts_as_done(patch):
    def doubt(self, unclear, now_ns):
        leg = self.book.legs.get(unclear.client_order_id)
        if leg is not None and leg.order.state is State.CANCELING:
            yield from self.guards.over(leg, State.CANCELED, now_ns, unclear.reason, now_ns)

    doubt.hears = Execution.doubt_cancel.hears
    patch.setattr(Execution, "doubt_cancel", doubt)


# -- protection -----------------------------------------------------------------------------------------------------


@bug
def stops_do_not_know_of_each_other(patch):
    patch.setattr(Book, "leaving", lambda self, book, symbol: ZERO)


@bug
def a_stop_that_was_refused_is_not_placed_again(patch):
    patch.setattr(Guards, "replace", lambda self, lost, now_ns: iter(()))


# -- the gate and the comparison ------------------------------------------------------------------------------------


@bug
def a_halt_is_said_and_not_kept(patch):
    patch.setattr(Book, "_apply_standing", lambda self, event: None)


@bug
def balances_are_not_compared(patch):
    patch.setattr(Comparing, "_balances", lambda self, account: iter(()))


@bug
def an_order_of_another_instance_is_taken_for_a_strangers(patch):
    patch.setattr(Comparing, "_orders", lambda self, ours_open: iter(()))


@bug
def a_fill_does_not_reach_the_books_of_the_portfolio(patch):
    def book(self, fill, now_ns):
        return None if fill.trade_id.endswith("3") else right(self, fill, now_ns)

    right = Portfolio.book
    book.hears = right.hears
    patch.setattr(Portfolio, "book", book)
