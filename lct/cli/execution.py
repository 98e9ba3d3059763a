"""`lct execution`: orders and fills, why each order is where it is, and what a person may do about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import operating
from lct.cli import options as o
from lct.cli.output import print_facts, print_json, print_rows, write_csv

if TYPE_CHECKING:
    from lct.domain.orders import Order

app = typer.Typer(name="execution", no_args_is_help=True, add_completion=False)

ORDERS = (
    "client_order_id",
    "venue_order_id",
    "venue",
    "symbol",
    "side",
    "type",
    "amount",
    "price",
    "filled",
    "average_price",
    "status",
    "strategy",
    "created_at",
    "reason",
)
SHOWN = ("created_at", "symbol", "side", "type", "amount", "price", "filled", "average_price", "status", "strategy")
SPARE = ("average_price", "strategy", "filled", "type", "price", "reason")
FILLS = ("time", "symbol", "side", "amount", "price", "fee", "fee_asset", "strategy", "client_order_id", "trade_id")
FILLS_SPARE = ("trade_id", "fee_asset", "client_order_id", "strategy", "fee", "side")

LIFE = ("time", "event", "state", "amount", "price", "detail", "journal_seq")
LIFE_SPARE = ("journal_seq",)
VENUES = (
    "name",
    "summary",
    "idempotent_forever",
    "recv_window_seconds",
    "clock_error_seconds",
    "visibility_lag_seconds",
    "sweeps_min",
    "endpoints_min",
)


@app.callback()
def execution() -> None:
    """Orders and fills of a house, whether it runs or not. Example: lct execution orders"""


@app.command()
def orders(
    every: Annotated[
        bool, typer.Option("--all", help="Every order of the journal, not only those still kept.")
    ] = False,
    last: o.Last = None,
    config: o.ConfigDir = None,
    account: o.Account = None,
    csv: o.Csv = None,
    json: o.Json = False,
) -> None:
    """Show the live orders and those lately over, oldest first.

    price is the limit of an order, or the price that triggers a stop; a market order has none.

    Example: lct execution orders --last 10 --json
    """
    from lct.cli.settings import configured

    venue = configured(config, account).house.venue
    found = _every(config, account) if every else _kept(config, account)
    rows = [order_row(order, venue) for order in found[-(last or 0) :]]
    if csv is not None:
        write_csv(csv, ORDERS, rows)
    print_rows(rows, json=json, columns=(*SHOWN, "reason"), none="no orders yet", spare=SPARE)


@app.command()
def fills(
    last: o.Last = None,
    config: o.ConfigDir = None,
    account: o.Account = None,
    csv: o.Csv = None,
    json: o.Json = False,
) -> None:
    """Show the fills of the journal, oldest first.

    Example: lct execution fills --last 10 --csv fills.csv
    """
    from lct.cli.accounts import warn_of_broken
    from lct.cli.records import fills as journaled

    path = journal_of_execution(config, account)
    rows = [_fill_row(fill) for fill in journaled(path)[-(last or 0) :]]
    if csv is not None:
        write_csv(csv, FILLS, rows)
    print_rows(rows, json=json, columns=FILLS, none="no fills yet", spare=FILLS_SPARE)
    warn_of_broken([path])


@app.command()
def order(
    client_order_id: operating.OrderId,
    config: o.ConfigDir = None,
    account: o.Account = None,
    json: o.Json = False,
) -> None:
    """Show the whole life of one order, out of the journal: why it was made, every state, and every fill.

    The beginning of an id will do, where only one order has it.

    Example: lct execution order 5f3ad2a8
    """
    from lct.cli.accounts import warn_of_broken
    from lct.cli.lives import life_of
    from lct.cli.settings import configured

    path = journal_of_execution(config, account)
    found, life = life_of(path, client_order_id)
    row = order_row(found, configured(config, account).house.venue)
    if json:
        print_json({**row, "life": life})
    else:
        print_facts(row, json=False)
        print_rows(life, json=False, columns=LIFE, none="", spare=LIFE_SPARE)
    warn_of_broken([path])


@app.command()
def status(config: o.ConfigDir = None, account: o.Account = None, json: o.Json = False) -> None:
    """Show what the gate lets through and why, frozen symbols, UNKNOWN orders, and the last comparison with the venue.

    Example: lct execution status --json
    """
    from daemons.api_gateway.documents import gate
    from lct.cli.accounts import ask
    from lct.cli.stopping import files
    from lct.messages.execution import GetExecutionStatus

    document = gate(ask(GetExecutionStatus(), config, account))
    print_facts({**document, "halt_files": [str(path) for path in files(account)]}, json=json)


@app.command()
def venues(json: o.Json = False) -> None:
    """Show what each exchange plugin promises about the orders it takes, and so what its silence proves.

    An order that nobody can see is absent only after all of these times, in sweeps_min sweeps on endpoints_min ways.

    Example: lct execution venues --json
    """
    from lct import catalog

    rows = [venue_row(catalog.load("exchanges", name)) for name in catalog.names("exchanges")]
    print_rows(rows, json=json, columns=VENUES, none="no exchange plugin is installed", spare=VENUES[:1:-1])


def venue_row(venue: Any) -> dict[str, Any]:
    """Return the terms of an exchange plugin in the shape that `--json` prints; times in seconds."""
    from lct.clock import NS_PER_SECOND

    terms = venue.terms
    return {
        "name": venue.name,
        "summary": venue.summary,
        "idempotent_forever": terms.idempotent_forever,
        "recv_window_seconds": terms.recv_window_ns / NS_PER_SECOND,
        "clock_error_seconds": terms.clock_error_ns / NS_PER_SECOND,
        "visibility_lag_seconds": terms.visibility_lag_ns / NS_PER_SECOND,
        "sweeps_min": terms.sweeps_min,
        "endpoints_min": terms.endpoints_min,
    }


operating.register(app)


def order_row(order: "Order", venue: str) -> dict[str, Any]:
    """Return an order in the shape that `--json` prints."""
    from lct.clock import rfc3339

    return {
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "venue": venue,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "amount": order.amount,
        "price": order.stop_price if order.price is None else order.price,
        "filled": order.filled,
        "average_price": order.average_price,
        "status": order.state.value,
        "strategy": order.book,
        "created_at": rfc3339(order.created_ns),
        "reason": order.reason,
    }


def _fill_row(fill: Any) -> dict[str, Any]:
    from lct.clock import rfc3339

    return {
        "time": rfc3339(fill.time_ns),
        "symbol": fill.symbol,
        "side": fill.side.value,
        "amount": fill.amount,
        "price": fill.price,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "strategy": fill.book,
        "client_order_id": fill.client_order_id,
        "trade_id": fill.trade_id,
    }


def _kept(config: Path | None, account: str | None) -> list["Order"]:
    from lct.cli.accounts import ask
    from lct.messages.execution import GetOrders

    return ask(GetOrders(), config, account).orders


def _every(config: Path | None, account: str | None) -> list["Order"]:
    from lct.cli.records import all_orders

    return all_orders(journal_of_execution(config, account))


def journal_of_execution(config: Path | None, account: str | None) -> Path:
    """Return the file that has execution's rows."""
    from lct.cli.accounts import folder_of
    from lct.cli.records import EXECUTION, file_of

    return file_of(folder_of(config, account), EXECUTION)
