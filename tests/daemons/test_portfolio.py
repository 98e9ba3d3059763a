"""Portfolio: positions, balances and profit are folds of fills, and the path of equity is that of every bar."""

import random
from decimal import Decimal

import pytest

from daemons.portfolio import Config, Portfolio
from lct.domain.instruments import Instrument
from lct.domain.money import use_money_context
from lct.domain.orders import Side, State
from lct.messages.base import Event
from lct.messages.execution import Adopted, Deposited, Filled, FundingPaid
from lct.messages.market_data import BarsClosed
from lct.messages.portfolio import (
    DayClosed,
    DepositBooked,
    FillBooked,
    GetBalances,
    GetPositions,
    GetProfit,
    GetRisk,
    GetTrades,
    PositionLine,
    Track,
)

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
INSTRUMENTS = tuple(
    Instrument("paper", "main", f"{name}/USDT", name, "USDT", Decimal("0.01"), Decimal("0.1")) for name in "AB"
)


class Books:
    """One portfolio with a second one that only recovers; the second hears the same bars again, as after a restart."""

    def __init__(self, cash=1_000, config=None):
        use_money_context()
        self.daemon, self.twin = (Portfolio(INSTRUMENTS, config) for _ in range(2))
        self.md_seq = self.n = 0
        if cash:
            self.hear(self.daemon.book_deposit(Deposited(1, 0, "USDT", Decimal(cash)), 0))

    def hear(self, said):
        heard = []
        for thing in said or ():
            if isinstance(thing, Event) and thing.durable:
                self.daemon.apply(thing)
                self.twin.apply(thing)
            heard.append(thing)
        return heard

    def close(self, time_ns, **closes):
        self.md_seq += 1
        values = list(closes.values())
        symbols = tuple(f"{name}/USDT" for name in closes)
        bars = BarsClosed(self.md_seq, time_ns, time_ns - MINUTE, "1m", symbols, *(values for _ in range(5)))
        said = self.hear(self.daemon.mark(bars, time_ns))
        list(self.twin.mark(bars, time_ns) or ())
        return said

    def fill(self, side, amount, price, fee="0", *, symbol="A/USDT", book="s", time_ns=0):
        self.n += 1
        fill = Filled(
            self.n,
            time_ns,
            "c",
            "i",
            f"t{self.n}",
            book,
            symbol,
            side,
            Decimal(amount),
            Decimal(price),
            Decimal(fee),
            "USDT",
            State.FILLED,
            0,
        )
        return self.hear(self.daemon.book(fill, time_ns))

    def profit(self):
        mine, other = (daemon.profit(GetProfit(), 0) for daemon in (self.daemon, self.twin))
        assert mine == other
        return mine


def test_a_fill_is_booked_with_the_path_so_far():
    books = Books()
    books.close(MINUTE, A=100.0)

    (booked,) = books.fill(Side.BUY, "1", "100", "0.1")

    assert isinstance(booked, FillBooked)
    assert booked.track == Track(
        md_seq=1, peak=1000.0, drawdown_max=0.0, marked=1, exposed=0, equity=1000.0, day_ends_ns=DAY
    )


def test_positions_stand_by_symbol_and_book_at_their_mark():
    books = Books()
    books.fill(Side.BUY, "2", "100", "0.2", time_ns=7)
    books.fill(Side.BUY, "1", "50", symbol="B/USDT")
    books.fill(Side.BUY, "1", "90", book="a")
    books.fill(Side.SELL, "1", "50", symbol="B/USDT")
    books.close(MINUTE, A=110.0)

    lines = books.daemon.positions(GetPositions(), 5).positions

    assert [(line.symbol, line.strategy) for line in lines] == [("A/USDT", "a"), ("A/USDT", "s")]
    assert lines[1] == PositionLine(
        "A/USDT", Decimal(2), Decimal(100), Decimal(110), Decimal(20), Decimal(0), Decimal("0.2"), "s", 7
    )


def test_balances_are_what_is_left_and_the_trial_balance_is_zero():
    books = Books()
    books.fill(Side.BUY, "2", "100", "0.2")

    balances = books.daemon.balances(GetBalances(), 0)

    assert balances.totals == {"A": Decimal(2), "USDT": Decimal("799.8")}
    assert balances.trial == {"A": 0, "USDT": 0}


