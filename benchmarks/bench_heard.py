"""The heard log: bytes and time that a hearing costs, quiet and busy, and what a second of recording is read back in.

python3 dev.py bench heard [--minutes 10000]
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

from lct.bus.heard import Batch, Head, HeardLog, Origin, Ref, records
from lct.bus.said import SaidLog
from lct.bus.segments import places
from lct.messages.base import encode
from lct.messages.market_data import BarsClosed

NOW_NS = 1_700_000_000_000_000_000
MS, SECOND = 1_000_000, 1_000_000_000
BARS = Origin("market_data", 3, "market_data.bars_closed")
SCORES = Origin("strategy_engine", 8, "strategy_engine.scored")
FACTS = Origin("execution", 0, "")


def quiet(minutes: int) -> list[tuple[int, list[Ref]]]:
    """A minute of a quiet market: bars and two scores, in batches of their own, and a fill every tenth."""
    told = []
    for n in range(1, minutes + 1):
        at = NOW_NS + n * 60 * SECOND
        told += [
            (at + 3 * MS, [Ref(BARS, n)]),
            (at + 9 * MS, [Ref(SCORES, 2 * n - 1)]),
            (at + 10 * MS, [Ref(SCORES, 2 * n)]),
        ]
        if n % 10 == 0:
            told.append((at + 70 * MS, [Ref(FACTS, 3 * n)]))
    return told


def busy(minutes: int) -> list[tuple[int, list[Ref]]]:
    """Thirty words a second, three in a batch."""
    return [
        (NOW_NS + n * 100 * MS, [Ref(BARS, n), Ref(SCORES, 2 * n - 1), Ref(SCORES, 2 * n)])
        for n in range(1, minutes + 1)
    ]


def size(folder: Path) -> int:
    return sum(place.path.stat().st_size for place in places(folder))


def heard(name: str, batches: list[tuple[int, list[Ref]]], *, alone: bool, folder: Path) -> None:
    log = HeardLog(folder, Head("trading_engine", 1, 0, NOW_NS, b""), lambda: NOW_NS)
    second, start = 0, perf_counter()
    for now_ns, words in batches:
        log.batch(now_ns, words, ())
        if alone or now_ns // SECOND > second:
            second = now_ns // SECOND
            log.write()
    log.close()
    took = perf_counter() - start
    begin = perf_counter()
    count = sum(len(record.words) for record in records(folder, 1) if isinstance(record, Batch))
    read = perf_counter() - begin
    assert count == log.hearings
    print(
        f"{name:22s} {count:9,} hearings  {size(folder) / count:5.2f} bytes each (goal: at most 10)"
        f"  {took / count * 1e6:5.2f} us to write  {read / count * 1e6:5.2f} us to read"
    )


def said(minutes: int, folder: Path) -> None:
    """Bars of twelve symbols, as market_data says them."""
    columns = [[100.0 + n / 7 for n in range(12)] for _ in range(5)]
    symbols = tuple(f"COIN{n}/USDT" for n in range(12))
    log = SaidLog(folder, "market_data", 1, lambda: NOW_NS)
    plain, start = 0, perf_counter()
    for n in range(1, minutes + 1):
        body = encode(BarsClosed(n, NOW_NS + n, NOW_NS, "1m", symbols, *[[v + n / 97 for v in c] for c in columns]))
        plain += len(body)
        log.say("market_data.bars_closed", body)
        log.write()
    log.close()
    took = perf_counter() - start
    each, told = size(folder) / minutes, plain / minutes
    print(
        f"{'said: bars of 12':22s} {minutes:9,} words     {each:6.1f} bytes each, {told:.1f} as told"
        f"  {took / minutes * 1e6:5.1f} us to write"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10_000)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        heard("quiet, each written", quiet(minutes), alone=True, folder=root / "quiet")
        heard("busy, each second", busy(10 * minutes), alone=False, folder=root / "busy")
        said(minutes, root / "said")


if __name__ == "__main__":
    main()
