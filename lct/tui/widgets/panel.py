"""A panel: a table with a title that says what it shows, and how old that is where it is old."""

from typing import Any

from textual.content import Content

from lct.clock import NS_PER_SECOND
from lct.domain.text import clean
from lct.tui.figures import age
from lct.tui.house import Answer, View
from lct.tui.widgets.table import Cell, Column, Table

OLD_AFTER_SECONDS = 3.0
"""A reply older than this, and than a look takes, is called old on the screen."""
REASON_WIDTH = 160


class Panel(Table):
    """Draws one part of a view; a subclass says which."""

    TITLE = ""
    COLUMNS: tuple[Column, ...] = ()
    FOLLOWS = False

    def __init__(self) -> None:
        """Name the panel after its title."""
        super().__init__(self.COLUMNS, follows=self.FOLLOWS, id=self.TITLE.lower())
        self._title: Content | None = None

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show a view as it is at `now_ns` (wall clock)."""
        raise NotImplementedError

    def entitle(self, note: str = "", kind: str = "dim") -> None:
        """Put the title on the border, with a note (cleaned, if it is foreign) in one of the kinds of a table."""
        title = Content.assemble((self.TITLE, "bold"), (f" · {note}" if note else "", KINDS[kind]))
        if title != self._title:
            self._title = self.border_title = title  # Content, for it reads markup in a str

    def say(self, words: str, kind: str = "dim") -> None:
        """Show a sentence instead of rows."""
        self.show([(Cell(words, kind),)], (Column("", least=1),))


KINDS = {"dim": "$foreground 60%", "warn": "$warning", "bad": "$error bold", "good": "$success"}


def is_old(answer: Answer[Any], now_ns: int, refresh_seconds: float) -> bool:
    """Whether what an answer holds may differ from what is true: nobody answers, or nobody asked for long."""
    if answer.silent_ns is not None or answer.heard_ns is None:
        return True
    return now_ns - answer.heard_ns > (OLD_AFTER_SECONDS + refresh_seconds) * NS_PER_SECOND


def how_old(owner: str, answer: Answer[Any], now_ns: int) -> tuple[str, str]:
    """Return the note of an answer that is old, and its kind."""
    if answer.silent_ns is not None:
        return f"no answer from {owner} since {age(answer.silent_ns, now_ns)}", "bad"
    if answer.heard_ns is not None:
        return f"{age(answer.heard_ns, now_ns)} old", "warn"
    return f"asking {owner}", "dim"


def words_without(owner: str, answer: Answer[Any]) -> str:
    """Return what to show where nothing was heard yet."""
    return clean(answer.reason, REASON_WIDTH) if answer.reason else f"{owner} has not answered yet"
