"""A home whose house ran as processes do, each daemon with a journal of its own, without the cost of processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lct.bus import presence
from lct.bus.presence import Presence
from lct.clock import now_ns
from lct.config import ensure_home
from lct.domain.money import use_money_context
from lct.run.config import HouseConfig, install_id, journal_folder, keep_or_compare
from lct.run.house import Settings, load_settings
from lct.run.members import TRADING, Site, feed, strategies
from lct.store.sqlite import SqliteJournal
from tests.scenarios.stage import Stage

HOUSE = """
symbols = ["BTC/USDT", "ETH/USDT"]
timeframe = "5m"
account = "{account}"
[feeds.synthetic]
days = 2
"""
STRATEGIES = """
strategies = ["ema_cross", "trend"]
[parameters.ema_cross]
fast = 3
slow = 8
"""


class Kept(SqliteJournal):
    """A journal on disk, for a stage on which nobody is killed."""

    def crash(self, lost: int = 0) -> "Kept":
        return self


def furnish(home: Path, account: str = "main") -> Settings:
    """Make a home with the configuration of a small house; the same orders have the same ids in each."""
    before = os.umask(0o077)
    ensure_home(home)
    (home / "install_id").write_text("0" * 32)
    (home / "config" / "house.toml").write_text(HOUSE.format(account=account), encoding="utf-8")
    (home / "config" / "strategy_engine.toml").write_text(STRATEGIES, encoding="utf-8")
    os.umask(before)
    return load_settings(home / "config")


def play(home: Path, settings: Settings) -> Path:
    """Play the house of a home to the end of its bars, and return the folder of its journals."""
    use_money_context()
    folder = journal_folder(home, settings.house)
    before = os.umask(0o077)
    folder.mkdir(parents=True)
    keep_or_compare(folder / "house.json", settings.house)
    stage = Stage(_site(home, folder, settings), folder)
    journals = {name: Kept(folder / f"{name}.db", synchronous="NORMAL") for name in TRADING}
    stage.journals = journals  # type: ignore[assignment]
    try:
        stage.run()
    finally:
        stage.close()
        for journal in journals.values():
            journal.close()
        os.umask(before)
    return folder


def _site(home: Path, folder: Path, settings: Settings) -> Site:
    engine = settings.strategy_engine
    return Site(
        settings.house,
        lambda: feed(settings.house),
        folder,
        install_id(home),
        config=lambda name, _kind: getattr(settings, name),
        strategies=lambda _config: strategies(engine.strategies, engine.parameters),
    )


@contextmanager
def living(home: Path, house: HouseConfig, *names: str) -> Iterator[None]:
    """Hold the locks of some daemons and say that they are there, as their processes would."""
    folder = journal_folder(home, house)
    locks = [SqliteJournal(folder / f"{name}.db") for name in names]
    now = now_ns()
    for name in names:
        presence.write(home / "run", Presence(name, os.getpid(), 1, True, now, now))
    try:
        yield
    finally:
        for lock in locks:
            lock.close()
        for name in names:
            (home / "run" / f"{name}.json").unlink()
