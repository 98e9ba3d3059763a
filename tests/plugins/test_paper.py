"""The paper venue alone: what becomes of orders on given bars, and that a death changes nothing of it."""

from decimal import Decimal

import numpy as np
import pytest

from lct.domain.bars import Bars
from lct.domain.instruments import Instrument, Kind
from lct.domain.matching import Costs
from lct.domain.orders import OrderType, Side
from lct.domain.tape import Tape
from lct.errors import JournalError
from lct.messages.exchange import Account, Cancel, Cancelled, Look, Place, Placed, PlaceRefused, Traded
from plugins.exchanges._paper_books import PaperBooks
from plugins.exchanges.paper import Paper

MINUTE = 60_000_000_000
FREE = Costs(fee_rate=Decimal(0), spread_bps=Decimal(0), slippage_bps=Decimal(0))
A = Instrument("paper", "main", "A/USDT", "A", "USDT", Decimal("0.01"), Decimal("0.1"), Decimal("0.1"))
B = Instrument("paper", "main", "B/USDT", "B", "USDT", Decimal("0.01"), Decimal("0.1"), Decimal("0.1"))
FLAT = (100, 100, 100, 100, 1000)


def venue(*rows, costs=FREE, cash="10000", instruments=(A,), books=None, **others):
    """Return a venue over bars (open, high, low, close, volume) of A/USDT from minute 0 on; None is no bar."""
    series = {"A/USDT": rows} | {f"{name}/USDT": given for name, given in others.items()}
    return Paper(tape(series), instruments, costs, {"USDT": Decimal(cash)}, books)


def tape(series):
    made = {}
    for symbol, rows in series.items():
        kept = [(i * MINUTE, *row) for i, row in enumerate(rows) if row is not None]
        made[symbol] = Bars.of(*zip(*kept, strict=True))
    return Tape("1m", made)


def place(key, side=Side.BUY, amount="1", at=0, type=OrderType.MARKET, symbol="A/USDT", **prices):
    prices = {name: Decimal(price) for name, price in prices.items()}
    return Place(key, symbol, side, type, Decimal(amount), at, **prices)


def stop(key, stop_price, amount="1", at=0):
    return place(key, Side.SELL, amount, at, OrderType.STOP, stop_price=stop_price)


def bracket(key, stop_price, take_profit_price, amount="1", at=0):
    return place(
        key, Side.SELL, amount, at, OrderType.BRACKET, stop_price=stop_price, take_profit_price=take_profit_price
    )


def told(paper, until_ns=10**18):
    """Let time go from due result to due result, as a house does."""
    heard = []
    while (due := paper.due_ns()) is not None and due <= until_ns:
        heard += paper.results(due)
    return heard


def trades(heard):
    return [(m.client_order_id, m.amount, m.price, m.time_ns) for m in heard if isinstance(m, Traded)]


def holding(*rows, **options):
    """Return a venue where one A was bought at the first open."""
    paper = venue(*rows, **options)
    paper.do(place("entry"), 0)
    told(paper, 0)
    return paper


def test_an_order_is_acknowledged_and_fills_at_the_next_open():
    paper = venue(FLAT, (101, 102, 100, 101, 1000), costs=Costs())

    paper.do(place("a"), 1)

    assert told(paper) == [
        Placed(1, 1, "a", "paper-1"),
        # 101 worsened by 2 bps and rounded up to the tick; the fee of 0.1 %
        Traded(2, MINUTE, "a", "t1", "A/USDT", Side.BUY, Decimal(1), Decimal("101.03"), Decimal("0.10103"), "USDT"),
    ]
    assert paper.balances() == {"A": Decimal(1), "USDT": Decimal(10000) - Decimal("101.03") - Decimal("0.10103")}


def test_an_order_placed_at_an_open_fills_at_that_open():
    paper = venue(FLAT, (101, 101, 101, 101, 1000))

    paper.do(place("a"), MINUTE)

    assert trades(told(paper)) == [("a", Decimal(1), Decimal(101), MINUTE)]


