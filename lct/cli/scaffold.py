"""Scaffold: the first file of a strategy of one's own, and its test."""

import keyword
from pathlib import Path

from lct import catalog
from lct.cli.plugins import group_of
from lct.config import ensure_home, home
from lct.errors import ConfigError, Refused

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

TEST = '''\
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


def write_strategy(kind: str, name: str) -> dict[str, str]:
    """Write a strategy and its test into the home and return where they are.

    Raises ConfigError for a bad name or another kind, and Refused where the name is taken.
    """
    if group_of(kind) != "strategies":
        raise ConfigError(f"there is no first file for a {kind} yet; copy one that `lct plugin list` shows")
    if not catalog.NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} cannot name a strategy; use a-z, 0-9 and _, a letter first, at most 32 characters")
    taken = [plugin.where for plugin in catalog.found("strategies") if plugin.name == name]
    folder = home() / "plugins"
    strategy, test = folder / "strategies" / f"{name}.py", folder / "tests" / f"test_{name}.py"
    taken += [str(path) for path in (strategy, test) if path.exists()]
    if taken:
        raise Refused(f"{taken[0]} is there already; choose another name, or remove it first")
    ensure_home(home())
    words = name.strip("_").split("_")
    title = " ".join(words).capitalize()
    klass = "".join(word.capitalize() for word in words)
    for path, text in ((strategy, STRATEGY), (test, TEST)):
        _write_new(path, text.format(name=name, title=title, klass=klass))
    return {"strategy": str(strategy), "test": str(test), "try": f"lct backtest {name}"}


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    path.chmod(0o600)
