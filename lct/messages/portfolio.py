"""What portfolio says and answers: the ledger that everybody reads."""

import msgspec

from lct.domain.exposure import Spread, Tail
from lct.domain.money import ZERO, Money
from lct.domain.trades import Trade
from lct.messages.base import Event, Request
from lct.messages.execution import Adopted, Deposited, Filled, FundingPaid


class Track(msgspec.Struct, frozen=True, gc=False):
    """The path of equity up to the bars of `md_seq`: peak and deepest drawdown (a fraction), bars marked and exposed.

    `equity` is that at those bars, `day_ends_ns` the end of their UTC day. Floats: a statistic, never money.
    """

    md_seq: int = 0
    peak: float = 0.0
    drawdown_max: float = 0.0
    marked: int = 0
    exposed: int = 0
    equity: float | None = None
    day_ends_ns: int = 0


class FillBooked(Event, frozen=True, gc=False, tag="portfolio.fill_booked"):
    """A fill is in the books."""

    durable = True

    fill: Filled
    track: Track


class DepositBooked(Event, frozen=True, tag="portfolio.deposit_booked"):
    """A deposit or withdrawal is in the books."""

    durable = True

    deposit: Deposited
    track: Track


class FundingBooked(Event, frozen=True, tag="portfolio.funding_booked"):
    """Funding of a position is in the books."""

    durable = True

    funding: FundingPaid
    track: Track


class AdoptionBooked(Event, frozen=True, tag="portfolio.adoption_booked"):
    """What a strategy took over of the account is in the books as its position."""

    durable = True

    adopted: Adopted
    track: Track


class DayClosed(Event, frozen=True, tag="portfolio.day_closed"):
    """The last equity of a UTC day, which begins at `day_ns`."""

    durable = True

    day_ns: int
    equity: float
    track: Track


class PositionLine(msgspec.Struct, frozen=True):
    """What one strategy holds of one symbol; `mark_price` is the last close, None before the first."""

    symbol: str
    amount: Money
    average_price: Money | None
    mark_price: Money | None
    unrealized_profit: Money | None
    realized_profit: Money
    fees: Money
    strategy: str
    opened_ns: int


class Positions(Event, frozen=True, tag="portfolio.positions"):
    """Open positions, by symbol and strategy."""

    time_ns: int
    positions: list[PositionLine]


class GetPositions(Request[Positions], frozen=True, tag="portfolio.get_positions"):
    """What do we hold?"""


class Balances(Event, frozen=True, tag="portfolio.balances"):
    """What is ours, by asset, and the trial balance, which is zero for every asset in a sound ledger."""

    time_ns: int
    totals: dict[str, Money]
    trial: dict[str, Money]


class GetBalances(Request[Balances], frozen=True, tag="portfolio.get_balances"):
    """What do we own?"""


class Profit(Event, frozen=True, tag="portfolio.profit"):
    """Equity and where it comes from, in quote: deposits + realized + unrealized - fees + funding.

    None where a mark is missing. What lies in the account in other assets and belongs to no strategy counts nothing.

    `daily` are the last equities of UTC days, oldest first.
    """

    time_ns: int
    deposits: Money
    equity: Money | None
    realized_profit: Money
    unrealized_profit: Money | None
    fees: Money
    fills: int
    track: Track
    daily: list[tuple[int, float]]
    funding: Money = ZERO


class GetProfit(Request[Profit], frozen=True, tag="portfolio.get_profit"):
    """How much did we make?"""


class Risk(Event, frozen=True, tag="portfolio.risk"):
    """How much is at risk, in quote, at the last closes: figures, never money.

    `equity` is None while a mark is missing. `drawdown` and `drawdown_max` are fractions of the flow-adjusted peak.
    `correlations` are of the returns of symbols that are held: (one, other, None where there is too little history).
    """

    time_ns: int
    equity: float | None
    spread: Spread
    by_venue: dict[str, float]
    drawdown: float | None
    drawdown_max: float
    tail: Tail
    correlations: list[tuple[str, str, float | None]]


class GetRisk(Request[Risk], frozen=True, tag="portfolio.get_risk"):
    """How much may we lose? `confidence` is that of the tail (0.5 to below 1), `horizon_bars` how far ahead it is."""

    confidence: float = 0.95
    horizon_bars: int = 1


class Trades(Event, frozen=True, tag="portfolio.trades"):
    """Round trips that are over, oldest first."""

    trades: list[Trade]


class GetTrades(Request[Trades], frozen=True, tag="portfolio.get_trades"):
    """Which round trips are over? `last` limits them to the newest."""

    last: int | None = None
