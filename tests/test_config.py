"""Configuration refuses what it does not understand, and says where."""

import re
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from lct import config
from lct.domain.money import Money, money_hook
from lct.errors import ConfigError


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_notional: Annotated[Money, Meta(description="Largest position, in quote.", extra={"ge": 0})] = Decimal(1000)
    max_open_orders: Annotated[int, Meta(ge=0, le=500, description="Orders at work at the same time.")] = 20


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    symbol: str
    weight: float = 1.0


class House(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tests configure."""

    mode: Annotated[str, Meta(description="How the house runs.")] = "paper"
    fee_bps: Annotated[float, Meta(ge=0, le=100)] = 10.0
    cycle_seconds: Annotated[int, Meta(ge=1, le=86_400, description="Seconds between two cycles.")] = 60
    symbols: tuple[str, ...] = ("BTC/USDT",)
    verbose: bool = False
    note: str | None = None
    limits: Limits = Limits()
    legs: tuple[Leg, ...] = ()
    ticks: dict[str, Money] = {}


GOOD = """\
# the house
mode = "paper"
fee_bps = 7.5
cycle_seconds = 30

[limits]
max_notional = 2500.10
max_open_orders = 5

[[legs]]
symbol = "BTC/USDT"
weight = 0.1

[[legs]]
symbol = "ETH/USDT"
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "house.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def loaded(folder: Path, text: str | bytes) -> House:
    return config.load(written(folder, text), House, money_hook)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert str(folder / "house.toml") in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_good_file_loads_and_money_stays_exact(tmp_path):
    house = loaded(tmp_path, GOOD)

    assert house.fee_bps == 7.5
    assert house.limits.max_notional == Decimal("2500.10")
    assert house.legs == (Leg("BTC/USDT", 0.1), Leg("ETH/USDT"))


def test_windows_line_ends_are_fine(tmp_path):
    assert loaded(tmp_path, GOOD.replace("\n", "\r\n")) == loaded(tmp_path, GOOD)


def test_a_float_field_takes_any_number_and_is_a_float(tmp_path):
    assert loaded(tmp_path, "fee_bps = 3").fee_bps == 3.0
    assert type(loaded(tmp_path, "fee_bps = 0.1").fee_bps) is float


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty"),
        (" \r\n\t\n", "is empty"),
        (b"\xef\xbb\xbfmode = 'paper'\n", "starts with a byte-order mark; save it as UTF-8 without"),
        (b"mode = 'paper'\nnote = '\xff'\n", "line 2: not UTF-8"),
        ("mode = 'paper'\nmode = 'live'\n", "line 2: key 'mode' is given twice"),
        ("mode = 'paper'\nfee_bps = 1\nmode = 'live'", "line 3: key 'mode' is given twice"),
        ("[limits]\n[limits]\n", "line 2: key 'limits' is given twice"),
        ("mode = 'paper'\nfee_bps 3\n", "line 2: not TOML: expected '='"),
        ("mode = \n", "line 1: not TOML"),
        ("cycle_second = 3\n", "line 1: unknown key 'cycle_second'; did you mean 'cycle_seconds'?"),
        (
            GOOD.replace("max_open_orders", "max_open_order"),
            "line 8: unknown key 'limits.max_open_order'; did you mean 'max_open_orders'?",
        ),
        (GOOD + "wieght = 2\n", "line 16: unknown key 'legs[1].wieght'; did you mean 'weight'?"),
        (GOOD.replace("= 5\n", "= -5\n"), "line 8: limits.max_open_orders: expected int >= 0"),
        (GOOD.replace("= 30", "= 30.5"), "line 4: cycle_seconds: expected int, got a number with a point"),
        (GOOD.replace("= 30", "= 30000000"), "line 4: cycle_seconds: expected int <= 86400"),
        (GOOD.replace("= 30", "= '30'"), "line 4: cycle_seconds: expected int, got str"),
        (GOOD.replace("= 30", "= true"), "line 4: cycle_seconds: expected int, got bool"),
        (GOOD.replace('symbol = "ETH/USDT"', "weight = 1"), "line 14: legs[1].symbol: is missing"),
        (GOOD.replace("= 7.5", "= nan"), "line 3: fee_bps: NaN is not a finite number"),
        (GOOD.replace("= 7.5", "= inf"), "line 3: fee_bps: Infinity is not a finite number"),
        (GOOD.replace("= 0.1", "= 1e400"), "line 12: legs[0].weight: number out of range"),
        (GOOD.replace("= 30", "= 99999999999999999999"), "line 4: cycle_seconds: number out of range"),
        (GOOD.replace("2500.10", "true"), "line 7: limits.max_notional: money must be text or a decimal"),
        (GOOD.replace("2500.10", "'much'"), "line 7: limits.max_notional: not a number"),
        (GOOD.replace("2500.10", "-0.01"), "line 7: limits.max_notional: -0.01 is out of range; it must be >= 0"),
        ("x = " + "[" * 3000, "nested too deep"),
    ],
)
def test_a_refusal_names_the_line_the_key_and_the_reason(tmp_path, text, wanted):
    assert wanted in refusal(tmp_path, text)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"house\.toml: no such file"):
        config.load(tmp_path / "house.toml", House, money_hook)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path, House, money_hook)


def test_a_huge_file_is_not_read(tmp_path):
    assert "larger than" in refusal(tmp_path, b"#" * (config.CONFIG_BYTES_MAX + 1))


def test_keys_inside_long_text_do_not_mislead_the_line_number(tmp_path):
    text = 'note = """\nfee_bps = 1\n"""\nfee_bps = -1\n'

    assert "line 4: fee_bps" in refusal(tmp_path, text)


