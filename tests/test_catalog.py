"""The catalog lists plugins without importing them, and loads exactly one."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from lct import catalog
from lct.errors import LctError, NotFound

SOUND = '''\
"""Mine: holds no opinion."""

from dataclasses import dataclass

import numpy as np

from lct.ports.strategy import Bars, Floats, Strategy, StrategyConfig


@dataclass
class Note:
    text: str = ""


class Config(StrategyConfig, frozen=True):
    window: int = 3


class Mine(Strategy):
    name = "NAME"
    summary = "Holds no opinion."
    Config = Config
    warmup = 1

    def scores(self, bars: Bars) -> Floats:
        return np.full(len(bars), np.nan)
'''


@pytest.fixture(autouse=True)
def user(tmp_path, monkeypatch) -> Path:
    """Return the user's folder of strategies; nothing else of this machine's home is seen."""
    monkeypatch.setenv("LCT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "plugins" / "strategies"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, text: str = SOUND) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text.replace("NAME", name))
    return path


def refusal(name: str) -> str:
    with pytest.raises(LctError) as caught:
        catalog.load("strategies", name)
    return str(caught.value)


def test_bundled_feeds_are_listed_and_load_by_name():
    assert {"replay", "synthetic"} <= set(catalog.names("feeds"))
    assert catalog.load("feeds", "replay").name == "replay"


def test_listing_imports_no_plugin(user):
    put(user, "loud", "raise RuntimeError('imported')")

    assert "loud" in catalog.names("strategies")


def test_importing_the_catalog_loads_no_port_and_no_numpy():
    code = "import sys, lct.catalog; lct.catalog.names('feeds'); sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_users_file_is_a_plugin_like_any_other(user):
    put(user, "mine")

    kind = catalog.load("strategies", "mine")

    assert kind().warmup == 1
    assert catalog.load("strategies", "mine") is kind


def test_loading_a_users_file_leaves_no_trace(user):
    put(user, "mine")
    before = list(sys.path)

    catalog.load("strategies", "mine")

    assert sys.path == before
    assert [path.name for path in user.iterdir()] == ["mine.py"]
    assert "mine" not in sys.modules


def test_further_folders_are_searched_too(tmp_path):
    folder = tmp_path / "team" / "strategies"
    folder.mkdir(parents=True)
    put(folder, "ours")

    assert "ours" in catalog.names("strategies", [tmp_path / "team"])
    assert catalog.load("strategies", "ours", [tmp_path / "team"]).name == "ours"
    assert "ours" not in catalog.names("strategies")


def test_private_and_hidden_files_are_no_plugins(user):
    put(user, "_shared")
    put(user, ".#mine")

    assert not {"_shared", ".#mine"} & set(catalog.names("strategies"))


def test_an_unknown_name_is_answered_with_the_nearest(user):
    put(user, "mean_reversion")

    with pytest.raises(NotFound, match="no strategy named 'men_reversion'; did you mean 'mean_reversion'"):
        catalog.load("strategies", "men_reversion")


def test_an_unknown_group_is_answered_with_the_nearest():
    with pytest.raises(NotFound, match="did you mean 'strategies'"):
        catalog.names("strategie")


def test_a_name_that_is_taken_twice_is_refused_naming_both_files(tmp_path):
    folder = tmp_path / "home" / "plugins" / "feeds"
    folder.mkdir(parents=True)
    mine = put(folder, "replay")

    with pytest.raises(LctError) as caught:
        catalog.load("feeds", "replay")

    assert str(mine) in str(caught.value)
    assert str(Path("plugins", "feeds", "replay.py")) in str(caught.value)
    assert catalog.names("feeds").count("replay") == 1


@pytest.mark.parametrize("name", ["Mine", "mine-two", "1st", "a" * 33, "größe"])
def test_a_file_name_that_cannot_name_a_plugin_is_refused(user, name):
    path = put(user, name)

    assert str(path) in refusal(name)
    assert "cannot name a plugin" in refusal(name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = 1\n", "no class in it extends Strategy"),
        ("from lct.ports.strategy import Strategy\n", "no class in it extends Strategy"),
        ("import not_there_at_all\n", "line 1 does not import: ModuleNotFoundError"),
        ("\n\ndef f(:\n", "line 3 does not import: SyntaxError"),
        ("\nraise SystemExit(3)\n", "line 2 does not import: SystemExit: 3"),
        ("x = 1\0", "does not import"),
        (SOUND + "\n\nclass Other(Mine):\n    pass\n", "defines 2 plugins (Mine, Other); one file holds one"),
        (SOUND.replace("def scores", "def score"), "Mine does not define scores"),
        (SOUND.replace("NAME", "other"), "Mine.name is 'other'; it must be 'mine'"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_with_the_file_and_the_reason(user, text, wanted):
    path = put(user, "mine", text)

    assert str(path) in refusal("mine")
    assert wanted in refusal("mine")


def test_a_file_that_failed_once_loads_once_it_is_mended(user):
    put(user, "mine", "raise RuntimeError\n")
    assert "RuntimeError: no message" in refusal("mine")

    put(user, "mine")

    assert catalog.load("strategies", "mine").name == "mine"


def announce(monkeypatch, value: str, name: str = "packaged") -> None:
    entry = importlib.metadata.EntryPoint(name, value, "lct.feeds")
    monkeypatch.setattr(catalog, "_announced_in", lambda group: (entry,) if group == "lct.feeds" else ())


def test_an_installed_package_announces_plugins_as_entry_points(monkeypatch):
    announce(monkeypatch, "plugins.feeds.replay:Replay", "other")

    assert "other" in catalog.names("feeds")
    with pytest.raises(LctError, match=r"Replay\.name is 'replay'; it must be 'other'"):
        catalog.load("feeds", "other")


@pytest.mark.parametrize("value", ["pathlib:Path", "lct.ports.feed:Feed", "lct.ports.feed:Nothing", "not_there:X"])
def test_an_entry_point_that_is_no_plugin_is_refused_by_its_name(monkeypatch, value):
    announce(monkeypatch, value)

    with pytest.raises(LctError, match=value):
        catalog.load("feeds", "packaged")
