"""Asking: what a verb asks the running house, and what it asks the person before that."""

import sys
from typing import TYPE_CHECKING, TypeVar

import typer

from lct.errors import Refused

if TYPE_CHECKING:
    from lct.messages.base import Event, Request

ReplyT = TypeVar("ReplyT", bound="Event")

OPERATOR = "operator"
COMPLETION_MS = 300
"""How long the completion of a symbol waits for market_data."""


def ask(request: "Request[ReplyT]", *, patience_ms: int = 3_000) -> ReplyT:
    """Ask the owner of a request in the house of this home.

    Raises NoAnswer where it does not answer, NotFound where the request names what is not there, Refused where it may
    not be.
    """
    from lct.client import Client
    from lct.config import home

    with Client(home(), name=OPERATOR, patience_ms=patience_ms) as client:
        return client.ask(request)


def confirm(word: str, what: str, *, yes: bool) -> None:
    """Have a person type a word before something happens, unless `yes`; Refused where anything else is typed."""
    if yes:
        return
    typer.echo(f"type {word} to {what}: ", err=True, nl=False)
    if sys.stdin.readline().strip() != word:
        raise Refused(f"{word!r} was not typed, so nothing was done; --yes does it without asking")
