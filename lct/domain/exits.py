"""Exits: where the protection of a position stands, and when a closed bar says to leave."""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from lct.domain.instruments import Instrument
from lct.domain.money import ONE, ZERO, Money
from lct.domain.orders import Side


class ExitPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a position is left; the fractions are of a price, None means that this exit is not used."""

    stop_loss: Annotated[Money | None, Meta(description="fraction of the entry price at which the stop stands")] = (
        Decimal("0.03")
    )
    take_profit: Annotated[Money | None, Meta(description="fraction of the entry price at which profit is taken")] = (
        None
    )
    trailing: Annotated[Money | None, Meta(description="fraction that a close may lie behind the best close")] = None
    max_bars: Annotated[int, Meta(description="bars after which a position is left", ge=1)] | None = None
    on_signal: Annotated[bool, Meta(description="leave when the score no longer holds the position")] = True

    def __post_init__(self) -> None:
        for name, value in (("stop_loss", self.stop_loss), ("trailing", self.trailing)):
            if value is not None and not (value.is_finite() and ZERO < value < ONE):
                raise ValueError(f"{name} must be a fraction between 0 and 1, not {value}")
        if self.take_profit is not None and not (self.take_profit.is_finite() and self.take_profit > ZERO):
            raise ValueError(f"take_profit must be a fraction above 0, not {self.take_profit}")
        if self.max_bars is not None and self.max_bars < 1:
            raise ValueError(f"max_bars must be at least 1, not {self.max_bars}")


def protection(
    side: Side, entry_price: Decimal, policy: ExitPolicy, instrument: Instrument
) -> tuple[Decimal | None, Decimal | None]:
    """Return the stop price and the take-profit price of a position entered on `side` at `entry_price` (quote).

    Rounded to the tick against us: down where the exit sells, up where it buys; never below one tick.
    """
    assert entry_price > ZERO, "an entry has a price"
    buying_back = side is Side.SELL
    stop_price = take_profit_price = None
    if policy.stop_loss is not None:
        raw = entry_price * (ONE + policy.stop_loss if buying_back else ONE - policy.stop_loss)
        stop_price = max(instrument.price_against(raw, buying=buying_back), instrument.tick)
    if policy.take_profit is not None:
        raw = entry_price * (ONE - policy.take_profit if buying_back else ONE + policy.take_profit)
        take_profit_price = max(instrument.price_against(raw, buying=buying_back), instrument.tick)
    return stop_price, take_profit_price


def exit_reason(
    side: Side,
    close: float,
    best_close: float,
    bars_held: int,
    score: float | None,
    policy: ExitPolicy,
    exit_score: float = 0.0,
) -> str | None:
    """Return why a bar's close ends a position held on `side`: `trailing`, `signal` or `time`, the first that holds.

    `best_close` is the best close since the entry, this bar's included (highest when long). The signal is over when the
    score, seen from our side, is at or below `exit_score`; None and NaN end nothing. Floats: an opinion, not money.
    """
    long = side is Side.BUY
    if policy.trailing is not None:
        room = float(policy.trailing)
        if close <= best_close * (1.0 - room) if long else close >= best_close * (1.0 + room):
            return "trailing"
    if policy.on_signal and score is not None and (score if long else -score) <= exit_score:
        return "signal"
    if policy.max_bars is not None and bars_held >= policy.max_bars:
        return "time"
    return None
