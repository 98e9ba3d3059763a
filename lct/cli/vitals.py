"""Vitals: what `lct doctor` looks at in the accounts of a home, and in the house that runs there or could."""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lct.config import home
from lct.domain.text import clean
from lct.errors import LctError

if TYPE_CHECKING:
    from lct.bus.presence import Presence

LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 0.3
DOES_NOT_START = frozenset({"FATAL", "BACKOFF"})
"""What supervisord says of a program that ends again and again."""

Finding = tuple[bool, str, str]
"""Whether all is well, what was found, and the fix."""


def all_vitals() -> dict[str, Callable[[], Finding]]:
    """Return the checks by name, in the order they are shown."""
    return {
        "journal": journals,
        "account": accounts,
        "venue": venues,
        "halt": halts,
        "sockets": sockets,
        "supervisor": supervisor,
        "processes": processes,
        "ports": ports,
    }


# -- what lies on disk ---------------------------------------------------------------------------------------------


def journals() -> Finding:
    """Walk the hash chains in every journal of the home."""
    from lct.cli.records import verified

    wrong, folders, counted, files = [], set(), 0, 0
    for folder, found in _accounts():
        for path in found.values():
            files += 1
            try:
                counted += sum(verified(path).values())
            except LctError as error:
                wrong.append(str(error))
                folders.add(str(folder))
    fix = f"keep a copy of {' and '.join(sorted(folders))} and restore a backup; do not trade on it"
    well = f"{files} {'journal' if files == 1 else 'journals'}, {counted} rows, every chain holds"
    return not wrong, "; ".join(wrong) or well, fix


def accounts() -> Finding:
    """See that each account says what it was started with, and was run in one way only."""
    from lct.run.account import HOUSE, is_of_processes
    from lct.run.config import read_kept

    wrong, count = [], 0
    for folder, found in _accounts():
        count += 1
        try:
            if not (folder / "house.json").exists():
                wrong.append(f"{folder.name} has journals, and no house.json that says what they are of")
            else:
                read_kept(folder / "house.json")
        except LctError as error:
            wrong.append(str(error))
        if HOUSE in found and is_of_processes(folder):
            wrong.append(f"{folder.name} has the journals of `lct run` and of `lct up`, and can be only one")
    fix = f"restore it from a backup, or move its folder out of {home() / 'journal'}"
    return not wrong, "; ".join(wrong) or f"{count} {'account' if count == 1 else 'accounts'}", fix


def venues() -> Finding:
    """Open the paper venue's own books to read, and have SQLite check them."""
    wrong = []
    paths = sorted((home() / "journal").glob("*/paper.db"))
    for path in paths:
        try:
            found = _integrity(path)
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            wrong.append(f"{path}: {found}")
    fix = "restore the whole folder from one backup, or `lct portfolio reset` to begin anew"
    return not wrong, "; ".join(wrong) or f"{len(paths)} paper {'account' if len(paths) == 1 else 'accounts'}", fix


def halts() -> Finding:
    """See that no account is halted by its file."""
    from lct.run.switch import standing

    found = []
    for folder in sorted(path for path in (home() / "journal").glob("*") if path.is_dir()):
        order = standing(folder)
        if order is not None:
            why = ", ".join(filter(None, (order.by, order.reason)))
            found.append(f"{folder.name} is halted ({clean(why)})")
    return not found, "; ".join(found) or "no account is halted", "look why, then `lct trading resume --i-checked`"


def _integrity(path: Path) -> str:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        if not db.execute("select count(*) from sqlite_schema where name = 'account'").fetchone()[0]:
            return "it holds no paper account"
        return str(db.execute("pragma integrity_check (1)").fetchone()[0])
    finally:
        db.close()


def _accounts() -> Iterator[tuple[Path, dict[str, Path]]]:
    """Yield the folders that hold journals, with these by name; those that were put aside too."""
    from lct.run.account import journals as journals_in

    for folder in sorted((home() / "journal").glob("*")):
        found = journals_in(folder) if folder.is_dir() else {}
        if found:
            yield folder, found


# -- who is there --------------------------------------------------------------------------------------------------