def test_nothing_is_told_before_it_is_due():
    paper = venue(FLAT, FLAT)
    paper.do(place("a"), 1)

    assert paper.results(MINUTE - 1) == [Placed(1, 1, "a", "paper-1")]
    assert paper.balances() == {"USDT": Decimal(10000)}
    assert paper.due_ns() == MINUTE


def test_a_large_order_fills_over_bars_a_tenth_of_the_volume_each():
    paper = venue((100, 100, 100, 100, 10), (101, 101, 101, 101, 0), None, (102, 102, 102, 102, 4), FLAT)

    paper.do(place("a", amount="2"), 0)

    assert trades(told(paper)) == [
        ("a", Decimal(1), Decimal(100), 0),
        ("a", Decimal("0.4"), Decimal(102), 3 * MINUTE),
        ("a", Decimal("0.6"), Decimal(100), 4 * MINUTE),
    ]


def test_a_stop_fills_inside_the_bar_that_touches_it():
    paper = holding(FLAT, (100, 101, 94, 99, 1000), costs=FREE)

    paper.do(stop("s", "95"), 1)

    assert trades(told(paper)) == [("s", Decimal(1), Decimal(95), 2 * MINUTE - 1)]


def test_a_stop_placed_at_an_open_is_active_within_that_bar():
    paper = holding((100, 101, 94, 99, 1000))

    paper.do(stop("s", "95"), 0)

    assert trades(told(paper)) == [("s", Decimal(1), Decimal(95), MINUTE - 1)]


def test_a_stop_that_the_open_gapped_through_fills_at_the_open():
    paper = holding(FLAT, (90, 96, 89, 95, 1000))

    paper.do(stop("s", "95"), 1)

    assert trades(told(paper)) == [("s", Decimal(1), Decimal(90), MINUTE)]


def test_what_a_thin_bar_leaves_of_a_touched_stop_fills_at_the_next_opens():
    paper = holding(FLAT, (100, 101, 94, 99, 4), (98, 99, 97, 98, 0), (99, 99, 98, 98, 1000))

    paper.do(stop("s", "95"), 1)

    assert trades(told(paper)) == [
        ("s", Decimal("0.4"), Decimal(95), 2 * MINUTE - 1),
        ("s", Decimal("0.6"), Decimal(99), 3 * MINUTE),
    ]


def test_a_stop_touched_in_a_bar_without_volume_stays_touched():
    paper = holding(FLAT, (100, 101, 94, 99, 0), (98, 99, 97, 98, 1000))

    paper.do(stop("s", "95"), 1)

    assert trades(told(paper)) == [("s", Decimal(1), Decimal(98), 2 * MINUTE)]


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ((100, 106, 96, 100, 1000), (Decimal(105), 2 * MINUTE - 1)),  # take profit inside
        ((100, 106, 94, 100, 1000), (Decimal(95), 2 * MINUTE - 1)),  # both inside: the worst
        ((107, 108, 94, 100, 1000), (Decimal(107), MINUTE)),  # opened beyond the take profit, and better
        ((93, 106, 92, 100, 1000), (Decimal(93), MINUTE)),  # opened beyond the stop
    ],
)
def test_one_leg_of_a_bracket_fills_and_the_other_is_gone(bar, expected):
    paper = holding(FLAT, bar, (100, 110, 90, 100, 1000))

    paper.do(bracket("b", "95", "105"), 1)

    assert trades(told(paper)) == [("b", Decimal(1), *expected)]


def test_a_limit_waits_for_its_price():
    paper = venue(FLAT, (100, 100, 98, 99, 1000), (97, 98, 96, 97, 1000))

    paper.do(place("l", type=OrderType.LIMIT, price="97.5"), 0)

    assert trades(told(paper)) == [("l", Decimal(1), Decimal(97), 2 * MINUTE)]


