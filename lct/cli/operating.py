"""Operating: what an operator asks execution to do about its orders and its accounts; verbs of `lct execution`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.asking import COMPLETION_MS, OPERATOR, ask, confirm
from lct.cli.market import complete as complete_symbols
from lct.cli.output import manners, print_facts, print_json, print_rows, say
from lct.errors import Refused

if TYPE_CHECKING:
    from lct.messages.base import Request
    from lct.messages.execution import Done, ExecutionStatus

COMPARE_SECONDS, QUIET_SECONDS = 90.0, 3.0
"""How long to wait for a comparison: a difference is believed once it outlasts the venue's lag. How long silently."""
NOT_EVEN = 1
REASON_LETTERS = 200
DIFFERENCES = ("kind", "name", "ours", "theirs")
CANCELLED = ("client_order_id", "symbol", "side", "type", "amount", "price", "filled", "status", "strategy")
CANCELLED_SPARE = ("strategy", "filled", "type", "price")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the journal; at most 200 letters.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Rehearse = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")]
Amount = Annotated[Any, typer.Argument(parser=o.money(above=0), metavar="AMOUNT", help="In base, as in 0.5.")]
Price = Annotated[Any, typer.Option("--price", parser=o.money(above=0), help="What it counts as bought at, in quote.")]


def complete_orders(incomplete: str) -> Iterator[str]:
    """Complete the client order id of an order that execution keeps."""
    from lct.errors import LctError
    from lct.messages.execution import GetOrders

    try:
        orders = ask(GetOrders(), patience_ms=COMPLETION_MS).orders
    except LctError:
        return
    yield from (o.client_order_id for o in orders if o.client_order_id.startswith(incomplete))


OrderId = Annotated[str, typer.Argument(autocompletion=complete_orders, metavar="ID", help="The client order id.")]


def cancel(
    client_order_id: OrderId, reason: Reason = "", yes: Yes = False, rehearse: Rehearse = False, json: o.Json = False
) -> None:
    """Cancel one order, protection too; a cancel is always allowed, also where the house is halted.

    Example: lct execution cancel 5f3ad2a8c0e94d0b8a6b1f6f7f9b3c21 --yes
    """
    from lct.messages.execution import CancelOrder

    if rehearse:
        print_facts(_order(client_order_id), json=json)
        return
    confirm("cancel", f"cancel {client_order_id}", yes=yes)
    _do(CancelOrder(client_order_id, reason[:REASON_LETTERS], OPERATOR), json=json)


def cancel_all(reason: Reason = "", yes: Yes = False, rehearse: Rehearse = False, json: o.Json = False) -> None:
    """Cancel all open orders; what protects positions stays.

    Example: lct execution cancel-all --dry-run
    """
    from lct.cli.execution import order_row
    from lct.cli.settings import configured
    from lct.cli.stopping import open_orders
    from lct.messages.execution import CancelOrder

    if rehearse:
        rows = [order_row(order, configured().house.venue) for order in open_orders()]
        print_rows(rows, json=json, columns=CANCELLED, none="there is nothing to cancel", spare=CANCELLED_SPARE)
        return
    confirm("cancel", "cancel all open orders but protection", yes=yes)
    _do(CancelOrder(None, reason[:REASON_LETTERS], OPERATOR), json=json, is_refusal=False)


