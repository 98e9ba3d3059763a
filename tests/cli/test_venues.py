"""`lct market` against an exchange: what it tells now, and its history, whatever ends the download."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.venue.served import Served, market

FROM, TO = "2024-01-01", "2024-01-08"
MINUTES, OUTAGE = 7 * 1_440, 90
LISTED_LATER = 2 * 1_440 + 7
SYMBOLS = ("BTC/USDT", "SOL/USDT")
DOWNLOAD = ("market", "download", "--symbols", ",".join(SYMBOLS), "--from", FROM, "--to", TO, "--json")


@pytest.fixture(scope="module")
def venue() -> Iterator[Served]:
    with market() as served:
        yield served


@pytest.fixture
def house(home: Path, venue: Served) -> Path:
    """A home whose binance and kraken are the server of the tests."""
    config = home / "config"
    config.mkdir(parents=True)
    urls = f'binance = "{venue.url}"\nkraken = "{venue.url}"\n'
    streams = f'binance = "{venue.url.replace("http", "ws")}/stream"\n'
    text = f"[feeds.ccxt.urls]\n{urls}\n[feeds.ccxt.streams]\n{streams}"
    (config / "house.toml").write_text(text, encoding="utf-8")
    return home


def test_what_an_exchange_tells_now_is_shown(lct: Any, house: Path) -> None:
    symbols = json.loads(lct("market", "symbols", "--venue", "binance", "--json").stdout)
    ticker = json.loads(lct("market", "ticker", "BTC/USDT", "--venue", "binance", "--json").stdout)
    book = json.loads(lct("market", "book", "BTC/USDT", "--depth", "3", "--json").stdout)
    trades = json.loads(lct("market", "trades", "BTC/USDT", "--limit", "4", "--json").stdout)
    bars = json.loads(
        lct("market", "ohlcv", "BTC/USDT", "--venue", "binance", "--timeframe", "5m", "--limit", "7", "--json").stdout
    )

    assert [row["symbol"] for row in symbols] == ["BTC/USDT", "ETH/USDT", "OLD/USDT", "SOL/USDT"]
    assert (symbols[0]["tick"], symbols[0]["taker_fee"], symbols[2]["active"]) == ("0.01", "0.001", False)
    assert ticker["symbol"] == "BTC/USDT"
    assert float(ticker["low"]) <= float(ticker["last"]) <= float(ticker["high"])
    assert [len(book), len(trades), len(bars)] == [3, 4, 7]
    assert float(book[0]["bid"]) < float(book[0]["ask"])
    assert all(bar["time"].endswith(":00Z") for bar in bars)


def test_bars_are_watched_as_they_close(lct: Any, house: Path) -> None:
    result = lct("market", "watch", "BTC/USDT", "--timeframe", "1s", "--bars", "3", "--json")

    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["symbol"] for row in rows] == ["BTC/USDT"] * 3
    assert {row["source"] for row in rows} <= {"stream", "page"}
    seconds = [int(row["time"][17:19]) for row in rows]
    assert all((one + 1) % 60 == other for one, other in pairwise(seconds))


def test_a_chart_of_an_exchange_is_drawn(lct: Any, house: Path) -> None:
    result = lct("market", "chart", "BTC/USDT", "--venue", "binance", "--timeframe", "1h", "--height", "12")

    assert len(result.stdout.splitlines()) == 13
    assert "█" in result.stdout
    bars = json.loads(lct("market", "chart", "BTC/USDT", "--venue", "binance", "--json").stdout)
    assert len(bars) == 87


def test_what_is_not_there_is_said_with_exit_code_5(lct: Any, house: Path) -> None:
    for words in (
        ("ticker", "BTX/USDT", "--venue", "binance"),
        ("ticker", "BTC/USDT", "--venue", "binanse"),
        ("download", "--symbols", "BTX/USDT"),
        ("download", "--symbols", "BTC/USDT", "--venue", "nobody"),
    ):
        result = lct("market", *words)
        assert result.exit_code == 5, result.output
        assert "did you mean" in result.stderr or "known:" in result.stderr
    assert lct("market", "download", "--symbols", "BTC/USDT", "--timeframe", "7q").exit_code == 2
    assert lct("market", "download", "--symbols", "BTC/USDT", "--from", TO, "--to", FROM).exit_code == 2


def test_the_venues_that_were_tried_are_listed_without_asking_them(lct: Any, house: Path) -> None:
    rows = {row["venue"]: row for row in json.loads(lct("market", "venues", "--json").stdout)}

    assert sorted(rows) == ["binance", "bybit", "coinbase", "kraken", "kucoin", "okx"]
    assert rows["kraken"]["bars_back"] == 720
    assert rows["binance"]["bars_a_page"] == 1_000


def test_a_download_is_whole_and_asked_for_again_there_is_nothing_to_do(lct: Any, house: Path) -> None:
    bitcoin, solana = json.loads(lct(*DOWNLOAD).stdout)
    assert (bitcoin["new"], bitcoin["from"]) == (MINUTES - OUTAGE, "2024-01-01T00:00:00Z")
    assert solana["new"] == MINUTES - OUTAGE - LISTED_LATER
    assert bitcoin["findings"] == solana["findings"] == {}

    again = json.loads(lct(*DOWNLOAD).stdout)
    assert [(row["new"], row["pages"]) for row in again] == [(0, 0), (0, 0)]
    checked = json.loads(lct("market", "check", "--json").stdout)
    assert [row["findings"] for row in checked] == [{"gap": OUTAGE}, {"gap": OUTAGE}]


def test_a_row_that_is_no_bar_is_a_finding_and_the_rest_is_there(lct: Any, house: Path, venue: Served) -> None:
    venue.fault(klines=[{"rows": "crossed"}])
    (row,) = json.loads(lct("market", "download", "--symbols", "BTC/USDT", "--from", FROM, "--to", TO, "--json").stdout)

    assert (row["new"], row["findings"]) == (MINUTES - OUTAGE - 1, {"high_below_low": 1})


def test_a_venue_with_a_short_memory_is_said_to_have_one(lct: Any, house: Path) -> None:
    result = lct("market", "download", "--venue", "kraken", "--symbols", "BTC/USDT", "--timeframe", "5m", "--json")

    (row,) = json.loads(result.stdout)
    assert 715 <= row["new"] <= 720
    assert "kraken tells nothing of 5m bars of BTC/USDT from" in result.stderr
    assert len(row["untold"]) == 1


@pytest.mark.parametrize("seed", [1])
def test_killed_and_resumed_a_download_ends_with_the_same_bytes(house: Path, tmp_path: Path, seed: int) -> None:
    def begun(folder: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "lct", *DOWNLOAD, "--store", str(tmp_path / folder)]
        with (tmp_path / f"{folder}.json").open("wb") as told:
            return subprocess.Popen(words, stdout=told, env={**os.environ, "LCT_HOME": str(house)})

    def files(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((tmp_path / folder).rglob("*.parquet"))}

    chance, killed = random.Random(seed), 0
    assert begun("whole").wait(120) == 0
    for _ in range(3):
        download = begun("broken")
        tail, until = tmp_path / "broken" / "tail.db-wal", time.perf_counter() + 60
        while not tail.exists() and download.poll() is None and time.perf_counter() < until:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.2, 1.2))
        killed += download.poll() is None
        download.kill()
        download.wait(10)
    assert begun("broken").wait(120) == 0

    assert killed > 0, f"seed {seed}: each was done before it could be killed"
    assert [row["findings"] for row in json.loads((tmp_path / "broken.json").read_text())] == [{}, {}]
    assert files("broken") == files("whole") != {}
