"""The strategy engine daemon: hears bars, says what each strategy thinks of them and when a market's regime changes."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec

from daemons.strategy_engine.latest import Latest
from daemons.strategy_engine.opinions import Heard, Judge, Labels, Opinions, Recorded
from lct.clock import rfc3339
from lct.daemon import Daemon, answers, on
from lct.domain.anchor import grid_of
from lct.domain.bars import timeframe_ns
from lct.domain.regimes import UNKNOWN, WARMUP
from lct.errors import ConfigError, DataError, nearest
from lct.messages.base import Event, RequestRefused
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import GetSignals, RegimeChanged, Scored, Signals
from lct.ports.feed import BarSource
from lct.ports.strategy import Strategy


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """configs/strategy_engine.toml."""

    strategies: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1, description="names of the strategies to run; `lct strategy list` shows them"),
    ] = ("trend", "mean_reversion")
    http_port: Annotated[
        int, msgspec.Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")
    ] = 8004
    parameters: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(
            description="one table per strategy, read by that strategy's Config; what is absent is its default"
        ),
    ] = {}


class StrategyEngine(Daemon):
    """Says one `Scored` per strategy for each timestamp, and `RegimeChanged` for each symbol whose label changed.

    Before its first bar a symbol is `unknown`, and again once a whole block of the regime grid has no bar of it.
    """

    name: ClassVar[str] = "strategy_engine"
    rehears: ClassVar[tuple[type[Event], ...]] = (BarsClosed,)

    def __init__(self, strategies: Sequence[Strategy], timeframe: str, recorded: BarSource | None = None) -> None:
        """Take strategies of different names, the timeframe to score, and recorded bars of it in replayed time.

        Raises ConfigError for a strategy that was not made for the timeframe.
        """
        self.timeframe = timeframe
        step_ns = timeframe_ns(timeframe)
        self._names = [strategy.name for strategy in strategies]
        assert len(set(self._names)) == len(self._names), f"strategies must differ in name: {self._names}"
        for strategy in strategies:
            if strategy.timeframes and timeframe not in strategy.timeframes:
                msg = f"strategy {strategy.name} is not made for {timeframe}; it takes {', '.join(strategy.timeframes)}"
                raise ConfigError(msg)
        judges = [Judge(strategy, grid_of(step_ns, strategy.warmup)) for strategy in strategies]
        self._grid = grid_of(step_ns, WARMUP)
        self._opinions: Opinions = (
            Heard(judges, self._grid) if recorded is None else Recorded(judges, self._grid, recorded)
        )
        self._latest = Latest()
        self._known: dict[str, tuple[int, str]] = {}
        self._turn_ns = 0
        self._labels: Labels = ()
        self._recalled: BarsClosed | None = None

    @on(BarsClosed)
    def opine(self, bars: BarsClosed, now_ns: int) -> tuple[Event, ...] | None:
        """Score the bars; those of another timeframe are none of its business."""
        if bars.timeframe != self.timeframe:
            return None
        if self._recalled is not None:
            self._remember(self._recalled)
        columns, labels = self._opinions.at(bars)
        self._latest.hear(bars, columns)
        md_seq, time_ns, symbols = bars.md_seq, bars.time_ns, bars.symbols
        said: list[Event] = [Scored(name, md_seq, time_ns, symbols, scores) for name, scores in columns]
        if labels is not self._labels:
            said += self._changes(bars, labels)
        return tuple(said)

    def rehears_since(self, recovered_md_seq: int) -> int:
        """Return the `md_seq` after which bars must be heard again; each timestamp is one, so gaps only add history."""
        return max(0, recovered_md_seq - self._opinions.reheard_bars)

    def recall(self, message: Event) -> bool:
        """Keep bars that are heard again without scoring them: of what was said only the last labels are needed."""
        if not isinstance(self._opinions, Heard) or not isinstance(message, BarsClosed):
            return False
        if message.timeframe == self.timeframe:
            self._opinions.take(message)
            self._recalled = message
        return True

    def _remember(self, bars: BarsClosed) -> None:
        """Know the labels that were said up to the last bars that were heard again."""
        assert isinstance(self._opinions, Heard), "recorded opinions are not recalled"
        self._recalled = None
        block = self._grid.block_of(bars.open_ns)
        for symbol, (open_ns, label) in self._opinions.last_labels().items():
            seen = self._grid.block_of(open_ns)
            if seen >= block - 1:
                self._known[symbol] = (seen, label)
        self._turn_ns = self._grid.start_ns(block + 1)

    def _changes(self, bars: BarsClosed, labels: Labels) -> list[Event]:
        """Return what must be said about regimes, and remember it."""
        block = self._grid.block_of(bars.open_ns)
        changed: list[tuple[str, str]] = []
        if bars.open_ns >= self._turn_ns:
            self._turn_ns = self._grid.start_ns(block + 1)
            gone = [symbol for symbol, (seen, _) in self._known.items() if seen < block - 1]
            changed += [(symbol, UNKNOWN) for symbol in gone if self._known.pop(symbol)[1] != UNKNOWN]
        for symbol, label in zip(bars.symbols, labels, strict=True):
            if label is None:
                msg = f"a bar of {symbol} was heard for {rfc3339(bars.open_ns)}, but none is recorded there"
                raise DataError(msg)
            _, before = self._known.get(symbol, (block, UNKNOWN))
            self._known[symbol] = (block, label)
            if label != before:
                changed.append((symbol, label))
        self._labels = labels
        return [RegimeChanged(symbol, bars.md_seq, bars.time_ns, label) for symbol, label in changed]

    @answers(GetSignals)
    def signals(self, request: GetSignals, now_ns: int) -> Signals | RequestRefused:
        """Tell the last scores, the most decided first; a strategy that does not run here is refused by name."""
        if request.strategy is not None and request.strategy not in self._names:
            reason = f"no strategy {request.strategy!r} runs here; {nearest(request.strategy, self._names)}"
            return RequestRefused(reason, is_missing=True)
        if self._recalled is not None:
            self._remember(self._recalled)
        regimes = {symbol: label for symbol, (_, label) in self._known.items()}
        return Signals(self._latest.signals(request.strategy, request.limit, regimes))
