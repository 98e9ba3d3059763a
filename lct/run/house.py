"""A house in one process: its parts put together in replayed time, to trade, to read or to rehearse."""

import gc
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

import daemons
from daemons.api_gateway import Config as ApiGatewayConfig
from daemons.execution import Config as ExecutionConfig
from daemons.market_data import Config as MarketDataConfig
from daemons.monitoring import Config as MonitoringConfig
from daemons.portfolio import Config as PortfolioConfig
from daemons.strategy_engine import Config as StrategyEngineConfig
from daemons.token_discovery import Config as TokenDiscoveryConfig
from daemons.trading_engine import Config as TradingEngineConfig
from lct.bus.local import LocalBus
from lct.config import load
from lct.domain.instruments import Instrument
from lct.domain.money import money_hook, use_money_context
from lct.domain.tape import Tape
from lct.errors import ConfigError, NotFound, Refused
from lct.messages.base import Event, Request
from lct.messages.execution import GetOrders
from lct.messages.portfolio import GetPositions
from lct.ports.base import TimedPort
from lct.ports.exchange import Exchange
from lct.ports.feed import Feed
from lct.ports.strategy import Strategy
from lct.run.account import refuse_processes
from lct.run.config import HouseConfig, install_id, journal_folder, keep_or_compare, read_kept
from lct.run.members import TRADING, Site, build, checked_venue, feed, strategies
from lct.store.journal import DigestJournal, Journal
from lct.store.sqlite import ReadJournal, SqliteJournal

ReplyT = TypeVar("ReplyT", bound=Event)

GC_ALLOCATIONS = 50_000
"""After how many new containers cycles are looked for: messages and books have none, so seldom is often enough."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All configuration of a house: one struct per file of the configuration folder, each file's name the field's."""

    house: HouseConfig = HouseConfig()
    market_data: MarketDataConfig = MarketDataConfig()
    strategy_engine: StrategyEngineConfig = StrategyEngineConfig()
    trading_engine: TradingEngineConfig = TradingEngineConfig()
    execution: ExecutionConfig = ExecutionConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    api_gateway: ApiGatewayConfig = ApiGatewayConfig()
    token_discovery: TokenDiscoveryConfig = TokenDiscoveryConfig()
    monitoring: MonitoringConfig = MonitoringConfig()


def load_settings(folder: Path) -> Settings:
    """Read the files of a configuration folder; a file that is not there means its defaults.

    That of a daemon which is not among the settings is read by that daemon alone. Raises ConfigError naming file and
    key, also for a file that no part of the house reads.
    """
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    known = {*kinds, *(module.name for module in pkgutil.iter_modules(daemons.__path__))}
    for path in sorted(folder.glob("*.toml")):
        if path.stem not in known:
            raise ConfigError(f"{path}: no part of the house reads this; it has {', '.join(sorted(known))}")
    paths = {name: folder / f"{name}.toml" for name in kinds}
    return Settings(**{name: load(path, kinds[name], money_hook) for name, path in paths.items() if path.exists()})


@dataclass(frozen=True)
class Parts:
    """What a house is made of; a mode is one choice of these."""

    feed: Feed
    strategies: list[Strategy]
    settings: Settings
    journal: Journal
    folder: Path | None
    """Where the venue may keep its own account; None keeps nothing."""
    install_id: str
    make_exchange: Callable[[Site], Exchange] | None = None
    """Opens the account at the venue; None means the plugin that the settings name."""
    names: tuple[str, ...] = TRADING
    """Which daemons the house has."""
    ports: tuple[TimedPort, ...] = ()
    """Beside those that come with the daemons."""


