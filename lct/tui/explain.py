"""What `?` says: what is on the screen, in the words of somebody who sees it for the first time."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

TOP = (
    "The home, the house's state (that of its worst daemon), whether it trades, what the gate lets through (`lct "
    "execution status` has more), and the time. Below: what the account is worth, in quote, and what came of the "
    "signals. Profit is equity less deposits."
)
POSITIONS = (
    "What each strategy holds. Open profit is what selling at the mark would make, before fees; a mark is the last "
    "close of the market time in the title."
)
SIGNALS = (
    "The last score of each strategy for each symbol, from -1 (sell) to +1 (buy), and the regime of the market. A dot: "
    "no opinion yet. Above stands the symbol that some strategy is most decided about."
)
HEALTH = (
    "Each daemon by the age of its last heartbeat, of one a second: up, late, or down, and why. A supervisor starts "
    "what is down; this screen does not."
)
LOG = "The last lines of all daemons, merged by time. It follows the end until you scroll up; End follows again."
OLD = (
    "They are faded, and the title says since when nobody answered. Only h acts on the house: close the "
    "dashboard, or open several, as you like."
)
KEYS = "1-4 and Tab: go to a panel. Arrows, PgUp, PgDn, Home, End: scroll. z: zoom. h: halt. ctrl+p: all commands."
WORDS = {
    "Top": TOP,
    "Positions": POSITIONS,
    "Signals": SIGNALS,
    "Health": HEALTH,
    "Log": LOG,
    "Old figures": OLD,
    "Keys": KEYS,
}


class Explain(ModalScreen[None]):
    """The explanation, over the dashboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Back", key_display="esc"),
    ]

    def compose(self) -> ComposeResult:
        """One paragraph for each part of the screen."""
        with VerticalScroll(id="explain") as box:
            box.border_title = "What you see"
            box.border_subtitle = "esc: back"
            for name, words in WORDS.items():
                yield Static(Content.assemble((name, "bold $accent"), "  ", words))
