"""A download beside what the venue allows: how much of the request weight is used, minute by minute.

    python3 dev.py bench download [--minutes 3] [--symbols 3]

A server in a process of its own counts weights as Binance does: 6,000 a minute, 2 for a page of 1,000 bars, 429 beyond.
`lct market download` fetches 1m bars from it. Only whole minutes count, between the first and the last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.venue.served import market

ALLOWED = 6_000
GOAL = 0.9
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
FROM = "2017-02-01"


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=int, default=3, help="whole minutes to look at")
    words.add_argument("--symbols", type=int, default=3, choices=(1, 2, 3))
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder, market(ALLOWED) as venue:
        home = Path(folder) / "home"
        (home / "config").mkdir(parents=True, mode=0o700)
        (home / "config" / "house.toml").write_text(f'[feeds.ccxt.urls]\nbinance = "{venue.url}"\n', encoding="utf-8")
        command = [sys.executable, "-m", "lct", "market", "download", "--quiet", "--venue", "binance"]
        command += ["--symbols", ",".join(SYMBOLS[: asked.symbols]), "--timeframe", "1m", "--from", FROM]
        download = subprocess.Popen(command, env={**os.environ, "LCT_HOME": str(home)}, stdout=subprocess.DEVNULL)
        seconds = 60.0 * (asked.minutes + 1) + 5.0
        try:
            download.wait(seconds)
        except subprocess.TimeoutExpired:
            download.kill()
            download.wait()
        told = venue.ask("/asked")
    used = [weight for _, weight in sorted(told["used"].items())]
    whole = used[1:-1][: asked.minutes]
    if len(whole) < asked.minutes:
        print(f"the download was over before {asked.minutes} whole minutes: {used}")
        return 1
    shares = [weight / told["most"] for weight in whole]
    print(f"weight used, minute by minute: {', '.join(f'{share:.1%}' for share in shares)} (goal {GOAL:.0%})")
    print(f"refused: {told['refused'] or 'none'}; pages of bars: {told['asked']['klines']}")
    return 0 if min(shares) >= GOAL and not told["refused"] else 1


if __name__ == "__main__":
    began = time.perf_counter()
    code = main()
    print(f"{time.perf_counter() - began:.0f} s")
    raise SystemExit(code)
