"""Running: what the verbs that start, stop and look at the daemons have in common."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lct.errors import ConfigError, NoAnswer, NotFound, Refused, nearest

if TYPE_CHECKING:
    from lct.cli.output import Manners
    from lct.logfiles import Line
    from lct.supervisor import Supervisor
    from lct.supervisor.overview import Overview

READY_SECONDS = 30.0
"""How long `lct up` and `lct restart` wait until all are up."""
LAST_LINES = 5
FOLLOW_SECONDS = 0.2
LATE_OR_DOWN, NOTHING_RUNS = 1, 3
TIME, REPLAYED, SPEED, ACCOUNT, DAEMONS = "LCT_TIME", "replayed", "LCT_SPEED", "LCT_ACCOUNT", "LCT_DAEMONS"
"""What lct.run reads from the environment; written here again, for importing it costs more than `lct status`."""

COLUMNS = ("name", "state", "pid", "ready", "heartbeat_age_seconds", "reasons")
Came = Callable[[], int]


def look() -> "Overview":
    """Return how the house of this home is."""
    from lct.supervisor import conf
    from lct.supervisor.overview import overview

    found = overview(_supervisor())
    return found if found.daemons else overview(_supervisor(), conf.chosen(conf.shipped(), None))


def exit_code(found: "Overview") -> int:
    """Return what `lct status` ends with."""
    if not found.runs:
        return NOTHING_RUNS
    return 0 if found.verdict == "up" else LATE_OR_DOWN


def print_overview(found: "Overview", *, json: bool) -> None:
    """Print an overview as one document, or as a table with the verdict below it on stderr."""
    document = found.document()
    if json:
        from json import dumps

        print(dumps(document, indent=2))
        return
    from lct.cli.output import print_table

    print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in document["daemons"]], spare=COLUMNS[2:5])
    print(f"verdict: {found.verdict}" if found.runs else "nothing runs; `lct up` starts it", file=sys.stderr)


@dataclass(frozen=True)
class Start:
    """What is to be started and how, as typed."""

    only: Sequence[str] | None = None
    replay: Path | None = None
    speed: float | None = None
    account: str | None = None
    live: bool = False
    foreground: bool = False
    reloads: bool = False
    waits: bool = True

    @property
    def stays(self) -> bool:
        """Whether the house lives as long as the verb does."""
        return self.foreground or self.reloads

    def environment(self) -> dict[str, str]:
        """Return what the daemons are told beside the settings, written down for them; raises where that cannot be."""
        if self.live:
            raise Refused("this version trades paper money only; leave --live out")
        if self.replay is None and self.speed is not None:
            raise ConfigError("--speed is for replayed time; name the bars with --replay")
        told = {ACCOUNT: self.account} if self.account is not None else {}
        if self.replay is not None:
            from lct.cli.replaying import furnished

            told = {ACCOUNT: furnished(self.replay, self.account), TIME: REPLAYED}
            told |= {SPEED: str(self.speed)} if self.speed is not None else {}
            # in replayed time each round waits for every daemon that there is
            told |= {DAEMONS: ",".join(self.only)} if self.only is not None else {}
        return told


@dataclass
class Started:
    """Daemons that were started, and those of them that did not come up."""

    supervisor: "Supervisor"
    names: list[str]
    late: list[str] = field(default_factory=list)


def start(wish: Start, manners: "Manners", came: Came) -> Started:
    """Start daemons and wait until they are up, if that is wished."""
    from lct.cli.drive import private
    from lct.cli.output import say
    from lct.config import ensure_home, home
    from lct.supervisor.conf import CONDUCTOR

    private()
    ensure_home(home())
    environment = wish.environment()
    if ACCOUNT in environment:
        say(f"in the account {environment[ACCOUNT]}: lct portfolio pnl --account {environment[ACCOUNT]}", manners)
    supervisor = _supervisor()
    if not supervisor.is_running:
        refuse_what_cannot_start(environment.get(ACCOUNT))
    names = supervisor.start(
        wish.only, environment=environment, conductor=wish.replay is not None, foreground=wish.stays
    )
    started = Started(supervisor, [*names, CONDUCTOR] if wish.replay is not None else names)
    if wish.waits:
        started.late = wait(started, "starting", manners, came)
    return started


def refuse_what_cannot_start(account: str | None) -> None:
    """Say in one line what every daemon would say in turn: wrong settings, an account of `lct run`, ports in use."""
    from lct.cli.settings import configured
    from lct.cli.vitals import ports
    from lct.config import home
    from lct.run.config import journal_folder

    folder = journal_folder(home(), configured(None, account).house)
    if (folder / "house.db").exists():
        raise Refused(f"{folder.name} was run by `lct run`: go on with that, or `lct portfolio reset` puts it aside")
    is_free, detail, fix = ports()
    if not is_free:
        raise Refused(f"ports are {detail}; {fix}")


def restart(names: Sequence[str] | None, manners: "Manners", came: Came) -> Started:
    """Stop and start daemons, and wait until they are up again."""
    supervisor = _supervisor()
    started = Started(supervisor, supervisor.restart(names))
    started.late = wait(started, "restarting", manners, came)
    return started


def wait(started: Started, label: str, manners: "Manners", came: Came) -> list[str]:
    """Wait with a bar until daemons are up; return those that are not within the patience."""
    from lct.cli.output import progress
    from lct.supervisor.overview import await_ready

    with progress(label, len(started.names), manners) as move:
        return await_ready(started.supervisor, started.names, READY_SECONDS, move, came)


def tell(started: Started, *, json: bool) -> None:
    """Print who is up; NoAnswer where somebody is not, with the last lines of their logs."""
    from lct.supervisor.overview import overview

    print_overview(overview(started.supervisor), json=json)
    if started.late:
        for name in started.late:
            _print_last_words(started.supervisor.home, name)
        raise NoAnswer(
            f"not up: {', '.join(started.late)}. `lct logs {started.late[0]}` tells more, `lct down` ends all."
        )


def bring_up(wish: Start, manners: "Manners", came: Came, *, json: bool) -> None:
    """Start daemons and print how they are; with `wish.stays` stay until a signal comes, and stop all then."""
    from lct.cli.output import say

    started = start(wish, manners, came)
    try:
        if not came():
            tell(started, json=json)
        if wish.stays:
            _stay(started, manners, came, reload=wish.reloads)
        elif came():
            say("interrupted; the daemons go on, `lct down` ends them", manners)
    finally:
        if wish.stays:
            stop(manners, started.supervisor)


def _stay(started: Started, manners: "Manners", came: Came, *, reload: bool) -> None:
    """Stay until a signal comes; with `reload` restart what somebody edits."""
    from time import sleep

    from lct.cli.output import say
    from lct.supervisor.sources import POLL_SECONDS, Sources

    sources = Sources.of_this_house(started.supervisor.home) if reload else None
    say("Ctrl-C stops the daemons", manners)
    while not came():
        if not started.supervisor.is_running:
            raise NoAnswer("the supervisor is gone; `lct up` starts it again")
        stale = sources.stale(started.names) if sources is not None else []
        if stale:
            say(f"changed: restarting {', '.join(stale)}", manners)
            started.supervisor.restart(stale)
        sleep(POLL_SECONDS)


def stop(manners: "Manners", supervisor: "Supervisor | None" = None) -> dict[str, list[str]]:
    """Stop all that runs, and tell of those that had to be killed; return their names."""
    from lct.cli.output import say

    supervisor = supervisor or _supervisor()
    ran = [process.name for process in supervisor.processes()]
    killed = supervisor.stop()
    if killed:
        say(f"did not end when asked to, and had to be killed: {', '.join(killed)}", manners)
    return {"stopped": sorted({*ran, *killed} - {"supervisord"}), "killed": killed}


def print_logs(
    daemon: str | None, is_wanted: "Callable[[Line], bool]", since_ns: int, *, follow: bool, json: bool
) -> None:
    """Print the lines of a daemon (None: of all), and with `follow` those that come; NotFound for a stranger."""
    from lct.cli.logs import shown
    from lct.config import home
    from lct.logfiles import Logs

    form = _json_line if json else shown
    with Logs(home() / "log", daemon) as logs:
        if daemon is not None and not logs.services:
            _check_name(daemon)
        for line in filter(is_wanted, logs.history(since_ns, to_the_end=not follow)):
            print(form(line))
        while follow and not _reader_is_gone(FOLLOW_SECONDS):
            for line in filter(is_wanted, logs.fresh()):
                print(form(line))


def _reader_is_gone(within_seconds: float) -> bool:
    """Wait that long with all printed; return early and True where nobody reads stdout any more."""
    from select import poll

    sys.stdout.flush()
    ear = poll()
    ear.register(sys.stdout.fileno(), 0)  # no event is asked for, so only an error comes
    return bool(ear.poll(within_seconds * 1_000))


def _json_line(line: "Line") -> str:
    from json import dumps

    return dumps(line.record())


def _check_name(daemon: str) -> None:
    from lct.supervisor import conf

    known = [*conf.chosen(conf.shipped(), None), conf.CONDUCTOR, conf.AUDIT, "supervisord"]
    if daemon not in known:
        raise NotFound(f"no daemon named {daemon!r}, and no log of it; {nearest(daemon, known)}")
    print(f"no log of {daemon} yet", file=sys.stderr)


def _supervisor() -> "Supervisor":
    from lct.config import home
    from lct.supervisor import Supervisor

    return Supervisor(home())


def _print_last_words(home: Path, name: str) -> None:
    from lct.cli.logs import shown
    from lct.logfiles import last_lines

    lines = last_lines(home / "log", name, 2 * LAST_LINES)
    for line in [line for line in lines if line.text.strip(" ^~")][-LAST_LINES:]:
        print(f"  {shown(line)}", file=sys.stderr)
