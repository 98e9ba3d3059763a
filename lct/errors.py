"""The errors of lct; each child exists because somebody catches exactly that one.

    LctError                 something a person can act on: what happened, what to do
    +-- ConfigError          a file or a flag is wrong              exit 2
    +-- NoAnswer             a daemon that does not answer          exit 3
    +-- NotFound             a name that is not there               exit 5
    +-- Refused              safety, risk or permission said no     exit 4
    +-- DataError            market data that cannot be read        exit 1
    |   +-- NotNow           ... just now; later it may be
    +-- JournalError         a journal that is broken or not ours   exit 1

A refusal inside the house is a message, not an error; a bug is an assert and a crash.
"""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED_MAX = 12


class LctError(Exception):
    """Root of everything lct raises on purpose; its text is shown to a person as it is."""

    exit_code = 1


class ConfigError(LctError):
    """A configuration file or a command line value is wrong."""

    exit_code = 2


class NoAnswer(LctError):
    """A daemon is not there, or did not answer in time; whether it did what was asked is not known."""

    exit_code = 3


class NotFound(LctError):
    """A strategy, symbol, timeframe or other name is not there."""

    exit_code = 5


class Refused(LctError):
    """Safety, risk or permission said no."""

    exit_code = 4


class DataError(LctError):
    """Market data cannot be read, or nothing usable is in it."""


class NotNow(DataError):
    """Market data could not be had: a line, an overload, an answer that cannot be read. Asking again may help."""


class JournalError(LctError):
    """A journal is broken, from another version, or cannot be used."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known name nearest to `name`, and some of the others."""
    names = sorted(known)
    close = get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    by_lower = {n.lower(): n for n in names}
    hint = f"did you mean {by_lower[close[0]]!r}? " if close else ""
    listed = ", ".join(names[:LISTED_MAX]) + (", ..." if len(names) > LISTED_MAX else "")
    return f"{hint}known: {listed or 'none'}"


def first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, however deep: the others are what it broke off."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