@dataclass(frozen=True)
class House:
    """A recovered house in replayed time, ready to run."""

    bus: LocalBus
    tape: Tape
    instruments: tuple[Instrument, ...]
    exchange: Exchange

    def close(self) -> None:
        """Let go of the files of the journal and of the venue."""
        self.bus.journal.close()
        self.exchange.close()

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask one of its daemons."""
        return self.bus.ask(request)


def assemble(parts: Parts) -> House:
    """Put a house together in replayed time and let it recover; raises what its parts raise about their input."""
    use_money_context()
    gc.set_threshold(GC_ALLOCATIONS)
    settings = parts.settings
    checked_venue(settings.house, parts.feed)
    site = Site(
        settings.house,
        lambda: parts.feed,
        parts.folder,
        parts.install_id,
        config=lambda name, _kind: getattr(settings, name),
        strategies=lambda _config: parts.strategies,
        expected=parts.names,
        make_exchange=parts.make_exchange,
    )
    members = [build(name, site) for name in parts.names]
    ports = [*parts.ports, *(port for _, owned in members for port in owned)]
    exchange = next(port for port in ports if isinstance(port, Exchange))
    bus = LocalBus([daemon for daemon, _ in members], ports, parts.journal)
    try:
        bus.recover()
    except BaseException:
        exchange.close()
        raise
    return House(bus, site.tape, site.instruments, exchange)


# -- homes: houses that are there tomorrow -------------------------------------------------------------------------


def open_house(home: Path, settings: Settings) -> House:
    """Open the house of a home to trade: `attend_house`, but Refused where a strategy that holds something is gone."""
    house = attend_house(home, settings)
    try:
        _refuse_orphans(house, settings)
    except BaseException:
        house.close()
        raise
    return house


def attend_house(home: Path, settings: Settings) -> House:
    """Open the house of a home to order something of it: its journal and paper account on disk, alone.

    The first start fixes feed, universe, timeframe, cash and costs: a later one that differs is Refused, for a journal
    means nothing over other bars, and so is a second process on the same account, or one that processes have begun.
    """
    made, chosen = feed(settings.house), _strategies(settings)
    checked_venue(settings.house, made)
    folder = journal_folder(home, settings.house)
    refuse_processes(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = SqliteJournal(folder / "house.db", synchronous="NORMAL")
    try:
        keep_or_compare(folder / "house.json", settings.house)
        return assemble(Parts(made, chosen, settings, journal, folder, install_id(home)))
    except BaseException:
        journal.close()
        raise


def _refuse_orphans(house: House, settings: Settings) -> None:
    """Refuse to go on without a strategy that still holds or orders something: nobody would close it."""
    holding = {line.strategy for line in house.ask(GetPositions()).positions}
    holding |= {order.book for order in house.ask(GetOrders()).orders if order.is_working}
    missing = sorted(holding - set(settings.strategy_engine.strategies))
    if missing:
        raise Refused(
            f"{', '.join(missing)} still holds positions or orders; keep it among the strategies until they are over, "
            "or begin anew with `lct portfolio reset`"
        )


def read_house(home: Path, settings: Settings) -> House:
    """Return the house of a home as of its last commit, to ask and not to run; nothing on disk changes.

    Raises NotFound where nothing ran yet.
    """
    folder = journal_folder(home, settings.house)
    if not (folder / "house.json").exists():
        raise NotFound(f"nothing has run yet in {folder}; `lct run --cycles 100` does")
    kept = read_kept(folder / "house.json")
    settings = msgspec.structs.replace(settings, house=kept)
    journal = ReadJournal(folder / "house.db")
    return assemble(Parts(feed(kept), _strategies(settings), settings, journal, None, install_id(home)))


def rehearse(settings: Settings, made: Feed) -> tuple[House, DigestJournal]:
    """Return a house over a feed that leaves nothing behind but the digest of its journal: a backtest.

    It keeps every trade, for its figures are those of all.
    """
    journal = DigestJournal()
    everything = PortfolioConfig(trades_kept=sys.maxsize, days_kept=sys.maxsize)
    settings = msgspec.structs.replace(settings, portfolio=everything)
    return assemble(Parts(made, _strategies(settings), settings, journal, None, "backtest")), journal


def _strategies(settings: Settings) -> list[Strategy]:
    return strategies(settings.strategy_engine.strategies, settings.strategy_engine.parameters)
