"""The summary: whose house this is and how it is, what the account is worth, and how trading goes."""

from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from lct.domain.health import worst
from lct.domain.risk import Standing
from lct.domain.text import clean
from lct.messages.portfolio import Profit
from lct.messages.trading_engine import Trading, TradingStatus
from lct.tui import figures
from lct.tui.house import View
from lct.tui.widgets.health import KINDS as HEALTH_KINDS
from lct.tui.widgets.panel import KINDS, how_old, is_old
from lct.tui.widgets.positions import profit_kind

HOME_WIDTH = 60
WITHHELD_WIDTH = 80
REASON_WIDTH = 40
GAP = 3
GATE_KINDS = {Standing.ACTIVE: "good", Standing.REDUCING: "warn", Standing.HALTED: "bad"}
TRADING_KINDS = {Trading.RUNNING: "good", Trading.PAUSED: "warn", Trading.STOPPED: "bad"}
STYLES = {**KINDS, "plain": "", "strong": "bold", "accent": "$accent"}


class Fact(NamedTuple):
    """A named figure; `spare` ones are left out where it is narrow, greatest first."""

    name: str
    text: str
    kind: str = "plain"
    spare: int = 0

    @property
    def width(self) -> int:
        """How many cells it takes."""
        return cell_len(f"{self.name} {self.text}".strip())


class Line(Static):
    """One line, which is drawn again only when it says something else."""

    def __init__(self) -> None:
        """Say nothing yet."""
        super().__init__()
        self._said: Content | None = None

    def say(self, words: Content) -> None:
        """Show these words."""
        if words != self._said:
            self._said = words
            self.update(words, layout=False)


