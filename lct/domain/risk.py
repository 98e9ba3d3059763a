"""Risk: the hard limits of the gate, each denial with its reason; what is not known is denied."""

import enum
from decimal import Decimal
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from lct.domain.instruments import Instrument, Kind
from lct.domain.money import ONE, ZERO, Money, plain
from lct.domain.orders import OrderType, Side

NS_PER_SECOND = 1_000_000_000
Count = Annotated[int, Meta(ge=0)]


class Standing(enum.Enum):
    """What the gate lets through: all, only what reduces exposure, or nothing but cancels and a flattening."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"

    # as of State: there is one of each
    __hash__ = object.__hash__


def worse(one: Standing, other: Standing) -> Standing:
    """Return the stricter of two standings."""
    return max(one, other, key=list(Standing).index)


class Intent(Protocol):
    """What the gate reads of a proposal; an Order is one. Amount in base, prices in quote per base."""

    @property
    def side(self) -> Side:
        """Which way it goes."""
        ...

    @property
    def type(self) -> OrderType:
        """How it executes."""
        ...

    @property
    def amount(self) -> Decimal:
        """How much, in base."""
        ...

    @property
    def price(self) -> Decimal | None:
        """Its limit, or None."""
        ...

    @property
    def stop_price(self) -> Decimal | None:
        """What triggers its stop, or None."""
        ...

    @property
    def take_profit_price(self) -> Decimal | None:
        """Where it takes profit, or None."""
        ...

    @property
    def reduce_only(self) -> bool:
        """Whether it may only make a position smaller."""
        ...


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hard limits; None means that this one is absent. Lowering any but `min_price` only ever denies more.

    Sizes of one order and one position are in quote, for a slip of the finger is absolute; what grows with the account
    (exposure, losses) is a fraction of equity. The limits on size, exposure, losses and numbers of orders leave a
    reduce-only order alone, so that no limit keeps us in a position.
    """

    max_order_notional: Annotated[Money | None, Meta(description="largest order, in quote")] = Decimal(100)
    max_position_notional: Annotated[
        Money | None, Meta(description="largest position in one symbol over all books, live orders filled, in quote")
    ] = Decimal(300)
    max_gross_exposure: Annotated[
        Money | None, Meta(description="sum of all positions' sizes, live orders filled, as a fraction of equity")
    ] = ONE
    max_order_amount: Annotated[Money | None, Meta(description="largest order, in base, whatever its price")] = None
    max_open_orders: Annotated[Count, Meta(description="orders live at once, protection apart")] = 20
    max_orders_per_minute: Annotated[Count, Meta(description="orders sent in any 60 seconds, protection apart")] = 60
    max_orders_per_second: Annotated[Count, Meta(description="orders sent in any second, protection apart")] = 5
    max_alike_per_minute: Annotated[
        Count | None, Meta(description="orders of one strategy, symbol and side in any 60 seconds")
    ] = 3
    repeat_seconds: Annotated[
        Count, Meta(description="how long the same strategy, symbol, side, amount and price may not come again")
    ] = 10
    max_data_age_bars: Annotated[
        Count | None, Meta(description="age of a symbol's last close, in bars, from which nothing is entered")
    ] = 3
    forbid_self_cross: Annotated[bool, Meta(description="deny what would trade with a resting order of our own")] = True
    restricted: Annotated[tuple[str, ...], Meta(description="symbols that may only be reduced")] = ()
    price_collar: Annotated[
        Money, Meta(description="how far a limit price may lie from the reference price, as a fraction of it")
    ] = Decimal("0.1")
    max_daily_loss: Annotated[
        Money | None, Meta(description="loss since 00:00 UTC, as a fraction of the equity then")
    ] = Decimal("0.05")
    max_drawdown: Annotated[
        Money | None, Meta(description="fall from the highest equity that a UTC day began with")
    ] = Decimal("0.2")
    min_price: Annotated[Money, Meta(description="lowest reference price of what may be bought, in quote")] = ZERO
    allow_short: Annotated[bool, Meta(description="let a perpetual's position go below zero; spot never may")] = False
    max_unknown: Annotated[Count, Meta(description="orders of unknown fate at once; more halt trading")] = 5
    max_rejects_per_minute: Annotated[
        Count | None, Meta(description="orders refused by the venue in any 60 seconds; more halt trading")
    ] = 20
    runaway_factor: Annotated[
        Count | None, Meta(description="fills of a minute, against the hour's average; more halt trading")
    ] = 10

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal | int) and not (Decimal(value).is_finite() and value >= 0):
                raise ValueError(f"{name} must be at least 0, not {value}")


