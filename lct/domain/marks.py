"""Marks: the last close of each symbol, cheap to hear and exact to read."""

from collections.abc import Mapping
from decimal import Decimal

from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger
from lct.domain.money import ZERO, to_money

LOOK_BACK = 1_000
"""How many bars are heard again after a restart, so that a symbol whose bars pause keeps its older mark."""


class Marks:
    """Keeps the last columns of closes as they came; symbols that were not in them keep their older close."""

    __slots__ = ("_closes", "_index", "_older", "_older_ns", "_prices", "_symbols", "_time_ns")

    def __init__(self) -> None:
        """Start without any mark."""
        self._symbols: tuple[str, ...] = ()
        self._closes: list[float] = []
        self._index: dict[str, int] = {}
        self._older: dict[str, float] = {}
        self._older_ns: dict[str, int] = {}
        self._time_ns = 0
        self._prices: dict[str, Decimal] = {}

    def hear(self, symbols: tuple[str, ...], closes: list[float], time_ns: int = 0) -> None:
        """Take the closes of one timestamp, in the order of `symbols`."""
        if symbols is not self._symbols:
            self._older.update(zip(self._symbols, self._closes, strict=True))
            self._older_ns.update(dict.fromkeys(self._symbols, self._time_ns))
            self._symbols = symbols
            self._index = {symbol: i for i, symbol in enumerate(symbols)}
        self._closes = closes
        self._time_ns = time_ns
        if self._prices:
            self._prices.clear()

    def close(self, symbol: str) -> float | None:
        """Return the last close of a symbol, None before its first bar."""
        at = self._index.get(symbol)
        return self._older.get(symbol) if at is None else self._closes[at]

    def heard_ns(self, symbol: str) -> int | None:
        """Return the time of the last close of a symbol, None before its first bar."""
        return self._time_ns if symbol in self._index else self._older_ns.get(symbol)

    def price(self, instrument: Instrument) -> Decimal | None:
        """Return the last close of an instrument as money on its tick, None before its first bar."""
        price = self._prices.get(instrument.symbol)
        if price is None:
            close = self.close(instrument.symbol)
            if close is None:
                return None
            price = self._prices[instrument.symbol] = to_money(close, instrument.tick)
        return price


def equity(ledger: Ledger, marks: Marks, instruments: Mapping[str, Instrument]) -> Decimal | None:
    """Return what all is worth (quote): the cash, and every position at its mark; None while one has no mark.

    All instruments of a house share their quote; `lct.run` refuses a universe where they do not.
    """
    found = appraisal(ledger, marks, instruments)
    return None if found is None else found[0]


def appraisal(ledger: Ledger, marks: Marks, instruments: Mapping[str, Instrument]) -> tuple[Decimal, Decimal] | None:
    """Return the equity, and the sum of the sizes of all positions (quote); None while one has no mark."""
    instrument = next(iter(instruments.values()), None)
    worth = ZERO if instrument is None else ledger.total(instrument.quote)
    gross = ZERO
    for symbol, held in ledger.holdings().items():
        mark = marks.price(instruments[symbol])
        if mark is None:
            return None
        value = held * mark
        worth += value
        gross += abs(value)
    return worth, gross
