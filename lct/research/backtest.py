"""A backtest: the daemons that trade, over recorded bars, and the figures of what they did."""

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b

import msgspec
import numpy as np

from lct import __version__
from lct.domain.bars import DAY_NS
from lct.domain.money import ZERO
from lct.domain.performance import Performance, measure
from lct.domain.tape import Tape
from lct.domain.trades import Trade
from lct.errors import DataError
from lct.messages.portfolio import GetProfit, GetTrades, Profit
from lct.ports.feed import Feed
from lct.run.house import House, Settings, rehearse
from lct.run.members import TRADING


class Manifest(msgspec.Struct, frozen=True):
    """What a result rests on: the same manifest means the same bytes, and each digest names what differs if not.

    All digests are blake2b-128 in hex: of the bars, of the settings, and the heads of the journal's chains.
    """

    lct: str
    data: str
    settings: str
    journal: dict[str, str]
    refused: dict[str, dict[str, int]]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest gives; times in ns UTC, `to_ns` the close of the last bar, money in quote."""

    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    timeframe: str
    from_ns: int
    to_ns: int
    bars: int
    profit: Profit
    final_equity: Decimal
    performance: Performance
    trades: list[Trade]
    manifest: Manifest


def backtest(settings: Settings, made: Feed, on_progress: Callable[[int, int], None] | None = None) -> Result:
    """Run a house over all bars of a feed; `on_progress` hears (timestamps done, timestamps in all) now and then.

    Raises what the parts raise about their input: NotFound, ConfigError, DataError.
    """
    house, journal = rehearse(settings, made)
    total = len(house.tape)
    for until in (*range(PROGRESS_BARS, total, PROGRESS_BARS), total):
        house.bus.run(until_md_seq=until)
        if on_progress is not None:
            on_progress(until, total)
    house.bus.run()
    return _result(settings, made, house, journal.digests())


PROGRESS_BARS = 2_000


def _result(settings: Settings, made: Feed, house: House, journal: dict[str, str]) -> Result:
    tape = house.tape
    profit, trades = house.ask(GetProfit()), house.ask(GetTrades()).trades
    if profit.equity is None:
        raise DataError("the equity is not known, for a position never had a mark")
    end_ns = int(tape.times[-1]) + tape.step_ns
    return Result(
        strategies=settings.strategy_engine.strategies,
        symbols=tape.symbols,
        timeframe=tape.timeframe,
        from_ns=int(tape.times[0]),
        to_ns=end_ns,
        bars=tape.bars_total,
        profit=profit,
        final_equity=profit.equity,
        performance=_performance(profit, trades, int(tape.times[0]), end_ns),
        trades=trades,
        manifest=Manifest(__version__, _digest_of_bars(tape), _digest_of_settings(settings), journal, made.refused()),
    )


def _performance(profit: Profit, trades: list[Trade], from_ns: int, end_ns: int) -> Performance:
    """Measure daily equities; the deepest drawdown is that of every bar, which portfolio tracked."""
    points = {from_ns: float(profit.deposits)}
    # an equity at midnight is the last of the day before
    points |= {min(start_ns + DAY_NS, end_ns) - 1: equity for start_ns, equity in profit.daily}
    points[end_ns - 1] = float(profit.equity or ZERO)
    times = np.array(sorted(points), dtype=np.int64)
    equity = np.array([points[t] for t in times.tolist()])
    track = profit.track
    exposure = track.exposed / track.marked if track.marked else None
    measured = measure(times, equity, trades, exposure)
    return msgspec.structs.replace(measured, max_drawdown=track.drawdown_max, fees=profit.fees)


def _digest_of_bars(tape: Tape) -> str:
    digest = blake2b(tape.timeframe.encode(), digest_size=16)
    for symbol in tape.symbols:
        bars = tape.bars(symbol)
        digest.update(f"\0{symbol}\0{len(bars)}\0".encode())
        for column in (bars.open_ns, bars.open, bars.high, bars.low, bars.close, bars.volume):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _digest_of_settings(settings: Settings) -> str:
    """Digest what a backtest depends on: the house and who trades in it, ports aside.

    Where the bars came from is left out, for `data` says which they were.
    """
    chosen = {"house": msgspec.to_builtins(msgspec.structs.replace(settings.house, feeds={}))}
    for name in TRADING:
        chosen[name] = {k: v for k, v in msgspec.to_builtins(getattr(settings, name)).items() if k != "http_port"}
    return blake2b(msgspec.json.encode(chosen, order="deterministic"), digest_size=16).hexdigest()