class Summary(Container):
    """Three lines at the top; the third one only where there is room."""

    def __init__(self, home: Path) -> None:
        """Take the home, which names the house."""
        self._lines = (Line(), Line(), Line())
        super().__init__(*self._lines, id="summary")
        own = Path.home()
        self._home = clean(f"~/{home.relative_to(own)}" if home.is_relative_to(own) else str(home), HOME_WIDTH)

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show a view as it is at `now_ns` (wall clock)."""
        width = self.content_size.width
        title, money, trading = self._lines
        title.say(self._title(view, now_ns, refresh_seconds, width))
        money.say(self._money(view, now_ns, refresh_seconds, width))
        trading.say(self._trading(view, now_ns, refresh_seconds, width))

    def _title(self, view: View, now_ns: int, refresh_seconds: float, width: int) -> Content:
        healths = [member.health(now_ns) for member in view.members]
        verdict = worst(health.state for health in healths)
        down = [clean(health.name, HOME_WIDTH) for health in healths if health.state != "up"]
        words = "up" if verdict == "up" else f"{verdict}: {', '.join(down)}" if len(down) < len(healths) else verdict
        clock = f"{figures.hour(now_ns)} UTC"
        left = [
            Fact("lct", self._home, "accent", 1),
            Fact("house", words, HEALTH_KINDS[verdict]),
            *trading_fact(view, now_ns, refresh_seconds),
            *gate_fact(view, now_ns, refresh_seconds),
        ]
        room = width - cell_len(clock) - GAP
        title = facts(left, room)
        gap = max(GAP, width - title.cell_length - cell_len(clock))
        return Content.assemble(title, " " * gap, (clock, STYLES["dim"]))

    def _money(self, view: View, now_ns: int, refresh_seconds: float, width: int) -> Content:
        answer = view.profit
        if view.nobody_ever_answered:
            words = f"Nobody answers in {self._home}. `lct up` starts the house; this screen keeps trying."
            return Content.assemble((words, STYLES["warn"])).truncate(width, ellipsis=True)
        if answer.reply is None:
            return facts([Fact("equity", " ".join(how_old("portfolio", answer, now_ns)[:1]), "dim")], width)
        old = is_old(answer, now_ns, refresh_seconds)
        note, kind = how_old("portfolio", answer, now_ns) if old else ("", "dim")
        shown = [Fact("", note, kind)] if old else []
        return facts([*money_facts(answer.reply, faded=old), *shown], width)

    def _trading(self, view: View, now_ns: int, refresh_seconds: float, width: int) -> Content:
        answer = view.trading
        old = is_old(answer, now_ns, refresh_seconds)
        note, kind = how_old("trading_engine", answer, now_ns) if old else ("", "dim")
        shown = [Fact("", note, kind)] if old else []
        if answer.reply is None:
            return facts(shown, width)
        return facts([*trading_facts(answer.reply, faded=old), *shown], width)


def trading_fact(view: View, now_ns: int, refresh_seconds: float) -> list[Fact]:
    """Return whether the house trades, with who stopped it and why; nothing where nobody has said so yet."""
    status = view.trading.reply
    if status is None:
        return []
    old = is_old(view.trading, now_ns, refresh_seconds)
    state = f"was {status.state.value}" if old else status.state.value
    because = clean(", ".join(filter(None, (status.by, status.reason))), REASON_WIDTH)
    words = f"{state} ({because})" if because else state
    return [Fact("trading", words, "dim" if old else TRADING_KINDS[status.state])]


def gate_fact(view: View, now_ns: int, refresh_seconds: float) -> list[Fact]:
    """Return what the gate lets through and why, and what a person has to look at; nothing where nobody has said so."""
    status = view.execution.reply
    if status is None:
        return []
    old = is_old(view.execution, now_ns, refresh_seconds)
    because = clean(", ".join(filter(None, (status.by, status.reason))), REASON_WIDTH)
    state = status.standing.value if status.standing is Standing.ACTIVE else status.standing.name
    words = f"{state} ({because})" if because and status.standing is not Standing.ACTIVE else state
    counts = {
        "unknown": len(status.unknown),
        "frozen": len(status.frozen),
        "mismatched": len(status.differences),
    }
    troubles = [f"{count} {name}" for name, count in counts.items() if count]
    kind = "warn" if troubles and status.standing is Standing.ACTIVE else GATE_KINDS[status.standing]
    is_well = status.standing is Standing.ACTIVE and not troubles
    text = f"{'was ' if old else ''}{', '.join((words, *troubles))}"
    return [Fact("gate", text, "dim" if old else kind, 2 if is_well else 0)]


def money_facts(profit: Profit, *, faded: bool) -> list[Fact]:
    """Return what the account is worth and where that comes from, in quote."""
    made = None if profit.equity is None else profit.equity - profit.deposits
    share = made / profit.deposits if made is not None and profit.deposits else None
    found = [
        Fact("equity", figures.money(profit.equity), "strong"),
        Fact("profit", f"{figures.money(made, signed=True)} ({figures.percent(share)})", profit_kind(made)),
        Fact("open", figures.money(profit.unrealized_profit, signed=True), profit_kind(profit.unrealized_profit), 1),
        Fact("booked", figures.money(profit.realized_profit, signed=True), profit_kind(profit.realized_profit), 2),
        Fact("fees", figures.money(profit.fees), "plain", 3),
        Fact("fills", f"{profit.fills:,}", "plain", 4),
        Fact("deepest drawdown", f"{profit.track.drawdown_max * 100:.2f} %", "plain", 5),
    ]
    return [fact._replace(kind="dim") for fact in found] if faded else found


def trading_facts(status: TradingStatus, *, faded: bool) -> list[Fact]:
    """Return what the trading engine counted, and what it withheld by reason, most first."""
    withheld = sorted(status.withheld.items(), key=lambda item: (-item[1], item[0]))
    reasons = clean(", ".join(f"{reason} {count:,}" for reason, count in withheld), WITHHELD_WIDTH)
    found = [
        Fact("cycles", f"{status.cycles:,}"),
        Fact("signals", f"{status.signals:,}"),
        Fact("proposals", f"{status.proposals:,}"),
        Fact("withheld", f"{sum(status.withheld.values()):,}{f': {reasons}' if reasons else ''}", "plain", 1),
    ]
    return [fact._replace(kind="dim") for fact in found] if faded else found


def facts(found: list[Fact], width: int) -> Content:
    """Return facts side by side, as many as fit."""
    shown = list(found)
    for fact in sorted((fact for fact in found if fact.spare), key=lambda fact: -fact.spare):
        if sum(each.width for each in shown) + GAP * (len(shown) - 1) > width:
            shown.remove(fact)
    pieces = [
        Content.assemble((fact.name, STYLES["dim"]), " " if fact.name else "", (fact.text, STYLES[fact.kind]))
        for fact in shown
    ]
    return Content(" " * GAP).join(pieces).truncate(max(width, 0), ellipsis=True)
