"""Replay: bars from recorded files, joined, checked and cut to a period."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from lct import formats
from lct.clock import rfc3339
from lct.domain.bars import Bars, Floats, sound_part, timeframe_ns
from lct.domain.instruments import Instrument, Kind, split_symbol
from lct.domain.money import Money
from lct.domain.quality import joined
from lct.errors import ConfigError, DataError, nearest
from lct.formats import files
from lct.ports.feed import Feed, Tape

TICK_DIGITS_MAX = 12
LOT_DIGITS_MAX = 8
LOT_WORTH_MAX = 1e-3
EXACT_INTEGER_MAX = 2.0**53


class Replay(Feed):
    """A feed of recorded files; they are read once, when first asked for.

    Without a venue's own table the steps follow from the recording: see `price_tick` and `amount_lot`.
    """

    name: ClassVar[str] = "replay"
    summary: ClassVar[str] = "Bars from recorded Parquet or CSV files."

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Which recordings to replay, and as what."""

        path: Annotated[
            str, msgspec.Meta(description="A folder of files like BTC_USDT-5m-2024H1.parquet, or one file.")
        ]
        symbols: Annotated[
            tuple[str, ...], msgspec.Meta(description="Symbols as in BTC/USDT; none means all that are recorded.")
        ] = ()
        timeframe: Annotated[str, msgspec.Meta(description="Which recordings: 1m, 5m, 1h, 1d.")] = "5m"
        from_ns: Annotated[
            int | None, msgspec.Meta(description="First open, ns since 1970 UTC; absent: from the start.")
        ] = None
        to_ns: Annotated[int | None, msgspec.Meta(description="Open before which to stop; absent: to the end.")] = None
        venue: str = "replay"
        account: str = "paper"
        kind: Annotated[
            Kind | None, msgspec.Meta(description="spot or perpetual; absent: a symbol with `:` is perpetual.")
        ] = None
        ticks: Annotated[dict[str, Money], msgspec.Meta(description="Price steps by symbol, where known better.")] = {}
        lots: Annotated[dict[str, Money], msgspec.Meta(description="Amount steps by symbol, where known better.")] = {}
        min_notional: Annotated[Money, msgspec.Meta(description="Smallest order, in quote.", extra={"ge": 0})] = (
            Decimal(5)
        )

    def __init__(self, config: Config) -> None:
        """Take the settings; raises ConfigError for a timeframe or a period that cannot be."""
        try:
            self._step_ns = timeframe_ns(config.timeframe)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if config.from_ns is not None and config.to_ns is not None and config.from_ns >= config.to_ns:
            raise ConfigError(f"the period ends ({rfc3339(config.to_ns)}) before it begins ({rfc3339(config.from_ns)})")
        self._config = config
        self._tape: Tape | None = None
        self._refused: dict[str, dict[str, int]] = {}

    def tape(self) -> Tape:
        """Return the sound bars; raises NotFound for what is not recorded and DataError for what cannot be read."""
        if self._tape is None:
            self._tape = self._read()
        return self._tape

    def refused(self) -> dict[str, dict[str, int]]:
        """Return how many rows of the period were refused, by symbol and reason.

        Beside the reasons of lct.domain.bars: `conflicting_duplicate`, a bar that two files tell differently; the file
        that begins first is believed.
        """
        self.tape()
        return self._refused

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments, their steps derived from the bars unless the settings name them."""
        tape = self.tape()
        return tuple(self._instrument(symbol, tape.bars(symbol)) for symbol in tape.symbols)

    def _read(self) -> Tape:
        recordings = self._recordings()
        for option, named in (("ticks", self._config.ticks), ("lots", self._config.lots)):
            for symbol, step in named.items():
                if symbol not in recordings:
                    raise ConfigError(f"{option}: {symbol!r} is not replayed; {nearest(symbol, recordings)}")
                if step <= 0:
                    raise ConfigError(f"{option}.{symbol}: {step} must be above 0")
        series = {}
        covered: list[Bars] = []
        for symbol, paths in recordings.items():
            raw = [formats.read(path) for path in paths]
            covered += raw
            bars, counts = self._joined(raw)
            if counts:
                self._refused[symbol] = counts
            if len(bars):
                series[symbol] = bars
            elif symbol in self._config.symbols:
                raise DataError(f"{paths[0]}: no sound bars of {symbol} in the period asked for; {_coverage(raw)}")
        if not series:
            raise DataError(f"{self._config.path}: no sound bars in the period asked for; {_coverage(covered)}")
        return Tape(self._config.timeframe, series)

    def _recordings(self) -> dict[str, list[Path]]:
        """Return the files to read, by symbol."""
        config, path = self._config, Path(self._config.path).expanduser()
        if not path.is_file():
            wanted = config.symbols or files.symbols(path, config.timeframe)
            return {symbol: files.find(path, symbol, config.timeframe) for symbol in wanted}
        about = files.described(path)
        if about is None and len(config.symbols) == 1:
            return {config.symbols[0]: [path]}
        if about is None:
            raise ConfigError(f"{path}: its name tells no symbol; set symbols to the one that is in it")
        if about[1] != config.timeframe or (config.symbols and config.symbols != (about[0],)):
            raise ConfigError(f"{path}: holds {about[1]} bars of {about[0]}; set timeframe and symbols to these")
        return {about[0]: [path]}

    def _joined(self, raw: Iterable[Bars]) -> tuple[Bars, dict[str, int]]:
        """Return the sound bars of the period out of several files, and how many rows were refused for which reason."""
        totals: dict[str, int] = {}
        parts = []
        for bars in sorted(raw, key=lambda bars: int(bars.open_ns[0])):
            part, counts = sound_part(self._period(bars), self._step_ns)
            parts.append(part)
            for reason, count in counts.items():
                totals[reason] = totals.get(reason, 0) + count
        bars, conflicts = joined(parts)
        if len(conflicts):
            totals["conflicting_duplicate"] = len(conflicts)
        return bars, totals

    def _period(self, bars: Bars) -> Bars:
        if self._config.from_ns is None and self._config.to_ns is None:
            return bars
        keep = np.ones(len(bars), dtype=np.bool_)
        if self._config.from_ns is not None:
            keep &= bars.open_ns >= self._config.from_ns
        if self._config.to_ns is not None:
            keep &= bars.open_ns < self._config.to_ns
        return bars.take(keep)

    def _instrument(self, symbol: str, bars: Bars) -> Instrument:
        config = self._config
        base, quote = split_symbol(symbol)
        settle = symbol.partition(":")[2] or None
        kind = config.kind or (Kind.PERPETUAL if settle else Kind.SPOT)
        lot = config.lots.get(symbol) or amount_lot(bars)
        return Instrument(
            venue=config.venue,
            account=config.account,
            symbol=symbol,
            base=base,
            quote=quote,
            tick=config.ticks.get(symbol) or price_tick(bars),
            lot=lot,
            min_amount=lot,
            min_notional=config.min_notional,
            kind=kind,
            settle=settle or (quote if kind is Kind.PERPETUAL else None),
        )


def price_tick(bars: Bars) -> Decimal:
    """Return the largest 10^-k, k from 0 to 12, of which every price is a multiple as it would be written.

    A price p has at most k decimals where round(p * 10^k) / 10^k is p again, bit for bit: the division of two exact
    floats gives the float nearest to that decimal. A venue's tick may be coarser (0.05), but not finer than its prices.
    """
    prices = np.unique(np.concatenate([bars.open, bars.high, bars.low, bars.close]))
    for digits in range(TICK_DIGITS_MAX + 1):
        prices = prices[~_written_with(prices, digits)]
        if not len(prices):
            return Decimal(1).scaleb(-digits)
    return Decimal(1).scaleb(-TICK_DIGITS_MAX)


def amount_lot(bars: Bars) -> Decimal:
    """Return the largest power of ten, from 1 to 1e-8, that was never worth more than 0.001 quote."""
    dearest = float(bars.high.max())
    for digits in range(LOT_DIGITS_MAX):
        if dearest <= LOT_WORTH_MAX * 10**digits:
            return Decimal(1).scaleb(-digits)
    return Decimal(1).scaleb(-LOT_DIGITS_MAX)


def _written_with(prices: Floats, digits: int) -> npt.NDArray[np.bool_]:
    """Whether each price is a decimal of so many digits; beyond 2^53 a float has no finer digits to tell."""
    scale = float(10**digits)
    steps = np.rint(prices * scale)
    held: npt.NDArray[np.bool_] = (steps / scale == prices) | (steps >= EXACT_INTEGER_MAX)
    return held


def _coverage(raw: list[Bars]) -> str:
    first = min(int(bars.open_ns.min()) for bars in raw)
    last = max(int(bars.open_ns.max()) for bars in raw)
    return f"the files cover {rfc3339(first)} to {rfc3339(last)}"
