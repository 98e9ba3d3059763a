"""Market data: hears rows from a feed, refuses what cannot be a bar, and announces the bars that closed."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from lct.daemon import Daemon, Saying, Words, answers, on
from lct.domain.bars import DAY_NS, Bar, is_sound, timeframe_ns
from lct.errors import nearest
from lct.messages.base import Event, RequestRefused
from lct.messages.feed import Rows, RowsRefused
from lct.messages.market_data import (
    BarsClosed,
    BarsRefused,
    DataQuality,
    GetBars,
    GetDataQuality,
    GetSymbols,
    GetTicker,
    History,
    SymbolLine,
    Symbols,
    Ticker,
)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What market_data keeps; the feed and its timeframe stand in house.toml."""

    bars_kept: Annotated[
        int, Meta(ge=1, le=100_000, description="timestamps whose bars are kept, to answer questions")
    ] = 1_440
    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8002


class MarketData(Daemon):
    """Volatile: the recording is its memory. It never invents a bar, and a refused row leaves no trace but a count."""

    name = "market_data"

    def __init__(self, config: Config | None = None) -> None:
        """Start before the first row."""
        self.refused: dict[str, Counter[str]] = {}
        self._kept: deque[BarsClosed] = deque(maxlen=(config or Config()).bars_kept)
        self._latest_open_ns = -1
        self._step_ns = 0
        self._timeframe = ""

    @on(Rows)
    def announce(self, rows: Rows, now_ns: int) -> Saying:
        """Announce the rows as closed bars; rows that are off the grid, late or unsound are refused with a count."""
        if rows.timeframe is not self._timeframe:
            self._timeframe, self._step_ns = rows.timeframe, timeframe_ns(rows.timeframe)
        open_ns = rows.open_ns
        if open_ns % self._step_ns:
            refusal = "off_grid"
        elif open_ns <= self._latest_open_ns:
            refusal = "time_backwards"
        elif not _are_sound(rows):
            refusal = "unsound"
        else:
            self._latest_open_ns = open_ns
            return (self._bars(rows),)
        return self._refuse(rows, refusal)

    def _bars(self, rows: Rows) -> BarsClosed:
        bars = _closed(rows, self._step_ns)
        self._kept.append(bars)
        return bars

    def foresee(self, heard: Sequence[Words]) -> Sequence[Words]:
        """Rows that are in order will be announced, up to the first that are not."""
        said: list[Words] = []
        step_ns, latest_ns = self._step_ns, self._latest_open_ns
        for (rows,) in heard:
            if type(rows) is not Rows or rows.timeframe != self._timeframe:
                break
            open_ns = rows.open_ns
            if open_ns % step_ns or open_ns <= latest_ns or not _are_sound(rows):
                break
            latest_ns = open_ns
            said.append((_closed(rows, step_ns),))
        return said

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Keep the bars that were foreseen."""
        self._kept.extend(cast(Iterable[BarsClosed], chain.from_iterable(said)))
        self._latest_open_ns = self._kept[-1].open_ns

    def _refuse(self, rows: Rows, reason: str) -> Iterator[Event]:
        """Count what is refused, and announce the sound rows of a timestamp whose time is sound."""
        columns = (rows.open, rows.high, rows.low, rows.close, rows.volume)
        keep = [reason == "unsound" and is_sound(*row) for row in zip(*columns, strict=True)]
        for symbol, good in zip(rows.symbols, keep, strict=True):
            if not good:
                self.refused.setdefault(symbol, Counter())[reason] += 1
                yield BarsRefused(symbol, {reason: 1})
        if reason == "unsound":
            if any(keep):
                self._latest_open_ns = rows.open_ns
            kept = [[v for v, good in zip(column, keep, strict=True) if good] for column in columns]
            symbols = tuple(s for s, good in zip(rows.symbols, keep, strict=True) if good)
            yield self._bars(Rows(rows.number, rows.timeframe, rows.open_ns, symbols, *kept))

    @on(RowsRefused)
    def count(self, refused: RowsRefused, now_ns: int) -> Saying:
        """Pass on what the feed refused before it came here."""
        self.refused.setdefault(refused.symbol, Counter()).update(refused.counts)
        return (BarsRefused(refused.symbol, refused.counts),)

    @answers(GetDataQuality)
    def report(self, request: GetDataQuality, now_ns: int) -> DataQuality:
        """Tell what was refused, by symbol and reason."""
        return DataQuality({symbol: dict(counts) for symbol, counts in sorted(self.refused.items())})

    def rehears_since(self, md_seq: int) -> int:
        """Need the rows that are kept, the last at least: or a new life would take a time that was there already."""
        return max(0, md_seq - (self._kept.maxlen or 1))

    # -- what it answers ----------------------------------------------------------------------------------------

    @answers(GetSymbols)
    def symbols(self, request: GetSymbols, now_ns: int) -> Symbols:
        """Tell of what there are bars."""
        counts = Counter(symbol for bars in self._kept for symbol in bars.symbols)
        lines = {
            symbol: SymbolLine(symbol, counts[symbol], close, bars.time_ns)
            for bars in self._kept
            for symbol, close in zip(bars.symbols, bars.close, strict=True)
        }
        return Symbols(self._timeframe, [lines[symbol] for symbol in sorted(lines)])

    @answers(GetBars)
    def bars(self, request: GetBars, now_ns: int) -> History | RequestRefused:
        """Tell the last bars of a symbol; a symbol or a timeframe that is not there is refused by name."""
        if request.timeframe not in (None, "", self._timeframe):
            there = self._timeframe or "none yet"
            return RequestRefused(f"no {request.timeframe} bars are kept here; there are {there}", is_missing=True)
        candles = self._candles(request.symbol)
        if not candles:
            return self._unknown(request.symbol)
        columns = map(list, zip(*candles[-request.limit :], strict=True))
        return History(request.symbol, self._timeframe, *columns)

    @answers(GetTicker)
    def ticker(self, request: GetTicker, now_ns: int) -> Ticker | RequestRefused:
        """Tell the last close of a symbol, and its way there over a day, or what is kept of it."""
        candles = self._candles(request.symbol)
        if not candles:
            return self._unknown(request.symbol)
        last = candles[-1]
        candles = [candle for candle in candles if candle.open_ns > last.open_ns - DAY_NS]
        first = candles[0]
        return Ticker(
            request.symbol,
            last.open_ns + self._step_ns,
            last.close,
            first.open,
            max(candle.high for candle in candles),
            min(candle.low for candle in candles),
            sum(candle.volume for candle in candles),
            last.close / first.open - 1.0,
            len(candles),
            self._timeframe,
        )

    def _candles(self, symbol: str) -> list[Bar]:
        """Return the bars of one symbol among those kept, oldest first, of the timeframe that there is now."""
        found = []
        for bars in self._kept:
            if symbol in bars.symbols and bars.timeframe == self._timeframe:
                at = bars.symbols.index(symbol)
                row = (bars.open[at], bars.high[at], bars.low[at], bars.close[at], bars.volume[at])
                found.append(Bar(bars.open_ns, *row))
        return found

    def _unknown(self, symbol: str) -> RequestRefused:
        there = {symbol for bars in self._kept for symbol in bars.symbols}
        return RequestRefused(f"no bars of {symbol!r}; {nearest(symbol, there)}", is_missing=True)


def _are_sound(rows: Rows) -> bool:
    return all(map(is_sound, rows.open, rows.high, rows.low, rows.close, rows.volume))


def _closed(rows: Rows, step_ns: int) -> BarsClosed:
    return BarsClosed(
        rows.number,
        rows.open_ns + step_ns,
        rows.open_ns,
        rows.timeframe,
        rows.symbols,
        rows.open,
        rows.high,
        rows.low,
        rows.close,
        rows.volume,
    )
