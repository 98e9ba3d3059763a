"""Lives: what the journal tells of one order, from the intent to the end."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lct.cli.records import EXECUTION, reading
from lct.clock import rfc3339
from lct.errors import ConfigError, JournalError, NotFound, nearest
from lct.store.journal import Row

if TYPE_CHECKING:
    from lct.domain.orders import Order
    from lct.messages.base import Event

ID_LETTERS_MAX = 64
IDS_SUGGESTED_MAX = 200
SQL = (
    "select daemon, journal_seq, epoch, prev_hash, hash, heard_ref, round, now_ns, type, schema, body from journal "
    "where daemon = ?1 and type in ('execution.order_intended', 'execution.order_moved', 'execution.filled', "
    "'execution.decided') and instr(body, ?2) order by position"
)


def life_of(path: Path, beginning: str) -> tuple["Order", list[dict[str, Any]]]:
    """Return an order as it stands, and a row for each thing that became of it, oldest first.

    Raises NotFound where no order's client order id begins so, ConfigError where several do.
    """
    events = _events(path, beginning)
    ids = sorted({_id(event) for _, event in events})
    if not ids:
        raise NotFound(f"no order {beginning!r} in {path}; {nearest(beginning, _newest_ids(path))}")
    if len(ids) > 1:
        raise ConfigError(f"{len(ids)} orders begin with {beginning!r}: {', '.join(ids[:4])}; type more of the one")
    return _folded([event for _, event in events]), [_row(row, event) for row, event in events]


def _events(path: Path, beginning: str) -> "list[tuple[Row, Event]]":
    from lct.bus.room import recorded
    from lct.messages.base import Codec
    from lct.messages.execution import Decided, Filled, OrderIntended, OrderMoved

    codec = Codec((OrderIntended, OrderMoved, Filled, Decided), is_ours=True)
    if not 0 < len(beginning) <= ID_LETTERS_MAX:
        raise ConfigError(f"an order id has 1 to {ID_LETTERS_MAX} letters")
    with reading(path) as db:
        rows = [Row._make(row) for row in db.execute(SQL, (EXECUTION, beginning.encode()))]
    events: list[Any] = [(row, recorded(codec, row.body)) for row in rows]
    return [(row, event) for row, event in events if _id(event).startswith(beginning)]


def _id(event: Any) -> str:
    """Return the client order id that an event is about."""
    if hasattr(event, "order"):
        return str(event.order.client_order_id)
    return str(event.about if hasattr(event, "about") else event.client_order_id)


def _newest_ids(path: Path) -> list[str]:
    """Return the ids of the newest orders, for who mistyped one."""
    from lct.bus.room import recorded
    from lct.messages.base import Codec, tag_of
    from lct.messages.execution import OrderIntended

    codec = Codec((OrderIntended,), is_ours=True)
    sql = "select body from journal where daemon = ? and type = ? order by position desc limit ?"
    with reading(path) as db:
        rows = list(db.execute(sql, (EXECUTION, tag_of(OrderIntended), IDS_SUGGESTED_MAX)))
    return [_id(recorded(codec, body)) for (body,) in rows]


def _folded(events: "list[Event]") -> "Order":
    """Return the order after these events: fills are facts, states are as they were journaled."""
    from msgspec.structs import replace

    from lct.domain.money import use_money_context
    from lct.messages.execution import Filled, OrderIntended, OrderMoved

    use_money_context()
    if not isinstance(events[0], OrderIntended):
        raise JournalError("the journal tells of an order that it has no intent of: lct journal verify")
    order = events[0].order
    for event in events[1:]:
        if isinstance(event, Filled):
            notional = order.notional_filled + event.amount * event.price
            order = replace(order, filled=order.filled + event.amount, notional_filled=notional, state=event.state)
        elif isinstance(event, OrderMoved):
            order = replace(
                order,
                state=event.state,
                reason=event.reason or order.reason,
                venue_order_id=event.venue_order_id or order.venue_order_id,
            )
    return order


def _row(row: Row, event: Any) -> dict[str, Any]:
    """Return one thing that became of the order."""
    from lct.messages.execution import Decided, Filled, OrderIntended

    amount = price = None
    if isinstance(event, OrderIntended):
        order = event.order
        name, state, amount = "intended", order.state, order.amount
        price = order.stop_price if order.price is None else order.price
        detail = f"{event.leg}, decided on bars {event.md_seq}" + (f": {order.reason}" if order.reason else "")
    elif isinstance(event, Filled):
        name, state, amount, price = "filled", event.state, event.amount, event.price
        detail = f"trade {event.trade_id}, fee {event.fee} {event.fee_asset}"
    elif isinstance(event, Decided):
        return _told(row, "decided", event.verdict, f"{event.by}: {event.reason}")
    else:
        name, state, detail = "moved", event.state, event.reason
    return _told(row, name, state.value, detail, amount, price)


def _told(row: Row, name: str, state: str, detail: str, amount: Any = None, price: Any = None) -> dict[str, Any]:
    return {
        "time": rfc3339(row.now_ns),
        "event": name,
        "state": state,
        "amount": amount,
        "price": price,
        "detail": detail,
        "heard_ref": row.heard_ref,
        "journal_seq": row.journal_seq,
    }
