"""Synthetic: a seeded market of our own making, for demos and tests: the same bars for a seed on every machine.

A minute's log return of a pair is beta * market + sector + its own part. Each part is a GARCH(1,1) shock with jumps,
under a slow volatility and a daily shape; the market moves through regimes (a Markov chain of four-hour blocks). Only
sums, products, quotients and square roots are used, and integers from PCG64: these are exact or correctly rounded
everywhere, where exp, log and a library's own normals may differ in the last bit.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import fsum, sqrt
from typing import Annotated, ClassVar, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from lct.domain.bars import Bars, Floats, timeframe_ns
from lct.domain.instruments import Instrument, split_symbol
from lct.domain.money import Money
from lct.errors import ConfigError, NotFound, nearest
from lct.ports.feed import Feed, Tape

Words = npt.NDArray[np.uint64]

MINUTE_NS = 60_000_000_000
MINUTES = 1440
BLOCK = 240
BLOCKS = MINUTES // BLOCK
LANE = 65_536


class Coin(NamedTuple):
    """What makes a pair itself: price, digits of tick and lot, sector, beta, own daily volatility, turnover a day."""

    price: float
    tick_digits: int
    lot_digits: int
    sector: str
    beta: float
    own: float
    turnover: float


COINS = {
    "ADA/USDT": Coin(0.60, 4, 1, "platform", 1.1, 0.020, 4.0e7),
    "ATOM/USDT": Coin(10.5, 3, 2, "platform", 1.1, 0.021, 2.0e7),
    "AVAX/USDT": Coin(38.0, 2, 2, "platform", 1.3, 0.024, 6.0e7),
    "BNB/USDT": Coin(312.0, 1, 3, "major", 0.8, 0.012, 8.0e7),
    "BTC/USDT": Coin(42_000.0, 2, 5, "major", 0.9, 0.008, 1.2e9),
    "DOGE/USDT": Coin(0.09, 5, 0, "payment", 1.2, 0.028, 6.0e7),
    "DOT/USDT": Coin(8.2, 3, 2, "platform", 1.1, 0.020, 3.0e7),
    "ETH/USDT": Coin(2_300.0, 2, 4, "major", 1.0, 0.011, 7.0e8),
    "LINK/USDT": Coin(15.0, 3, 2, "platform", 1.1, 0.023, 4.0e7),
    "LTC/USDT": Coin(73.0, 2, 3, "payment", 0.9, 0.016, 3.0e7),
    "SOL/USDT": Coin(101.0, 2, 3, "platform", 1.3, 0.024, 2.5e8),
    "XRP/USDT": Coin(0.62, 4, 0, "payment", 0.9, 0.018, 9.0e7),
}

MARKET_DAILY = 0.024
SECTOR_DAILY = 0.010


class Regime(NamedTuple):
    """One state of the market: drift a day, volatility times, pull to where the block began, and what comes next."""

    drift: float
    volatility: float
    pull: float
    next: tuple[tuple[str, float], ...]


REGIMES = {
    "range": Regime(0.0, 0.8, 0.5, (("range", 0.955), ("up", 0.024), ("down", 0.019), ("crash", 0.002))),
    "up": Regime(0.022, 0.9, 0.0, (("up", 0.960), ("range", 0.032), ("down", 0.005), ("crash", 0.003))),
    "down": Regime(-0.020, 1.1, 0.0, (("down", 0.955), ("range", 0.030), ("up", 0.009), ("crash", 0.006))),
    "crash": Regime(-0.300, 3.0, 0.0, (("crash", 0.600), ("range", 0.200), ("down", 0.120), ("up", 0.080))),
}

# Share of the day's volume by UTC hour: quiet at 04:00, loudest when Europe and America both trade.
HOURS: tuple[float, ...] = (1.00, 0.92, 0.86, 0.78, 0.72, 0.74, 0.80, 0.90, 1.00, 1.04, 1.02, 1.00)
HOURS += (1.10, 1.36, 1.60, 1.58, 1.42, 1.26, 1.10, 1.00, 0.98, 0.96, 0.92, 0.94)

GARCH_KEEP, GARCH_TAKE = 0.93, 0.06
SHOCK_MAX = 8.0
JUMP_ODDS, JUMP_SIZE = 1.0 / 2000, 6.0
GAP_ODDS, GAP_SIZE = 0.02, 0.3
SLOW_KEEP, SLOW_SIZE, SLOW_MIN, SLOW_MAX = 0.95, 0.15, 0.5, 2.0
HOME_DAYS = 120.0
RETURN_MAX = 0.2


class Synthetic(Feed):
    """A feed of generated bars: the first days are the same however many are asked for, and so is each pair."""

    name: ClassVar[str] = "synthetic"
    summary: ClassVar[str] = "A seeded synthetic market of twelve pairs; no network, no files."
    has_future: ClassVar[bool] = True

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Which made-up market to play, and how much of it."""

        seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1, description="Another seed, another market.")] = 7
        symbols: Annotated[tuple[str, ...], msgspec.Meta(description="Pairs to play; none means all.")] = ()
        timeframe: Annotated[str, msgspec.Meta(description="1m, or anything that divides a day.")] = "1m"
        start: Annotated[dt.date, msgspec.Meta(description="First day, UTC.")] = dt.date(2024, 1, 1)
        days: Annotated[int, msgspec.Meta(ge=1, le=3660, description="How many days.")] = 30
        venue: str = "synthetic"
        account: str = "paper"
        min_notional: Annotated[Money, msgspec.Meta(description="Smallest order, in quote.", extra={"ge": 0})] = (
            Decimal(5)
        )

    def __init__(self, config: Config | None = None) -> None:
        """Take the settings (None: defaults); raises NotFound for an unknown pair, ConfigError for a timeframe."""
        self._config = config or self.Config()
        unknown = [symbol for symbol in self._config.symbols if symbol not in COINS]
        if unknown:
            raise NotFound(f"no synthetic pair {unknown[0]!r}; {nearest(unknown[0], COINS)}")
        try:
            step_ns = timeframe_ns(self._config.timeframe)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if step_ns % MINUTE_NS or (MINUTES * MINUTE_NS) % step_ns:
            raise ConfigError(
                f"the synthetic market has no {self._config.timeframe} bars; use 1m, 5m, 15m, 1h, 4h or 1d"
            )
        self._minutes = step_ns // MINUTE_NS
        self._first_ns = (self._config.start - dt.date(1970, 1, 1)).days * MINUTES * MINUTE_NS
        self._tape: Tape | None = None
        self._regimes: list[str] = []
        self._factors: dict[str, list[Floats]] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the pairs that are played, sorted."""
        return tuple(sorted(set(self._config.symbols) or COINS))

    def tape(self) -> Tape:
        """Return the bars; they are made once."""
        if self._tape is None:
            self._tape = Tape(self._config.timeframe, {symbol: self._bars(symbol) for symbol in self.symbols})
        return self._tape

    def refused(self) -> dict[str, dict[str, int]]:
        """Return nothing: every bar is sound."""
        return {}

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the pairs with the steps their prices and volumes are on."""
        return tuple(self._instrument(symbol) for symbol in self.symbols)

    def regimes(self) -> tuple[tuple[int, str], ...]:
        """Return the truth about the market: (from_ns, `range` | `up` | `down` | `crash`) for each four-hour block."""
        self._market()
        return tuple((self._first_ns + i * BLOCK * MINUTE_NS, name) for i, name in enumerate(self._regimes))

    def _instrument(self, symbol: str) -> Instrument:
        coin, (base, quote) = COINS[symbol], split_symbol(symbol)
        lot = Decimal(1).scaleb(-coin.lot_digits)
        return Instrument(
            venue=self._config.venue,
            account=self._config.account,
            symbol=symbol,
            base=base,
            quote=quote,
            tick=Decimal(1).scaleb(-coin.tick_digits),
            lot=lot,
            min_amount=lot,
            min_notional=self._config.min_notional,
        )

    def _market(self) -> list[Floats]:
        """Return the market's log returns, a day each; also finds the regimes."""
        if "market" not in self._factors:
            self._regimes = []
            self._factors["market"] = list(self._market_days())
        return self._factors["market"]

    def _market_days(self) -> Iterator[Floats]:
        source, noise, regime = _Source(self._config.seed, "market"), _Noise(), "range"
        minute = MARKET_DAILY / sqrt(MINUTES)
        for day in range(self._config.days):
            chances = source.lanes(day, 0, BLOCKS)
            shocks = noise.day(source, day) * minute
            for block in range(BLOCKS):
                regime = _follow(regime, float(chances[block, 0]) / LANE)
                self._regimes.append(regime)
                state, part = REGIMES[regime], slice(block * BLOCK, (block + 1) * BLOCK)
                shocks[part] *= state.volatility
                # a range gives back a part of what the block before it moved
                back = state.pull * _total(shocks[part.start - BLOCK : part.start]) / BLOCK if block else 0.0
                shocks[part] += state.drift / MINUTES - back
            yield noise.home(shocks)

    def _sector(self, name: str) -> list[Floats]:
        if name not in self._factors:
            source, noise, minute = _Source(self._config.seed, f"sector {name}"), _Noise(), SECTOR_DAILY / sqrt(MINUTES)
            self._factors[name] = [noise.home(noise.day(source, day) * minute) for day in range(self._config.days)]
        return self._factors[name]

    def _bars(self, symbol: str) -> Bars:
        """Make the bars of one pair, a day at a time, each from the last close of the day before."""
        coin, source, noise = COINS[symbol], _Source(self._config.seed, symbol), _Noise()
        market, sector = self._market(), self._sector(coin.sector)
        minute = coin.own / sqrt(MINUTES)
        price, days = coin.price, []
        for day in range(self._config.days):
            own = noise.home(noise.day(source, day) * minute)
            returns = np.clip(coin.beta * market[day] + sector[day] + own, -RETURN_MAX, RETURN_MAX)
            columns, price = _day(coin, returns, source, day, price)
            days.append(_grouped(columns, self._minutes))
        table = np.concatenate(days, axis=1)
        opens = self._first_ns + np.arange(table.shape[1], dtype=np.int64) * self._minutes * MINUTE_NS
        return Bars.of(opens, *(table[:4] / 10**coin.tick_digits), table[4] / 10**coin.lot_digits)


