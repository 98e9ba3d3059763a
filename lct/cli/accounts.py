"""Accounts: which account a verb means, how its house is asked, and where its journals lie."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lct.messages.base import Event, Request

ReplyT = TypeVar("ReplyT", bound="Event")


def ask(request: "Request[ReplyT]", config: Path | None, account: str | None) -> ReplyT:
    """Ask the house of an account, whether it runs or not; what the answer rests on is said on stderr.

    Raises NotFound where nothing has run, NoAnswer where a house that lives does not answer.
    """
    from lct.cli.output import manners, say
    from lct.cli.settings import configured
    from lct.config import home
    from lct.run.reading import ask as asked

    return asked(home(), configured(config, account), request, lambda text: say(text, manners()))


def folder_of(config: Path | None, account: str | None) -> Path:
    """Return the folder of the journals of an account, be it there or not."""
    from lct.cli.settings import configured
    from lct.config import home
    from lct.run.config import journal_folder

    return journal_folder(home(), configured(config, account).house)


def warn_of_broken(paths: Iterable[Path]) -> None:
    """Say on stderr whose hash chain does not hold, so that nobody takes what was shown for the truth."""
    from lct.cli.output import manners, say
    from lct.cli.records import broken_chains

    for name in broken_chains(paths):
        say(f"the chain of {name} does not hold: lct journal verify", manners())
