"""Quality: what is wrong with recorded bars, how good they are, and what of it can be put right without inventing."""

from collections.abc import Iterator, Sequence
from math import fsum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lct.domain.bars import Bars, Floats, Times, refusals

JUMP = 3.0
"""A close this many times the one before, or a wick this many times the body's end, is not believed unseen."""
STALE_RUN = 3
"""So many bars in a row that are the same in all five columns, and say that something was traded, were copied."""
EXAMPLES_MAX = 20
HARMLESS = ("zero_volume",)
"""What is worth a word, and no fault of the recording."""

Rows = npt.NDArray[np.bool_]


class Finding(NamedTuple):
    """One kind of thing at one place: the bar's open (ns UTC), and how many bars it is about."""

    kind: str
    open_ns: int
    bars: int


class Report(NamedTuple):
    """What a recording holds. `counts` are bars by kind of finding; `examples` the first ones of each kind.

    `score` is the share, in percent, of the grid from the first bar to the last that holds a bar to be believed.
    """

    rows: int
    first_ns: int
    last_ns: int
    counts: dict[str, int]
    examples: tuple[Finding, ...]
    score: float

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found that is a fault."""
        return not any(count for kind, count in self.counts.items() if kind not in HARMLESS)


def report(raw: Bars, step_ns: int, now_ns: int | None = None) -> Report:
    """Look at rows as they were recorded, in their order; `now_ns` shows a last bar that is not closed yet.

    Kinds: those of `lct.domain.bars.refusals`, where `time_backwards` is told apart into `duplicate` (the same again),
    `conflicting_duplicate` (the same open, other values) and `out_of_order`; `gap` (bars that are missing), `jump`,
    `zero_volume`, `stale` (copies of the bar before) and `not_closed`.
    """
    marked = _refused(raw, step_ns)
    refused = np.zeros(len(raw), dtype=np.bool_)
    for rows in marked.values():
        refused |= rows
    kept = raw.take(~refused)
    places = np.flatnonzero(~refused)
    for kind, rows in (("jump", _jumps(kept)), ("zero_volume", kept.volume == 0.0), ("stale", _stale(kept))):
        marked[kind] = np.zeros(len(raw), dtype=np.bool_)
        marked[kind][places[rows]] = True
    if now_ns is not None:
        marked["not_closed"] = raw.open_ns + step_ns > now_ns
    gaps = list(_gaps(kept, step_ns))
    counts = {kind: int(rows.sum()) for kind, rows in marked.items()}
    counts["gap"] = sum(gap.bars for gap in gaps)
    examples = [Finding(kind, int(raw.open_ns[at]), 1) for kind, rows in marked.items() for at in _first(rows)]
    believed = len(kept) - int((marked["jump"] | marked["stale"]).sum())
    grid = 1 + int(kept.open_ns[-1] - kept.open_ns[0]) // step_ns if len(kept) else 0
    return Report(
        len(raw),
        int(raw.open_ns.min()) if len(raw) else 0,
        int(raw.open_ns.max()) if len(raw) else 0,
        {kind: count for kind, count in sorted(counts.items()) if count},
        (*examples, *gaps[:EXAMPLES_MAX]),
        100.0 * believed / max(grid, len(raw), 1),
    )


def repaired(raw: Bars, step_ns: int, *, prefer_last: bool = False) -> tuple[Bars, dict[str, int]]:
    """Return the rows that can be bars, in order and each open once, and what was done to how many rows.

    Nothing is filled in: a gap stays one. Of rows that tell one open differently the first is kept, or the last.
    """
    marked = refusals(raw, step_ns)
    unsound = np.zeros(len(raw), dtype=np.bool_)
    done: dict[str, int] = {}
    for kind, rows in marked.items():
        if kind != "time_backwards":
            unsound |= rows
            done[f"dropped {kind}"] = int(rows.sum())
    kept = raw.take(~unsound)
    done["put in order"] = int((kept.open_ns[1:] < kept.open_ns[:-1]).sum())
    order = np.argsort(kept.open_ns, kind="stable")
    if prefer_last:
        order = order[::-1][np.argsort(kept.open_ns[order[::-1]], kind="stable")]
    kept = kept.at(order)
    again = np.zeros(len(kept), dtype=np.bool_)
    again[1:] = kept.open_ns[1:] == kept.open_ns[:-1]
    same = again & _same_as_first(kept, again)
    done["dropped duplicate"] = int(same.sum())
    done["dropped conflicting_duplicate"] = int((again & ~same).sum())
    return kept.take(~again), {what: count for what, count in done.items() if count}


def joined(parts: Sequence[Bars]) -> tuple[Bars, Bars]:
    """Join series of sound bars into one, oldest first, and return with it the rows that tell a bar differently.

    Of several bars with one open, that of the first series is kept.
    """
    if len(parts) == 1:
        return parts[0], parts[0][:0]
    every = stacked(parts)
    every = every.at(np.argsort(every.open_ns, kind="stable"))
    again = np.zeros(len(every), dtype=np.bool_)
    again[1:] = every.open_ns[1:] == every.open_ns[:-1]
    if not again.any():
        return every, every[:0]
    return every.take(~again), every.take(again & ~_same_as_first(every, again))


def stacked(parts: Sequence[Bars]) -> Bars:
    """Return series of bars one behind the other."""
    return Bars.of(*(np.concatenate(column) for column in zip(*map(columns, parts), strict=True)))


def resampled(bars: Bars, step_ns: int, to_ns: int) -> tuple[Bars, int]:
    """Join sound bars of `step_ns`, in order, to bars of `to_ns`, and count the bars of windows that are not whole.

    A window is whole where every bar of it is there; no other is made. Volumes are summed exactly and rounded once.
    Raises ValueError where one length is no multiple of the other.
    """
    times, rest = divmod(to_ns, step_ns)
    if rest or times < 2:
        msg = f"bars of {step_ns} ns do not make up bars of {to_ns} ns"
        raise ValueError(msg)
    window = bars.open_ns // to_ns
    starts = np.flatnonzero(np.concatenate([[True], window[1:] != window[:-1]])) if len(bars) else np.zeros(0, int)
    sizes = np.diff([*starts, len(bars)])
    whole = starts[sizes == times]
    left_out = len(bars) - len(whole) * times
    if not len(whole):
        return bars[:0], left_out
    rows = (whole[:, None] + np.arange(times)).ravel()
    table = [column[rows].reshape(-1, times) for column in columns(bars)]
    volume = np.fromiter(map(fsum, table[5]), np.float64, len(whole))
    return (
        Bars(table[0][:, 0], table[1][:, 0], table[2].max(axis=1), table[3].min(axis=1), table[4][:, -1], volume),
        left_out,
    )


def columns(bars: Bars) -> tuple[Times, Floats, Floats, Floats, Floats, Floats]:
    """Return the six columns of bars."""
    return bars.open_ns, bars.open, bars.high, bars.low, bars.close, bars.volume


def _refused(raw: Bars, step_ns: int) -> dict[str, Rows]:
    marked = refusals(raw, step_ns)
    backwards = marked.pop("time_backwards")
    seen: dict[int, int] = {}
    for name in ("duplicate", "conflicting_duplicate", "out_of_order"):
        marked[name] = np.zeros(len(raw), dtype=np.bool_)
    if backwards.any():
        seen = {
            int(open_ns): at for at, open_ns in reversed(list(enumerate(raw.open_ns.tolist()))) if not backwards[at]
        }
    for at in np.flatnonzero(backwards):
        first = seen.get(int(raw.open_ns[at]))
        if first is None:
            marked["out_of_order"][at] = True
        else:
            kind = "duplicate" if _is_same(raw, first, int(at)) else "conflicting_duplicate"
            marked[kind][at] = True
    return marked


def _is_same(bars: Bars, one: int, other: int) -> bool:
    return all(column[one] == column[other] for column in columns(bars))


def _same_as_first(bars: Bars, again: Rows) -> Rows:
    """Whether each row is as the first one of its open."""
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(bars))))
    same = np.ones(len(bars), dtype=np.bool_)
    for column in columns(bars):
        same &= column == column[first]
    return same


def _jumps(bars: Bars) -> Rows:
    jumps = np.zeros(len(bars), dtype=np.bool_)
    if len(bars):
        ratio = bars.close[1:] / bars.close[:-1]
        jumps[1:] = (ratio >= JUMP) | (ratio <= 1 / JUMP)
        jumps |= bars.high >= JUMP * np.maximum(bars.open, bars.close)
        jumps |= bars.low * JUMP <= np.minimum(bars.open, bars.close)
    return jumps


def _stale(bars: Bars) -> Rows:
    """Mark the bars of long runs of copies, but the first of each run."""
    copies = np.zeros(len(bars), dtype=np.bool_)
    if len(bars) < STALE_RUN:
        return copies
    copies[1:] = bars.volume[1:] > 0.0
    for column in columns(bars)[1:]:
        copies[1:] &= column[1:] == column[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], copies, [False]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin < STALE_RUN - 1:
            copies[begin:end] = False
    return copies


def _gaps(bars: Bars, step_ns: int) -> Iterator[Finding]:
    missing = np.diff(bars.open_ns) // step_ns - 1
    for at in np.flatnonzero(missing > 0):
        yield Finding("gap", int(bars.open_ns[at]) + step_ns, int(missing[at]))


def _first(rows: Rows) -> list[int]:
    return [int(at) for at in np.flatnonzero(rows)[:EXAMPLES_MAX]]
