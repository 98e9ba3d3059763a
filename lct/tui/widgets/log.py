"""Log: the last lines of all daemons, merged by time, the newest at the bottom."""

from lct.tui import figures
from lct.tui.house import LogLine, View
from lct.tui.widgets.panel import Panel
from lct.tui.widgets.table import Cell, Column, Row

LEVELS = {"debug": "dim", "info": "dim", "warning": "warn", "error": "bad", "critical": "bad"}


class Log(Panel):
    """The tail of the logs; follows the end unless somebody scrolls up."""

    TITLE = "Log"
    COLUMNS = (
        Column("time"),
        Column("service", spare=1),
        Column("level", spare=2),
        Column("message", least=30),
    )
    FOLLOWS = True

    def __init__(self) -> None:
        """Begin without lines."""
        super().__init__()
        self._lines: tuple[LogLine, ...] | None = None
        self._rows_of: dict[int, Row] = {}
        """The rows of `_lines`, by the id of each line: most of them are shown again."""
        self.entitle()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say at once that new lines stay below."""
        super().watch_scroll_y(old_value, new_value)
        self.entitle("" if self.is_at_end else "scrolled up, End follows again")

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show the lines of a view, if they are others than those on the screen."""
        if view.lines is not self._lines:
            self._rows_of = {id(line): self._rows_of.get(id(line)) or row(line) for line in view.lines}
            self._lines = view.lines  # and so no id is given to another line
            if view.lines:
                self.show(list(self._rows_of.values()), self.COLUMNS)
            else:
                self.say("no daemon has logged anything here yet")


def row(line: LogLine) -> Row:
    """Return one line as cells; the message comes before its facts."""
    kind = LEVELS.get(line.level, "plain")
    return (
        Cell(figures.hour(line.time_ns), "dim"),
        Cell(line.service, "accent"),
        Cell(line.level, kind),
        Cell(f"{line.message}  {line.facts}".rstrip(), "plain" if kind == "dim" else kind),
    )
