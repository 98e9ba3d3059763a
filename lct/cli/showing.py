"""Showing: plays the whole house once, eight processes and a conductor, in a home that is gone afterwards."""

import shutil
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
HEALTH_SECONDS = 5.0


@dataclass
class Show:
    """A house in a home of its own, while it is played."""

    home: Path
    settings: "Settings"
    supervisor: "Supervisor"
    environment: dict[str, str]
    restarts: int = 0

    def keep_up(self) -> None:
        """Start the supervisor again where it was killed."""
        if not self.supervisor.is_running:
            self.restarts += 1
            self.start()

    def start(self) -> None:
        """Start all daemons and the conductor."""
        self.supervisor.start(environment=self.environment, conductor=True)


@contextmanager
def show(settings: "Settings", speed: float | None) -> Iterator[Show]:
    """Furnish a home and start its house; at the end nothing of it is left, neither a process nor a file."""
    from lct.config import ensure_home
    from lct.supervisor import Supervisor

    home = Path(mkdtemp(prefix="lct-demo-"))
    try:
        ensure_home(home)
        furnish(home, settings)
        environment = {"LCT_HOME": str(home), "LCT_TIME": "replayed", "LCT_HTTP_PORTS": "auto"}
        if speed is not None:
            environment["LCT_SPEED"] = str(speed)
        made = Show(home, settings, Supervisor(home), environment)
        try:
            made.start()
            yield made
        finally:
            made.supervisor.stop()
    finally:
        shutil.rmtree(home)


def furnish(home: Path, settings: "Settings") -> None:
    """Write down what the house of a home is, and which strategies it plays."""
    import json

    from lct.run.config import journal_folder, keep_or_compare

    folder = journal_folder(home, settings.house)
    folder.mkdir(parents=True, mode=0o700)
    keep_or_compare(folder / "house.json", settings.house)
    chosen = f"strategies = {json.dumps(settings.strategy_engine.strategies)}\n"
    (home / "config" / "strategy_engine.toml").write_text(chosen, encoding="utf-8")


def play(made: Show, total: int, manners: Manners, came: Came) -> "Replay | None":
    """Watch a replay to its end, or until a signal comes, with a bar; return how far it came."""
    import time

    from lct.client import Client
    from lct.clock import NS_PER_SECOND, monotonic_ns

    moved_ns, seen = monotonic_ns(), -1
    found: Replay | None = None
    with Client(made.home, name="demo", patience_ms=1_000) as client, progress("demo", total, manners) as move:
        while not came():
            made.keep_up()
            found = _replay(client) or found
            if found is not None and found.round != seen:
                moved_ns, seen = monotonic_ns(), found.round
                move(found.md_seq)
            if found is not None and found.finished:
                break
            if monotonic_ns() - moved_ns > STUCK_SECONDS * NS_PER_SECOND:
                waits = ", ".join(found.waits_for) if found else "the conductor"
                raise LctError(f"the house has not moved for {STUCK_SECONDS:g} s; it waits for {waits}")
            time.sleep(LOOK_SECONDS)
    return found


def _replay(client: "Client") -> "Replay | None":
    from lct.messages.conductor import GetReplay

    try:
        return client.ask(GetReplay(), to="conductor")
    except NoAnswer:
        return None


def asked(made: Show, replay: "Replay | None") -> dict[str, Any]:
    """Return what the daemons of a house tell, once, of its account."""
    from lct.client import Client
    from lct.messages.portfolio import GetBalances, GetPositions, GetProfit
    from lct.messages.trading_engine import GetTradingStatus

    with Client(made.home, name="demo") as client:
        profit, positions = client.ask(GetProfit()), client.ask(GetPositions()).positions
        status, balances = client.ask(GetTradingStatus()), client.ask(GetBalances())
    equity = profit.equity
    return {
        "cycles": replay.md_seq if replay else 0,
        "signals": status.signals,
        "fills": profit.fills,
        "equity": equity,
        "profit": None if equity is None else equity - profit.deposits,
        "open_positions": len(positions),
        "messages": replay.words if replay else 0,
        "balances": balances,
    }


def members(made: Show) -> list[dict[str, Any]]:
    """Return how each daemon is, how often it was started again, and how much memory is its own share."""
    from lct.supervisor.overview import overview, restarts_in_all

    again = restarts_in_all(made.supervisor.log_tail())
    return [
        {"name": d.name, "state": d.state, "restarts": again.get(d.name, 0), "pss_bytes": pss_bytes(d.pid)}
        for d in overview(made.supervisor).daemons
        if d.name != "conductor"
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
    site = Site(made.settings.house, feed(made.settings.house), folder, "", lambda *_: None, lambda _: [])
    venue = open_exchange(site)
    try:
        return count_by_type(folder / "execution.db").get("execution.order_intended", 0), venue.balances()
    finally:
        venue.close()