def resolve(
    client_order_id: OrderId,
    absent: Annotated[bool, typer.Option("--absent", help="The venue never had it.")] = False,
    over: Annotated[bool, typer.Option("--over", help="It is over, with the fills that are known.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    json: o.Json = False,
) -> None:
    """Say what became of an UNKNOWN order that execution cannot find out; look at the venue's own page first.

    Fills that come later are still taken. After --absent they halt the house: the word was wrong.

    Example: lct execution resolve 5f3ad2a8c0e94d0b8a6b1f6f7f9b3c21 --absent --reason "not in the venue's history"
    """
    from lct.domain.orders import State
    from lct.messages.execution import Resolve

    if absent == over:
        raise typer.BadParameter("say either --absent or --over")
    confirm("resolve", f"have it that {client_order_id} {'never was' if absent else 'is over'}", yes=yes)
    verdict = State.ABSENT if absent else State.CANCELED
    _do(Resolve(client_order_id, verdict, reason[:REASON_LETTERS], OPERATOR), json=json)


def reconcile(
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option("--explain", metavar="ASSET AMOUNT", help="Take a difference as a transfer; -5 went out."),
    ] = None,
    reason: Reason = "",
    wait: Annotated[float, typer.Option("--wait", min=0.1, metavar="SECONDS", help="At most.")] = COMPARE_SECONDS,
    yes: Yes = False,
    json: o.Json = False,
) -> None:
    """Compare our books with the venue's now, and show what differs; exit code 1 where something does.

    A difference counts once it has outlasted the time within which the venue shows all it knows (`lct execution
    venues`), so one may take a minute to be told.

    With --explain a difference of one asset is taken as a deposit or a withdrawal first, in your name. Nothing is ever
    adjusted without that.

    Example: lct execution reconcile --explain USDT 250 --reason "top up of Monday"
    """
    if explain is not None:
        _explain(*explain, reason, yes=yes)
    found = _compared(wait)
    _print_comparison(found, json=json)
    if found.differences:
        raise typer.Exit(NOT_EVEN)


def adopt(
    symbol: Annotated[str, typer.Argument(autocompletion=complete_symbols, metavar="SYMBOL", help="As in BTC/USDT.")],
    amount: Amount,
    price: Price,
    book: Annotated[
        str,
        typer.Option("--book", autocompletion=o.complete_strategies, help="Which strategy it belongs to from now on."),
    ],
    yes: Yes = False,
    json: o.Json = False,
) -> None:
    """Give a strategy what lies in the account and belongs to none, as if it had bought it at this price.

    Example: lct execution adopt BTC/USDT 0.5 --price 42000 --book trend
    """
    from lct.messages.execution import Adopt

    confirm("adopt", f"have {book} hold {amount} {symbol} as if bought at {price}", yes=yes)
    _do(Adopt(symbol, book, amount, price, OPERATOR), json=json)


def _do(request: "Request[Done]", *, json: bool, is_refusal: bool = True) -> None:
    """Have execution do it, and print what came of it; that it changed nothing is a refusal, where that is said so."""
    from daemons.api_gateway.documents import done

    reply = ask(request)
    if is_refusal and not reply.changed:
        raise Refused(f"execution did nothing: {reply.done}")
    print_facts(done(reply), json=json)


def _order(client_order_id: str) -> dict[str, Any]:
    """Return an order that execution keeps, as a row; NotFound where it keeps none of this id."""
    from lct.cli.execution import order_row
    from lct.cli.settings import configured
    from lct.errors import NotFound, nearest
    from lct.messages.execution import GetOrders

    orders = {order.client_order_id: order for order in ask(GetOrders()).orders}
    if client_order_id not in orders:
        raise NotFound(f"execution keeps no order {client_order_id!r}; {nearest(client_order_id, orders)}")
    return order_row(orders[client_order_id], configured().house.venue)


def _explain(asset: str, amount: str, reason: str, *, yes: bool) -> None:
    """Have a difference of one asset taken as a transfer."""
    from lct.domain.money import parse_money
    from lct.messages.execution import Explain

    try:
        moved = parse_money(amount)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not moved or not reason:
        raise typer.BadParameter("--explain takes an amount that is not 0, and a --reason")
    confirm("explain", f"book {amount} {asset} as {'a deposit' if moved > 0 else 'a withdrawal'}", yes=yes)
    reply = ask(Explain(asset, moved, reason[:REASON_LETTERS], OPERATOR))
    if not reply.changed:
        raise Refused(f"nothing was booked: {reply.done}")
    say(reply.done, manners())


def _compared(wait_seconds: float) -> "ExecutionStatus":
    """Have execution compare, and return how it stands after; NoAnswer where the venue does not answer in time."""
    from lct.errors import NoAnswer
    from lct.messages.execution import GetExecutionStatus, Reconcile
    from lct.supervisor.processes import wait_until

    before = ask(GetExecutionStatus())
    if before.ready and before.reconciled_ns is None:
        raise Refused("this house compares nothing: in replayed time the paper venue is a part of it")
    found = [before]
    ask(Reconcile())

    def is_news() -> bool:
        found.append(ask(GetExecutionStatus()))
        return found[-1].reconciled_ns != before.reconciled_ns

    if wait_until(is_news, min(QUIET_SECONDS, wait_seconds)):
        return found[-1]
    say("waits for the venue, or for a difference to outlast its lag; Ctrl-C breaks off", manners())
    if not wait_until(is_news, wait_seconds - QUIET_SECONDS):
        raise NoAnswer(f"no comparison came to an end within {wait_seconds:g} s; `lct execution status` tells more")
    return found[-1]


def _print_comparison(found: "ExecutionStatus", *, json: bool) -> None:
    from daemons.api_gateway.documents import comparison

    document = comparison(found)
    if json:
        print_json(document)
        return
    print_rows(document["differences"], json=False, columns=DIFFERENCES, none="our books are the venue's")
    if document["foreign"]:
        say(f"orders at the venue that are not ours: {', '.join(document['foreign'])}", manners())


def register(app: typer.Typer) -> None:
    """Make these verbs of an app."""
    for verb in (cancel, resolve, reconcile, adopt):
        app.command()(verb)
    app.command("cancel-all")(cancel_all)
