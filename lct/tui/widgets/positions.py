"""Positions: what each strategy holds, and what it would make if it were sold at the last mark."""

from decimal import Decimal

from lct.domain.text import clean
from lct.messages.portfolio import PositionLine
from lct.tui import figures
from lct.tui.house import View
from lct.tui.widgets.market import last_bars
from lct.tui.widgets.panel import Panel, how_old, is_old, words_without
from lct.tui.widgets.table import Cell, Column, Row

NAME_WIDTH = 24
OWNER = "portfolio"


class Positions(Panel):
    """The open positions, and how old their marks are."""

    TITLE = "Positions"
    COLUMNS = (
        Column("symbol", least=12),
        Column("strategy", spare=3, least=10),
        Column("amount", right=True),
        Column("entry", right=True, spare=4),
        Column("mark", right=True),
        Column("open profit", right=True),
        Column("%", right=True),
        Column("booked", right=True, spare=5),
        Column("fees", right=True, spare=6),
        Column("opened", right=True, spare=7),
    )

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show the last reply of portfolio, faded where it is old."""
        answer = view.positions
        old = is_old(answer, now_ns, refresh_seconds)
        if answer.reply is None:
            self.entitle(*how_old(OWNER, answer, now_ns))
            self.say(words_without(OWNER, answer))
            return
        lines = answer.reply.positions
        if old:
            self.entitle(*how_old(OWNER, answer, now_ns))
        else:
            words, kind = last_bars(view, now_ns, refresh_seconds)
            self.entitle(f"{len(lines)} open · {words}", kind)
        if lines:
            self.show([row(line) for line in lines], self.COLUMNS, faded=old)
        else:
            self.say("no open positions")


def row(line: PositionLine) -> Row:
    """Return one position as cells; profit has its sign, and a colour beside it."""
    share = None
    if line.mark_price is not None and line.average_price:
        share = line.mark_price / line.average_price - 1
        share = share if line.amount >= 0 else -share
    kind = profit_kind(line.unrealized_profit)
    return (
        Cell(clean(line.symbol, NAME_WIDTH), "strong"),
        Cell(clean(line.strategy, NAME_WIDTH)),
        Cell(figures.price(line.amount)),
        Cell(figures.price(line.average_price)),
        Cell(figures.price(line.mark_price)),
        Cell(figures.money(line.unrealized_profit, signed=True), kind),
        Cell(figures.percent(share), kind),
        Cell(figures.money(line.realized_profit, signed=True), "dim"),
        Cell(figures.money(line.fees), "dim"),
        Cell(figures.moment(line.opened_ns), "dim"),
    )


def profit_kind(value: Decimal | None) -> str:
    """Return the kind of a cell with a profit in it."""
    if not value:
        return "plain"
    return "good" if value > 0 else "bad"