@dataclass(slots=True)
class _Source:
    """Random words of one name under one seed, by day and purpose: none depends on how many were drawn before."""

    seed: int
    name: str

    def words(self, day: int, purpose: int, count: int) -> Words:
        sequence = np.random.SeedSequence([self.seed, day, purpose, *self.name.encode()])
        return np.random.PCG64(sequence).random_raw(count)

    def lanes(self, day: int, purpose: int, count: int) -> npt.NDArray[np.int64]:
        """Return `count` rows of four integers below 65,536."""
        words = self.words(day, purpose, count).astype("<u8")
        return words.view("<u2").reshape(count, 4).astype(np.int64)

    def normals(self, day: int, purpose: int, count: int) -> Floats:
        """Return numbers that are all but normal: the sum of eight uniforms, made of integers."""
        lanes = self.lanes(day, purpose, 2 * count).reshape(count, 8)
        normals: Floats = (lanes.sum(axis=1) - 4 * (LANE - 1)) / (LANE * sqrt(8 / 12))
        return normals

    def exponentials(self, day: int, purpose: int, count: int) -> Floats:
        """Return positive numbers with mean 1, about exponential: half the squares of two normals need no logarithm."""
        first, second = self.normals(day, purpose, 2 * count).reshape(2, count)
        return (first * first + second * second) / 2


