"""Showing: plays the whole house once, eight processes and a conductor, in a home that is gone afterwards."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from lct.cli.drive import Came
from lct.cli.output import Manners, progress
from lct.errors import LctError, NoAnswer

if TYPE_CHECKING:
    from lct.client import Client
    from lct.messages.conductor import Replay
    from lct.run.house import Settings
    from lct.supervisor import Supervisor

LOOK_SECONDS = 0.2
STUCK_SECONDS = 90.0
"""After this long without a round something is wrong for good."""
READY_SECONDS = 15.0
"""How long all may take to be up, before somebody is told to be late."""
STOP_SECONDS = 20.0
"""After this the processes are ended by force: nothing that they could still write will be read."""
ORPHAN_SECONDS = 1.5
"""By then who was just being started when somebody killed the supervisor has noticed it."""
ASK_TIMES = 3
"""So often everyone is asked: a daemon that is killed meanwhile has come back by the next time."""
NOT_INHERITED = ("LCT_ACCOUNT", "LCT_CLOCK", "LCT_DAEMONS", "LCT_SPEED")


@dataclass
class Show:
    """A house in a home of its own, while it is played."""

    home: Path
    settings: "Settings"
    supervisor: "Supervisor"
    environment: dict[str, str]
    has_begun: bool = False

    def keep_up(self) -> None:
        """Start all daemons and the conductor, at first and wherever the supervisor was killed."""
        if not self.supervisor.is_running:
            self.has_begun = True
            self.supervisor.start(environment=self.environment, conductor=True, foreground=True)

    def stop(self) -> None:
        """End all, and see to it that nobody writes any more."""
        import time

        was_killed = self.has_begun and not self.supervisor.is_running
        self.supervisor.stop(STOP_SECONDS)
        self.has_begun = False
        if was_killed:
            time.sleep(ORPHAN_SECONDS)

    @property
    def names(self) -> list[str]:
        """Who is in it, with the conductor."""
        from lct.supervisor import conf

        return [*conf.chosen(self.supervisor.settings, None), conf.CONDUCTOR]


@contextmanager
def show(settings: "Settings", speed: float | None) -> Iterator[Show]:
    """Furnish a home for a house; at the end nothing of it is left, neither a process nor a file."""
    from lct.bus.presence import socket_folder
    from lct.config import ensure_home
    from lct.supervisor import Supervisor

    home = Path(mkdtemp(prefix="lct-demo-"))
    sockets = None
    try:
        ensure_home(home)
        sockets = socket_folder(home)
        furnish(home, settings)
        environment = dict.fromkeys(NOT_INHERITED, "")
        environment |= {"LCT_HOME": str(home), "LCT_TIME": "replayed", "LCT_HTTP_PORTS": "auto"}
        if speed is not None:
            environment["LCT_SPEED"] = str(speed)
        made = Show(home, settings, Supervisor(home), environment)
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(home)
        if sockets is not None and sockets.exists():  # a long path has its sockets elsewhere
            shutil.rmtree(sockets)


def furnish(home: Path, settings: "Settings") -> None:
    """Write down what the house of a home is, and which strategies it plays."""
    import json

    from lct.run.config import journal_folder, keep_or_compare

    folder = journal_folder(home, settings.house)
    folder.mkdir(parents=True, mode=0o700)
    keep_or_compare(folder / "house.json", settings.house)
    chosen = f"strategies = {json.dumps(settings.strategy_engine.strategies)}\n"
    (home / "config" / "strategy_engine.toml").write_text(chosen, encoding="utf-8")


# -- playing --------------------------------------------------------------------------------------------------------


def play(made: Show, total: int, manners: Manners, came: Came) -> "Replay | None":
    """Play to the end, or until a signal comes, with a bar; return how far it came, None where it did not begin."""
    from lct.client import Client

    found = None
    with Client(made.home, name="demo", patience_ms=1_000) as client:
        looks = _looks(made, client, came)
        with progress("starting", len(made.names), manners) as move:
            for found in looks:
                if found is not None and found.md_seq:
                    break
                move(_ready(made))
        with progress("playing", total, manners) as move:
            for found in looks:
                if found is not None:
                    move(found.md_seq)
                    if found.finished:
                        break
    return found


def watch(made: Show, came: Came) -> "Replay | None":
    """Play under the eyes of the dashboard, until it is quit or a signal comes; return how far it came."""
    import subprocess

    from lct.client import Client

    made.keep_up()
    # -P: the folder that somebody stands in may hold a lct.py
    words = [sys.executable, "-P", "-m", "lct", "tui"]
    found = None
    with (
        Client(made.home, name="demo", patience_ms=1_000) as client,
        subprocess.Popen(words, env={**os.environ, "LCT_HOME": str(made.home)}) as dashboard,
    ):
        try:
            for look in _looks(made, client, came):
                found = look
                if dashboard.poll() is not None:
                    break
        finally:
            dashboard.terminate()
    return found


def _looks(made: Show, client: "Client", came: Came) -> "Iterator[Replay | None]":
    """Look now and then how far the replay is, and keep it going; ends once a signal came."""
    import time

    from lct.clock import NS_PER_SECOND, monotonic_ns

    moved_ns, seen = monotonic_ns(), -1
    found: Replay | None = None
    while not came():
        made.keep_up()
        now = _replay(client)
        found = now or found
        if now is not None and (now.round != seen or not now.waits_for):
            moved_ns, seen = monotonic_ns(), now.round
        if monotonic_ns() - moved_ns > STUCK_SECONDS * NS_PER_SECOND:
            waits = ", ".join(now.waits_for) if now else "the conductor"
            raise LctError(f"the house has not moved for {STUCK_SECONDS:g} s; it waits for {waits}")
        yield found
        time.sleep(LOOK_SECONDS)


def _replay(client: "Client") -> "Replay | None":
    from lct.messages.conductor import GetReplay

    try:
        return client.ask(GetReplay(), to="conductor")
    except NoAnswer:
        return None


def _ready(made: Show) -> int:
    told = made.supervisor.presences()
    return sum(about.ready for name in made.names if (about := told.get(name)) is not None)


# -- asking ---------------------------------------------------------------------------------------------------------


def asked(made: Show, replay: "Replay", came: Came) -> dict[str, Any]:
    """Return what the daemons of a house tell of its account, and how each is; empty where a signal came first."""
    from lct.supervisor.overview import await_ready

    for left in reversed(range(ASK_TIMES)):
        made.keep_up()
        await_ready(made.supervisor, made.names, READY_SECONDS, lambda _ready: None, came)
        if came():
            break
        try:
            return {**_account(made, replay), "daemons": members(made)}
        except NoAnswer:
            if not left:
                raise
    return {}


def _account(made: Show, replay: "Replay") -> dict[str, Any]:
    from lct.client import Client
    from lct.messages.portfolio import GetBalances, GetPositions, GetProfit
    from lct.messages.trading_engine import GetTradingStatus

    with Client(made.home, name="demo") as client:
        profit, positions = client.ask(GetProfit()), client.ask(GetPositions()).positions
        status, balances = client.ask(GetTradingStatus()), client.ask(GetBalances())
    equity = profit.equity
    return {
        "cycles": replay.md_seq,
        "signals": status.signals,
        "fills": profit.fills,
        "equity": equity,
        "profit": None if equity is None else equity - profit.deposits,
        "open_positions": len(positions),
        "messages": replay.words,
        "balances": balances,
    }


def members(made: Show) -> list[dict[str, Any]]:
    """Return how each daemon is, how often it was started again, and how much memory is its own share."""
    from lct.supervisor import conf
    from lct.supervisor.overview import overview

    told = made.supervisor.presences()
    return [
        {"name": d.name, "state": d.state, "restarts": about.epoch - 1 if about else 0, "pss_bytes": pss_bytes(d.pid)}
        for d, about in ((d, told.get(d.name)) for d in overview(made.supervisor).daemons)
        if d.name not in (conf.CONDUCTOR, conf.AUDIT)
    ]


def pss_bytes(pid: int | None) -> int | None:
    """Return the proportional set size of a process in bytes; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def orders_and_balances(made: Show) -> tuple[int, dict[str, Any]]:
    """Return how many orders the journal has, and what the venue's own books say; nothing may run any more."""
    from lct.cli.records import count_by_type
    from lct.run.config import journal_folder
    from lct.run.members import Site, feed, open_exchange

    folder = journal_folder(made.home, made.settings.house)
    site = Site(made.settings.house, lambda: feed(made.settings.house), folder, "", lambda *_: None, lambda _: [])
    venue = open_exchange(site)
    try:
        return count_by_type(folder / "execution.db").get("execution.order_intended", 0), venue.balances()
    finally:
        venue.close()
