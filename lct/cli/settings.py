"""Settings: a house's configuration, out of files and of what was typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from lct.config import defaults_dir, home, override
from lct.domain.bars import timeframe_ns
from lct.domain.money import money_hook
from lct.errors import ConfigError, NotFound, nearest
from lct.formats import files
from lct.run.config import HouseConfig
from lct.run.house import Settings, load_settings

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h", "1d")


@dataclass(frozen=True)
class Market:
    """Which bars to trade on, as typed; None means not typed."""

    data: Path | None = None
    symbols: tuple[str, ...] | None = None
    timeframe: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    seed: int | None = None
    days: int | None = None


@dataclass(frozen=True)
class Money:
    """With how much paper money, and at which costs, as typed; None means not typed."""

    cash: Decimal | None = None
    fee: Decimal | None = None
    spread_bps: Decimal | None = None
    slippage_bps: Decimal | None = None
    participation: Decimal | None = None


def config_dir(named: Path | None = None) -> Path:
    """Return the folder that configures a house: the named one, the home's where it has files, or the defaults."""
    if named is not None:
        if not named.is_dir():
            raise ConfigError(f"{named}: no such folder; --config names one with files like house.toml")
        return named
    own = home() / "config"
    return own if any(own.glob("*.toml")) else defaults_dir()


def configured(named: Path | None = None, account: str | None = None) -> Settings:
    """Return what the configuration files say."""
    settings = load_settings(config_dir(named))
    return settings if account is None else override(settings, [f"house.account={account}"], money_hook)


def traded(settings: Settings, market: Market, money: Money, pairs: Sequence[str] = ()) -> Settings:
    """Return the settings with what was typed; ConfigError or NotFound where that cannot be."""
    house = market_of(settings.house, market)
    costs = {
        "fee_rate": money.fee,
        "spread_bps": money.spread_bps,
        "slippage_bps": money.slippage_bps,
        "participation_max": money.participation,
    }
    typed = {name: value for name, value in costs.items() if value is not None}
    try:
        house = msgspec.structs.replace(house, costs=msgspec.structs.replace(house.costs, **typed))
    except ValueError as error:
        raise ConfigError(f"{error}; see --fee, --spread-bps, --slippage-bps and --participation") from None
    if money.cash is not None:
        house = msgspec.structs.replace(house, cash=money.cash)
    return override(msgspec.structs.replace(settings, house=house), pairs, money_hook)


def strategies_of(settings: Settings, names: Sequence[str]) -> Settings:
    """Return the settings with other strategies to run."""
    engine = msgspec.structs.replace(settings.strategy_engine, strategies=tuple(names))
    return msgspec.structs.replace(settings, strategy_engine=engine)


def market_of(house: HouseConfig, market: Market) -> HouseConfig:
    """Return a house with the bars that were asked for."""
    if market.data is not None:
        house = _recorded(house, market)
    elif house.feed == "synthetic":
        house = _synthetic(house, market)
    elif market.seed is not None or market.days is not None:
        raise ConfigError(f"--seed and --days are for the synthetic market, and this house reads {house.feed}")
    elif market.from_ns is not None or market.to_ns is not None:
        raise ConfigError("--from and --to need --data, unless the feed is the synthetic one")
    timeframe = market.timeframe or house.timeframe
    _check_timeframe(timeframe, house.feed)
    symbols = house.symbols if market.symbols is None else market.symbols
    return msgspec.structs.replace(house, timeframe=timeframe, symbols=symbols)


def _recorded(house: HouseConfig, market: Market) -> HouseConfig:
    if market.seed is not None or market.days is not None:
        raise ConfigError("--seed and --days are for the synthetic market; leave them out, or leave out --data")
    assert market.data is not None, "who calls this has looked"
    path = market.data.expanduser().absolute()  # a later run may start in another folder
    if not path.exists():
        raise NotFound(f"{path}: no such folder or file; --data names recorded bars")
    values: dict[str, Any] = {**house.feeds.get("replay", {}), "path": str(path)}
    values |= {name: ns for name, ns in (("from_ns", market.from_ns), ("to_ns", market.to_ns)) if ns is not None}
    if market.from_ns is not None and market.to_ns is not None and market.from_ns >= market.to_ns:
        raise ConfigError("--from must be before --to")
    feeds = {**house.feeds, "replay": values}
    timeframe = market.timeframe or _only_timeframe(path) or house.timeframe
    return msgspec.structs.replace(house, feed="replay", feeds=feeds, timeframe=timeframe)


def _synthetic(house: HouseConfig, market: Market) -> HouseConfig:
    values: dict[str, Any] = dict(house.feeds.get("synthetic", {}))
    values |= {name: n for name, n in (("seed", market.seed), ("days", market.days)) if n is not None}
    if market.from_ns is not None:
        values["start"] = _date(market.from_ns)
    if market.to_ns is not None:
        if market.from_ns is None or market.days is not None:
            raise ConfigError("--to needs --from, and no --days beside it; or name --data")
        days, rest = divmod(market.to_ns - market.from_ns, DAY_NS)
        if days < 1 or rest:
            raise ConfigError("--from must be before --to; of the synthetic market by whole days")
        values["days"] = days
    return msgspec.structs.replace(house, feeds={**house.feeds, "synthetic": values})


def _date(time_ns: int) -> str:
    from lct.clock import rfc3339

    if time_ns % DAY_NS:
        raise ConfigError("the synthetic market starts at midnight UTC; give --from as a date")
    return rfc3339(time_ns)[:10]


def _only_timeframe(path: Path) -> str | None:
    """Return the timeframe of a recording, or that of all recordings of a folder, where it is one."""
    if path.is_file():
        about = files.described(path)
        return about[1] if about else None
    frames = {frame for _, frame in files.listing(path)}
    return frames.pop() if len(frames) == 1 else None


def _check_timeframe(timeframe: str, feed: str) -> None:
    try:
        step_ns = timeframe_ns(timeframe)
    except ValueError as error:
        raise NotFound(f"{error}; {nearest(timeframe, TIMEFRAMES)}") from None
    if feed == "synthetic" and (step_ns % MINUTE_NS or DAY_NS % step_ns):
        raise NotFound(f"the synthetic market has no {timeframe} bars; {nearest(timeframe, TIMEFRAMES)}")