def test_a_cancelled_order_fills_no_more():
    paper = holding(FLAT, FLAT, (90, 90, 90, 90, 1000))
    paper.do(stop("s", "95"), 1)
    told(paper, MINUTE)

    paper.do(Cancel("s", "A/USDT"), MINUTE + 1)

    assert told(paper) == [Cancelled(4, MINUTE + 1, "s", Decimal(0))]


def test_a_cancel_of_a_filled_order_tells_what_was_filled():
    paper = holding(FLAT, FLAT)

    paper.do(Cancel("entry", "A/USDT"), 1)

    assert told(paper) == [Cancelled(3, 1, "entry", Decimal(1), "not open")]


def test_a_cancel_of_a_partly_filled_order_tells_its_part():
    paper = venue((100, 100, 100, 100, 4), FLAT)
    paper.do(place("a"), 0)
    told(paper, 0)

    paper.do(Cancel("a", "A/USDT"), 1)

    assert told(paper) == [Cancelled(3, 1, "a", Decimal("0.4"))]


def test_a_repeated_place_or_cancel_changes_nothing():
    paper = venue(FLAT, FLAT, FLAT)
    paper.do(place("a"), 0)
    first = told(paper)

    paper.do(place("a"), MINUTE)
    paper.do(Cancel("a", "A/USDT"), MINUTE)
    paper.do(Cancel("a", "A/USDT"), MINUTE)
    paper.do(place("a"), MINUTE)

    assert len(first) == 2
    assert told(paper) == [Cancelled(3, MINUTE, "a", Decimal(1), "not open")]


def test_an_order_that_was_cancelled_before_it_came_never_trades():
    paper = venue(FLAT, FLAT)

    paper.do(Cancel("a", "A/USDT"), 0)
    paper.do(place("a"), 0)

    assert told(paper) == [Cancelled(1, 0, "a", Decimal(0), "not open")]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (place("x", symbol="C/USDT"), "no market"),
        (place("x", amount="0"), "multiple of the lot"),
        (place("x", amount="-1"), "multiple of the lot"),
        (place("x", amount="0.15"), "multiple of the lot"),
        (place("x", side=Side.SELL), "insufficient balance"),
    ],
)
def test_an_order_that_cannot_be_is_refused_for_good(order, reason):
    paper = venue(FLAT, FLAT)

    paper.do(order, 0)
    paper.do(order, 0)

    (refused,) = told(paper)
    assert isinstance(refused, PlaceRefused)
    assert reason in refused.reason


def test_two_stops_may_not_promise_the_same_coins():
    paper = holding(FLAT, FLAT)

    paper.do(stop("s1", "95", "0.6"), 1)
    paper.do(stop("s2", "95", "0.6"), 1)

    placed, refused = told(paper)
    assert isinstance(placed, Placed)
    assert "0.6 of 0.4 A free" in refused.reason


def test_a_buy_that_the_cash_does_not_cover_fills_what_it_does_and_ends():
    paper = venue(FLAT, (200, 200, 200, 200, 1000), costs=Costs(), cash="150")

    paper.do(place("a"), 1)

    heard = told(paper)
    assert trades(heard) == [("a", Decimal("0.7"), Decimal("200.04"), MINUTE)]
    assert heard[-1] == Cancelled(3, MINUTE, "a", Decimal("0.7"), "insufficient balance")
    assert paper.balances()["USDT"] > 0


def test_an_account_below_zero_buys_nothing():
    # a perpetual's loss may take the cash below zero
    perpetual = Instrument("p", "m", "B/USDT", "B", "USDT", B.tick, B.lot, B.lot, kind=Kind.PERPETUAL)
    paper = venue(FLAT, FLAT, instruments=(A, perpetual), cash="100", B=(FLAT, FLAT))
    paper.do(place("b", amount="2", symbol="B/USDT"), 0)
    told(paper)

    paper.do(place("a"), MINUTE)

    assert told(paper)[-1] == Cancelled(4, MINUTE, "a", Decimal(0), "insufficient balance")


