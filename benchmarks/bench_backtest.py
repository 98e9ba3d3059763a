"""ema_cross over a synthetic year of 1m bars: lct's whole house against backtrader, in the same run.

    python3 dev.py bench backtest              one symbol, a year (525,600 bars), both engines
    python3 dev.py bench backtest --days 30    shorter
    python3 dev.py bench backtest --symbols 12 lct alone over twelve symbols
    python3 dev.py bench backtest --explain    why the two final equities differ, by a plain loop over the same bars

Both get the same bars, fee and sizing rule: EMA 12/26, long only, in at the next open after the fast crosses above the
slow, out at the next open after it crosses below; size = 8 % of equity at the last close; fee 1 bp, no spread, no
slippage. What lct does beyond backtrader here: gate, hash-chained journal of every event, exact Decimal ledger, a stop
at the venue behind every position, EMAs restarted on the anchor grid. backtrader runs alone in a child process, with
its own defaults for speed (runonce, preload) and no observers, and the rounds are interleaved.
"""

import argparse
import json
import resource
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter

SEED = 7
CASH = 10_000
SHARE = "0.08"
FEE = "0.0001"


def synthetic(days: int, symbols: int):
    from plugins.feeds.synthetic import Synthetic

    names = ("BTC/USDT",) if symbols == 1 else ()
    feed = Synthetic(Synthetic.Config(seed=SEED, days=days, symbols=names))
    assert len(feed.tape().symbols) == symbols, f"the synthetic market has 1 or {len(feed.tape().symbols)} symbols"
    return feed


def run_lct(days: int, symbols: int) -> dict:
    from daemons.strategy_engine import Config as Opinions
    from daemons.trading_engine import Config as Engine
    from lct.domain.exits import ExitPolicy
    from lct.domain.matching import Costs
    from lct.messages.execution import OrderIntended
    from lct.messages.portfolio import GetProfit, GetTrades
    from lct.run.config import HouseConfig
    from lct.run.house import Settings, rehearse

    costs = Costs(fee_rate=Decimal(FEE), spread_bps=Decimal(0), slippage_bps=Decimal(0), participation_max=Decimal(1))
    settings = Settings(
        house=HouseConfig(cash=Decimal(CASH), costs=costs),
        strategy_engine=Opinions(strategies=("ema_cross",)),
        trading_engine=Engine(
            max_risk_per_trade=Decimal("0.005"),
            max_position_share=Decimal(SHARE),
            max_open_positions=100,
            exits=ExitPolicy(stop_loss=Decimal("0.05")),
        ),
    )
    feed = synthetic(days, symbols)
    house, _ = rehearse(settings, feed)
    house.bus.run(until_md_seq=5_000)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = perf_counter()
    house.bus.run()
    seconds = perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss) * 1024
    profit = house.ask(GetProfit())
    bars = house.tape.bars_total - 5_000 * symbols
    return {
        "bars": bars,
        "seconds": seconds,
        "bars_per_second": bars / seconds,
        "bytes_per_bar": grown / bars,
        "orders": house.bus.counts[OrderIntended],
        "fills": profit.fills,
        "trades": len(house.ask(GetTrades()).trades),
        "final_equity": str(profit.equity),
    }


