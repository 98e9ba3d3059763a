"""The dashboard: one app that draws the last view of a watcher; the one thing it does to a house is to halt it."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, TextIO

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from lct import clock
from lct.domain.text import clean
from lct.tui.confirm import Confirm
from lct.tui.explain import Explain
from lct.tui.house import Watcher
from lct.tui.themes import NIGHT
from lct.tui.widgets.health import Health
from lct.tui.widgets.log import Log
from lct.tui.widgets.panel import Panel
from lct.tui.widgets.positions import Positions
from lct.tui.widgets.signals import Signals
from lct.tui.widgets.summary import Summary

TICK_SECONDS = 0.25
"""How often to see whether there is something to draw; what did not change is not drawn again."""
ENDED_BY_SIGNAL = 128
END_SECONDS = 5
TOLD_SECONDS, WORDS_WIDTH = 20, 300
HALT = (
    "No order is let through any more, open ones are cancelled, stops at the venue stay. It works with every daemon "
    "dead, and holds until somebody types `lct trading resume --i-checked`."
)
PANELS: tuple[type[Panel], ...] = (Positions, Signals, Health, Log)


class Dashboard(App[None]):
    """Shows a house; quitting it, or killing it, changes nothing in the house."""

    TITLE = "lct"
    CSS_PATH = "lct.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(at), f"panel('{kind.TITLE.lower()}')", kind.TITLE, tooltip=f"Go to {kind.TITLE.lower()}")
            for at, kind in enumerate(PANELS, 1)
        ),
        Binding("h", "halt", "Halt", tooltip="Let no order through any more; asks first"),
        Binding("z", "zoom", "Zoom", tooltip="Give the whole screen to one panel, and back"),
        Binding("question_mark", "explain", "Explain", key_display="?", tooltip="What is on this screen"),
        Binding("q", "quit", "Quit", tooltip="Close the dashboard; the house goes on"),
        Binding("ctrl+c", "quit", "Quit", show=False),
    ]

    def __init__(self, watcher: Watcher, home: Path, now_ns: Callable[[], int] = clock.now_ns) -> None:
        """Take who looks at the house, its home (which is only shown), and the wall clock."""
        super().__init__()
        self._watcher = watcher
        self._home = home
        self._now_ns = now_ns
        self._stop = threading.Event()
        self._drawn = (0, 0)

    def compose(self) -> ComposeResult:
        """Put the summary above the panels, and the keys below them."""
        yield Summary(self._home)
        with Container(id="panels"):
            yield from (kind() for kind in PANELS)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to look, and to draw what was seen."""
        self.register_theme(NIGHT)
        self.theme = NIGHT.name
        self.animation_level = "none"
        self.run_worker(self._watch, name="watcher", thread=True)
        self.set_interval(min(TICK_SECONDS, self._watcher.refresh_seconds), self.tick)
        self.call_after_refresh(self.draw)
        self._obey_signals()

    def on_unmount(self) -> None:
        """Let the watcher end."""
        self._stop.set()

    def on_resize(self) -> None:
        """Fit everything into the new size."""
        self.call_after_refresh(self.draw)

    def tick(self) -> None:
        """Draw if there was a look, or a second has gone by; end where the terminal has gone."""
        if not self.is_headless and not _is_terminal(sys.__stdin__):
            self.exit(return_code=ENDED_BY_SIGNAL + signal.SIGHUP)  # Textual would read its end for ever
            return
        looks, drawn_ns = self._drawn
        if self._watcher.view.looks != looks or abs(self._now_ns() - drawn_ns) >= clock.NS_PER_SECOND:
            self.draw()

    def draw(self) -> None:
        """Draw the last view."""
        view, now_ns = self._watcher.view, self._now_ns()
        self._drawn = (view.looks, now_ns)
        screen = self.screen_stack[0]
        for part in (screen.query_one(Summary), *screen.query(Panel)):
            part.draw(view, now_ns, self._watcher.refresh_seconds)

    def action_panel(self, name: str) -> None:
        """Go to a panel."""
        self.screen.minimize()
        self.screen.query_one(f"#{name}", Panel).focus()

    def action_zoom(self) -> None:
        """Give the whole screen to the panel in focus, or take it back."""
        focused = self.screen.focused
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif isinstance(focused, Panel):
            self.screen.maximize(focused)
        self.call_after_refresh(self.draw)

    def action_explain(self) -> None:
        """Say what is on the screen."""
        self.push_screen(Explain())

    def action_halt(self) -> None:
        """Halt the house, once somebody has typed that."""
        self.push_screen(Confirm("halt", HALT), self._halt)

    def _halt(self, is_typed: bool | None) -> None:
        if is_typed:
            self.notify("halting ...", markup=False)
            self.run_worker(self._pull, name="halt", thread=True)

    def _pull(self) -> None:
        """Pull the switch in a thread of its own: with everybody dead that takes seconds."""
        words = clean(self._watcher.halt("halted in the dashboard"), WORDS_WIDTH)
        self.call_from_thread(self.notify, words, title="halt", timeout=TOLD_SECONDS, markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer the explanation in the palette as well; Textual's own commands have the rest."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("Explain", "What is on this screen", self.action_explain)
        yield SystemCommand("Halt", "Let no order through any more; asks first", self.action_halt)

    def _watch(self) -> None:
        self._watcher.run(self._stop)

    def _obey_signals(self) -> None:
        """End in order where the system asks for it, so that the terminal is left as it was found."""
        if threading.current_thread() is threading.main_thread() and not self.is_headless:
            loop = asyncio.get_running_loop()

            def end(number: int, _frame: object) -> None:
                signal.alarm(END_SECONDS)  # a terminal that takes no more holds the app back: then the system ends it
                loop.call_soon_threadsafe(self.exit, None, ENDED_BY_SIGNAL + number)

            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, end)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
