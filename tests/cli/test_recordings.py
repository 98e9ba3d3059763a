"""`lct market` beside any house: recordings checked, repaired, converted and resampled, and the store of bars."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lct import formats
from lct.domain.bars import Bars
from lct.domain.quality import stacked

BEGIN = int(np.datetime64("2024-01-31T22:00", "ns").astype(np.int64))
STEP = 300_000_000_000


def bars(count: int = 60, price: float = 100.0) -> Bars:
    close = price + np.arange(count) % 7 / 2
    return Bars.of(BEGIN + np.arange(count) * STEP, close, close + 1, close - 1, close, 1.0 + np.arange(count) % 3)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with a sound recording, and one with a gap, a page twice, and a row that is no bar."""
    folder = tmp_path / "bars"
    formats.write(folder / "BTC_USDT-5m-2024.parquet", bars())
    bad = stacked((bars()[:30], bars()[25:40], bars()[44:]))
    bad.high[3] = 1.0
    formats.write(folder / "ETH_USDT-5m-2024.csv", bad)
    return folder


def test_a_check_tells_each_file_its_score_and_its_findings(lct: Any, recorded: Path) -> None:
    result = lct("market", "check", str(recorded), "--json")

    good, bad = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (good["symbol"], good["score"], good["sound"], good["findings"]) == ("BTC/USDT", 100.0, True, {})
    assert bad["findings"] == {"duplicate": 5, "gap": 5, "high_below_low": 1}
    assert bad["score"] < 100
    assert {"kind": "gap", "time": "2024-02-01T01:20:00Z", "bars": 4} in bad["examples"]


def test_findings_that_are_allowed_do_not_fail_a_check(lct: Any, recorded: Path) -> None:
    assert lct("market", "check", str(recorded / "BTC_USDT-5m-2024.parquet")).exit_code == 0
    assert lct("market", "check", str(recorded), "--allow", "gap,duplicate").exit_code == 1
    assert lct("market", "check", str(recorded), "--allow", "gap,duplicate,high_below_low").exit_code == 0


def test_a_file_whose_name_tells_nothing_asks_for_it(lct: Any, recorded: Path) -> None:
    other = recorded / "mine.csv"
    (recorded / "ETH_USDT-5m-2024.csv").rename(other)

    refused = lct("market", "check", str(other))
    told = lct("market", "check", str(other), "--symbol", "ETH/USDT", "--timeframe", "5m")

    assert (refused.exit_code, told.exit_code) == (2, 1)
    assert "--symbol and --timeframe" in refused.stderr


def test_repair_only_tells_unless_it_is_said_where_to(document: Any, recorded: Path, tmp_path: Path) -> None:
    bad, out = recorded / "ETH_USDT-5m-2024.csv", tmp_path / "ETH_USDT-5m-fixed.parquet"
    before = bad.read_bytes()

    told = document("market", "repair", str(bad))
    done = document("market", "repair", str(bad), "--out", str(out))

    assert told["done"] == done["done"] == {"dropped high_below_low": 1, "put in order": 1, "dropped duplicate": 5}
    assert (told["out"], done["out"]) == (None, str(out))
    assert bad.read_bytes() == before
    assert len(formats.read(out)) == done["bars"] == 55


def test_repair_does_not_choose_between_two_tellings(lct: Any, tmp_path: Path) -> None:
    path = tmp_path / "ETH_USDT-5m.csv"
    formats.write(path, stacked((bars()[:30], bars(price=50.0)[29:])))

    refused = lct("market", "repair", str(path))
    kept = lct("market", "repair", str(path), "--prefer", "last", "--json")

    assert refused.exit_code == 4
    assert "1 rows tell a bar differently" in refused.stderr
    assert json.loads(kept.stdout)["done"]["dropped conflicting_duplicate"] == 1
    assert lct("market", "repair", str(path), "--prefer", "loudest").exit_code == 2


@pytest.mark.parametrize("ending", ["csv", "feather", "json", "parquet"])
def test_a_converted_file_gives_back_the_same_bars(document: Any, recorded: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"BTC_USDT-5m-2024.{ending}"

    told = document("market", "convert", str(recorded / "BTC_USDT-5m-2024.parquet"), str(out))

    assert told["bars"] == 60
    assert formats.read(out).close.tobytes() == bars().close.tobytes()


def test_resampling_counts_what_is_left_of_windows(document: Any, lct: Any, recorded: Path, tmp_path: Path) -> None:
    source, out = str(recorded / "BTC_USDT-5m-2024.parquet"), tmp_path / "BTC_USDT-1h-2024.parquet"

    told = document("market", "resample", source, str(out), "--to", "1h")
    odd = lct("market", "resample", source, str(out), "--to", "7m")
    broken = lct("market", "resample", str(recorded / "ETH_USDT-5m-2024.csv"), str(out), "--to", "1h")

    assert (told["bars"], told["left_out"]) == (5, 0)
    assert formats.read(out).high[0] == bars().high[:12].max()
    assert (odd.exit_code, broken.exit_code) == (2, 1)
    assert "repair" in broken.stderr


def test_the_store_takes_recordings_once_and_keeps_what_contradicts(
    lct: Any, document: Any, recorded: Path, tmp_path: Path
) -> None:
    path = recorded / "BTC_USDT-5m-2024.parquet"
    other = tmp_path / "BTC_USDT-5m-other.csv"
    formats.write(other, bars(price=50.0)[10:12])

    (first,) = document("market", "import", str(path), "--venue", "binance")
    (again,) = document("market", "import", str(path), "--venue", "binance")
    (wrong,) = document("market", "import", str(other), "--venue", "binance")
    (line,) = document("market", "list")

    assert (first["new"], again["new"], again["known"]) == (60, 0, 60)
    assert wrong["findings"] == {"conflicting_duplicate": 2}
    assert (line["venue"], line["bars"], line["in_tail"], line["findings"]) == ("binance", 60, 0, 2)
    assert (line["from"], line["to"]) == ("2024-01-31T22:00:00Z", "2024-02-01T02:55:00Z")
    assert lct("market", "check").exit_code == 0


def test_what_is_in_the_store_can_be_backtested(lct: Any, home: Path, recorded: Path) -> None:
    lct("market", "import", str(recorded / "BTC_USDT-5m-2024.parquet"), "--venue", "binance")

    result = lct("backtest", "trend", "--data", str(home / "bars" / "binance"), "--timeframe", "5m", "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["bars"] == 60


@pytest.mark.parametrize(
    "verb", [("check", "nowhere.csv"), ("repair", "BTC_USDT-5m.csv"), ("convert", "a.csv", "b.csv")]
)
def test_a_file_that_is_not_there_is_named(lct: Any, tmp_path: Path, verb: tuple[str, ...]) -> None:
    result = lct("market", verb[0], *(str(tmp_path / name) for name in verb[1:]))

    assert result.exit_code in (1, 2)
    assert verb[1] in result.stderr


def test_an_empty_store_says_how_to_fill_it(lct: Any) -> None:
    result = lct("market", "list")

    assert result.exit_code == 0
    assert "lct market download" in result.stderr
