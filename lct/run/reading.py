"""Reading: asks a house, however it was run: in one process, in processes that live, or in some that are gone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from lct.bus import presence
from lct.bus.room import own_codec, recorded
from lct.client import BEAT_AGE_NS_MAX, Client
from lct.clock import now_ns
from lct.daemon import Daemon, answerers
from lct.domain.money import use_money_context
from lct.domain.tape import Tape
from lct.errors import JournalError, NoAnswer, NotFound
from lct.messages.base import Event, Request, tag_of
from lct.run.account import HOUSE, holders, is_of_processes
from lct.run.config import journal_folder, read_kept
from lct.run.house import Settings, read_house
from lct.run.members import Site, build, daemon_class, feed
from lct.store.sqlite import ReadJournal
from lct.supervisor.processes import runs

ReplyT = TypeVar("ReplyT", bound=Event)
Tell = Callable[[str], None]
"""Hears what a person should know about an answer."""


def ask(home: Path, settings: Settings, request: Request[ReplyT], tell: Tell) -> ReplyT:
    """Ask the house of an account and return its reply; nothing that changes something can be asked so.

    The account is that of the settings. A house in one process answers as of its last commit, one of processes that
    live by the daemon that owns the request, and one whose processes are gone by that daemon's journal alone: then
    no mark is known, and `tell` hears it. Raises NotFound where nothing has run, NoAnswer where a house that lives does
    not answer, and JournalError where a journal cannot be believed.
    """
    assert not request.changes, f"{tag_of(type(request))} changes the house: ask it of one that runs"
    folder = journal_folder(home, settings.house)
    if (folder / f"{HOUSE}.db").exists():
        return _of_one_process(home, settings, request)
    living = running_account(home)
    if living == folder.name:
        with Client(home) as client:
            return client.ask(request)
    elsewhere = "" if living is None else f"the house that runs is {living}: --account {account_of(living)} asks it"
    if not is_of_processes(folder):
        started = elsewhere or "`lct up` starts a house, `lct run --cycles 100` runs one in one process"
        raise NotFound(f"nothing has run yet in {folder}; {started}")
    reply = _of_journal(folder, settings, request)
    if elsewhere:
        tell(f"{elsewhere}; this is {folder.name} as of its last commit, without marks")
    else:
        tell("nothing runs: as of the last commit, without marks")
    return reply


def running_account(home: Path) -> str | None:
    """Return the name of the folder that the processes of a home have in hand, None where none lives.

    What they say of themselves does not tell; the locks that they hold do.
    """
    if not _lives(home):
        return None
    folders = sorted(path for path in (home / "journal").glob("*") if path.is_dir())
    return next((folder.name for folder in folders if any(name != HOUSE for name in holders(folder))), None)


def account_of(folder_name: str) -> str:
    """Return the account in the name of its folder, as `--account` takes it."""
    return folder_name.rpartition("-")[2]


def _lives(home: Path) -> bool:
    """Whether somebody of the home has just said that it lives, or is there and keeps silent."""
    now = now_ns()
    told = [about for about in presence.read(home / "run").values() if about is not None]
    return any(now - about.beat_ns < BEAT_AGE_NS_MAX or runs(about.pid, about.daemon) for about in told)


def _of_one_process(home: Path, settings: Settings, request: Request[ReplyT]) -> ReplyT:
    house = read_house(home, settings)
    try:
        return house.ask(request)
    finally:
        house.close()


def _of_journal(folder: Path, settings: Settings, request: Request[ReplyT]) -> ReplyT:
    """Let the daemon that owns a request answer as its own journal rebuilds it."""
    owner = tag_of(type(request)).partition(".")[0]
    if not daemon_class(owner).durable:
        raise NoAnswer(f"{owner} does not run, and keeps nothing that lasts; `lct up` starts the house")
    path = folder / f"{owner}.db"
    if not path.exists():
        raise NotFound(f"{owner} has never run in {folder}; `lct up` starts the house")
    use_money_context()
    journal = ReadJournal(path)
    try:
        daemon = _built(owner, folder, settings)
        codec = own_codec()
        for row in journal.rows():
            if row.daemon != owner:
                raise JournalError(f"{path}: the journal of {owner} has rows of {row.daemon}")
            daemon.apply(cast(Event, recorded(codec, row.body)))
        reply: Any = answerers(daemon)[type(request)](request, journal.cursor().now_ns)
    finally:
        journal.close()
    assert isinstance(reply, Event), f"{owner} has more to do than answer {tag_of(type(request))}"
    return cast(ReplyT, reply)


def _built(owner: str, folder: Path, settings: Settings) -> Daemon:
    """Return a daemon that has heard nothing; it has no venue, no strategies and no bars, for it decides nothing."""
    kept = read_kept(folder / "house.json")
    config = lambda name, _kind: getattr(settings, name)  # noqa: E731
    site = Site(kept, lambda: feed(kept), None, "", config, strategies=lambda _config: [], recorded=False)
    site.tape = Tape(kept.timeframe, {})
    return build(owner, site)[0]