def test_a_fee_that_is_rounded_up_does_not_take_the_cash_below_zero():
    # 0.1 x 100.03 and its fee of 0.01000300 cost 10.013003; the rate itself would take 10.013003
    cash = "10.0130029999"
    paper = venue((100.01, 101, 100, 100, 1000), FLAT, costs=Costs(), cash=cash)

    paper.do(place("a", amount="0.1"), 0)
    told(paper)

    assert paper.balances()["USDT"] >= 0


def test_orders_due_together_go_by_age():
    thin, none = (100, 100, 100, 100, 10), (100, 100, 100, 100, 0)
    paper = venue(thin, thin, thin, instruments=(A, B), B=(thin, none, thin))

    paper.do(place("b", amount="3", symbol="B/USDT"), 0)
    paper.do(place("a", amount="3"), 0)

    last = [key for key, _, _, time_ns in trades(told(paper)) if time_ns == 2 * MINUTE]
    assert last == ["b", "a"]


def test_an_order_behind_the_last_bar_stays_open():
    paper = venue(FLAT)

    paper.do(place("a"), 1)

    assert told(paper) == [Placed(1, 1, "a", "paper-1")]
    assert paper.due_ns() is None


def test_the_account_is_told_when_it_is_looked_at():
    paper = venue(FLAT)

    paper.do(Look(), 5)

    assert told(paper) == [Account(1, 5, {"USDT": Decimal(10000)})]


# -- a life of commands, and deaths ---------------------------------------------------------------------------------


def wild_series(seed):
    random = np.random.default_rng(seed)
    series = {}
    for name in "AB":
        open_ = np.round(100 + np.cumsum(random.standard_normal(40)), 2)
        close = np.round(open_ + random.standard_normal(40), 2)
        high, low = (
            np.maximum(open_, close) + random.exponential(1, 40),
            np.minimum(open_, close) - random.exponential(1, 40),
        )
        volume = random.choice([0.0, 5.0, 30.0, 1e4], 40)
        rows = list(zip(open_, high, low, close, volume, strict=True))
        series[f"{name}/USDT"] = [row if random.random() < 0.9 else None for row in rows]
    return series


def commands(seed):
    """Return (time, command) pairs, sorted by time: entries, stops, brackets, limits and cancels, some twice."""
    random = np.random.default_rng(seed)
    found = []
    for n in range(30):
        at = int(random.integers(0, 38)) * MINUTE
        symbol = ("A/USDT", "B/USDT")[n % 2]
        kind = int(random.integers(5))
        amount = f"{int(random.integers(1, 60)) / 10}"
        key = f"o{n}"
        level = int(random.integers(90, 110))
        order = (
            place(key, Side.BUY, amount, at, symbol=symbol),
            place(key, Side.SELL, amount, at, symbol=symbol),
            place(key, Side.SELL, amount, at, OrderType.STOP, symbol, stop_price=str(level)),
            place(key, Side.SELL, amount, at, OrderType.BRACKET, symbol, stop_price="97", take_profit_price="103"),
            place(key, Side.BUY, amount, at, OrderType.LIMIT, symbol, price=str(level)),
        )[kind]
        found.append((at, order))
        if random.random() < 0.4:
            found.append((at + int(random.integers(0, 3)) * MINUTE, Cancel(key, symbol)))
        if random.random() < 0.2:
            found.append((at + MINUTE, order))
    return sorted(found, key=lambda pair: pair[0])


def live(paper, given, die=lambda paper, heard_for_good: paper):
    """Give commands at their times, hear what is due in between, and let `die` replace the venue after each step."""
    heard, heard_for_good = [], 0
    for at, command in [*given, (10**18, None)]:
        while (due := paper.due_ns()) is not None and due <= at:
            heard += paper.results(due)
            paper = die(paper, heard_for_good)
        if command is not None:
            heard_for_good = paper.given  # a house commits before each command
            paper.do(command, at)
            paper = die(paper, heard_for_good)
    return heard, paper