@dataclass(slots=True)
class _Noise:
    """Shocks in clusters, of variance about one; remembers its variance, slow volatility and how far it has gone."""

    variance: float = 1.0
    slow: float = 0.0
    level: float = 0.0

    def day(self, source: _Source, day: int) -> Floats:
        """Return the day's shocks under the slow volatility and the shape of the day."""
        normals, jumps = source.normals(day, 1, MINUTES + 1), source.lanes(day, 2, MINUTES)
        self.slow = SLOW_KEEP * self.slow + SLOW_SIZE * float(normals[-1])
        leap = np.where(jumps[:, 0] < JUMP_ODDS * LANE, (jumps[:, 1] / LANE - 0.5) * 2 * JUMP_SIZE, 0.0)
        shocks, h, most, keep, take = [], self.variance, SHOCK_MAX, GARCH_KEEP, GARCH_TAKE
        base = 1 - keep - take
        # all the market's minutes pass here one by one: no calls but the root, and no names from outside
        for normal, jump in zip(normals[:-1].tolist(), leap.tolist(), strict=True):
            shock = sqrt(h) * normal + jump
            if shock > most:
                shock = most
            elif shock < -most:
                shock = -most
            shocks.append(shock)
            h = base + keep * h + take * shock * shock
        self.variance = h
        return np.array(shocks) * _SHAPE_ROOT * max(SLOW_MIN, min(SLOW_MAX, 1 + self.slow))

    def home(self, returns: Floats) -> Floats:
        """Return the day's log returns drawn a little towards where the series began, so that years stay believable."""
        drawn = returns - self.level / (HOME_DAYS * MINUTES)
        self.level += _total(drawn)
        return drawn


