"""Market data: hears rows from a feed, refuses what cannot be a bar, and announces the bars that closed."""

from collections import Counter
from collections.abc import Iterator

from lct.daemon import Daemon, Saying, answers, on
from lct.domain.bars import is_sound, timeframe_ns
from lct.messages.base import Event
from lct.messages.feed import Rows, RowsRefused
from lct.messages.market_data import BarsClosed, BarsRefused, DataQuality, GetDataQuality


class MarketData(Daemon):
    """Volatile: the recording is its memory. It never invents a bar, and a refused row leaves no trace but a count."""

    name = "market_data"

    def __init__(self) -> None:
        """Start before the first row."""
        self.refused: dict[str, Counter[str]] = {}
        self._latest_open_ns = -1
        self._step_ns = 0
        self._timeframe = ""

    @on(Rows)
    def announce(self, rows: Rows, now_ns: int) -> Saying:
        """Announce the rows as closed bars; rows that are off the grid, late or unsound are refused with a count."""
        if rows.timeframe != self._timeframe:
            self._timeframe, self._step_ns = rows.timeframe, timeframe_ns(rows.timeframe)
        open_ns = rows.open_ns
        refusal = None
        if open_ns % self._step_ns:
            refusal = "off_grid"
        elif open_ns <= self._latest_open_ns:
            refusal = "time_backwards"
        elif not all(map(is_sound, rows.open, rows.high, rows.low, rows.close, rows.volume)):
            refusal = "unsound"
        else:
            self._latest_open_ns = open_ns
            return (self._bars(rows),)
        return self._refuse(rows, refusal)

    def _bars(self, rows: Rows) -> BarsClosed:
        return BarsClosed(
            rows.number,
            rows.open_ns + self._step_ns,
            rows.open_ns,
            rows.timeframe,
            rows.symbols,
            rows.open,
            rows.high,
            rows.low,
            rows.close,
            rows.volume,
        )

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
