"""Bars: open, high, low, close and volume as float64 columns, and what makes a row acceptable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

PRICE_MAX = 1e15
SECOND_NS = 1_000_000_000
UNIT_NS = {unit: n * SECOND_NS for unit, n in (("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800))}
MINUTE_NS = UNIT_NS["m"]
DAY_NS = UNIT_NS["d"]
TIMEFRAME = re.compile(r"([1-9]\d{0,3})([smhdw])")


def timeframe_ns(timeframe: str) -> int:
    """Return the length of a timeframe such as `1m`, `5m`, `1h`, `1d` in nanoseconds.

    Raises ValueError for anything else.
    """
    match = TIMEFRAME.fullmatch(timeframe)
    if match is None:
        msg = f"not a timeframe: {timeframe!r}; write a number and one of s m h d w, as in 5m"
        raise ValueError(msg)
    return int(match[1]) * UNIT_NS[match[2]]


class Bar(NamedTuple):
    """One bar: when it opens (ns, UTC), its prices in quote, its volume in base."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of one symbol and timeframe in columns of equal length, oldest first.

    `open_ns` is int64, UTC; the prices and the volume (in base) are float64.
    """

    open_ns: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.open_ns)

    def __getitem__(self, rows: slice) -> "Bars":
        """Return the bars of a slice, as views."""
        return Bars(
            self.open_ns[rows], self.open[rows], self.high[rows], self.low[rows], self.close[rows], self.volume[rows]
        )

    def take(self, keep: npt.NDArray[np.bool_]) -> "Bars":
        """Return copies of the bars where `keep` is true."""
        return Bars(
            self.open_ns[keep], self.open[keep], self.high[keep], self.low[keep], self.close[keep], self.volume[keep]
        )

    def at(self, rows: npt.NDArray[np.intp]) -> "Bars":
        """Return copies of the bars at some places, in that order."""
        return Bars(
            self.open_ns[rows], self.open[rows], self.high[rows], self.low[rows], self.close[rows], self.volume[rows]
        )

    def frozen(self) -> "Bars":
        """Return the bars as views that cannot be written to: for code that is not ours."""
        views = self[:]
        for column in (views.open_ns, views.open, views.high, views.low, views.close, views.volume):
            column.setflags(write=False)
        return views

    def between(self, from_ns: int, to_ns: int) -> "Bars":
        """Return the bars that open in [from_ns, to_ns), as views."""
        first, last = np.searchsorted(self.open_ns, [from_ns, to_ns])
        return self[int(first) : int(last)]

    @classmethod
    def of(cls, open_ns: Sequence[int] | Times, *columns: Sequence[float] | Floats) -> "Bars":
        """Build from any sequences: open_ns, then open, high, low, close, volume.

        Raises ValueError where there are not five columns of the same length.
        """
        arrays = [np.ascontiguousarray(column, dtype=np.float64) for column in columns]
        times = np.ascontiguousarray(open_ns, dtype=np.int64)
        if len(arrays) != 5 or any(len(a) != len(times) for a in arrays):
            msg = f"bars need five columns as long as their times ({len(times)}); got {[len(a) for a in arrays]}"
            raise ValueError(msg)
        return cls(times, *arrays)


def is_sound(open_: float, high: float, low: float, close: float, volume: float) -> bool:
    """Whether one row can be a bar: finite, positive, low <= open, close <= high, volume not negative."""
    return 0.0 < low <= open_ <= high < PRICE_MAX and low <= close <= high and 0.0 <= volume < PRICE_MAX * PRICE_MAX


def refusals(bars: Bars, step_ns: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Name, row by row, why raw rows cannot be bars of a timeframe of `step_ns`; the first reason that holds counts.

    Reasons: `not_finite`, `not_positive`, `high_below_low` (or open or close outside of them), `off_grid`,
    `time_backwards` (not later than a sound row before it). A row without a reason is sound; `is_sound` agrees.
    """
    prices = (bars.open, bars.high, bars.low, bars.close)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(bars.volume) & (bars.volume < PRICE_MAX * PRICE_MAX)
        for price in prices:
            finite &= np.isfinite(price) & (price < PRICE_MAX)
        positive = bars.volume >= 0.0
        for price in prices:
            positive &= price > 0.0
        ordered = np.ones(len(bars), dtype=np.bool_)
        for price in prices:
            ordered &= (bars.low <= price) & (price <= bars.high)
    on_grid = bars.open_ns % step_ns == 0
    sound = finite & positive & ordered & on_grid
    latest = np.maximum.accumulate(np.where(sound, bars.open_ns, np.iinfo(np.int64).min)) if len(bars) else bars.open_ns
    before = np.concatenate([[np.iinfo(np.int64).min], latest[:-1]]) if len(bars) else latest
    forward = bars.open_ns > before
    reasons: dict[str, npt.NDArray[np.bool_]] = {}
    undecided = np.ones(len(bars), dtype=np.bool_)
    for name, holds in (
        ("not_finite", finite),
        ("not_positive", positive),
        ("high_below_low", ordered),
        ("off_grid", on_grid),
        ("time_backwards", forward),
    ):
        reasons[name] = undecided & ~holds
        undecided &= holds
    return reasons


def sound_part(bars: Bars, step_ns: int) -> tuple[Bars, dict[str, int]]:
    """Return the sound rows, in order, and how many rows were refused for which reason (reasons with none left out)."""
    reasons = refusals(bars, step_ns)
    counts = {name: int(rows.sum()) for name, rows in reasons.items() if rows.any()}
    if not counts:
        return bars, {}
    refused = np.zeros(len(bars), dtype=np.bool_)
    for rows in reasons.values():
        refused |= rows
    return bars.take(~refused), counts