def test_a_round_trip_is_kept_once_it_is_over():
    books = Books()
    books.fill(Side.BUY, "2", "100", "0.2", time_ns=1)
    books.fill(Side.SELL, "1", "110", "0.1", time_ns=2)
    assert books.daemon.round_trips(GetTrades(), 0).trades == []

    books.fill(Side.SELL, "1", "120", "0.1", time_ns=3)

    (trade,) = books.daemon.round_trips(GetTrades(), 0).trades
    assert (trade.side, trade.amount, trade.entry_price, trade.exit_price) == ("long", 2, 100, 115)
    assert (trade.entry_ns, trade.exit_ns, trade.profit, trade.fees) == (1, 3, Decimal("29.6"), Decimal("0.4"))


@pytest.mark.parametrize(("last", "kept"), [(None, 3), (2, 2), (0, 0), (9, 3)])
def test_the_last_round_trips_can_be_asked_for(last, kept):
    books = Books(config=Config(trades_kept=3))
    for _ in range(5):
        books.fill(Side.BUY, "1", "100")
        books.fill(Side.SELL, "1", "100")

    assert len(books.daemon.round_trips(GetTrades(last), 0).trades) == kept


def test_without_a_mark_the_equity_is_not_known():
    books = Books()
    books.fill(Side.BUY, "1", "100")

    profit = books.profit()

    assert (profit.equity, profit.unrealized_profit) == (None, None)


def test_a_withdrawal_is_a_negative_deposit():
    books = Books()

    (booked,) = books.hear(books.daemon.book_deposit(Deposited(2, 0, "USDT", Decimal(-400)), 0))

    assert isinstance(booked, DepositBooked)
    assert books.profit().deposits == books.profit().equity == 600


def test_a_day_is_closed_once_with_its_last_equity():
    books = Books()
    books.fill(Side.BUY, "1", "100")

    assert books.close(HOUR, A=110.0) == []
    assert books.close(DAY, A=120.0) == []  # the bar that closes at midnight is the last of its day
    (closed,) = books.close(DAY + MINUTE, A=50.0)
    assert books.close(DAY + 2 * MINUTE, A=60.0) == []

    assert (closed.day_ns, closed.equity) == (0, 1020.0)
    assert books.profit().daily == [(0, 1020.0)]


def test_a_recovery_on_the_first_bar_of_a_day_closes_the_day_before_once():
    books = Books()
    books.close(HOUR, A=100.0)
    books.close(DAY + HOUR, A=90.0)

    assert books.profit().daily == [(0, 1000.0)]
    assert books.close(DAY + 2 * HOUR, A=90.0) == []