def _shape() -> Floats:
    """Return the volume of each minute of a day, times the day's mean: the hours, joined by straight lines."""
    hours = np.array([*HOURS, HOURS[0]]) * (24 / fsum(HOURS))
    at = np.arange(MINUTES)
    part = (at % 60) / 60
    return hours[at // 60] * (1 - part) + hours[at // 60 + 1] * part


_SHAPE = _shape()
_SHAPE_ROOT = np.sqrt(_SHAPE)


def _total(values: Floats) -> float:
    """Add up exactly: numpy's own sum takes an order that depends on the machine."""
    return fsum(values.tolist())


def _follow(regime: str, chance: float) -> str:
    for name, odds in REGIMES[regime].next:
        chance -= odds
        if chance < 0:
            return name
    return regime


def _day(coin: Coin, returns: Floats, source: _Source, day: int, price: float) -> tuple[Floats, float]:
    """Return a day's minutes as whole ticks and lots (rows open, high, low, close, volume), and the last price."""
    chances, gaps = source.lanes(day, 3, MINUTES), source.normals(day, 4, MINUTES)
    usual = sqrt((coin.beta * MARKET_DAILY) ** 2 + SECTOR_DAILY**2 + coin.own**2) / sqrt(MINUTES)
    jumps = np.where(chances[:, 0] < GAP_ODDS * LANE, gaps * GAP_SIZE * usual, 0.0)
    steps = np.empty((MINUTES, 2))
    steps[:, 0] = 1 + jumps
    steps[:, 1] = 1 + returns + returns * returns / 2  # exp to the second order
    steps[0, 0] *= price
    path = np.cumprod(steps.ravel()).reshape(MINUTES, 2)
    move, noise = path[:, 1] - path[:, 0], path[:, 0] * usual * _SHAPE_ROOT
    # the highest and lowest of a Brownian path between two ends, whose law has a root and an exponential
    reach = source.exponentials(day, 5, 2 * MINUTES).reshape(2, MINUTES)
    wide = np.sqrt(move * move + 2 * noise * noise * reach)
    middle = path[:, 0] + path[:, 1]
    ticks = 10**coin.tick_digits
    opens, closes = (np.maximum(np.rint(path[:, side] * ticks), 1.0) for side in (0, 1))
    highs = np.maximum(np.maximum(opens, closes), np.rint((middle + wide[0]) / 2 * ticks))
    lows = np.minimum(np.minimum(opens, closes), np.maximum(np.rint((middle - wide[1]) / 2 * ticks), 1.0))
    busy = (0.35 + 0.65 * np.abs(returns) / (0.8 * usual * _SHAPE_ROOT)) * (
        0.4 + 0.6 * source.exponentials(day, 6, MINUTES)
    )
    amount = coin.turnover / MINUTES / coin.price * _SHAPE * busy
    lots = np.maximum(np.rint(amount * 10**coin.lot_digits), 1.0)
    return np.stack([opens, highs, lows, closes, lots]), float(path[-1, 1])


def _grouped(columns: Floats, minutes: int) -> Floats:
    """Join minutes to longer bars; ticks and lots are whole numbers, so no order of adding matters."""
    if minutes == 1:
        return columns
    opens, highs, lows, closes, lots = columns.reshape(5, -1, minutes)
    return np.stack([opens[:, 0], highs.max(axis=1), lows.min(axis=1), closes[:, -1], lots.sum(axis=1)])
