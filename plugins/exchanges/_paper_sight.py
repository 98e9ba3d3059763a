"""What of its resting orders the paper venue sees: how one looks from outside, and which bars touch it."""

from math import inf

from lct.domain.bars import Floats
from lct.domain.orders import OrderType, Side
from lct.ports.exchange import Place, VenueOrder
from plugins.exchanges._paper_books import Resting


def seen(resting: Resting) -> VenueOrder:
    """Return an order as the venue tells it."""
    order = resting.order
    filled = order.amount - resting.remaining
    return VenueOrder(
        resting.venue_order_id,
        order.client_order_id,
        order.symbol,
        order.side,
        order.type,
        order.amount,
        filled,
        "open",
        order.price,
    )


def first_touch(low: Floats, high: Floats, below: float, above: float) -> int | None:
    """Return the index of the first low at or below `below`, or high at or above `above`; None without one."""
    if above == inf:
        hits = low <= below
    else:
        hits = high >= above
        if below != -inf:
            hits |= low <= below
    first = int(hits.argmax()) if len(hits) else 0
    return first if len(hits) and hits[first] else None


def levels(order: Place) -> tuple[float, float]:
    """Return the prices at or below which, and at or above which, a bar touches the order."""
    below, above = -inf, inf
    if order.type is OrderType.LIMIT:
        assert order.price is not None, "a limit has its price"
        level = float(order.price)
        return (level, above) if order.side is Side.BUY else (below, level)
    stop = None if order.stop_price is None else float(order.stop_price)
    take = None if order.take_profit_price is None else float(order.take_profit_price)
    if order.side is Side.SELL:
        return (below if stop is None else stop), (above if take is None else take)
    return (below if take is None else take), (above if stop is None else stop)
