"""The files of freqtrade: read as they are, and written so that they come back bit by bit."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from lct import formats
from lct.domain.bars import Bars
from lct.errors import DataError
from lct.formats.files import described

MS = 1_700_000_000_000 // 60_000 * 60_000


def bars() -> Bars:
    times = (MS + np.arange(50) * 60_000) * 1_000_000
    close = np.round(100 + np.sin(np.arange(50)), 7)
    return Bars.of(times, close, close + 1, close - 1, close, np.arange(50) / 3)


@pytest.mark.parametrize("ending", ["feather", "json", "parquet", "csv"])
def test_what_is_written_is_read_back_bit_by_bit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"BTC_USDT-1m.{ending}"

    formats.write(path, bars())
    found = formats.read(path)

    for name in ("open_ns", "open", "high", "low", "close", "volume"):
        assert getattr(found, name).tobytes() == getattr(bars(), name).tobytes()
    assert described(path) == ("BTC/USDT", "1m")


def test_the_json_is_that_of_freqtrade(tmp_path: Path) -> None:
    path = tmp_path / "ETH_USDT-5m.json"
    path.write_text(json.dumps([[MS, 1, 2, 0.5, 1.5, 10], [MS + 300_000, 1.5, 2, 1, None, 0]]))

    found = formats.read(path)

    assert found.open_ns.tolist() == [MS * 1_000_000, (MS + 300_000) * 1_000_000]
    assert found.close[0] == 1.5
    assert np.isnan(found.close[1])


def test_the_feather_is_that_of_freqtrade(tmp_path: Path) -> None:
    path = tmp_path / "ETH_USDT_USDT-1m-futures.feather"
    dates = pa.array(np.array([MS, MS + 60_000]), pa.timestamp("ms", "UTC"))
    prices = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    feather.write_feather(pa.table({"date": dates, **prices}), str(path))

    assert formats.read(path).open_ns.tolist() == [MS * 1_000_000, (MS + 60_000) * 1_000_000]
    assert described(path) == ("ETH/USDT:USDT", "1m")


@pytest.mark.parametrize("ending", ["feather", "json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[[1]]", b'[["a", 1, 1, 1, 1, 1]]', b"[]", b"ARROW1\0\0"])
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"BTC_USDT-1m.{ending}"
    path.write_bytes(content)

    with pytest.raises(DataError, match=f"BTC_USDT-1m.{ending}: (is|has)"):
        formats.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for ending in ("feather", "json"):
        with pytest.raises(DataError, match="no such file"):
            formats.read(tmp_path / f"BTC_USDT-1m.{ending}")
