"""Signals: what each strategy thinks of each symbol, and the regime that its market is in; the most decided first."""

from collections.abc import Sequence

from lct.domain.text import clean
from lct.messages.strategy_engine import Signal
from lct.tui import figures
from lct.tui.house import View
from lct.tui.widgets.panel import Panel, how_old, is_old, words_without
from lct.tui.widgets.table import Cell, Column, Row

NAME_WIDTH = 24
STRATEGIES_MAX = 32
OWNER = "strategy_engine"
STEPS = "▁▂▃▄▅▆▇"
SILENT = "·"
REGIMES = {
    "trending_up": ("up trend", "good"),
    "trending_down": ("down trend", "bad"),
    "volatile": ("volatile", "warn"),
}


class Signals(Panel):
    """A row for each symbol, a column for each strategy."""

    TITLE = "Signals"

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show the last reply of strategy_engine, faded where it is old."""
        answer = view.signals
        old = is_old(answer, now_ns, refresh_seconds)
        if answer.reply is None:
            self.entitle(*how_old(OWNER, answer, now_ns))
            self.say(words_without(OWNER, answer))
            return
        signals = answer.reply.signals
        if old:
            self.entitle(*how_old(OWNER, answer, now_ns))
        else:
            newest_ns = max((signal.time_ns for signal in signals), default=None)
            self.entitle("" if newest_ns is None else f"bars of {figures.when(newest_ns, now_ns)}")
        if signals:
            names = strategies(signals)
            columns = (
                Column("symbol", least=12),
                *(Column(clean(name, NAME_WIDTH), right=True, least=7) for name in names),
                Column("regime", least=8),
            )
            self.show(rows(signals, names), columns, faded=old)
        else:
            self.say("no scores yet: strategies hear more bars first")


def strategies(signals: Sequence[Signal]) -> list[str]:
    """Return the strategies of some signals, by name."""
    return sorted({signal.strategy for signal in signals})[:STRATEGIES_MAX]


def rows(signals: Sequence[Signal], names: Sequence[str]) -> list[Row]:
    """Return a row of cells for each symbol: first the one that some strategy is most decided about."""
    by_symbol: dict[str, dict[str, Signal]] = {}
    for signal in signals:
        by_symbol.setdefault(signal.symbol, {})[signal.strategy] = signal

    def decided(item: tuple[str, dict[str, Signal]]) -> tuple[float, str]:
        return (-max(abs(signal.score or 0.0) for signal in item[1].values()), item[0])

    return [row(symbol, held, names) for symbol, held in sorted(by_symbol.items(), key=decided)]


def row(symbol: str, held: dict[str, Signal], names: Sequence[str]) -> Row:
    """Return one symbol as cells."""
    regime = next(iter(held.values())).regime
    words, kind = REGIMES.get(regime, (clean(regime, NAME_WIDTH), "dim"))
    scores = (score(held[name].score if name in held else None) for name in names)
    return (Cell(clean(symbol, NAME_WIDTH), "strong"), *scores, Cell(words, kind))


def score(value: float | None) -> Cell:
    """Return a score with its sign, and a step that is as high as it is decided."""
    if value is None:
        return Cell(SILENT, "dim")
    step = STEPS[min(len(STEPS) - 1, int(abs(value) * len(STEPS)))]
    kind = "dim" if not value else "good" if value > 0 else "bad"
    return Cell(f"{value:+.2f} {step}" if value else f"0.00 {step}", kind)
