"""What strategy_engine says: opinions, never orders."""

from typing import Annotated

import msgspec
from msgspec import Meta

from lct.messages.base import Event, Request

SIGNALS_MAX = 1_000


class Scored(Event, frozen=True, gc=False, tag="strategy_engine.scored"):
    """One strategy's scores on the bars of `md_seq`, in columns: -1 (short) to 1 (long), None without an opinion."""

    strategy: str
    md_seq: int
    time_ns: int
    symbols: tuple[str, ...]
    scores: list[float | None]


class RegimeChanged(Event, frozen=True, tag="strategy_engine.regime_changed"):
    """The market regime of a symbol is now `regime`: trending_up, trending_down, ranging, volatile or unknown."""

    symbol: str
    md_seq: int
    time_ns: int
    regime: str


class Signal(msgspec.Struct, frozen=True, gc=False):
    """The last score that a strategy gave a symbol, on the bar of `md_seq` that closed at `time_ns`."""

    strategy: str
    symbol: str
    score: float | None
    regime: str
    md_seq: int
    time_ns: int


class Signals(Event, frozen=True, tag="strategy_engine.signals"):
    """The last scores, the most decided (the farthest from zero) first, those without an opinion last."""

    signals: list[Signal]


class GetSignals(Request[Signals], frozen=True, tag="strategy_engine.get_signals"):
    """What do the strategies think now? Of one strategy or of all, at most `limit` scores."""

    strategy: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=SIGNALS_MAX)] = 100
