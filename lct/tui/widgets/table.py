"""A table that draws rows of plain text: no markup is read, columns that do not fit are left out, nothing jumps."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lct.domain.text import clean

GAP = 2
GAP_MAX = 5
PLAIN = "plain"


class Cell(NamedTuple):
    """A text, cleaned if it is foreign, and what it means: one of the kinds of Table."""

    text: str
    kind: str = PLAIN


class Column(NamedTuple):
    """A column: `spare` ones are left out where it is narrow, greatest first; others are cut to `least` cells then.

    A spare column in which nothing stands is always left out; a column whose `least` is 0 is never cut.
    """

    name: str
    right: bool = False
    spare: int = 0
    least: int = 0


Row = tuple[Cell, ...]


def fitted(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Return which columns are shown, by index, and how wide each is, so that they fit into `room`.

    A width of 0 says that nothing stands in a column, not even its name.
    """
    shown = {at: wide for at, wide in enumerate(widths) if wide or not columns[at].spare}
    least = {at: min(wide, columns[at].least or wide) for at, wide in shown.items()}
    for at in sorted((at for at in shown if columns[at].spare), key=lambda at: -columns[at].spare):
        if sum(least.values()) + GAP * (len(least) - 1) > room:
            del shown[at], least[at]
    over = sum(shown.values()) + GAP * (len(shown) - 1) - room
    while over > 0 and (cuttable := [at for at in shown if shown[at] > least[at]]):
        longest = max(cuttable, key=shown.__getitem__)
        second = max((shown[at] for at in cuttable if at != longest), default=0)
        cut = min(over, shown[longest] - max(least[longest], min(second, shown[longest] - 1)))
        shown[longest] -= cut
        over -= cut
    return list(shown.items())


class Table(ScrollView, can_focus=True):
    """Rows under a heading that stays; scrolls with the arrow keys and the wheel."""

    COMPONENT_CLASSES = {
        "table--plain",
        "table--head",
        "table--strong",
        "table--good",
        "table--bad",
        "table--warn",
        "table--dim",
        "table--accent",
    }

    def __init__(self, columns: Sequence[Column] = (), *, follows: bool = False, id: str | None = None) -> None:
        """Take the columns; a table that `follows` stays at its end unless somebody scrolls up."""
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._follows = follows
        self._rows: Sequence[Row] = ()
        self._widest: list[int] = []
        self._is_faded = False
        self._shown: list[tuple[int, int]] = []
        self._gap = GAP
        self.is_at_end = True
        """Whether nobody has scrolled up from the last row."""
        self._fit(())

    def show(self, rows: Sequence[Row], columns: Sequence[Column] | None = None, *, faded: bool = False) -> None:
        """Show these rows; `faded` says by its colour that they are old. What did not change is not drawn again."""
        columns = self._columns if columns is None else tuple(columns)
        if columns == self._columns and faded == self._is_faded and (rows is self._rows or rows == self._rows):
            return
        before, drawn_as = self._rows, (self._columns, self._is_faded, self._shown, self._gap)
        if columns != self._columns:
            self._columns, self._widest = columns, []
        stays = self._first_in_sight()
        known = set(map(id, self._rows)) if self._widest else set()
        fresh = [row for row in rows if id(row) not in known]
        self._rows, self._is_faded = rows, faded
        self._fit(fresh)
        self._follow()
        if stays is not None and stays in rows:
            self.scroll_to(y=rows.index(stays), animate=False)
        if drawn_as == (self._columns, self._is_faded, self._shown, self._gap):
            self._redraw_where_it_differs(before)
        else:
            self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Notice who scrolls up, and who comes back to the end."""
        super().watch_scroll_y(old_value, new_value)
        self.is_at_end = round(new_value) >= self.max_scroll_y

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        """Put a scrollbar that appears where the rows are: it comes after they were scrolled to their end."""
        if shown:
            self.vertical_scrollbar.position = round(self.scroll_y)

    def on_resize(self, _event: Resize) -> None:
        """Fit the columns into the new width."""
        self._widest = []
        self._fit(self._rows)
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the heading, a row, or nothing."""
        width = self.scrollable_content_region.width
        at = y - 1 + self.scroll_offset.y
        if y == 0:
            cells = [Cell(column.name, "head") for column in self._columns]
        elif at < len(self._rows):
            cells = list(self._rows[at])
        else:
            return Strip.blank(width, self._style(PLAIN))
        return self._strip(cells, width)

    def _strip(self, cells: list[Cell], width: int) -> Strip:
        pieces: list[Segment] = []
        gap = Segment(" " * self._gap, self._style(PLAIN))
        for at, wide in self._shown:
            text, kind = cells[at]
            if not text.isprintable():  # a panel forgot to clean it, and this is the last door
                text = clean(text)
            if self._columns[at].right and cell_len(text) < wide:
                text = " " * (wide - cell_len(text)) + text
            pieces += [Segment(_cut(text, wide), self._style(kind)), gap]
        return Strip(pieces).adjust_cell_length(width, self._style(PLAIN))

    def _style(self, kind: str) -> Style:
        if self._is_faded and kind != "head":
            kind = "dim"
        return self.get_component_rich_style(f"table--{kind}")

    def _fit(self, fresh: Sequence[Row]) -> None:
        """Give each column the width that it ever needed since the size changed, as far as there is room."""
        widest = self._widest or [0] * len(self._columns)
        for row in fresh:
            widest = [max(wide, cell_len(cell.text)) for wide, cell in zip(widest, row, strict=True)]
        self._widest = widest
        room = self.scrollable_content_region.width
        named = [
            0 if column.spare and not self._stands_in(at) else max(wide, cell_len(column.name))
            for at, (wide, column) in enumerate(zip(widest, self._columns, strict=True))
        ]
        self._shown = fitted(self._columns, named, room)
        spare = room - sum(wide for _, wide in self._shown)
        self._gap = min(GAP_MAX, max(GAP, spare // max(1, len(self._shown))))
        self.virtual_size = Size(room, len(self._rows) + 1)

    def _stands_in(self, at: int) -> bool:
        """Whether anything stands in a column now."""
        return any(row[at].text for row in self._rows)

    def _redraw_where_it_differs(self, before: Sequence[Row]) -> None:
        """Draw those lines in sight again that show another row than before."""
        first = round(self.scroll_offset.y)
        for at in range(first, first + self.size.height):
            if before[at : at + 1] != self._rows[at : at + 1]:
                self.refresh_line(at + 1)

    def _follow(self) -> None:
        if self._follows and self.is_at_end:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)  # also before it has a scrollbar

    def _first_in_sight(self) -> Row | None:
        """Return the row that must stay where it is when lines above it go: of a table that follows, scrolled up."""
        at = round(self.scroll_offset.y)
        return self._rows[at] if self._follows and not self.is_at_end and at < len(self._rows) else None


def _cut(text: str, room: int) -> str:
    return set_cell_size(text if cell_len(text) <= room else f"{set_cell_size(text, room - 1)}…", room)
