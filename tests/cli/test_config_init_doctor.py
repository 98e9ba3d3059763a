"""Configuration on the command line: what is wrong is named, the shipped files are the defaults, a home is closed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lct.config import defaults_dir, document
from lct.run.house import Settings, load_settings

SECTIONS = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def test_the_shipped_files_set_nothing() -> None:
    assert load_settings(defaults_dir()) == Settings()


@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "strategy_engine"])
def test_a_shipped_file_is_what_its_struct_says(name: str) -> None:
    assert (defaults_dir() / f"{name}.toml").read_text(encoding="utf-8") == document(SECTIONS[name])


def test_init_makes_a_closed_home_and_keeps_what_is_there(document: Any, home: Path) -> None:
    first = document("init")
    modes = {path.stat().st_mode & 0o777 for path in (home / "config").iterdir()}
    (home / "config" / "house.toml").write_text("cash = 5\n")
    second = document("init")

    assert first["home"] == str(home)
    assert set(first["written"]) == {path.name for path in defaults_dir().glob("*.toml")} == set(second["kept"])
    assert second["written"] == []
    assert (home / "config" / "house.toml").read_text() == "cash = 5\n"
    assert len((home / "install_id").read_text()) == 32
    assert home.stat().st_mode & 0o777 == 0o700
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("house.toml", b"mode = 'paper'\nsymbls = []\n", "line 2: unknown key 'symbls'; did you mean 'symbols'"),
        ("house.toml", b"cash = 'much'\n", "line 1: cash"),
        ("house.toml", b"cash = -5\n", "cash: -5 is out of range"),
        ("execution.toml", b"[simulated]\nmax_order_notional = -1\n", "max_order_notional must be at least 0"),
        ("execution.toml", b"[simulated]\nmax_open_orders = -1\n", "simulated.max_open_orders"),
        ("portfolio.toml", b"", "is empty"),
        ("portfolio.toml", b"\xef\xbb\xbftrades_kept = 5\n", "byte-order mark"),
        ("portfolio.toml", b"trades_kept = \n", "line 1: not TOML"),
        ("portfolo.toml", b"trades_kept = 5\n", "no part of the house reads this"),
        ("strategy_engine.toml", b"strategies = ['trand']\n", "did you mean 'trend'"),
        ("strategy_engine.toml", b"[parameters.trend]\nfst = 3\n", "did you mean 'fast'"),
    ],
)
def test_a_wrong_file_is_named(lct: Any, tmp_path: Path, file: str, text: bytes, said: str) -> None:
    (tmp_path / file).write_bytes(text)

    checked = lct("config", "check", str(tmp_path))
    used = lct("backtest", "trend", "--days", "1", "--config", str(tmp_path))

    assert checked.exit_code == 2
    assert said in checked.stdout + checked.stderr
    if "strategies" not in text.decode("utf-8", "replace"):  # the strategy is typed, so that one is not used
        assert used.exit_code == 2
        assert file.removesuffix(".toml") in used.stderr


def test_check_finds_what_is_wrong_with_every_file(lct: Any, tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text("a = 1\nb = 2\n")
    (tmp_path / "portfolio.toml").write_text("c = 3\n")

    result = lct("config", "check", str(tmp_path))

    assert result.exit_code == 2
    assert all(f"unknown key '{key}'" in result.stdout for key in "abc")


def test_show_tells_values_and_where_they_come_from(document: Any, home: Path) -> None:
    document("init")
    (home / "config" / "house.toml").write_text("cash = 2500.10\n[costs]\nfee_rate = 0.002\n")

    rows = {row["key"]: row for row in document("config", "show", "house")}

    assert rows["house.cash"] == {
        "key": "house.cash",
        "value": "2500.1",
        "source": str(home / "config" / "house.toml"),
    }
    assert rows["house.costs.fee_rate"]["value"] == "0.002"
    assert rows["house.mode"] == {"key": "house.mode", "value": "paper", "source": "default"}


def test_an_unknown_section_is_not_found(lct: Any) -> None:
    assert lct("config", "show", "hous").exit_code == 5


def test_doctor_finds_a_fresh_home_well_and_an_open_one_not(
    document: Any, lct: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LCT_HTTP_PORTS", "auto")  # another house may run here
    document("init")
    well = document("doctor")
    (home / "config" / "house.toml").chmod(0o644)
    ill = lct("doctor")

    of_the_house = ["journal", "account", "venue", "halt", "sockets", "supervisor", "processes", "ports"]
    checks = ["python", "sqlite", "packages", "home", "config", *of_the_house, "disk"]
    assert [row["check"] for row in well] == checks
    assert all(list(row) == ["check", "passed", "detail", "fix"] and row["passed"] for row in well)
    assert ill.exit_code == 1
    assert "chmod -R go-rwx" in ill.stdout
