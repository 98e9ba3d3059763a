"""Asking before something happens to the house: a word has to be typed, as on the command line."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class Confirm(ModalScreen[bool]):
    """Ends with True where the word was typed, with False where anything else was, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Back", key_display="esc")]

    def __init__(self, word: str, about: str) -> None:
        """Ask for a word; `about` says what it will do, and is not foreign."""
        super().__init__()
        self._word = word
        self._about = about

    def compose(self) -> ComposeResult:
        """What will happen, and where to type."""
        with Vertical(id="confirm") as box:
            box.border_title = Content(self._word)
            box.border_subtitle = "esc: back"
            yield Static(Content(self._about))
            yield Input(placeholder=f"type {self._word} and enter", max_length=40)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        self.dismiss(event.value.strip() == self._word)
