"""Members: what each daemon of a house is made of, built one at a time, so that a process loads only its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lct import catalog
from lct.clock import now_ns
from lct.config import convert
from lct.daemon import Daemon
from lct.domain.instruments import Instrument
from lct.domain.money import ONE, money_hook
from lct.errors import ConfigError, LctError, NotFound, Refused, nearest
from lct.ports.base import TimedPort
from lct.run.config import HouseConfig

if TYPE_CHECKING:  # numpy comes with them, and not every daemon needs it
    from lct.domain.tape import Tape
    from lct.ports.exchange import Exchange
    from lct.ports.feed import Feed
    from lct.ports.strategy import Strategy

ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)

COMPARE_EVERY_NS = 60_000_000_000
"""How often execution compares its account with the venue's."""


@dataclass
class Site:
    """What the members of a house share, each read when a member first needs it."""

    house: HouseConfig
    make_feed: "Callable[[], Feed]"
    """Loads the feed, for the members that need it."""
    folder: Path | None
    """Where the venue may keep its own account; None keeps nothing."""
    install_id: str
    config: Callable[[str, type[Any]], Any]
    """Reads the settings of one daemon, by its name and the struct they are."""
    strategies: "Callable[[Any], list[Strategy]]"
    """Loads the strategies that a strategy_engine.Config names."""
    recorded: bool = True
    """Whether bars to come may be read ahead of their time, for speed: in replayed time."""
    expected: tuple[str, ...] = ()
    """Which daemons the house has."""
    make_exchange: "Callable[[Site], Exchange] | None" = None
    """Opens the account at the venue; None means the plugin that the house names."""

    @cached_property
    def feed(self) -> "Feed":
        """The feed of the house."""
        return self.make_feed()

    @cached_property
    def tape(self) -> "Tape":
        """The bars of the house."""
        return self.feed.tape()

    @property
    def period(self) -> tuple[int, int | None]:
        """When the time of the house begins and ends: with its bars, or where these are still to come, now and never.

        The end is the close of the last bars, exclusive.
        """
        if not self.recorded:
            return now_ns(), None
        times = self.tape.times
        return (int(times[0]), int(times[-1]) + self.tape.step_ns) if len(times) else (0, 0)

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments of the house."""
        return self.feed.instruments()


Built = tuple[Daemon, list[TimedPort]]


def build(name: str, site: Site) -> Built:
    """Return a daemon and its ports: a bundled one as it is made, any other by its Config alone.

    Raises NotFound for a name that no module of daemons/ has, LctError where the module holds no daemon.
    """
    if name in BUILDERS:
        return BUILDERS[name](site)
    kind = daemon_class(name)
    config = getattr(import_module(kind.__module__), "Config", None)
    return (kind() if config is None else kind(site.config(name, config))), []  # type: ignore[call-arg]


def daemon_class(name: str) -> type[Daemon]:
    """Return the one daemon of a module or package of daemons/, by its name."""
    try:
        module = import_module(f"daemons.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"daemons.{name}":
            raise NotFound(f"no daemon named {name!r}; `lct daemon list` shows them") from None
        raise
    found = [thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, Daemon)]
    named = [kind for kind in dict.fromkeys(found) if getattr(kind, "name", None) == name]
    if len(named) != 1:
        raise LctError(f"daemons/{name} must hold exactly one Daemon whose name is {name!r}; it holds {len(named)}")
    return named[0]


def cost_rate(site: Site) -> Any:
    """Return the fraction of a notional that fees and slippage may take."""
    return site.house.costs.fee_rate + site.house.costs.worsening


def open_exchange(site: Site) -> "Exchange":
    """Open the venue's account as it was left, or with the deposits of a first start."""
    if site.make_exchange is not None:
        return site.make_exchange(site)
    venue: type[Exchange] = catalog.load("exchanges", site.house.exchange)
    deposits = {site.instruments[0].quote: site.house.cash}
    return venue.open(lambda: site.tape, site.instruments, site.house.costs, deposits, site.folder)


def _market_data(site: Site) -> Built:
    from daemons.market_data import Config, MarketData
    from lct.ports.tape import TapePort

    begins_ns = None if site.recorded else now_ns()
    return MarketData(site.config("market_data", Config)), [
        TapePort(site.tape, site.feed.refused(), begins_ns=begins_ns)
    ]


def _strategy_engine(site: Site) -> Built:
    from daemons.strategy_engine import Config, StrategyEngine

    chosen = site.strategies(site.config("strategy_engine", Config))
    recorded = site.tape if site.recorded else None
    timeframe = site.house.timeframe if recorded is None else recorded.timeframe
    return StrategyEngine(chosen, timeframe, recorded), []


