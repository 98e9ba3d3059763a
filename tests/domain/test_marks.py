"""Marks: the last close of each symbol, and what all is worth at them."""

from decimal import Decimal

import pytest

from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger, deposit
from lct.domain.marks import Marks, appraisal, equity
from lct.domain.orders import Side

TICK = Decimal("0.01")
INSTRUMENTS = {
    symbol: Instrument("paper", "main", symbol, symbol[0], "USDT", TICK, Decimal("0.001"))
    for symbol in ("A/USDT", "B/USDT")
}


@pytest.fixture
def ledger() -> Ledger:
    books = Ledger()
    books.post(deposit("USDT", Decimal(1000)))
    books.fill("trend", "A/USDT", Side.BUY, Decimal(2), Decimal(100), Decimal("0.2"), "USDT", 1)
    return books


def test_there_is_no_mark_before_the_first_bar() -> None:
    assert Marks().price(INSTRUMENTS["A/USDT"]) is None


def test_a_symbol_whose_bars_pause_keeps_its_older_close() -> None:
    marks = Marks()

    marks.hear(("A/USDT", "B/USDT"), [1.0, 2.0])
    marks.hear(("B/USDT",), [3.0])
    marks.hear(("B/USDT",), [4.0])

    assert (marks.close("A/USDT"), marks.close("B/USDT")) == (1.0, 4.0)


def test_a_price_follows_the_next_close() -> None:
    marks, symbols = Marks(), ("A/USDT",)
    marks.hear(symbols, [1.234])
    before = marks.price(INSTRUMENTS["A/USDT"])

    marks.hear(symbols, [5.678])

    assert (before, marks.price(INSTRUMENTS["A/USDT"])) == (Decimal("1.23"), Decimal("5.68"))


def test_equity_is_cash_and_positions_at_their_marks(ledger: Ledger) -> None:
    marks = Marks()
    marks.hear(("A/USDT", "B/USDT"), [110.0, 7.0])

    assert equity(ledger, marks, INSTRUMENTS) == Decimal(1000) - Decimal("200.2") + Decimal(220)
    assert appraisal(ledger, marks, INSTRUMENTS) == (equity(ledger, marks, INSTRUMENTS), Decimal(220))


def test_equity_is_not_known_while_a_position_has_no_mark(ledger: Ledger) -> None:
    assert equity(ledger, Marks(), INSTRUMENTS) is None


def test_a_short_position_counts_with_its_size_in_the_gross_value(ledger: Ledger) -> None:
    ledger.fill("trend", "B/USDT", Side.SELL, Decimal(3), Decimal(10), Decimal(0), "USDT", 2)
    marks = Marks()
    marks.hear(("A/USDT", "B/USDT"), [100.0, 10.0])

    found = appraisal(ledger, marks, INSTRUMENTS)

    assert found is not None
    assert found[1] == Decimal(230)
