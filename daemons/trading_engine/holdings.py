"""What the engine trades by, and what each book has to do with each symbol."""

from decimal import Decimal
from math import inf
from typing import Annotated

import msgspec
from msgspec import Meta

from lct.domain.exits import ExitPolicy
from lct.domain.instruments import Instrument
from lct.domain.ledger import Ledger
from lct.domain.money import ZERO, Money
from lct.messages.market_data import BarsClosed
from lct.messages.trading_engine import Proposed

FRACTION = {"gt": 0, "le": 1}


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to trade and how much; exits are those of domain.exits."""

    entry_score: Annotated[float, Meta(gt=0.0, le=1.0, description="score at which a position is entered")] = 0.5
    exit_score: Annotated[float, Meta(ge=-1.0, lt=1.0, description="score at or below which it is left")] = 0.0
    max_risk_per_trade: Annotated[
        Money, Meta(description="loss at the stop as a fraction of equity", extra=FRACTION)
    ] = Decimal("0.01")
    max_position_share: Annotated[
        Money, Meta(description="largest position as a fraction of equity", extra=FRACTION)
    ] = Decimal("0.25")
    min_cash_share: Annotated[
        Money,
        Meta(
            description="enter with what cash is left only if that is this part of the largest position",
            extra={"ge": 0, "le": 1},
        ),
    ] = Decimal("0.25")
    max_open_positions: Annotated[int, Meta(ge=1, description="positions open at once, over all books")] = 10
    allow_short: Annotated[bool, Meta(description="enter short where the instrument can be shorted")] = False
    exits: Annotated[ExitPolicy, Meta(description="how positions are protected and left")] = ExitPolicy()
    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8001


class Holding:
    """What one book has to do with one symbol; scores strictly between `low` and `high` call for nothing.

    A `watched` one has a position whose exits follow the closes: each bar calls, with or without a score.
    """

    __slots__ = (
        "best_close",
        "book",
        "dust",
        "entry_md_seq",
        "facts",
        "from_md_seq",
        "high",
        "in_zone",
        "instrument",
        "low",
        "spent",
        "unresolved",
        "watched",
    )

    def __init__(self, book: str, instrument: Instrument) -> None:
        self.book = book
        self.instrument = instrument
        self.unresolved: Proposed | None = None
        self.spent = False
        self.dust = ZERO
        self.facts = 0
        self.entry_md_seq = 0
        self.from_md_seq = 0
        self.best_close = 0.0
        self.in_zone = False
        self.low = -inf
        self.high = inf
        self.watched = False

    def set_band(self, amount: Decimal, config: Config) -> None:
        """Set between which scores there is nothing to do, for a position of `amount`."""
        is_dust = bool(amount) and amount == self.dust
        watches = config.exits.trailing is not None or config.exits.max_bars is not None
        self.low, self.high = -inf, inf
        self.watched = bool(amount) and watches and not is_dust
        if self.watched:
            self.low, self.high = inf, -inf
        elif self.unresolved is not None:
            return
        elif is_dust:
            self.low, self.high = inf, -inf
        elif amount:
            if config.exits.on_signal:
                self.low, self.high = (config.exit_score, inf) if amount > ZERO else (-inf, -config.exit_score)
        elif self.spent:
            self.low, self.high = inf, -inf
        else:
            self.high = config.entry_score
            if config.allow_short:
                self.low = -config.entry_score


def begin_watch(entered: list[Holding], ledger: Ledger, bars: BarsClosed) -> list[Holding]:
    """Count from the bars after the entry, and return who waits for them still.

    Bars that close at the very time of the fill belong to before it. Bars heard again after a restart bring this about
    again.
    """
    waiting = []
    for holding in entered:
        position = ledger.position(holding.book, holding.instrument.symbol)
        if position.opened_ns > bars.time_ns:
            waiting.append(holding)
        elif position.opened_ns == bars.time_ns:
            holding.entry_md_seq = bars.md_seq
    return waiting
