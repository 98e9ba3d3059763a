"""`lct market`: the bars that the running house has heard: its symbols, their last bars, and how each stands."""

from collections.abc import Iterator
from typing import Annotated

import typer

from lct.cli import options as o
from lct.cli.asking import COMPLETION_MS, ask
from lct.cli.output import print_facts, print_rows

app = typer.Typer(name="market", no_args_is_help=True, add_completion=False)

SYMBOLS = ("symbol", "timeframe", "bars", "last", "time")
BARS = ("time", "open", "high", "low", "close", "volume")
BARS_ASKED_MAX = 1_000


def complete(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Complete a symbol of the running house, or of the synthetic market where none runs."""
    from lct.errors import LctError
    from lct.messages.market_data import GetSymbols

    try:
        known = [line.symbol for line in ask(GetSymbols(), patience_ms=COMPLETION_MS).symbols]
    except LctError:
        yield from o.complete_symbols(ctx, incomplete)
        return
    yield from (symbol for symbol in known if symbol.startswith(incomplete))


Symbol = Annotated[str, typer.Argument(autocompletion=complete, metavar="SYMBOL", help="As in BTC/USDT.")]


@app.callback()
def market() -> None:
    """Bars that the running house has heard. Example: lct market ticker BTC/USDT"""


@app.command()
def symbols(json: o.Json = False) -> None:
    """List the symbols of which there are bars, with how many are kept and the last close.

    Example: lct market symbols --json
    """
    from daemons.api_gateway.documents import symbols as documented
    from lct.messages.market_data import GetSymbols

    rows = documented(ask(GetSymbols()))
    print_rows(rows, json=json, columns=SYMBOLS, none="no bar was heard yet", spare=("bars", "timeframe"))


@app.command()
def ohlcv(
    symbol: Symbol,
    timeframe: Annotated[str | None, typer.Option("--timeframe", help="Else the one that the house has.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=BARS_ASKED_MAX, help="At most N, the newest.")] = 100,
    json: o.Json = False,
) -> None:
    """Show the last bars of a symbol, oldest first; time is when a bar opened.

    Exit code 5 for a symbol or a timeframe that is not there.

    Example: lct market ohlcv BTC/USDT --limit 10 --json
    """
    from daemons.api_gateway.documents import bars as documented
    from lct.messages.market_data import GetBars

    rows = documented(ask(GetBars(_named(symbol), timeframe, limit)))
    print_rows(rows, json=json, columns=BARS, none="no bars", spare=("volume", "open"))


@app.command()
def ticker(symbol: Symbol, json: o.Json = False) -> None:
    """Show the last close of a symbol, and what it did in a day (or in what is kept of it); change is a fraction.

    Exit code 5 for a symbol that is not there.

    Example: lct market ticker BTC/USDT
    """
    from daemons.api_gateway.documents import ticker as documented
    from lct.messages.market_data import GetTicker

    print_facts(documented(ask(GetTicker(_named(symbol)))), json=json)


def _named(symbol: str) -> str:
    """Return what may be a symbol; NotFound for what is too long, or empty."""
    from lct.errors import NotFound
    from lct.messages.market_data import SYMBOL_LENGTH_MAX

    if not 0 < len(symbol) <= SYMBOL_LENGTH_MAX:
        raise NotFound(f"no symbol has {len(symbol)} letters; `lct market symbols` lists them")
    return symbol