def mutated(chance: Random) -> str | bytes:
    """Return GOOD with one thing made wrong."""
    lines = GOOD.splitlines(keepends=True)
    at = chance.choice([i for i, line in enumerate(lines) if "=" in line])
    key, _, value = lines[at].partition(" = ")
    number = re.fullmatch(r"[\d.]+\n", value)
    kind = chance.choice(["unknown", "type", "slip", "negative", "empty", "bom", "twice", "cut", "not_finite"])
    if kind == "empty":
        return chance.choice(["", "\n", "\r\n \r\n"])
    if kind == "bom":
        return b"\xef\xbb\xbf" + GOOD.encode()
    if kind == "unknown":
        spot = chance.randrange(len(key) + 1)
        lines[at] = f"{key[:spot]}{chance.choice('qxz_7')}{key[spot:]} = {value}"
    elif kind == "twice":
        lines.insert(at, lines[at])
    elif kind == "cut":
        lines[at] = f"{key} =\n"
    elif kind == "type" or not number or key == "weight":
        lines[at] = f"{key} = {chance.choice(['[]', 'true', '{}', '2024-01-01'])}\n"
    elif kind == "slip":
        lines[at] = f"{key} = 10_000_000_000{'.5e300' if key == 'max_notional' else ''}\n"
    elif kind == "negative":
        lines[at] = f"{key} = -{value}"
    else:
        lines[at] = f"{key} = {chance.choice(['nan', 'inf', '-inf', '1e999'])}\n"
    return "".join(lines)


def test_two_hundred_broken_files_are_all_refused_with_the_file_named(tmp_path):
    chance = Random(11)

    for _ in range(200):
        text = mutated(chance)
        if chance.random() < 0.3:
            text = text.replace("\n", "\r\n") if isinstance(text, str) else text.replace(b"\n", b"\r\n")
        assert refusal(tmp_path, text)


def test_overrides_are_checked_like_a_file():
    base = House()

    changed = config.override(
        base,
        ["fee_bps=2.5", "limits.max_open_orders=7", "mode=live", "note=5", 'symbols=["SOL/USDT"]', "verbose=true"],
        money_hook,
    )

    assert changed == House(
        mode="live", fee_bps=2.5, note="5", symbols=("SOL/USDT",), verbose=True, limits=Limits(max_open_orders=7)
    )
    assert base == House()


def test_an_override_reaches_money_and_tables_of_names():
    changed = config.override(House(), ["limits.max_notional=0.1", "ticks.BTC/USDT=0.01"], money_hook)

    assert changed.limits.max_notional == Decimal("0.1")
    assert changed.ticks == {"BTC/USDT": Decimal("0.01")}


@pytest.mark.parametrize(
    ("pair", "wanted"),
    [
        ("fee_bps", "write key=value"),
        ("=3", "write key=value"),
        ("fee_bp=3", "unknown key 'fee_bp'; did you mean 'fee_bps'?"),
        ("limits.max_open=3", "unknown key 'limits.max_open'"),
        ("fee_bps=-1", "fee_bps: expected float >= 0"),
        ("fee_bps=nan", "not a finite number"),
        ("cycle_seconds=soon", "cycle_seconds: expected int, got str"),
        ("verbose=yes", "verbose: expected bool, got str"),
        ("mode.inner=1", "'mode' is a value, not a table"),
        ("limits.max_notional=-5", "must be >= 0"),
        ("verbose=true\nfee_bps=3", "verbose: expected bool"),
    ],
)
def test_a_wrong_override_is_refused_by_name(pair, wanted):
    with pytest.raises(ConfigError) as caught:
        config.override(House(), [pair], money_hook)

    assert wanted in str(caught.value)


def test_a_documented_file_loads_to_the_defaults(tmp_path):
    text = config.document(House)

    assert loaded(tmp_path, text) == House()


def test_the_defaults_in_a_documented_file_are_the_structs_own(tmp_path):
    uncommented = re.sub(r"^# (\w+ = .*)$", r"\1", config.document(House), flags=re.MULTILINE)

    assert "max_open_orders = 20" in uncommented
    assert "max_notional = 1000" in uncommented
    assert loaded(tmp_path, uncommented) == House()


def test_a_documented_file_explains_each_field_and_sets_what_it_is_given(tmp_path):
    text = config.document(House, {"mode": "live", "limits": {"max_open_orders": 3}})

    assert text.startswith("# What the tests configure.\n")
    assert '# How the house runs.\nmode = "live"\n' in text
    assert "# Seconds between two cycles.\n# cycle_seconds = 60\n" in text
    assert "# absent by default: note = ..." in text
    assert loaded(tmp_path, text) == House(mode="live", limits=Limits(max_open_orders=3))


def test_a_field_without_a_default_is_shown_as_required():
    assert "# required: symbol = ..." in config.document(Leg)


def test_home_is_what_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("LCT_HOME", str(tmp_path / "here"))
    assert config.home() == tmp_path / "here"

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LCT_HOME", "~/there")
    assert config.home() == tmp_path / "there"

    monkeypatch.setenv("LCT_HOME", "")
    assert config.home().name == "lct"


def test_a_home_is_closed_to_everyone_else(tmp_path):
    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)
    home.chmod(0o755)

    config.ensure_home(home)
    config.ensure_home(home)

    assert {folder.name for folder in home.iterdir()} == set(config.HOME_FOLDERS)
    assert {folder.stat().st_mode & 0o777 for folder in (home, *home.iterdir())} == {0o700}


def test_a_home_that_cannot_be_made_is_a_config_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="set LCT_HOME"):
        config.ensure_home(tmp_path / "file")


def test_the_default_configs_are_found():
    assert config.defaults_dir().name in {"configs", "default_configs"}
