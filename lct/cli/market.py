"""`lct market`: the bars that the running house has heard, and recordings: files of bars, and the bar store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.asking import COMPLETION_MS, ask
from lct.cli.output import print_facts, print_rows

app = typer.Typer(name="market", no_args_is_help=True, add_completion=False)

SYMBOLS = ("symbol", "timeframe", "bars", "last", "time")
BARS = ("time", "open", "high", "low", "close", "volume")
LISTED = ("venue", "symbol", "timeframe", "bars", "from", "to", "in_tail", "findings")
IMPORTED = ("file", "venue", "symbol", "timeframe", "new", "known", "findings")
CHECKED = ("file", "symbol", "timeframe", "bars", "from", "to", "score", "findings")
LISTINGS = ("symbol", "kind", "active", "tick", "lot", "min_amount", "min_notional", "maker_fee", "taker_fee")
LEVELS = ("bid_amount", "bid", "ask", "ask_amount")
DEALS = ("time", "side", "price", "amount")
VENUES = ("venue", "timeframes", "bars_a_page", "bars_back", "requests_a_minute", "sandbox")
DOWNLOADED = ("venue", "symbol", "timeframe", "from", "to", "new", "known", "findings", "retries")
BARS_ASKED_MAX = 1_000
LEVELS_MAX = 1_000


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


Venue = Annotated[
    str | None, typer.Option("--venue", metavar="NAME", help="Ask this exchange itself, as in binance; no house runs.")
]
Asked = Annotated[
    str | None, typer.Option("--venue", metavar="NAME", help="As in binance; else that of house.toml's feeds.ccxt.")
]


@app.callback()
def market() -> None:
    """Bars that the running house has heard, exchanges, and recordings. Example: lct market ticker BTC/USDT"""


@app.command()
def symbols(
    venue: Venue = None,
    perpetuals: Annotated[bool, typer.Option("--perpetuals", help="With --venue: not only spot.")] = False,
    json: o.Json = False,
) -> None:
    """List the symbols of which the house has bars; with --venue all markets of an exchange, with steps and fees.

    Fees are fractions of the notional.

    Example: lct market symbols --venue binance --json
    """
    if venue is not None:
        from lct.cli.venues import listings

        rows = listings(venue, perpetuals=perpetuals)
        print_rows(rows, json=json, columns=LISTINGS, none="it has no markets", spare=("min_amount", "kind"))
        return
    from daemons.api_gateway.documents import symbols as documented
    from lct.messages.market_data import GetSymbols

    rows = documented(ask(GetSymbols()))
    print_rows(rows, json=json, columns=SYMBOLS, none="no bar was heard yet", spare=("bars", "timeframe"))


@app.command()
def ohlcv(
    symbol: Symbol,
    timeframe: Annotated[str | None, typer.Option("--timeframe", help="Else the one that the house has.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=BARS_ASKED_MAX, help="At most N, the newest.")] = 100,
    venue: Venue = None,
    json: o.Json = False,
) -> None:
    """Show the last bars of a symbol, oldest first; time is when a bar opened.

    Exit code 5 for a symbol or a timeframe that is not there.

    Example: lct market ohlcv BTC/USDT --limit 10 --json
    """
    rows = _bars(symbol, timeframe, limit, venue)
    print_rows(rows, json=json, columns=BARS, none="no bars", spare=("volume", "open"))


def _bars(symbol: str, timeframe: str | None, limit: int, venue: str | None) -> list[dict[str, Any]]:
    """Return bars of the house, or of a venue, as rows."""
    if venue is not None:
        from lct.cli.venues import bars

        return bars(venue, _named(symbol), timeframe or "1m", limit)
    from daemons.api_gateway.documents import bars as documented
    from lct.messages.market_data import GetBars

    return documented(ask(GetBars(_named(symbol), timeframe, limit)))


@app.command()
def ticker(symbol: Symbol, venue: Venue = None, json: o.Json = False) -> None:
    """Show the last close of a symbol, and what it did in a day (or in what is kept of it); change is a fraction.

    Exit code 5 for a symbol that is not there.

    Example: lct market ticker BTC/USDT
    """
    if venue is not None:
        from lct.cli.venues import quote

        print_facts(quote(venue, _named(symbol)), json=json)
        return
    from daemons.api_gateway.documents import ticker as documented
    from lct.messages.market_data import GetTicker

    print_facts(documented(ask(GetTicker(_named(symbol)))), json=json)


@app.command()
def chart(
    symbol: Symbol,
    timeframe: Annotated[str | None, typer.Option("--timeframe", help="Else the one that the house has.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=BARS_ASKED_MAX, help="At most N, the newest.")] = 1_000,
    venue: Venue = None,
    height: Annotated[int, typer.Option("--height", min=6, max=200, help="Lines.")] = 20,
    json: o.Json = False,
) -> None:
    """Draw the last bars of a symbol, as many as the terminal is wide: thin bodies rose, full ones fell.

    Example: lct market chart BTC/USDT --venue binance --timeframe 1h
    """
    from lct.cli.charting import print_chart, width

    rows = _bars(symbol, timeframe, min(limit, width()), venue)
    if json or not rows:
        print_rows(rows, json=json, columns=BARS, none="no bars")
    else:
        print_chart(rows, height)


@app.command()
def watch(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="As in BTC/USDT ETH/USDT.")],
    venue: Asked = None,
    timeframe: Annotated[str, typer.Option("--timeframe", help="Of the bars.")] = "1m",
    count: Annotated[int | None, typer.Option("--bars", min=1, help="End after so many bars.")] = None,
    json: o.Json = False,
) -> None:
    """Print the bars of an exchange as they close, each once and in order; a gap of its stream is asked for.

    `source` is stream or page. What breaks is said on stderr and mended; Ctrl-C ends it. --json: one document a line.

    Example: lct market watch BTC/USDT ETH/USDT --venue binance --timeframe 1m
    """
    from lct.cli.venues import watched

    watched(venue, [_named(symbol) for symbol in symbols], timeframe, count, json=json)


@app.command()
def book(
    symbol: Symbol,
    venue: Asked = None,
    depth: Annotated[int, typer.Option("--depth", min=1, max=LEVELS_MAX, help="Levels of each side.")] = 10,
    json: o.Json = False,
) -> None:
    """Show the best levels of a symbol's order book at an exchange, best first; amounts are in base.

    Example: lct market book BTC/USDT --venue binance --depth 5
    """
    from lct.cli.venues import book as asked

    print_rows(asked(venue, _named(symbol), depth), json=json, columns=LEVELS, none="the book is empty")


@app.command()
def trades(
    symbol: Symbol,
    venue: Asked = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=BARS_ASKED_MAX, help="At most N, the newest.")] = 20,
    json: o.Json = False,
) -> None:
    """Show the last trades of everybody in a symbol at an exchange, oldest first; side is the taker's.

    Example: lct market trades BTC/USDT --venue binance
    """
    from lct.cli.venues import deals

    print_rows(deals(venue, _named(symbol), limit), json=json, columns=DEALS, none="nobody traded")


@app.command()
def venues(
    every: Annotated[bool, typer.Option("--all", help="All that ccxt has, tried here or not.")] = False,
    json: o.Json = False,
) -> None:
    """List exchanges that can be asked for bars: pages, how far back, and the requests that a minute allows.

    `bars_back` is how many bars back from now the exchange tells of, where that is limited; requests are those of the
    least weight. Nobody is asked: this is what ccxt knows.

    Example: lct market venues --json
    """
    from lct.cli.venues import venues as known

    rows = known(every=every)
    shown = rows if json else [{**row, "timeframes": " ".join(row["timeframes"])} for row in rows]
    print_rows(shown, json=json, columns=VENUES, none="ccxt has no exchanges", spare=("timeframes", "sandbox"))


def _named(symbol: str) -> str:
    """Return what may be a symbol; NotFound for what is too long, or empty."""
    from lct.errors import NotFound
    from lct.messages.market_data import SYMBOL_LENGTH_MAX

    if not 0 < len(symbol) <= SYMBOL_LENGTH_MAX:
        raise NotFound(f"no symbol has {len(symbol)} letters; `lct market symbols` lists them")
    return symbol


# -- recordings -----------------------------------------------------------------------------------------------------

Store = Annotated[Path | None, typer.Option("--store", metavar="FOLDER", help="A bar store; else that of the home.")]
NamedSymbol = Annotated[str | None, typer.Option("--symbol", help="Else as the name of the file tells.")]
NamedFrame = Annotated[str | None, typer.Option("--timeframe", help="Else as the name of the file tells.")]
Source = Annotated[Path, typer.Argument(metavar="FILE", help="A recording: .parquet, .csv, .feather or .json.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Where to; its ending says which format.")]


@app.command("list")
def list_(folder: Store = None, json: o.Json = False) -> None:
    """List what the bar store holds: series, period, bars, and rows that were refused or contradicted.

    Example: lct market list --json
    """
    from lct.cli.recordings import listed

    rows = listed(folder)
    print_rows(
        rows, json=json, columns=LISTED, none="the store is empty; `lct market download` fills it", spare=("from",)
    )


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings like BTC_USDT-5m-2024H1.parquet.")],
    venue: Annotated[str, typer.Option("--venue", help="Whose bars they are, as in binance.")],
    folder: Store = None,
    symbol: NamedSymbol = None,
    timeframe: NamedFrame = None,
    json: o.Json = False,
) -> None:
    """Add recordings to the bar store; twice the same changes nothing, and a contradiction is kept as a finding.

    Example: lct market import ~/bars/*.parquet --venue binance
    """
    from lct.cli.recordings import imported, in_words

    rows = imported(files, venue, folder, symbol, timeframe, ctx.obj)
    shown = rows if json else [{**row, "findings": in_words(row["findings"])} for row in rows]
    print_rows(shown, json=json, columns=IMPORTED, none="no files", spare=("venue",))


@app.command()
def download(
    ctx: typer.Context,
    *,
    symbols: Annotated[Any, typer.Option("--symbols", parser=o.names, metavar="A,B", help="As in BTC/USDT,ETH/USDT.")],
    venue: Asked = None,
    timeframe: Annotated[str, typer.Option("--timeframe", help="Of the bars: 1m, 5m, 1h, 1d, ...")] = "1m",
    from_: Annotated[Any, typer.Option("--from", parser=o.moment, help="First open; else 30 days before --to.")] = None,
    to: Annotated[Any, typer.Option("--to", parser=o.moment, help="Open before which to stop; else now.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask for what was asked before too.")] = False,
    folder: Store = None,
    json: o.Json = False,
) -> None:
    """Fetch closed bars of an exchange into the bar store, within what it allows, and only what is not there yet.

    It may be ended at any moment, and goes on where it was. A gap stays a gap; a bar that is told differently than the
    one in the store is a finding. Exit code 5 for a symbol or a timeframe that the exchange does not have.

    Example: lct market download --venue binance --symbols BTC/USDT,ETH/USDT --timeframe 5m --from 2024-01-01
    """
    from lct.cli.recordings import in_words
    from lct.cli.venues import downloaded

    rows = downloaded(venue, symbols, timeframe, (from_, to), folder, ctx.obj, again=again)
    shown = rows if json else [{**row, "findings": in_words(row["findings"])} for row in rows]
    print_rows(shown, json=json, columns=DOWNLOADED, none="no symbols", spare=("venue", "from"))


@app.command()
def check(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Files, folders; else the store.")
    ] = None,
    allow: Annotated[Any, typer.Option("--allow", parser=o.names, metavar="A,B", help="Findings that are fine.")] = (),
    folder: Store = None,
    symbol: NamedSymbol = None,
    timeframe: NamedFrame = None,
    json: o.Json = False,
) -> None:
    """Look for gaps, duplicates, jumps, rows off the grid, copies and impossible rows, with a score per file.

    The score is the share of the grid that holds a bar to be believed. Exit code 1 where something was found;
    zero_volume is only told.

    Example: lct market check ~/bars --allow gap --json
    """
    from lct.cli.recordings import checked, faults, in_words

    rows = checked(paths or [], folder, symbol, timeframe, ctx.obj)
    shown = rows if json else [{**row, "findings": in_words(row["findings"])} for row in rows]
    print_rows(shown, json=json, columns=CHECKED, none="the store is empty", spare=("from", "to"))
    if faults(rows, allow):
        raise typer.Exit(1)


@app.command()
def repair(
    file: Source,
    out: Annotated[Path | None, typer.Option("--out", metavar="OUT", help="Where to; without it only tell.")] = None,
    prefer: Annotated[
        Any, typer.Option("--prefer", parser=o.one_of("first", "last"), help="first or last telling.")
    ] = None,
    timeframe: NamedFrame = None,
    json: o.Json = False,
) -> None:
    """Drop what cannot be a bar, put the rest in order, each bar once; gaps stay gaps, nothing is made up.

    Example: lct market repair BTC_USDT-5m-2024.csv --out BTC_USDT-5m-2024.parquet
    """
    from lct.cli.recordings import in_words, repaired

    row = repaired(file, out, timeframe, prefer)
    print_facts(row if json else {**row, "done": in_words(row["done"])}, json=json)


@app.command()
def convert(file: Source, out: Out, json: o.Json = False) -> None:
    """Write a recording in another format: Parquet, CSV, and the Feather and JSON of freqtrade.

    Example: lct market convert BTC_USDT-5m.json BTC_USDT-5m-2024.parquet
    """
    from lct.cli.recordings import converted

    print_facts(converted(file, out), json=json)


@app.command()
def resample(
    file: Source,
    out: Out,
    to: Annotated[str, typer.Option("--to", metavar="TIMEFRAME", help="As in 1h.")],
    timeframe: NamedFrame = None,
    json: o.Json = False,
) -> None:
    """Make longer bars out of short ones, of whole windows only: what a gap leaves of a window is counted, not used.

    Example: lct market resample BTC_USDT-5m-2024.parquet BTC_USDT-1h-2024.parquet --to 1h
    """
    from lct.cli.recordings import resampled

    print_facts(resampled(file, out, to, timeframe), json=json)