def run_backtrader(days: int) -> dict:
    import backtrader
    import pandas as pd

    bars = synthetic(days, 1).tape().bars("BTC/USDT")
    columns = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close, "volume": bars.volume}
    frame = pd.DataFrame(columns, index=pd.to_datetime(bars.open_ns))

    class EmaCross(backtrader.Strategy):
        def __init__(self):
            fast = backtrader.indicators.EMA(period=12)
            slow = backtrader.indicators.EMA(period=26)
            self.cross = backtrader.indicators.CrossOver(fast, slow)
            self.fills = self.trades = 0

        def notify_order(self, order):
            self.fills += order.status == order.Completed

        def notify_trade(self, trade):
            self.trades += trade.isclosed

        def next(self):
            if self.position:
                if self.cross[0] < 0:
                    self.close()
            elif self.cross[0] > 0:
                self.buy(size=self.broker.getvalue() * float(SHARE) / self.data.close[0])

    cerebro = backtrader.Cerebro(stdstats=False)
    cerebro.adddata(backtrader.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(EmaCross)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(float(FEE))
    start = perf_counter()
    (strategy,) = cerebro.run()
    seconds = perf_counter() - start
    return {
        "bars": len(bars),
        "seconds": seconds,
        "bars_per_second": len(bars) / seconds,
        "fills": strategy.fills,
        "trades": strategy.trades,
        "final_equity": f"{cerebro.broker.getvalue():.8f}",
    }


def emas(closes: list[float], span: int, seed: float) -> list[float]:
    """The textbook EMA, alpha = 2 / (n + 1), from a seed before the first close."""
    value, alpha, out = seed, 2.0 / (span + 1.0), []
    for close in closes:
        value += alpha * (close - value)
        out.append(value)
    return out


def backtrader_signal(closes: list[float]) -> list[int | None]:
    """backtrader's: EMAs seeded with the mean of their first n closes, 1 and -1 where they cross, from bar 26 on."""
    lines = []
    for span in (12, 26):
        seed = sum(closes[:span]) / span
        lines.append([None] * (span - 1) + [seed] + emas(closes[span:], span, seed))
    fast, slow = lines
    signal: list[int | None] = [None] * 26
    above = fast[25] > slow[25]
    for f, s in zip(fast[26:], slow[26:], strict=True):
        signal.append(0 if f == s or (f > s) is above else (1 if f > s else -1))
        above = above if f == s else f > s
    return signal


def anchored_signal(bars) -> list[int | None]:
    """lct's: on each block of 64 minutes EMAs from the block before, 1 while the fast is above, -1 while it is not."""
    closes = bars.close.tolist()
    first = -(int(bars.open_ns[0]) // 60_000_000_000) % 64 + 64
    signal: list[int | None] = [None] * first
    for start in range(first, len(closes), 64):
        window = closes[start - 64 : start + 64]
        fast, slow = emas(window, 12, window[0]), emas(window, 26, window[0])
        signal += [1 if f > s else -1 for f, s in zip(fast[64:], slow[64:], strict=True)]
    return signal


def plain_loop(bars, signal: list[int | None], *, lot: float, stop: float | None) -> tuple[float, int]:
    """Return final equity and fills of the rules above in floats: decide on a close, trade at the next open."""
    opens, lows, closes = bars.open.tolist(), bars.low.tolist(), bars.close.tolist()
    cash, held, want, level, fills, spent = float(CASH), 0.0, 0.0, 0.0, 0, False
    fee = float(FEE)
    for i, close in enumerate(closes):
        if want:
            cash -= want * opens[i] + abs(want) * opens[i] * fee
            held, want, fills = held + want, 0.0, fills + 1
            level = opens[i] * (1.0 - stop) if stop and held else 0.0
        if held and lows[i] <= level:
            price = min(level, opens[i])
            cash, held, fills, spent = cash + held * price * (1.0 - fee), 0.0, fills + 1, True
        now = signal[i]
        if now is None:
            continue
        if held and now < 0:
            want = -held
        elif not held and now > 0 and not spent:
            want = (cash + held * close) * float(SHARE) / close
            want = int(want / lot) * lot if lot else want
        spent = spent and now > 0
    return cash + held * closes[-1], fills


def explain(days: int) -> None:
    feed = synthetic(days, 1)
    bars = feed.tape().bars("BTC/USDT")
    lot = float(feed.instruments()[0].lot)
    theirs, ours = backtrader_signal(bars.close.tolist()), anchored_signal(bars)
    rows = [
        ("backtrader", *[child("backtrader", days, 1)[key] for key in ("final_equity", "fills")]),
        ("loop: EMAs over all history, SMA seed", *plain_loop(bars, theirs, lot=0.0, stop=None)),
        ("loop: EMAs on the anchor grid", *plain_loop(bars, ours, lot=0.0, stop=None)),
        ("loop: and sizes on the lot", *plain_loop(bars, ours, lot=lot, stop=None)),
        ("loop: and the stop at 5 %", *plain_loop(bars, ours, lot=lot, stop=0.05)),
        ("lct", *[child("lct", days, 1)[key] for key in ("final_equity", "fills")]),
    ]
    for name, equity, fills in rows:
        print(f"{name:40s} final equity {float(equity):14.6f}   fills {fills}")


def child(engine: str, days: int, symbols: int) -> dict:
    """Measure one engine in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--only", engine, "--days", str(days)]
    done = subprocess.run([*command, "--symbols", str(symbols)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--symbols", type=int, default=1, choices=(1, 12))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=("lct", "backtrader"))
    parser.add_argument("--explain", action="store_true")
    asked = parser.parse_args()
    if asked.explain:
        explain(asked.days)
        return
    if asked.only:
        print(json.dumps(run_lct(asked.days, asked.symbols) if asked.only == "lct" else run_backtrader(asked.days)))
        return
    engines = ("lct", "backtrader") if asked.symbols == 1 else ("lct",)
    rates: dict[str, list[float]] = {engine: [] for engine in engines}
    for _ in range(asked.rounds):
        for engine in engines:
            result = child(engine, asked.days, asked.symbols)
            rates[engine].append(result["bars_per_second"])
            print(
                f"{engine:11s} "
                + "  ".join(f"{k}={v:,.2f}" if isinstance(v, float) else f"{k}={v}" for k, v in result.items())
            )
    if asked.symbols == 1:
        print(f"lct / backtrader = {median(rates['lct']) / median(rates['backtrader']):.2f}x (goal: at least 2.5)")


if __name__ == "__main__":
    main()
