"""`lct portfolio`: what we hold, own and made, as the ledger tells, of a house that runs or of its journal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import print_facts, print_json, print_rows, write_csv
from lct.errors import Refused

if TYPE_CHECKING:
    from lct.cli.statements import Closed, Line
    from lct.messages.portfolio import Risk

app = typer.Typer(name="portfolio", no_args_is_help=True, add_completion=False)

POSITIONS = (
    "symbol",
    "amount",
    "average_price",
    "mark_price",
    "unrealized_profit",
    "realized_profit",
    "strategy",
)
POSITIONS_SPARE = ("fees", "average_price", "realized_profit", "strategy", "mark_price")
STATEMENT = ("time", "kind", "asset", "amount", "balance", "strategy", "symbol", "ref")
STATEMENT_SPARE = ("ref", "strategy", "symbol")
LOTS = ("strategy", "symbol", "side", "amount", "opened_at", "closed_at", "entry_price", "exit_price", "profit", "fees")
EVER_NS = 2**63 - 1
TRADES_SPARE = ("fees", "entry_at", "side", "amount", "entry_price", "exit_price", "strategy")


@app.callback()
def portfolio() -> None:
    """What we hold, own and made. Example: lct portfolio positions"""


@app.command()
def positions(config: o.ConfigDir = None, account: o.Account = None, csv: o.Csv = None, json: o.Json = False) -> None:
    """Show the open positions, one line for each symbol and strategy.

    realized_profit is before fees; the table shows them beside it.

    Example: lct portfolio positions --json
    """
    from lct.cli.accounts import ask
    from lct.messages.portfolio import GetPositions

    lines = ask(GetPositions(), config, account).positions
    columns = POSITIONS if json else (*POSITIONS, "fees")
    rows = [{column: getattr(line, column) for column in columns} for line in lines]
    if csv is not None:
        write_csv(csv, columns, rows)
    print_rows(rows, json=json, columns=columns, none="no open positions", spare=POSITIONS_SPARE)


@app.command()
def balances(config: o.ConfigDir = None, account: o.Account = None, csv: o.Csv = None, json: o.Json = False) -> None:
    """Show what is ours, asset by asset, positions included.

    Example: lct portfolio balances
    """
    from lct.cli.accounts import ask
    from lct.messages.portfolio import GetBalances

    totals = ask(GetBalances(), config, account).totals
    rows = [{"asset": asset, "total": total} for asset, total in totals.items()]
    if csv is not None:
        write_csv(csv, ("asset", "total"), rows)
    print_rows(rows, json=json, columns=("asset", "total"), none="nothing is ours yet")


@app.command()
def pnl(config: o.ConfigDir = None, account: o.Account = None, json: o.Json = False) -> None:
    """Show the equity and where it comes from: deposits + realized + unrealized profit - fees.

    Example: lct portfolio pnl --json
    """
    from lct.cli.accounts import ask
    from lct.clock import rfc3339
    from lct.messages.portfolio import GetProfit

    profit = ask(GetProfit(), config, account)
    facts = {
        "time": rfc3339(profit.time_ns),
        "equity": profit.equity,
        "deposits": profit.deposits,
        "profit": None if profit.equity is None else profit.equity - profit.deposits,
        "realized_profit": profit.realized_profit,
        "unrealized_profit": profit.unrealized_profit,
        "fees": profit.fees,
        "funding": profit.funding,
        "fills": profit.fills,
        "max_drawdown": profit.track.drawdown_max,
    }
    print_facts(facts, json=json)


@app.command()
def statement(
    from_: o.From = None,
    to: o.To = None,
    config: o.ConfigDir = None,
    account: o.Account = None,
    csv: o.Csv = None,
    json: o.Json = False,
) -> None:
    """Show every movement of the account in a period, between an opening and a closing balance of each asset.

    Example: lct portfolio statement --from 2024-01-01 --to 2025-01-01 --csv 2024.csv
    """
    from lct.cli.accounts import warn_of_broken
    from lct.cli.execution import journal_of_execution
    from lct.cli.statements import money_facts
    from lct.cli.statements import statement as stated

    path = journal_of_execution(config, account)
    lines = stated(money_facts(path), from_ or 0, EVER_NS if to is None else to)
    rows = [statement_row(line) for line in lines]
    if csv is not None:
        write_csv(csv, STATEMENT, rows)
    print_rows(rows, json=json, columns=STATEMENT, none="nothing has moved yet", spare=STATEMENT_SPARE)
    warn_of_broken([path])


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Write every closed lot, first in, first out, to a CSV file: what a tax form asks for.

    The ledger itself goes by average cost; both add up to the same. A cell that a spreadsheet would take for a formula
    begins with a quote.

    Example: lct portfolio export lots.csv
    """
    from lct.cli.accounts import warn_of_broken
    from lct.cli.execution import journal_of_execution
    from lct.cli.statements import closed_lots, money_facts

    path = journal_of_execution(config, account)
    rows = [lot_row(lot) for lot in closed_lots(money_facts(path))]
    write_csv(file, LOTS, rows)
    print_facts({"file": str(file), "lots": len(rows)}, json=json)
    warn_of_broken([path])


