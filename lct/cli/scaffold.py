"""Scaffold: the first file of a plugin of one's own, and its test."""

import keyword
from pathlib import Path
from typing import NamedTuple

from lct import catalog
from lct.cli.plugins import group_of
from lct.config import ensure_home, home
from lct.errors import ConfigError, Refused


class Template(NamedTuple):
    """The texts of a plugin and of its test, and the verb that tries it out."""

    plugin: str
    test: str
    try_: str


STRATEGY = '''\
"""{title}: long while the close is above its average, flat below."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from lct.ports.strategy import Bars, Floats, Strategy, StrategyConfig


class {klass}(Strategy):
    """An opinion in [-1, 1] for each bar: 1 is all in, 0 is out, -1 is short where the instrument can be shorted."""

    name: ClassVar[str] = "{name}"
    summary: ClassVar[str] = "Long while the close is above its average (long only)"

    class Config(StrategyConfig, frozen=True, forbid_unknown_fields=True):
        """Defaults and bounds; `search` is the range that an optimisation tries."""

        window: Annotated[int, Meta(ge=2, le=500, description="bars averaged", extra={{"search": (10, 100)}})] = 30

    config: Config

    @property
    def warmup(self) -> int:
        """How many bars must come before the first score."""
        return self.config.window

    def scores(self, bars: Bars) -> Floats:
        """One score per bar. It may depend on that bar and those before it, never on a later one."""
        window = self.config.window
        scores = np.full(len(bars), np.nan)  # NaN means: no opinion yet
        if len(bars) > window:
            sums = np.cumsum(bars.close)
            average = (sums[window:] - sums[:-window]) / window
            scores[window:] = np.where(bars.close[window:] > average, 1.0, 0.0)
        return scores
'''

STRATEGY_TEST = '''\
"""{title} keeps the promises of a strategy; run it with pytest."""

from pathlib import Path

import numpy as np
import pytest

from lct import catalog
from lct.ports.strategy import Bars


@pytest.fixture
def strategy(monkeypatch):
    monkeypatch.setenv("LCT_HOME", str(Path(__file__).resolve().parents[2]))
    return catalog.load("strategies", "{name}")()


@pytest.fixture
def bars():
    closes = 100.0 + np.cumsum(np.random.default_rng(7).normal(size=300))
    opens = np.arange(300) * 60_000_000_000
    return Bars.of(opens, closes, closes + 1.0, closes - 1.0, closes, np.ones(300))


def test_every_score_is_an_opinion(strategy, bars):
    scores = strategy.scores(bars)

    assert scores.shape == (300,)
    assert np.isnan(scores[: strategy.warmup]).all()
    assert (np.abs(scores[strategy.warmup :]) <= 1.0).all()


def test_no_score_knows_the_future(strategy, bars):
    whole = strategy.scores(bars)

    for end in (strategy.warmup + 1, 150, 299):
        np.testing.assert_array_equal(strategy.scores(bars[:end]), whole[:end])
'''


DISCOVERY = '''\
"""{title}: tokens from a list that you write down."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from lct.ports.token_source import Facts, TokenSeen, TokenSource

HOUR_NS = 3_600_000_000_000


class {klass}(TokenSource):
    """Tells of one token each so many hours; what it does not know stays None, which no gate passes."""

    name: ClassVar[str] = "{name}"
    summary: ClassVar[str] = "Tokens from a list"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Which tokens; [sources.{name}] of token_discovery.toml."""

        mints: Annotated[tuple[str, ...], Meta(description="their addresses")] = ("So1anaMint1", "So1anaMint2")
        hours: Annotated[int, Meta(ge=1, description="hours between two")] = 6

    def __init__(self, config: Any, from_ns: int, to_ns: int | None) -> None:
        """Take the settings and the period, from inclusive to exclusive."""
        self.config = config
        self.from_ns, self.to_ns = from_ns, to_ns

    def tokens(self) -> Iterator[TokenSeen]:
        """Yield the tokens of the period in the order of time: the same ones each time."""
        for number, mint in enumerate(self.config.mints):
            seen_at_ns = self.from_ns + number * self.config.hours * HOUR_NS
            if self.to_ns is not None and seen_at_ns >= self.to_ns:
                return
            facts = Facts(age_seconds=3_600.0, liquidity_usd=25_000.0, mint_authority=False)
            yield TokenSeen("solana", mint, f"MINE{{number}}", f"Mine {{number}}", self.name, seen_at_ns, facts)
'''

DISCOVERY_TEST = '''\
"""{title} keeps the promises of a token source; run it with pytest."""

from pathlib import Path

import pytest

from lct import catalog

DAY_NS = 24 * 3_600_000_000_000


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setenv("LCT_HOME", str(Path(__file__).resolve().parents[2]))
    kind = catalog.load("token_sources", "{name}")
    return kind(kind.Config(), DAY_NS, 2 * DAY_NS)


def test_the_same_tokens_come_each_time(source):
    assert list(source.tokens()) == list(source.tokens()) != []


def test_they_come_in_the_order_of_time_and_within_the_period(source):
    times = [token.seen_at_ns for token in source.tokens()]

    assert times == sorted(times)
    assert all(DAY_NS <= at < 2 * DAY_NS for at in times)
'''

TEMPLATES = {
    "strategies": Template(STRATEGY, STRATEGY_TEST, "lct backtest {name}"),
    "token_sources": Template(DISCOVERY, DISCOVERY_TEST, "lct plugin show token_source {name}"),
}


def write_plugin(kind: str, name: str) -> dict[str, str]:
    """Write a plugin and its test into the home and return where they are.

    Raises ConfigError for a bad name or a kind without a first file, and Refused where the name is taken.
    """
    group = group_of(kind)
    noun = catalog.GROUPS[group].noun
    if group not in TEMPLATES:
        raise ConfigError(f"there is no first file for a {kind} yet; copy one that `lct plugin list` shows")
    if not catalog.NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} cannot name a {noun}; use a-z, 0-9 and _, a letter first, at most 32 characters")
    taken = [plugin.where for plugin in catalog.found(group) if plugin.name == name]
    folder = home() / "plugins"
    plugin, test = folder / group / f"{name}.py", folder / "tests" / f"test_{name}.py"
    taken += [str(path) for path in (plugin, test) if path.exists()]
    if taken:
        raise Refused(f"{taken[0]} is there already; choose another name, or remove it first")
    ensure_home(home())
    words = name.strip("_").split("_")
    title = " ".join(words).capitalize()
    klass = "".join(word.capitalize() for word in words)
    template = TEMPLATES[group]
    for path, text in ((plugin, template.plugin), (test, template.test)):
        _write_new(path, text.format(name=name, title=title, klass=klass))
    return {noun: str(plugin), "test": str(test), "try": template.try_.format(name=name)}


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    path.chmod(0o600)