@pytest.mark.parametrize("seed", range(12))
def test_results_are_numbered_without_a_gap_and_balances_are_their_sum(seed):
    given = commands(seed)
    paper = Paper(tape(wild_series(seed)), (A, B), Costs(), {"USDT": Decimal(600)})

    heard, paper = live(paper, given)

    assert [m.number for m in heard] == list(range(1, len(heard) + 1))
    expected = {"USDT": Decimal(600), "A": Decimal(0), "B": Decimal(0)}
    filled = {}
    for m in heard:
        if isinstance(m, Traded):
            assert m.amount > 0
            expected[m.symbol[0]] += m.side.sign * m.amount
            expected["USDT"] -= m.side.sign * m.amount * m.price + m.fee
            filled[m.client_order_id] = filled.get(m.client_order_id, 0) + m.amount
            assert min(expected.values()) >= 0
        elif isinstance(m, Cancelled):
            assert m.filled == filled.get(m.client_order_id, 0)
    assert paper.balances() == {asset: amount for asset, amount in sorted(expected.items()) if amount}
    assert len({m.trade_id for m in heard if isinstance(m, Traded)}) == sum(isinstance(m, Traded) for m in heard)


@pytest.fixture
def reborn(tmp_path):
    """Return a function that opens the venue of the same books anew, as after a death."""
    books = []

    def open_again(series):
        while books:
            books.pop().close()
        books.append(PaperBooks(tmp_path / "paper.db"))
        return Paper(series, (A, B), Costs(), {"USDT": Decimal(600)}, books[-1])

    yield open_again
    books.pop().close()


@pytest.mark.parametrize("seed", range(4))
def test_a_death_after_every_step_changes_nothing(seed, reborn):
    series, given = tape(wild_series(seed)), commands(seed)
    undisturbed, left = live(Paper(series, (A, B), Costs(), {"USDT": Decimal(600)}), given)

    def die(paper, _):
        again = reborn(series)
        again.resume(paper.given)
        assert again.balances() == paper.balances()
        return again

    heard, last = live(reborn(series), given, die)

    assert heard == undisturbed
    assert last.balances() == left.balances()


@pytest.mark.parametrize("seed", range(4))
def test_results_that_were_not_heard_for_good_are_given_again(seed, reborn):
    series, given = tape(wild_series(seed)), commands(seed)
    undisturbed, _ = live(Paper(series, (A, B), Costs(), {"USDT": Decimal(600)}), given)

    def die(paper, heard_for_good):
        again = reborn(series)
        again.resume(heard_for_good)
        repeated = []
        while again.given < paper.given:
            repeated += again.results(again.due_ns())
        assert repeated == undisturbed[heard_for_good : paper.given]
        return again

    heard, _ = live(reborn(series), given, die)

    assert heard == undisturbed


# -- what does not belong together ----------------------------------------------------------------------------------


def opened_after_some_trades(folder):
    """Return a venue that has been told, by a command, that its first results were heard."""
    paper = venue(FLAT, books=PaperBooks(folder / "paper.db"))
    paper.do(Look(), 0)
    paper.results(0)
    paper.do(Look(), 0)
    return paper


def test_an_account_that_was_lost_is_not_begun_anew_under_its_journal(tmp_path):
    with pytest.raises(JournalError, match="the journal heard 7 results, the paper account has 0"):
        venue(FLAT, books=PaperBooks(tmp_path / "paper.db")).resume(7)


def test_a_journal_older_than_what_the_account_knows_was_heard_is_refused(tmp_path):
    opened_after_some_trades(tmp_path).close()

    with pytest.raises(JournalError, match="the paper account was heard up to 1, the journal up to 0"):
        venue(FLAT, books=PaperBooks(tmp_path / "paper.db")).resume(0)


def test_a_damaged_account_is_named(tmp_path):
    opened_after_some_trades(tmp_path).close()
    file = tmp_path / "paper.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 8192)

    with pytest.raises(JournalError, match=r"paper\.db"):
        venue(FLAT, books=PaperBooks(tmp_path / "paper.db")).resume(1)