def lot_row(lot: "Closed") -> dict[str, Any]:
    """Return a closed lot as a row."""
    from lct.clock import rfc3339

    row = lot._asdict()
    times = {"opened_at": rfc3339(row.pop("opened_ns")), "closed_at": rfc3339(row.pop("closed_ns"))}
    return {**row, **times}


def statement_row(line: "Line") -> dict[str, Any]:
    """Return a line of a statement as a row; the balances at the ends of all time have no time."""
    from lct.clock import rfc3339

    row = line._asdict()
    time_ns = row.pop("time_ns")
    return {"time": rfc3339(time_ns) if 0 < time_ns < EVER_NS else None, **row}


@app.command()
def risk(
    confidence: Annotated[float, typer.Option("--confidence", min=0.51, max=0.9999, help="Of the tail.")] = 0.95,
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=100_000, help="How far ahead, in bars.")] = 1,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Show the exposure, how it is spread, the drawdown, and what may be lost (value at risk, expected shortfall).

    What there is too little history for is said and not guessed. Sources of the formulas: docs/portfolio.md.

    Example: lct portfolio risk --confidence 0.99 --horizon 60
    """
    from lct.cli.accounts import ask
    from lct.messages.portfolio import GetRisk

    found = ask(GetRisk(confidence, horizon), config, account)
    print_json(risk_document(found)) if json else print_facts(risk_facts(found), json=False)


def risk_document(found: "Risk") -> dict[str, Any]:
    """Return a Risk as a document of JSON: figures as numbers, for none of them is money."""
    import msgspec

    from lct.clock import rfc3339

    document: dict[str, Any] = msgspec.to_builtins(found)
    del document["tag"], document["time_ns"]
    pairs = [{"symbols": [a, b], "correlation": c} for a, b, c in found.correlations]
    return {"time": rfc3339(found.time_ns), **document, "correlations": pairs}


def risk_facts(found: "Risk") -> dict[str, Any]:
    """Return what of a Risk a person reads first."""
    tail = found.tail
    facts: dict[str, Any] = {
        "equity": found.equity,
        "gross exposure": found.spread.gross,
        "net exposure": found.spread.net,
        "concentration": found.spread.concentration,
        "drawdown": found.drawdown,
        "max drawdown": found.drawdown_max,
        f"value at risk {tail.confidence:g}, historical": tail.historical_var,
        f"value at risk {tail.confidence:g}, normal": tail.parametric_var,
        "expected shortfall, historical": tail.historical_shortfall,
        "expected shortfall, normal": tail.parametric_shortfall,
    }
    facts = {name: None if value is None else round(value, 6) for name, value in facts.items()}
    facts |= {f"exposure in {symbol}": round(value, 6) for symbol, value in sorted(found.spread.by_symbol.items())}
    return facts | ({"not known": tail.reason} if tail.reason else {})


@app.command()
def trades(
    last: o.Last = None,
    config: o.ConfigDir = None,
    account: o.Account = None,
    csv: o.Csv = None,
    json: o.Json = False,
) -> None:
    """Show the round trips that are over, oldest first; profit is after fees.

    Example: lct portfolio trades --last 20 --csv trades.csv
    """
    from lct.cli.accounts import ask
    from lct.cli.backtest import TRADES, trade_rows
    from lct.messages.portfolio import GetTrades

    rows = trade_rows(ask(GetTrades(last), config, account).trades)
    if csv is not None:
        write_csv(csv, TRADES, rows)
    print_rows(rows, json=json, columns=TRADES, none="no round trip is over yet", spare=TRADES_SPARE)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Put the paper account and its journals aside: the next run begins anew. Nothing is deleted.

    Refused while a process of its house lives.

    Example: lct portfolio reset --yes
    """
    from lct.cli.settings import configured
    from lct.config import home
    from lct.run.account import reset as put_aside
    from lct.run.config import journal_folder

    house = configured(config, account).house
    name = journal_folder(home(), house).name
    if not yes and typer.prompt(f"type {name} to put its positions, orders and journal aside", err=True) != name:
        raise Refused(f"{name} was left as it is")
    print_facts({"account": name, "put_aside": str(put_aside(home(), house))}, json=json)
