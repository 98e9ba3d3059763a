"""How one process of a house is put together, and how long it waits when its last lives were in vain."""

import json
from pathlib import Path
from typing import Any

import pytest

from lct.bus import presence
from lct.bus.presence import Presence
from lct.errors import ConfigError, LctError, NotFound, Refused
from lct.run import process, starts
from lct.run.config import HouseConfig, install_id, journal_folder, keep_or_compare
from lct.run.members import BUILDERS, build, daemon_class
from lct.run.process import DAEMONS, HTTP_PORTS, ON_WALL_CLOCK, Settled, daemon_names, lives_on_wall_clock, site_of

BUNDLED = {
    "api_gateway": 8000,
    "trading_engine": 8001,
    "market_data": 8002,
    "portfolio": 8003,
    "strategy_engine": 8004,
    "token_discovery": 8005,
    "execution": 8006,
    "monitoring": 8007,
}


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settled:
    """The settings of an empty home."""
    monkeypatch.delenv(HTTP_PORTS, raising=False)
    monkeypatch.delenv(DAEMONS, raising=False)
    (tmp_path / "run").mkdir()
    return Settled(tmp_path)


def configured(settled: Settled, name: str, text: str) -> Settled:
    folder = settled.home / "config"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    return Settled(settled.home)


def test_a_house_has_every_daemon_of_the_folder_unless_told_otherwise(settled, monkeypatch):
    every = daemon_names()
    monkeypatch.setenv(DAEMONS, "portfolio,execution")

    assert set(BUNDLED) <= set(every)
    assert list(every) == sorted(every)
    assert daemon_names() == ("execution", "portfolio")


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_daemon_is_built_and_has_its_port(name, settled):
    site = site_of(settled, is_replayed=True)

    daemon, ports = build(name, site)

    assert daemon.name == name
    assert settled.http_port(name) == BUNDLED[name]
    for port in ports:
        assert port.owner == name
        getattr(port, "close", lambda: None)()


def test_who_lives_on_the_wall_clock_says_so_itself():
    assert {name for name in BUILDERS if daemon_class(name).on_wall_clock} == ON_WALL_CLOCK
    assert [name for name in sorted(BUNDLED) if lives_on_wall_clock(name)] == ["api_gateway", "monitoring"]


def test_a_demo_takes_any_free_port(settled, monkeypatch):
    monkeypatch.setenv(HTTP_PORTS, "auto")

    assert settled.http_port("portfolio") == 0


def test_members_of_one_house_have_one_hash_of_their_settings(settled):
    one, other = Settled(settled.home), Settled(settled.home)
    changed = configured(settled, "portfolio", "trades_kept = 7\n")

    assert one.hash == other.hash
    assert changed.hash != Settled(Path("/nonexistent")).hash


def test_an_unknown_setting_is_refused_by_name(settled):
    wrong = configured(settled, "house", "symbol = ['BTC/USDT']\n")

    with pytest.raises(ConfigError, match=r"house\.toml, line 1: .*symbol"):
        site_of(wrong, is_replayed=True)


def test_an_account_of_one_process_is_not_run_by_several(settled):
    folder = journal_folder(settled.home, HouseConfig())
    folder.mkdir(parents=True)
    (folder / "house.db").touch()

    with pytest.raises(Refused, match="lct run"):
        site_of(settled, is_replayed=True)


def test_a_recording_cannot_be_lived_on_the_wall_clock(settled, tmp_path):
    recorded = tmp_path / "bars"
    recorded.mkdir()
    wrong = configured(settled, "house", f'feed = "replay"\n[feeds.replay]\npath = "{recorded}"\n')

    with pytest.raises(LctError):
        _ = site_of(wrong, is_replayed=False).feed
    assert not (journal_folder(wrong.home, HouseConfig()) / "house.json").exists()


def test_a_made_up_market_begins_with_a_day_of_history_on_the_wall_clock_and_stays(settled):
    site = site_of(settled, is_replayed=False)
    assert site.feed.has_future
    first = site.house.feeds["synthetic"]
    again = site_of(Settled(settled.home), is_replayed=False).house.feeds["synthetic"]

    assert set(first) == {"start", "days"}
    assert again == first


def test_a_house_that_was_started_is_gone_on_with(settled):
    assert site_of(settled, is_replayed=True).feed.name == "synthetic"
    other = configured(settled, "house", "[feeds.synthetic]\nseed = 99\n")

    assert site_of(other, is_replayed=True).house.feeds == {}


def test_processes_that_begin_at_once_agree_on_what_is_made_first(tmp_path):
    assert install_id(tmp_path) == install_id(tmp_path)

    keep_or_compare(tmp_path / "house.json", HouseConfig())
    with pytest.raises(Refused, match="another account"):
        keep_or_compare(tmp_path / "house.json", HouseConfig(account="other"))
    assert list(tmp_path.glob("*.new")) == []


def test_a_daemon_that_is_not_there_is_not_found(settled):
    with pytest.raises(NotFound, match="lct daemon list"):
        daemon_class("portfolioo")


# --- starts


def started(run: Path, name: str, at_ns: int, *, ready: bool) -> int:
    in_vain = starts.count(run, name, at_ns)
    presence.write(run, Presence(name, 1, 1, ready, at_ns, at_ns))
    return in_vain


def test_lives_that_were_never_ready_are_counted_and_a_ready_one_begins_anew(tmp_path):
    counted = [
        started(tmp_path, "a", at, ready=ready) for at, ready in enumerate([False, False, False, True, False, True])
    ]

    assert counted == [0, 1, 2, 3, 0, 1]


def test_an_old_presence_does_not_excuse_a_life_that_left_none(tmp_path):
    started(tmp_path, "a", 1, ready=True)

    assert [starts.count(tmp_path, "a", at) for at in (2, 3, 4)] == [0, 1, 2]


def test_the_wait_grows_from_nothing_to_its_limit():
    waits = [starts.wait_seconds(n) for n in range(60)]

    assert waits[:5] == [0.0, 0.0, 0.0, 0.25, 0.5]
    assert waits == sorted(waits)
    assert waits[-1] == starts.WAIT_SECONDS_MAX


def test_a_process_that_cannot_start_says_why_in_the_run_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LCT_HOME", str(tmp_path))

    def fail(name: str) -> Any:
        raise Refused("the cellar is locked")

    monkeypatch.setattr(process, "main", fail)

    code = starts.run("portfolio")

    told = json.loads((tmp_path / "run" / "portfolio.json").read_text())
    assert code == 4
    assert "error: the cellar is locked" in capsys.readouterr().err
    assert (told["ready"], told["reasons"]) == (False, ["the cellar is locked"])