def _trading_engine(site: Site) -> Built:
    from daemons.trading_engine import Config, TradingEngine

    return TradingEngine(site.config("trading_engine", Config), site.instruments, cost_rate=cost_rate(site)), []


def _execution(site: Site) -> Built:
    from daemons.execution import Config, Execution, Identity

    config = site.config("execution", Config)
    identity = Identity(site.install_id, site.house.venue, site.house.account)
    exchange = open_exchange(site)
    # in replayed time a venue of our own is a part of the house: it cannot differ, and looking would move its numbers
    is_apart = not (site.recorded and exchange.terms.idempotent_forever)
    daemon = Execution(
        identity,
        site.instruments,
        config.live if site.house.mode == "live" else config.simulated,
        terms=exchange.terms,
        cost_rate=cost_rate(site),
        orders_kept=config.orders_kept,
        compares_every_ns=COMPARE_EVERY_NS if is_apart else None,
    )
    return daemon, [exchange]


def _portfolio(site: Site) -> Built:
    from daemons.portfolio import Config, Portfolio

    return Portfolio(site.instruments, site.config("portfolio", Config)), []


def _monitoring(site: Site) -> Built:
    from daemons.monitoring import Config, Monitoring

    return Monitoring(site.expected, site.config("monitoring", Config)), []


def _token_discovery(site: Site) -> Built:
    from daemons.token_discovery import Config, TokenDiscovery
    from lct.ports.token_source import TokenPort

    config = site.config("token_discovery", Config)
    source = token_source(config.source, config.sources, *site.period)
    return TokenDiscovery(config), [TokenPort(source, begins_now=not site.recorded)]


def _api_gateway(site: Site) -> Built:
    from daemons.api_gateway import ApiGateway, Config
    from lct.run.serving import ServedPort

    return ApiGateway(site.config("api_gateway", Config)), [ServedPort()]


BUILDERS: dict[str, Callable[[Site], Built]] = {
    "market_data": _market_data,
    "strategy_engine": _strategy_engine,
    "trading_engine": _trading_engine,
    "execution": _execution,
    "portfolio": _portfolio,
    "token_discovery": _token_discovery,
    "monitoring": _monitoring,
    "api_gateway": _api_gateway,
}
TRADING = ("market_data", "strategy_engine", "trading_engine", "execution", "portfolio")
"""The daemons that a backtest needs."""


def plugin(group: str, name: str, values: dict[str, Any], where: str, **extra: Any) -> Any:
    """Load one plugin with its own Config made from a table; ConfigError names `where` the table stands."""
    kind = catalog.load(group, name)
    config = convert(values, kind.Config, money_hook, where)
    return kind(config, **extra)


def strategies(names: Sequence[str], parameters: dict[str, dict[str, Any]]) -> "list[Strategy]":
    """Load strategies by name with their parameters; raises NotFound or ConfigError."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"strategy_engine.toml: {', '.join(twice)} is listed twice")
    known = catalog.names("strategies")
    for name in parameters:
        if name not in known:
            raise ConfigError(f"strategy_engine.toml: parameters of no strategy: {name!r}; {nearest(name, known)}")
    return [plugin("strategies", name, parameters.get(name, {}), f"strategy_engine.toml, {name}") for name in names]


def feed(settings: HouseConfig) -> "Feed":
    """Load the feed that the house is configured for."""
    values = dict(settings.feeds.get(settings.feed, {}))
    values.setdefault("timeframe", settings.timeframe)
    values.setdefault("symbols", settings.symbols)
    made: Feed = plugin("feeds", settings.feed, values, f"house.toml, feeds.{settings.feed}")
    return made


def token_source(name: str, tables: dict[str, dict[str, Any]], from_ns: int, to_ns: int | None) -> Any:
    """Load a token source for a period; raises NotFound or ConfigError."""
    where = f"token_discovery.toml, sources.{name}"
    return plugin("token_sources", name, tables.get(name, {}), where, from_ns=from_ns, to_ns=to_ns)


def checked_venue(house: HouseConfig, made: "Feed") -> "type[Exchange]":
    """Return the venue's class, or refuse what cannot be put together, before anything is written."""
    if house.mode == "live":
        raise Refused("house.toml says mode = live, but this version trades paper money only; set mode = paper")
    instruments = made.instruments()
    quotes = sorted({i.quote for i in instruments})
    if len(quotes) != 1:
        raise ConfigError(f"all symbols of a house must share their quote; these have {', '.join(quotes)}")
    if any(i.contract_size != ONE for i in instruments):
        raise ConfigError("contracts of another size than 1 are not traded yet; leave their symbols out")
    venue: type[Exchange] = catalog.load("exchanges", house.exchange)
    return venue
