"""The bar store: every bar once, whatever comes how often in which order; no contradiction and no kill loses a bar."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lct import formats
from lct.domain.bars import Bars
from lct.domain.quality import columns, stacked
from lct.errors import DataError
from lct.store import bars as store_bars
from lct.store.bars import TAIL_MAX, BarStore, Series

MINUTE = 60_000_000_000
BEGIN = int(np.datetime64("2024-01-30T00:00", "ns").astype(np.int64))
BTC = Series("binance", "BTC/USDT", "1m")


def bars(count: int, first: int = 0, price: float = 100.0) -> Bars:
    n = first + np.arange(count)
    close = price + n % 11 / 4
    return Bars.of(BEGIN + n * MINUTE, close, close + 1, close - 1, close, 1.0 + n % 5)


def same(one: Bars, other: Bars) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(columns(one), columns(other), strict=True))


@pytest.mark.parametrize("count", [1, 100, TAIL_MAX + 1, 20_000])
def test_what_was_added_is_read_back_bit_by_bit_also_by_another_process(tmp_path: Path, count: int) -> None:
    with BarStore(tmp_path) as store:
        added = store.add(BTC, bars(count))
        found = store.read(BTC)
    with BarStore(tmp_path) as again:
        later, series = again.read(BTC), again.series()

    assert (added.new, added.known, added.findings) == (count, 0, {})
    assert same(found, bars(count))
    assert same(later, bars(count))
    assert series == [BTC]


def test_many_bars_lie_in_a_file_a_month_that_every_reader_of_recordings_takes(tmp_path: Path) -> None:
    with BarStore(tmp_path) as store:
        store.add(BTC, bars(20_000))

    names = sorted(path.name for path in (tmp_path / "binance").iterdir())
    assert names == ["BTC_USDT-1m-2024-01.parquet", "BTC_USDT-1m-2024-02.parquet"]
    first = formats.read(tmp_path / "binance" / names[0])
    assert same(first, bars(2 * 1_440))


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    with BarStore(tmp_path) as store:
        for _ in range(2):
            store.add(BTC, bars(8_000))
            store.add(BTC, bars(300, first=7_900))
        added = store.add(BTC, bars(300, first=7_950))

        assert (added.new, added.known) == (50, 250)
        assert same(store.read(BTC), bars(8_250))
        assert store.findings(BTC) == ([], 0)


@pytest.mark.parametrize("settled", [False, True])
def test_another_telling_of_a_bar_is_kept_as_a_finding_and_overwrites_nothing(tmp_path: Path, settled: bool) -> None:
    with BarStore(tmp_path) as store:
        store.add(BTC, bars(100), "rest")
        if settled:
            store.settle(BTC)
        added = store.add(BTC, bars(2, first=49, price=200.0), "stream")
        store.add(BTC, bars(2, first=49, price=200.0), "stream")

        assert (added.new, added.known, added.findings) == (0, 0, {"conflicting_duplicate": 2})
        assert same(store.read(BTC), bars(100))
        (first, second), left = store.findings(BTC)
        assert (first.open_ns, second.open_ns, left) == (BEGIN + 49 * MINUTE, BEGIN + 50 * MINUTE, 0)
        assert first.source == "stream"
        assert first.detail.split()[0] == repr(float(bars(1, first=49, price=200.0).open[0]))


def test_rows_that_are_no_bars_are_kept_as_findings_by_their_reason(tmp_path: Path) -> None:
    raw = bars(6)
    raw.close[0], raw.low[1], raw.high[2], raw.volume[3] = np.nan, 0.0, 1.0, 1e308
    raw.open_ns[4] += 7
    with BarStore(tmp_path) as store:
        added = store.add(BTC, raw)
        kinds = sorted(one.kind for one in store.findings(BTC)[0])

        assert added.new == 1
        assert kinds == ["high_below_low", "not_finite", "not_finite", "not_positive", "off_grid"]
        assert len(store.read(BTC)) == 1


def test_a_batch_of_pages_in_any_order_with_a_repeated_one_is_one_series(tmp_path: Path) -> None:
    pages = stacked([bars(50, first=50), bars(50), bars(50)])
    with BarStore(tmp_path) as store:
        added = store.add(BTC, pages)

        assert (added.new, added.known, added.findings) == (100, 50, {})
        assert same(store.read(BTC), bars(100))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_comes_how_often_in_which_order_the_store_holds_each_bar_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spans = data.draw(st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 7_000)), min_size=1, max_size=6))
    with BarStore(tmp_path_factory.mktemp("bars")) as store:
        for first, count in spans:
            store.add(BTC, bars(count, first))
            if data.draw(st.booleans()):
                store.settle(BTC)

        held = sorted({n for first, count in spans for n in range(first, first + count)})
        assert same(store.read(BTC), bars(16_000).at(np.array(held)))
        begin, end = BEGIN + 3_000 * MINUTE, BEGIN + 5_000 * MINUTE
        assert same(store.read(BTC, begin, end), bars(16_000).at(np.array(held, dtype=np.intp)).between(begin, end))


def test_two_processes_add_side_by_side(tmp_path: Path) -> None:
    with BarStore(tmp_path) as one, BarStore(tmp_path) as other:
        one.add(BTC, bars(100))
        one.settle(BTC)
        other.add(BTC, bars(100, first=100))
        one.add(BTC, bars(6_000))
        other.add(BTC, bars(10, first=6_000))

        assert same(other.read(BTC), bars(6_010))
        assert same(one.read(BTC), bars(6_010))


@pytest.mark.parametrize(
    "series",
    [
        ("Binance", "BTC/USDT", "1m"),
        ("..", "BTC/USDT", "1m"),
        ("b", "BTC", "1m"),
        ("b", "A/B", "7x"),
        ("b", "../x", "1m"),
    ],
)
def test_a_series_that_has_no_name_is_refused(tmp_path: Path, series: tuple[str, str, str]) -> None:
    with BarStore(tmp_path) as store, pytest.raises(DataError, match="no store names"):
        store.add(Series(*series), bars(1))


def test_a_store_that_somebody_holds_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_bars, "BUSY_SECONDS", 0.1)
    with BarStore(tmp_path) as one, BarStore(tmp_path) as other:
        one._db.execute("begin immediate")  # noqa: SLF001 - as an addition that takes long
        with pytest.raises(DataError, match="another process holds"):
            other.add(BTC, bars(1))


DYING = """
import sys
from pathlib import Path
from lct.formats import parquet
from lct.store.bars import BarStore
from tests.store.test_bars import BTC, bars, die_at
at = int(sys.argv[2])
die_at(at)
store = BarStore(Path(sys.argv[1]))
for first in range(0, 12_000, 100):
    store.add(BTC, bars(100, first))
    print(first + 100, flush=True)
"""


def die_at(count: int) -> None:
    """End this process at the n-th file that is put in its place, or folder that is put on the disk."""
    real, left = os.fsync, [count]

    def fsync(handle: int) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        real(handle)

    os.fsync = fsync


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
def test_a_kill_while_months_are_written_loses_and_doubles_nothing(tmp_path: Path, at: int) -> None:
    words = [sys.executable, "-c", DYING, str(tmp_path), str(at)]
    died = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    said = int(died.stdout.split()[-1])

    with BarStore(tmp_path) as store:
        found = store.read(BTC)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert len(found) - said in (0, 100), "what was said to be added is there, and at most what was being added"
        assert same(found, bars(len(found)))
        store.add(BTC, bars(12_000))
        assert same(store.read(BTC), bars(12_000))
        assert store.findings(BTC) == ([], 0)
