"""Bars come back from files as they went in, and a file that is wrong is named with what to do."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct import formats
from lct.domain.bars import Bars
from lct.errors import DataError

START_MS = 1_704_067_200_000
COLUMNS = ("open", "high", "low", "close", "volume")
HEADER = "timestamp,open,high,low,close,volume\n"
ROW = f"{START_MS},1.5,2,1,1.25,10\n"
ENDINGS = (".parquet", ".csv")


def some(count: int = 3) -> Bars:
    opens = (START_MS + 60_000 * np.arange(count)) * 1_000_000
    base = np.arange(count, dtype=float) + 0.1
    return Bars.of(opens, base, base + 2, base - 0.05, base + 1, base * 3)


def same(left: Bars, right: Bars) -> bool:
    names = ("open_ns", *COLUMNS)
    return all(getattr(left, name).tobytes() == getattr(right, name).tobytes() for name in names)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        formats.read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "X_Y-1m.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_written_is_read_again_bit_for_bit(tmp_path, ending, count):
    path = tmp_path / "deep" / f"BTC_USDT-1m{ending}"

    formats.write(path, some(count))

    assert same(formats.read(path), some(count))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=5))
def test_any_float_survives_a_csv_file(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "X_Y-1m.csv"
    bars = Bars.of([START_MS * 1_000_000], *([value] for value in values))

    formats.write(path, bars)

    assert same(formats.read(path), bars)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_fails_leaves_the_old_file(tmp_path, ending, monkeypatch):
    path = tmp_path / f"BTC_USDT-1m{ending}"
    formats.write(path, some())

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(DataError, match="No space left on device"):
        formats.write(path, some(1))

    assert same(formats.read(path), some())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "bars", [some(0), Bars.of([1], *[[1.0]] * 5), Bars.of([START_MS * 1_000_000 + 1], *[[1.0]] * 5)]
)
def test_bars_that_no_file_could_give_back_are_not_written(tmp_path, bars):
    with pytest.raises(DataError):
        formats.write(tmp_path / "X_Y-1m.csv", bars)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(DataError, match=r"did you mean '\.parquet'"):
        formats.read(tmp_path / "bars.parkuet")


@pytest.mark.parametrize(("unit", "scale"), [("s", 1e-3), ("ms", 1), ("us", 1_000), ("ns", 1_000_000)])
@pytest.mark.parametrize("name", ["timestamp", "date", "time", "Open_Time"])
def test_the_unit_of_a_time_follows_from_its_size(tmp_path, unit, scale, name):
    path = csv_file(
        tmp_path, HEADER.replace("timestamp", name) + ROW.replace(str(START_MS), str(int(START_MS * scale)))
    )

    assert formats.read(path).open_ns.tolist() == [START_MS * 1_000_000]


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00+00:00", "2024-01-01T02:00:00+02:00"]
)
def test_a_time_may_be_rfc_3339(tmp_path, text):
    assert (
        formats.read(csv_file(tmp_path, HEADER + ROW.replace(str(START_MS), text))).open_ns[0] == START_MS * 1_000_000
    )


@pytest.mark.parametrize("text", ["20240101", "0", "1234567", "-1", "9223372036854775807"])
def test_an_integer_that_fits_no_unit_is_not_guessed_at(tmp_path, text):
    assert "from 2000 to 2100" in refusal(csv_file(tmp_path, HEADER + ROW.replace(str(START_MS), text)))


def test_times_of_two_units_in_one_file_are_not_guessed_at(tmp_path):
    text = HEADER + ROW + ROW.replace(str(START_MS), str(START_MS // 1000))

    assert "all in one unit" in refusal(csv_file(tmp_path, text))


def test_newest_first_is_turned_round_and_blank_lines_and_order_of_columns_do_not_matter(tmp_path):
    text = f"close,volume,open,high,low,time,extra\n1.25,10,1.5,2,1,{START_MS + 60_000},x\n\n1,1,1,1,1,{START_MS},y\n"

    bars = formats.read(csv_file(tmp_path, text))

    assert bars.open_ns.tolist() == [START_MS * 1_000_000, (START_MS + 60_000) * 1_000_000]
    assert bars.close.tolist() == [1.0, 1.25]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        (HEADER, "has no rows"),
        (ROW, "no column timestamp, open, high, low, close, volume; the first row must name the columns"),
        (HEADER.replace("volume", "vol") + ROW, "no column volume"),
        (HEADER.replace("open", "date") + ROW, "no column open"),
        (HEADER.replace(",volume", ",volume,date") + ROW.replace(",10", ",10,1"), "timestamp and date could each be"),
        (HEADER + ROW + ROW.replace("1.25", "abc"), ":3, column close: 'abc' is not a number"),
        (HEADER + ROW.replace("1.25", ""), ":2, column close: '' is not a number"),
        (HEADER + ROW + ROW.replace(str(START_MS), "soon"), ":3, column timestamp: 'soon' is not an integer time"),
        (HEADER + ROW.replace(str(START_MS), "soon"), ":2, column timestamp: 'soon' is no time"),
        (HEADER + ROW.replace(str(START_MS), "2024-13-01"), "'2024-13-01' is no time"),
        (HEADER + ROW.replace(str(START_MS), "2024-W01"), "'2024-W01' is no time"),
        (HEADER + ROW + "17040672", ":3: 1 cells instead of 6; was it cut off?"),
        (HEADER + ROW + '"17', "not CSV"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_csv_file_that_is_wrong_is_refused_with_the_place(tmp_path, text, wanted):
    assert wanted in refusal(csv_file(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    for ending in ENDINGS:
        assert "no such file" in refusal(tmp_path / f"X_Y-1m{ending}")


def test_a_cut_an_empty_and_a_foreign_parquet_file_are_refused(tmp_path):
    path = tmp_path / "BTC_USDT-1m.parquet"
    formats.write(path, some(100))
    whole = path.read_bytes()

    for part in (whole[: len(whole) // 2], whole[:-1], whole[4:], b"hello"):
        path.write_bytes(part)
        assert "is damaged or not Parquet" in refusal(path)
    path.write_bytes(b"")
    assert "is empty" in refusal(path)


def table(path: Path, **columns: object) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = {"timestamp": [START_MS], **{name: [1.0] for name in COLUMNS}, **columns}
    pq.write_table(pa.table({name: column for name, column in whole.items() if column is not None}), path)
    return path


def test_parquet_columns_of_other_kinds_are_read_or_refused_by_name(tmp_path):
    import pyarrow as pa

    path = tmp_path / "X_Y-1m.parquet"

    assert formats.read(table(path, timestamp=None, date=pa.array([START_MS], pa.timestamp("ms", "UTC")))).open_ns[
        0
    ] == (START_MS * 1_000_000)
    assert formats.read(table(path, volume=pa.array([7]))).volume.tolist() == [7.0]
    assert np.isnan(formats.read(table(path, close=pa.array([None], pa.float64()))).close[0])
    assert "column close holds string" in refusal(table(path, close=["1.0"]))
    assert "no column close" in refusal(table(path, close=None))
    assert "rows have no time" in refusal(table(path, timestamp=pa.array([None], pa.int64())))
    assert "times are double" in refusal(table(path, timestamp=[float(START_MS)]))
    empty = {"timestamp": pa.array([], pa.int64()), **{name: pa.array([], pa.float64()) for name in COLUMNS}}
    assert "has no rows" in refusal(table(path, **empty))
