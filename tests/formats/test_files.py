"""Recordings are found by their names."""

from pathlib import Path

import pytest

from lct.errors import DataError, NotFound
from lct.formats import files


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in (
        "BTC_USDT-5m-2024H1.parquet",
        "BTC_USDT-5m-2024H2.csv",
        "BTC_USDT-1d-2024H1.parquet",
        "ETH_USDT_USDT-5m.parquet",
        "ETH_USDT-1h-2021.parquet",
        "README.md",
        "BTCUSDT-5m.parquet",
        ".BTC_USDT-5m-2024.parquet.x.part",
    ):
        (tmp_path / name).write_text("")
    return tmp_path


def test_the_files_of_a_symbol_and_timeframe_are_found_in_order(folder):
    assert [path.name for path in files.find(folder, "BTC/USDT", "5m")] == [
        "BTC_USDT-5m-2024H1.parquet",
        "BTC_USDT-5m-2024H2.csv",
    ]
    assert [path.name for path in files.find(folder, "ETH/USDT:USDT", "5m")] == ["ETH_USDT_USDT-5m.parquet"]


def test_a_name_that_lct_writes_is_one_that_it_reads():
    for symbol in ("BTC/USDT", "ETH/USDT:USDT"):
        for period in ("", "2024H1", "202401_202402"):
            assert files.described(Path(files.file_name(symbol, "5m", period))) == (symbol, "5m")


def test_what_is_recorded_is_listed(folder):
    assert list(files.listing(folder)) == [
        ("BTC/USDT", "1d"),
        ("BTC/USDT", "5m"),
        ("ETH/USDT", "1h"),
        ("ETH/USDT:USDT", "5m"),
    ]
    assert files.symbols(folder, "5m") == ["BTC/USDT", "ETH/USDT:USDT"]


def test_an_unknown_symbol_is_answered_with_the_nearest(folder):
    with pytest.raises(NotFound, match=r"no symbol 'BTC/USD'.*did you mean 'BTC/USDT'"):
        files.find(folder, "BTC/USD", "5m")


def test_an_unknown_timeframe_is_answered_with_those_of_the_symbol(folder):
    with pytest.raises(NotFound, match=r"no 1m bars of BTC/USDT .*there are 5m, 1d"):
        files.find(folder, "BTC/USDT", "1m")
    with pytest.raises(NotFound, match=r"no timeframe '1m' .*there is 5m, 1h, 1d"):
        files.symbols(folder, "1m")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        files.listing(tmp_path / "gone")
    with pytest.raises(NotFound, match="it holds no recordings"):
        files.symbols(tmp_path, "1m")
