"""`lct backtest`: a strategy over recorded or synthetic bars, and what it would have made."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, print_facts, progress, say, write_csv

if TYPE_CHECKING:
    from lct.cli.drive import Came
    from lct.research.backtest import Result
    from lct.run.house import Settings

app = typer.Typer(add_completion=False)

TRADES = ("strategy", "symbol", "side", "amount", "entry_price", "exit_price", "entry_at", "exit_at", "profit", "fees")


@app.command()
def backtest(  # noqa: PLR0917 - Typer calls by name
    ctx: typer.Context,
    strategy: Annotated[str, typer.Argument(autocompletion=o.complete_strategies, help="See lct strategy list.")],
    data: o.Data = None,
    symbols: o.Symbols = None,
    timeframe: o.Timeframe = None,
    from_: o.From = None,
    to: o.To = None,
    seed: o.Seed = None,
    days: o.Days = None,
    cash: o.Cash = None,
    fee: o.Fee = None,
    spread_bps: o.Spread = None,
    slippage_bps: o.Slippage = None,
    participation: o.Participation = None,
    config: o.ConfigDir = None,
    pairs: o.Set = None,
    trades: Annotated[Path | None, typer.Option("--trades", help="Write the closed trades to this CSV file.")] = None,
    json: o.Json = False,
) -> None:
    """Run a strategy over bars through the daemons that trade, and print what it would have made.

    --set strategy.fast=10 sets a parameter of the strategy. The same bars and settings give the same bytes with --json;
    the time it took goes to stderr.

    Example: lct backtest ema_cross --data bars/ --symbols BTC/USDT --timeframe 5m --from 2024-01-01 --to 2024-06-30
    """
    from lct.cli.drive import interruptions
    from lct.cli.settings import Market, Money, configured, strategies_of, traded

    market = Market(data, symbols, timeframe, from_, to, seed, days)
    money = Money(cash, fee, spread_bps, slippage_bps, participation)
    with interruptions() as came:
        settings = strategies_of(configured(config), [strategy])
        result = _timed(traded(settings, market, money, own_parameters(strategy, pairs or ())), ctx.obj, came)
    if trades is not None:
        write_csv(trades, TRADES, trade_rows(result.trades))
    document = result_document(result)
    if not json:
        del document["manifest"]  # digests, for programs to compare
    print_facts(document, json=json)


def own_parameters(strategy: str, pairs: Sequence[str]) -> list[str]:
    """Return overrides with `strategy.` written out: the parameters of the one strategy that runs."""
    long = f"strategy_engine.parameters.{strategy}."
    return [long + pair.removeprefix("strategy.") if pair.startswith("strategy.") else pair for pair in pairs]


def _timed(settings: "Settings", manners: Manners, came: "Came") -> "Result":
    """Run a backtest under a progress bar, and say how fast it was."""
    import msgspec

    from lct.cli.drive import say_refused
    from lct.clock import NS_PER_SECOND, monotonic_ns
    from lct.research.backtest import backtest as measured
    from lct.run.members import feed, strategies

    strategies(settings.strategy_engine.strategies, settings.strategy_engine.parameters)  # a wrong name, before bars
    made = feed(settings.house)
    # the digest of the bars tells which they were; where they lay does not belong into a result
    settings = msgspec.structs.replace(settings, house=msgspec.structs.replace(settings.house, feeds={}))
    total = len(made.tape())
    began = monotonic_ns()
    with progress("backtest", total, manners) as move:

        def heard(done: int, _total: int) -> None:
            move(done)
            _stop_if(came)

        _stop_if(came)
        result = measured(settings, made, heard)
    say_refused(result.manifest.refused, manners)
    seconds = (monotonic_ns() - began) / NS_PER_SECOND
    say(f"{result.bars:,} bars in {seconds:.2f} s ({result.bars / max(seconds, 1e-9):,.0f} bars/s)", manners)
    return result


def _stop_if(came: "Came") -> None:
    """Break off where a signal came; nothing is kept of half a backtest."""
    from lct.cli.drive import leave

    if came():
        typer.echo("interrupted", err=True)
    leave(came())


def result_document(result: "Result") -> dict[str, Any]:
    """Return a result in the shape that `--json` prints."""
    import msgspec

    from lct.clock import rfc3339

    figures = result.performance
    return {
        "strategy": ",".join(result.strategies),
        "symbols": list(result.symbols),
        "timeframe": result.timeframe,
        "from": rfc3339(result.from_ns),
        "to": rfc3339(result.to_ns),
        "bars": result.bars,
        "trades": figures.trades,
        "fills": result.profit.fills,
        "initial_equity": result.profit.deposits,
        "final_equity": result.final_equity,
        "total_return": figures.total_return,
        "cagr": figures.cagr,
        "max_drawdown": figures.max_drawdown,
        "sharpe": figures.sharpe,
        "sortino": figures.sortino,
        "profit_factor": figures.profit_factor,
        "win_rate": figures.win_rate,
        "fees": figures.fees,
        "exposure": figures.exposure,
        "manifest": msgspec.to_builtins(result.manifest),
    }


def trade_rows(trades: Sequence[Any]) -> list[dict[str, Any]]:
    """Return closed trades as rows."""
    from lct.clock import rfc3339

    return [
        {
            "strategy": trade.book,
            "symbol": trade.symbol,
            "side": trade.side,
            "amount": trade.amount,
            "entry_price": trade.entry_price,
            "exit_price": trade.exit_price,
            "entry_at": rfc3339(trade.entry_ns),
            "exit_at": rfc3339(trade.exit_ns),
            "profit": trade.profit,
            "fees": trade.fees,
        }
        for trade in trades
    ]
