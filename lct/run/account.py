"""An account on disk: the journals of its house, in one file or in one for each daemon, and who holds them now."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lct.errors import NotFound, Refused
from lct.run.config import HouseConfig, journal_folder
from lct.store.sqlite import lock_of

HOUSE = "house"
"""The journal of a house in one process, `house.db`; a house of processes has `<daemon>.db` for each of its daemons."""
NO_JOURNALS = frozenset({"paper", "rounds"})
"""What lies beside the journals: the paper venue's own books, and the rounds of replayed time."""


def journals(folder: Path) -> dict[str, Path]:
    """Return the journal files of an account's folder by their names, sorted; what cannot be read counts as one."""
    paths = {path.stem: path for path in sorted(folder.glob("*.db"))}
    return {name: path for name, path in paths.items() if name not in NO_JOURNALS and not _holds_something_else(path)}


def is_of_processes(folder: Path) -> bool:
    """Whether an account was begun by a house of processes, the first of which may be just starting."""
    if (folder / "execution.db").exists():
        return True
    return not (folder / f"{HOUSE}.db").exists() and any(path.stem != HOUSE for path in folder.glob("*.lock"))


def refuse_processes(folder: Path) -> None:
    """Refuse to run an account in one process that a house of processes has begun."""
    if is_of_processes(folder):
        raise Refused(
            f"{folder.name} was begun by `lct up`, in processes: go on with that, use another --account, "
            "or put it aside with `lct down` and `lct portfolio reset`"
        )


def holders(folder: Path) -> Iterator[str]:
    """Yield whose lock on a journal of this folder a living process holds, sorted; nothing is changed."""
    return (path.stem for path in sorted(folder.glob("*.lock")) if _is_held(path))


def reset(home: Path, house: HouseConfig) -> Path:
    """Put the paper account and its journals aside, so that the next run begins anew; return where they went.

    Raises NotFound where nothing ran yet, and Refused while a process runs it.
    """
    folder = journal_folder(home, house)
    if not (folder / "house.json").exists():
        raise NotFound(f"nothing has run yet in {folder}")
    with _alone(folder):
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}.old")).exists():
            number += 1
        return folder.rename(aside)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold every lock of a folder; Refused where somebody else has one."""
    held = list(holders(folder))
    if held:
        ends = "stop `lct run` first" if held == [HOUSE] else "`lct down` ends the house first"
        raise Refused(f"{folder.name} is in use by another lct process ({', '.join(held)}); {ends}")
    names = {*journals(folder), *(path.stem for path in folder.glob("*.lock"))}
    with ExitStack() as stack:
        for name in sorted(names):
            stack.enter_context(lock_of(folder / f"{name}.db"))
        yield


def _is_held(path: Path) -> bool:
    import fcntl  # Windows has none, and no house of processes

    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holds_something_else(path: Path) -> bool:
    """Whether a file is a sound database of somebody else, as a venue may keep beside the journals."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return False
    try:
        tables = {name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")}
    except sqlite3.Error:
        return False
    finally:
        db.close()
    return bool(tables) and "journal" not in tables