def sockets() -> Finding:
    """See that the folder of the sockets is ours alone."""
    from lct.bus.presence import socket_folder

    if not _told():
        return True, "no daemon has run yet", ""
    try:
        folder = socket_folder(home())  # it is there, so nothing is made
    except LctError as error:
        return False, str(error), f"chmod 700 {home() / 'run'}"
    return True, f"{folder} is closed to others", ""


def supervisor() -> Finding:
    """Ask the supervisor, if there is one, or should be."""
    from lct.supervisor import Supervisor

    try:
        found = Supervisor(home())
        listed = found.processes()
        is_there = bool(listed) or found.is_running
    except LctError as error:
        return False, str(error), "`lct down` ends it, `lct up` starts it again"
    if is_there:
        failing = [f"{one.name} ({one.state.lower()})" for one in listed if one.state in DOES_NOT_START]
        detail = f"answers; {sum(one.runs for one in listed)} of {len(listed)} processes run"
        return not failing, f"{detail}; failing: {', '.join(failing)}" if failing else detail, "`lct logs` tells why"
    orphans = [one.daemon for one in _alive() if one.supervisor]
    if orphans:
        detail = f"no supervisor answers, but what it started runs: {', '.join(orphans)}"
        return False, detail, "`lct down` ends them, `lct up` starts all again"
    return True, "none runs; `lct up` starts one", ""


def processes() -> Finding:
    """Compare what the daemons say of themselves with the processes that there are."""
    from lct.supervisor import Supervisor
    from lct.supervisor.overview import overview

    unreadable = sorted(name for name, about in _told().items() if about is None)
    if unreadable:
        paths = " ".join(str(home() / "run" / f"{name}.json") for name in unreadable)
        return False, f"cannot be read: {paths}", f"rm {paths}; a daemon that lives writes its own again"
    try:
        found = overview(Supervisor(home()))
    except LctError as error:
        return False, str(error), "`lct down` ends what runs, `lct up` starts it again"
    if not found.runs:
        left = len(_told())
        return True, f"nothing runs{f'; {left} daemons were here before' if left else ''}", ""
    ill = [one for one in found.daemons if one.state != "up"]
    detail = "; ".join(f"{one.name} is {one.state} ({', '.join(one.reasons) or 'no word of it'})" for one in ill)
    names = ",".join(one.name for one in ill)
    return not ill, detail or f"{len(found.daemons)} daemons are up", f"`lct logs` tells why; `lct restart {names}`"


def ports() -> Finding:
    """See that the port of each daemon is free, or its own."""
    own = {one.daemon: one.http_port for one in _alive()}
    try:
        wanted = _ports()
    except LctError:
        return True, "not looked at, for the configuration cannot be read", ""
    if os.environ.get("LCT_HTTP_PORTS") == "auto":
        return True, "any free ones (LCT_HTTP_PORTS=auto)", ""
    taken = [f"{port} ({name})" for name, port in wanted.items() if not own.get(name) and _is_taken(port)]
    ours = ", ".join(f"{port} ({name})" for name, port in sorted(own.items()) if port)
    detail = f"taken by another program, or another home's house: {', '.join(taken)}"
    well = f"ours: {ours}" if ours else f"{', '.join(str(port) for port in sorted(wanted.values()))} are free"
    return not taken, detail if taken else well, "end it, or set http_port in the file of that daemon to a free port"


def _ports() -> dict[str, int]:
    """Return the port that each daemon is configured for; those that take any free one are left out."""
    import msgspec

    from lct.cli.settings import configured

    settings = configured()
    parts = {name: getattr(settings, name) for name in msgspec.structs.asdict(settings)}
    found = {name: getattr(part, "http_port", 0) for name, part in parts.items()}
    return {name: port for name, port in found.items() if port}


def _is_taken(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE_SECONDS)
        return line.connect_ex((LOOPBACK, port)) == 0


def _told() -> "dict[str, Presence | None]":
    from lct.bus.presence import read

    return read(home() / "run")


def _alive() -> "list[Presence]":
    """Return what those say whose processes are there."""
    from lct.supervisor.processes import runs

    return [about for about in _told().values() if about is not None and runs(about.pid, about.daemon)]
