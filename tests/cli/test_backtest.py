"""`lct backtest`: the shape of its document, and what it says to bad input."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lct import formats
from lct.domain.bars import Bars

SMALL = ("--seed", "7", "--days", "1", "--symbols", "BTC/USDT, ETH/USDT")
MINUTES = 5 * 60_000_000_000
START = 1_704_067_200_000_000_000

SHAPE = [
    "strategy",
    "symbols",
    "timeframe",
    "from",
    "to",
    "bars",
    "trades",
    "fills",
    "initial_equity",
    "final_equity",
    "total_return",
    "cagr",
    "max_drawdown",
    "sharpe",
    "sortino",
    "profit_factor",
    "win_rate",
    "fees",
    "exposure",
    "manifest",
]
MONEY = {"initial_equity", "final_equity", "fees"}
RATIOS = {"total_return", "cagr", "max_drawdown", "sharpe", "sortino", "profit_factor", "win_rate", "exposure"}


def recorded(folder: Path, count: int = 400) -> Path:
    """Write a folder of recordings: five-minute bars of BTC/USDT."""
    folder.mkdir(parents=True, exist_ok=True)
    walk = np.random.default_rng(7).normal(size=count).cumsum().round(2)
    closes = 1000.0 + walk - walk.min()
    bars = Bars.of(START + np.arange(count) * MINUTES, closes, closes + 1, closes - 1, closes, np.full(count, 50.0))
    formats.write(folder / "BTC_USDT-5m-2024H1.parquet", bars)
    return folder


def test_the_document_has_its_shape(document: Any) -> None:
    found = document("backtest", "ema_cross", *SMALL)

    assert list(found) == SHAPE
    assert all(isinstance(found[name], str) and "E" not in found[name] for name in MONEY)
    assert all(found[name] is None or isinstance(found[name], float) for name in RATIOS)
    assert (found["strategy"], found["symbols"], found["timeframe"]) == ("ema_cross", ["BTC/USDT", "ETH/USDT"], "1m")
    assert (found["from"], found["to"], found["bars"]) == ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", 2880)
    assert list(found["manifest"]) == ["lct", "data", "settings", "journal", "refused"]
    assert found["initial_equity"] == "10000"
    assert found["trades"] > 0


def test_twice_gives_the_same_bytes_and_timings_go_to_stderr(spawn: Any) -> None:
    words = ("backtest", "trend", *SMALL, "--json")

    first, second = spawn(*words), spawn(*words)

    assert first.stdout == second.stdout
    assert "bars/s" in first.stderr
    assert spawn(*words, "--quiet").stderr == ""


def test_the_place_of_the_data_does_not_change_a_result(lct: Any, tmp_path: Path) -> None:
    words = ("backtest", "ema_cross", "--symbols", "BTC/USDT", "--json")

    here = lct(*words, "--data", str(recorded(tmp_path / "here")))
    there = lct(*words, "--data", str(recorded(tmp_path / "there")))

    assert here.exit_code == 0
    assert here.stdout == there.stdout


def test_from_is_inclusive_and_to_exclusive(document: Any, tmp_path: Path) -> None:
    period = ("--from", "2024-01-01T10:00:00Z", "--to", "2024-01-01T20:00:00Z")

    found = document("backtest", "ema_cross", "--data", str(recorded(tmp_path / "bars")), *period)

    assert (found["from"], found["to"], found["bars"]) == ("2024-01-01T10:00:00Z", "2024-01-01T20:00:00Z", 120)


def test_settings_and_parameters_can_be_set(document: Any) -> None:
    plain = document("backtest", "ema_cross", *SMALL)

    own = document(
        "backtest", "ema_cross", *SMALL, "--set", "strategy.fast=5", "--set", "trading_engine.exits.stop_loss=0.05"
    )
    free = document("backtest", "ema_cross", *SMALL, "--fee", "0", "--spread-bps", "0", "--slippage-bps", "0")

    assert own["manifest"]["journal"] != plain["manifest"]["journal"]
    assert free["fees"] == "0"
    assert document("backtest", "ema_cross", *SMALL, "--cash", "500")["initial_equity"] == "500"


def test_trades_are_written_as_csv(document: Any, tmp_path: Path) -> None:
    found = document("backtest", "ema_cross", *SMALL, "--trades", str(tmp_path / "trades.csv"))

    with (tmp_path / "trades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found["trades"]
    assert sum(float(row["profit"]) > 0 for row in rows) / len(rows) == pytest.approx(found["win_rate"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ema_crss", *SMALL), 5, "did you mean 'ema_cross'"),
        (("ema_cross", "--symbols", "BTC/USD"), 5, "did you mean 'BTC/USDT'"),
        (("ema_cross", "--timeframe", "5x"), 5, "not a timeframe"),
        (("ema_cross", "--timeframe", "7m"), 5, "no 7m bars"),
        (("ema_cross", "--fee", "abc"), 2, "not a number"),
        (("ema_cross", "--fee", "-0.1"), 2, "at least 0"),
        (("ema_cross", "--cash", "NaN"), 2, "not a finite number"),
        (("ema_cross", "--cash", "0"), 2, "not above 0"),
        (("ema_cross", "--cash", "1e999"), 2, "out of range"),
        (("ema_cross", "--participation", "2"), 2, "--participation"),
        (("ema_cross", "--from", "2024-02-01", "--to", "2024-01-01"), 2, "--from must be before --to"),
        (("ema_cross", "--from", "yesterday"), 2, "no date"),
        (("ema_cross", "--symbols", " , "), 2, "names nothing"),
        (("ema_cross", "--set", "strategy.fst=3"), 2, "did you mean 'fast'"),
        (("ema_cross", "--set", "strategy.fast=300"), 2, "<= 200"),
        (("ema_cross", "--set", "trading_engine.entry_scor=1"), 2, "did you mean 'trading_engine.entry_score'"),
        (("ema_cross", "--set", "nonsense"), 2, "key=value"),
        (("ema_cross", "--config", "/no/such/folder"), 2, "no such folder"),
        (("ema_cross", "--data", "/no/such/folder"), 5, "no such folder"),
        (("ema_cross", "--data", ".", "--seed", "1"), 2, "--seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_words_are_refused_with_their_code(lct: Any, words: tuple[str, ...], code: int, said: str) -> None:
    result = lct("backtest", *words)

    assert result.exit_code == code, result.stderr
    assert said.replace("trading_engine.entry_score", "entry_score") in " ".join(result.stderr.replace("│", "").split())
    assert "Traceback" not in result.stderr


def test_unknown_recordings_are_named_with_the_nearest(lct: Any, tmp_path: Path) -> None:
    data = ("--data", str(recorded(tmp_path / "bars")))

    symbol = lct("backtest", "ema_cross", *data, "--symbols", "BTC/USDC")
    timeframe = lct("backtest", "ema_cross", *data, "--timeframe", "1h")

    assert (symbol.exit_code, timeframe.exit_code) == (5, 5)
    assert "BTC/USDT" in symbol.stderr
    assert "5m" in timeframe.stderr


def test_a_truncated_parquet_is_refused_and_nothing_is_written(lct: Any, tmp_path: Path) -> None:
    file = recorded(tmp_path / "bars") / "BTC_USDT-5m-2024H1.parquet"
    file.write_bytes(file.read_bytes()[:500])

    result = lct("backtest", "ema_cross", "--data", str(file.parent), "--trades", str(tmp_path / "trades.csv"))

    assert result.exit_code == 1
    assert str(file) in result.stderr
    assert list(tmp_path.glob("*.csv")) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [(["1704067200,100,101,99,12O,5"], ":2"), ([], "no rows")],
    ids=["text in a number", "no bars"],
)
def test_an_unsound_csv_is_refused(lct: Any, tmp_path: Path, rows: list[str], said: str) -> None:
    file = tmp_path / "BTC_USDT-5m.csv"
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")

    result = lct("backtest", "ema_cross", "--data", str(file))

    assert result.exit_code == 1
    assert said in result.stderr


def test_one_bar_is_a_result(lct: Any, tmp_path: Path) -> None:
    file = tmp_path / "BTC_USDT-5m.csv"
    file.write_text("timestamp,open,high,low,close,volume\n1704067200,100,101,99,100,5\n")

    result = lct("backtest", "ema_cross", "--data", str(file), "--json")

    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["bars"], found["trades"], found["final_equity"]) == (1, 0, "10000")
    assert found["sharpe"] is None


def test_the_digest_of_the_settings_knows_what_a_backtest_depends_on(document: Any) -> None:
    def digest(*words: str) -> Any:
        return document("backtest", "ema_cross", *SMALL, *words)["manifest"]["settings"]

    plain = digest()

    assert digest("--set", "portfolio.http_port=9999") == plain
    assert digest("--set", "monitoring.alerts_kept=7") == plain
    assert digest("--set", "trading_engine.entry_score=0.6") != plain
