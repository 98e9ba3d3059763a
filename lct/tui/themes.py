"""The colours of the dashboard; the command palette offers the others that Textual has."""

from textual.theme import Theme

NIGHT = Theme(
    name="lct",
    primary="#5aa9e6",
    secondary="#8b9bb4",
    accent="#7fd1c7",
    foreground="#d5dbe5",
    background="#0f1319",
    surface="#151b23",
    panel="#1d2530",
    success="#6ecb84",
    warning="#e3b557",
    error="#f07178",
    variables={
        "footer-key-foreground": "#7fd1c7",
        "footer-background": "#151b23",
        "block-cursor-text-style": "none",
    },
)