class Exposure(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the gate knows when an intent comes; amounts in base, money in quote.

    `book_amount` and `symbol_amount` (all books) are signed. `live_buys` and `live_sells` are what remains of the
    symbol's live orders (UNKNOWN ones too, reduce-only ones not), `book_live_sells` the book's part of the sells, and
    `book_exits` what remains of the book's live reduce-only orders, without the protection that execution itself
    resizes. `gross` is the worst-case gross exposure: the sizes of all positions, live orders counted as filled.
    `cash_free` is net of what live buys reserve. `cost_rate` is the fraction of a notional that fees and slippage take.
    `standing` is the stricter of the house's and the symbol's. `repeats_within_ns` is how long ago the same order was
    sent, None if it was not; `crossing_price` the best price of a resting order of ours on the other side.
    """

    instrument: Instrument
    equity: Money
    cash_free: Money
    reference_price: Money | None
    book_amount: Money = ZERO
    symbol_amount: Money = ZERO
    live_buys: Money = ZERO
    live_sells: Money = ZERO
    book_live_sells: Money = ZERO
    book_exits: Money = ZERO
    gross: Money = ZERO
    cost_rate: Money = ZERO
    open_orders: int = 0
    orders_last_minute: int = 0
    has_live_intent: bool = False
    standing: Standing = Standing.ACTIVE
    standing_reason: str = ""
    orders_last_second: int = 0
    alike_last_minute: int = 0
    repeats_within_ns: int | None = None
    data_age_bars: int = 0
    crossing_price: Money | None = None
    equity_day_start: Money | None = None
    equity_peak: Money | None = None


def verdict(intent: Intent, exposure: Exposure, limits: Limits) -> str | None:
    """Return why the gate denies an intent, naming limit, value and bound; None approves it.

    All live orders are counted as filled where that is worse. What is missing, not finite or not positive is denied.
    """
    reason = _not_let_through(intent, exposure) or _unsound(intent, exposure) or _misfit(intent, exposure, limits)
    if reason is not None:
        return reason
    if intent.reduce_only:
        return _not_reducing(intent, exposure)
    return (
        _over_numbers(exposure, limits) or _suspicious(intent, exposure, limits) or _over_size(intent, exposure, limits)
    )


def _not_let_through(intent: Intent, exposure: Exposure) -> str | None:
    """Say that the gate is not open to this kind of order."""
    standing = exposure.standing
    if standing is Standing.ACTIVE or (standing is Standing.REDUCING and intent.reduce_only):
        return None
    return f"standing: {standing.value}, {exposure.standing_reason}"


def _suspicious(intent: Intent, exposure: Exposure, limits: Limits) -> str | None:
    """Say what looks like a mistake rather than a decision: old data, a repetition, a trade with ourselves."""
    if exposure.instrument.symbol in limits.restricted:
        return f"restricted: {exposure.instrument.symbol} may only be reduced"
    if limits.max_data_age_bars is not None and exposure.data_age_bars > limits.max_data_age_bars:
        return f"max_data_age_bars: {exposure.data_age_bars} > {limits.max_data_age_bars}"
    ago = exposure.repeats_within_ns
    if ago is not None and ago < limits.repeat_seconds * NS_PER_SECOND:
        return f"repeat_seconds: sent {ago / NS_PER_SECOND:g} s ago, not within {limits.repeat_seconds}"
    crossing = exposure.crossing_price
    if limits.forbid_self_cross and crossing is not None:
        price = intent.price or exposure.reference_price
        assert price is not None, "a missing reference was denied"
        if price >= crossing if intent.side is Side.BUY else price <= crossing:
            return f"forbid_self_cross: {plain(price)} would trade with an order of ours at {plain(crossing)}"
    return None


_SIGNED = ("equity", "cash_free", "book_amount", "symbol_amount")
_NOT_NEGATIVE = ("live_buys", "live_sells", "book_live_sells", "book_exits", "gross", "cost_rate")


def _is_number(value: object) -> bool:
    return type(value) is Decimal and value.is_finite()


def _unsound(intent: Intent, exposure: Exposure) -> str | None:
    """Say which number is no number, or not positive where it must be."""
    if exposure.reference_price is None:
        return "reference_price: none is known"
    if not (_is_number(intent.amount) and intent.amount > ZERO):
        return f"amount: {intent.amount} is not a positive number"
    for name, value in (
        ("reference_price", exposure.reference_price),
        ("price", intent.price),
        ("stop_price", intent.stop_price),
        ("take_profit_price", intent.take_profit_price),
    ):
        if value is not None and not (_is_number(value) and value > ZERO):
            return f"{name}: {value} is not a positive number"
    for name in _SIGNED:
        value = getattr(exposure, name)
        if not _is_number(value):
            return f"{name}: {value} is not a number"
    for name in _NOT_NEGATIVE:
        value = getattr(exposure, name)
        if not (_is_number(value) and value >= ZERO):
            return f"{name}: {value} is not a number of at least 0"
    return None


def _misfit(intent: Intent, exposure: Exposure, limits: Limits) -> str | None:
    """Say what of an order's form is wrong: a price missing, off the tick or far off, an amount the venue refuses."""
    reference = exposure.reference_price
    assert reference is not None, "a missing reference was denied"
    instrument, price, stop, take = exposure.instrument, intent.price, intent.stop_price, intent.take_profit_price
    kind = intent.type
    if kind is OrderType.LIMIT and price is None:
        return "price: a limit order needs one"
    if kind is OrderType.STOP and stop is None:
        return "stop_price: a stop order needs one"
    if kind is OrderType.BRACKET:
        if not intent.reduce_only or (stop is None and take is None):
            return "bracket: protection is reduce-only and has a stop or a take-profit price"
        if stop is not None and take is not None and (stop >= take) is (intent.side is Side.SELL):
            return f"bracket: stop {plain(stop)} and take profit {plain(take)} stand on the wrong sides"
    for name, value in (("price", price), ("stop_price", stop), ("take_profit_price", take)):
        if value is not None and value % instrument.tick:
            return f"{name}: {plain(value)} is not a multiple of the tick {plain(instrument.tick)}"
    if price is not None and abs(price - reference) > limits.price_collar * reference:
        return (
            f"price_collar: {plain(price)} lies more than {plain(limits.price_collar)} "
            f"of the reference {plain(reference)} away"
        )
    objection = instrument.objection(intent.amount, price or stop or take or reference)
    return None if objection is None else f"instrument: {objection}"


def _not_reducing(intent: Intent, exposure: Exposure) -> str | None:
    """Say why a reduce-only order would not reduce, were all the book's other exits filled first."""
    held = exposure.book_amount
    left = abs(held) - exposure.book_exits
    if not held or (held > ZERO) is (intent.side is Side.BUY):
        return f"reduce_only: a {intent.side.value} does not reduce a position of {plain(held)}"
    if intent.amount > left:
        return f"reduce_only: {plain(intent.amount)} > {plain(left)} left of a position of {plain(held)}"
    return None


def _over_numbers(exposure: Exposure, limits: Limits) -> str | None:
    """Say which limit on the number of orders is reached."""
    if exposure.has_live_intent:
        return "live_intent: an intent of this book and symbol is not resolved; at most 1"
    if exposure.open_orders >= limits.max_open_orders:
        return f"max_open_orders: {exposure.open_orders} + 1 > {limits.max_open_orders}"
    if exposure.orders_last_minute >= limits.max_orders_per_minute:
        return f"max_orders_per_minute: {exposure.orders_last_minute} + 1 > {limits.max_orders_per_minute}"
    if exposure.orders_last_second >= limits.max_orders_per_second:
        return f"max_orders_per_second: {exposure.orders_last_second} + 1 > {limits.max_orders_per_second}"
    alike = limits.max_alike_per_minute
    if alike is not None and exposure.alike_last_minute >= alike:
        return f"max_alike_per_minute: {exposure.alike_last_minute} + 1 > {alike}"
    return None


def _over_size(intent: Intent, exposure: Exposure, limits: Limits) -> str | None:
    """Say which limit on size an order breaks at its worst price; one that can only shrink a position breaks none."""
    reference = exposure.reference_price
    assert reference is not None, "a missing reference was denied"
    amount = intent.amount
    worst_price = max(reference, intent.price or reference, intent.stop_price or reference)
    if intent.side is Side.BUY:
        before = exposure.symbol_amount + exposure.live_buys
        after = before + amount
    else:
        short = exposure.book_amount - exposure.book_live_sells - exposure.book_exits - amount
        if short < ZERO and (exposure.instrument.kind is Kind.SPOT or not limits.allow_short):
            return f"allow_short: the book would hold {plain(short)}, less than 0"
        before = exposure.symbol_amount - exposure.live_sells
        after = before - amount
    size, size_before = abs(after), abs(before)
    if size <= size_before:
        return None
    if reference < limits.min_price:
        return f"min_price: {plain(reference)} < {plain(limits.min_price)}"
    notional = amount * worst_price
    return (
        _over("max_order_amount", amount, limits.max_order_amount)
        or _over("max_order_notional", notional, limits.max_order_notional)
        or _over("max_position_notional", size * worst_price, limits.max_position_notional)
        or _over_account(intent, exposure, limits, notional, (size - size_before) * worst_price)
    )


def _over_account(intent: Intent, exposure: Exposure, limits: Limits, notional: Decimal, added: Decimal) -> str | None:
    """Say which limit of the account an increasing order breaks: cash, gross exposure, the day's loss, the drawdown."""
    equity = exposure.equity
    if equity <= ZERO:
        return f"equity: {plain(equity)} is not above 0"
    if intent.side is Side.BUY and exposure.instrument.kind is Kind.SPOT:
        over = _over("cash_free", notional * (ONE + exposure.cost_rate), exposure.cash_free)
        if over is not None:
            return over
    return (
        _over_fraction("max_gross_exposure", exposure.gross + added, limits.max_gross_exposure, equity)
        or _over_loss("max_daily_loss", exposure.equity_day_start, equity, limits.max_daily_loss)
        or _over_loss("max_drawdown", exposure.equity_peak, equity, limits.max_drawdown)
    )


def _over(name: str, value: Decimal, bound: Decimal | None) -> str | None:
    if bound is None or value <= bound:
        return None
    return f"{name}: {plain(value)} > {plain(bound)}"


def _over_fraction(name: str, value: Decimal, fraction: Decimal | None, whole: Decimal) -> str | None:
    if fraction is None or value <= fraction * whole:
        return None
    return f"{name}: {plain(value)} > {plain(fraction)} of {plain(whole)}"


def _over_loss(name: str, start: Decimal | None, equity: Decimal, fraction: Decimal | None) -> str | None:
    """Say that a loss has reached its bound, or that it cannot be known."""
    if fraction is None:
        return None
    if start is None or not _is_number(start) or start <= ZERO:
        return f"{name}: the equity that it is measured from is {start}"
    lost = start - equity
    if lost > ZERO and lost >= fraction * start:
        return f"{name}: {plain(lost)} lost of {plain(start)}, the bound is {plain(fraction)} of it"
    return None