def test_days_without_bars_are_not_invented():
    books = Books()

    said = [books.close(day * DAY + HOUR, A=100.0) for day in (0, 4, 5)]

    assert [[(m.day_ns // DAY, m.equity) for m in step] for step in said] == [[], [(0, 1000.0)], [(4, 1000.0)]]


def test_bars_that_were_marked_before_are_not_marked_again():
    books = Books()
    books.close(MINUTE, A=100.0)
    bars = BarsClosed(1, MINUTE, 0, "1m", ("A/USDT",), [1.0], [1.0], [1.0], [1.0], [1.0])

    assert books.daemon.mark(bars, 0) is None

    assert books.profit().track.marked == 1


@pytest.mark.parametrize("seed", range(20))
def test_profit_adds_up_exactly_and_the_path_is_that_of_a_naive_recomputation(seed):
    rng = random.Random(seed)
    books = Books()
    cash, held, marks = Decimal(1000), {"A": Decimal(0), "B": Decimal(0)}, {}
    peak, drawdown, exposed, days, equity, time_ns = 0.0, 0.0, 0, {}, None, 0
    for _ in range(300):
        time_ns += rng.choice([HOUR, 3 * HOUR, 3 * HOUR, 40 * HOUR])
        closes = {n: round(rng.uniform(50, 150), 2) for n in "AB" if rng.random() < 0.8}
        said = books.close(time_ns, **closes)
        marks |= closes
        equity = float(cash) + sum(float(held[n]) * marks.get(n, 0.0) for n in "AB" if held[n])
        peak = max(peak, equity)
        drawdown = max(drawdown, (peak - equity) / peak)
        exposed += any(held.values())
        assert len([m for m in said if isinstance(m, DayClosed)]) <= 1
        days[(time_ns - 1) // DAY] = equity
        if rng.random() < 0.4:
            name = rng.choice("AB")
            side = Side.BUY if rng.random() < 0.5 else Side.SELL
            amount = Decimal(rng.randint(1, 30)) / 10
            if side is Side.SELL and amount > held[name]:
                continue
            price, fee = Decimal(rng.randint(5000, 15000)) / 100, Decimal(rng.randint(0, 10**8)) / 10**8
            books.fill(side, str(amount), str(price), str(fee), symbol=f"{name}/USDT", time_ns=time_ns)
            held[name] += side.sign * amount
            cash -= side.sign * amount * price + fee

    profit = books.profit()

    assert profit.equity == profit.deposits + profit.realized_profit + profit.unrealized_profit - profit.fees
    assert profit.equity == cash + sum(held[n] * Decimal(str(marks[n])) for n in "AB" if held[n])
    last_day = max(days)
    assert [(day_ns // DAY, worth) for day_ns, worth in profit.daily] == [
        (day, pytest.approx(worth)) for day, worth in sorted(days.items()) if day != last_day
    ]
    track = profit.track
    assert (track.md_seq, track.marked, track.exposed) == (300, 300, exposed)
    assert (track.peak, track.drawdown_max) == (pytest.approx(peak), pytest.approx(drawdown))


# -- what moves money without an order ------------------------------------------------------------------------------


def test_what_comes_or_goes_while_running_is_no_profit_and_no_drawdown():
    books = Books(1_000)
    books.close(MINUTE, A=10.0)
    books.hear(books.daemon.book_deposit(Deposited(2, MINUTE, "USDT", Decimal(500)), MINUTE))
    books.close(2 * MINUTE, A=10.0)
    books.hear(books.daemon.book_deposit(Deposited(3, 2 * MINUTE, "USDT", Decimal(-700)), 2 * MINUTE))
    books.close(3 * MINUTE, A=10.0)

    profit = books.daemon.profit(GetProfit(), 0)

    assert (profit.deposits, profit.equity, profit.track.drawdown_max) == (800, 800, 0.0)
    assert books.daemon.track == books.twin.track


def test_equity_is_deposits_and_profit_less_fees_with_funding_and_what_was_taken_over():
    books = Books(1_000)
    books.close(MINUTE, A=10.0)
    books.hear(books.daemon.book_deposit(Deposited(2, 0, "A", Decimal(5)), 0))
    books.hear(books.daemon.book_adoption(Adopted(3, 0, "s", "A/USDT", Decimal(5), Decimal(8)), 0))
    books.fill(Side.BUY, "2", "11", "0.1")
    books.hear(books.daemon.book_funding(FundingPaid(4, 0, "f", "s", "A/USDT", "USDT", Decimal("-0.25")), 0))
    books.close(2 * MINUTE, A=12.0)

    p = books.daemon.profit(GetProfit(), 0)

    assert p.funding == Decimal("-0.25")
    assert p.equity == p.deposits + p.realized_profit + p.unrealized_profit - p.fees + p.funding
    assert p.equity == 1_000 - 22 - Decimal("0.1") - Decimal("0.25") + 7 * 12
    assert not any(books.daemon.ledger.trial_balance().values())
    assert books.daemon.ledger.balances == books.twin.ledger.balances


def test_the_risk_is_of_what_is_held_and_says_what_is_not_known():
    books = Books(1_000)
    books.close(MINUTE, A=10.0)
    books.fill(Side.BUY, "10", "10")

    early = books.daemon.risk(GetRisk(), 0)
    for n in range(2, 152):
        books.close(n * MINUTE, A=10.0 + 0.1 * (n % 2), B=5.0)
    late = books.daemon.risk(GetRisk(), 0)

    assert (early.tail.historical_var, early.tail.reason) == (None, "fewer than 100 returns of A/USDT")
    assert late.spread.by_symbol == {"A/USDT": pytest.approx(101.0)}
    assert late.by_venue == {"paper": pytest.approx(101.0)}
    assert late.spread.concentration == 1.0
    assert late.tail.historical_var == pytest.approx(101.0 * 0.1 / 10.1, rel=0.01)
    assert books.twin.risk(GetRisk(), 0) == late
