"""What strategy_engine says: opinions, never orders."""

from lct.messages.base import Event


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
