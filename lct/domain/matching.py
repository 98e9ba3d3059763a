"""Matching: the paper venue's rules, on one bar, always against us where a bar leaves it open."""

from decimal import ROUND_FLOOR, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from lct.domain.instruments import Instrument
from lct.domain.money import ONE, ZERO, Money, ceil_to, to_money
from lct.domain.orders import Side

FEE_STEP = Decimal("1E-8")
_BPS = Decimal("0.0001")
_HALF = Decimal("0.5")


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What trading costs beyond the price on the bar; bps are hundredths of a percent of the price."""

    fee_rate: Annotated[Money, Meta(description="fee as a fraction of the notional")] = Decimal("0.001")
    spread_bps: Annotated[Money, Meta(description="whole bid-ask spread, of which a taker pays half")] = Decimal(2)
    slippage_bps: Annotated[Money, Meta(description="what a market order pays beyond half the spread")] = Decimal(1)
    participation_max: Annotated[Money, Meta(description="largest fraction of a bar's volume that is ours")] = Decimal(
        "0.1"
    )

    def __post_init__(self) -> None:
        for name in ("fee_rate", "spread_bps", "slippage_bps", "participation_max"):
            value = getattr(self, name)
            if not (value.is_finite() and value >= ZERO):
                raise ValueError(f"{name} must be at least 0, not {value}")
        if self.participation_max > ONE or self.fee_rate >= ONE or self.worsening >= ONE:
            raise ValueError("costs of the whole price or more, or more than the whole volume")

    @property
    def worsening(self) -> Decimal:
        """Return the fraction by which a taker's price is worse than the bar's: half the spread and the slippage."""
        return (self.spread_bps * _HALF + self.slippage_bps) * _BPS


def market_price(open_price: Decimal, side: Side, costs: Costs, instrument: Instrument) -> Decimal:
    """Return what a market order on `side` pays at a bar's open (quote per base).

    The open worsened by half the spread and the slippage, rounded to the tick against us; never below one tick.
    """
    if side is Side.BUY:
        return instrument.price_against(open_price * (ONE + costs.worsening), buying=True)
    return max(instrument.price_against(open_price * (ONE - costs.worsening), buying=False), instrument.tick)


def fill_amount(remaining: Decimal, bar_volume: float, costs: Costs, instrument: Instrument) -> Decimal:
    """Return how much of `remaining` a bar fills (base): at most participation_max of its volume, down to the lot.

    Zero where the bar has no volume, or none that is a number.
    """
    ours = bar_volume * float(costs.participation_max)
    if ours >= float(remaining):
        # also keeps a volume beyond 38 digits out of Decimal
        return remaining
    return to_money(ours, instrument.lot, ROUND_FLOOR) if ours > 0.0 else ZERO


def stop_touched(side: Side, stop_price: Decimal, high: float, low: float) -> bool:
    """Whether a bar triggers a stop order: a sell at or below its price, a buy at or above it."""
    return low <= float(stop_price) if side is Side.SELL else high >= float(stop_price)


def limit_touched(side: Side, limit: Decimal, high: float, low: float) -> bool:
    """Whether a bar reaches a limit order: a buy at or below its price, a sell at or above it."""
    return low <= float(limit) if side is Side.BUY else high >= float(limit)


def stop_fill_price(
    side: Side, stop_price: Decimal, bar_open: Decimal, costs: Costs, instrument: Instrument
) -> Decimal:
    """Return what a triggered stop-market order on `side` pays: its stop, or the open where the bar gapped through it.

    Worsened as any market order (`market_price`).
    """
    start = min(stop_price, bar_open) if side is Side.SELL else max(stop_price, bar_open)
    return market_price(start, side, costs, instrument)


def limit_fill_price(side: Side, limit: Decimal, bar_open: Decimal) -> Decimal:
    """Return what a reached limit order on `side` pays: its limit, or the open where the bar opened better."""
    return min(limit, bar_open) if side is Side.BUY else max(limit, bar_open)


def bracket_outcome(
    side: Side,
    stop_price: Decimal | None,
    take_profit_price: Decimal | None,
    open: float,
    high: float,
    low: float,
) -> str | None:
    """Return which leg of a bracket order on `side` (SELL protects a long) a bar takes: `stop`, `take_profit` or None.

    A leg that the open lies beyond comes first, as it is known; where both were touched later, the stop: the worst.
    """
    stop = stop_price is not None and stop_touched(side, stop_price, high, low)
    take = take_profit_price is not None and limit_touched(side, take_profit_price, high, low)
    if take and take_profit_price is not None and (not stop or limit_touched(side, take_profit_price, open, open)):
        return "take_profit"
    return "stop" if stop else None


def fee(notional: Decimal, fee_rate: Decimal, quote_step: Decimal = FEE_STEP) -> Decimal:
    """Return the fee (quote) on a fill's notional, rounded up to `quote_step`."""
    return ceil_to(notional * fee_rate, quote_step)
