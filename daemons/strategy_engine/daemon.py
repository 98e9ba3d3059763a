"""The strategy engine daemon: hears bars, says what each strategy thinks of them and when a market's regime changes."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec

from daemons.strategy_engine.latest import Latest
from daemons.strategy_engine.opinions import Columns, Heard, Judge, Opinions, Recorded
from daemons.strategy_engine.regimes import Regimes
from lct.daemon import Daemon, Words, answers, on
from lct.domain.anchor import grid_of
from lct.domain.bars import timeframe_ns
from lct.domain.regimes import WARMUP
from lct.errors import ConfigError, nearest
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
        grid = grid_of(step_ns, WARMUP)
        self._opinions: Opinions = Heard(judges, grid) if recorded is None else Recorded(judges, grid, recorded)
        self._latest = Latest()
        self._regimes = Regimes(grid)
        self._recalled: BarsClosed | None = None

    @on(BarsClosed)
    def opine(self, bars: BarsClosed, now_ns: int) -> list[Event] | None:
        """Score the bars; those of another timeframe are none of its business."""
        if bars.timeframe != self.timeframe:
            return None
        if self._recalled is not None:
            self._remember(self._recalled)
        columns, labels = self._opinions.at(bars)
        self._latest.hear(bars, columns)
        return self._say(bars, columns, self._regimes.changes(bars, labels))

    def _say(self, bars: BarsClosed, columns: Columns, changes: Sequence[RegimeChanged]) -> list[Event]:
        md_seq, time_ns, symbols = bars.md_seq, bars.time_ns, bars.symbols
        said: list[Event] = [Scored(name, md_seq, time_ns, symbols, scores) for name, scores in columns]
        said += changes
        return said

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

    def foresee(self, heard: Sequence[Words]) -> Sequence[Words]:
        """What will be said of recorded bars is known before they are heard."""
        stretch = [bars for (bars,) in heard if isinstance(bars, BarsClosed) and bars.timeframe == self.timeframe]
        if len(stretch) != len(heard) or self._recalled is not None:
            return ()
        regimes = self._regimes.copy()
        said: list[Words] = []
        for bars, (columns, labels) in zip(stretch, self._opinions.ahead(stretch), strict=False):
            said.append(self._say(bars, columns, regimes.changes(bars, labels) if labels is not regimes.labels else ()))
        return said

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Remember the last scores, and all that was said about regimes."""
        stretch = [bars for (bars,) in heard if isinstance(bars, BarsClosed)]
        last: Columns = []
        for bars, (columns, labels) in zip(stretch, self._opinions.ahead(stretch), strict=True):
            if bars.symbols is not stretch[-1].symbols:
                self._latest.hear(bars, columns)
            if labels is not self._regimes.labels:
                self._regimes.changes(bars, labels)
            last = columns
        self._latest.hear(stretch[-1], last)

    def _remember(self, bars: BarsClosed) -> None:
        """Know the labels that were said up to the last bars that were heard again."""
        assert isinstance(self._opinions, Heard), "recorded opinions are not recalled"
        self._recalled = None
        self._regimes.remember(bars, self._opinions.last_labels())

    @answers(GetSignals)
    def signals(self, request: GetSignals, now_ns: int) -> Signals | RequestRefused:
        """Tell the last scores, the most decided first; a strategy that does not run here is refused by name."""
        if request.strategy is not None and request.strategy not in self._names:
            reason = f"no strategy {request.strategy!r} runs here; {nearest(request.strategy, self._names)}"
            return RequestRefused(reason, is_missing=True)
        if self._recalled is not None:
            self._remember(self._recalled)
        return Signals(self._latest.signals(request.strategy, request.limit, self._regimes.known()))
