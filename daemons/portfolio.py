"""Portfolio: hears fills, keeps the ledger and the path of equity, and answers questions about both."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from lct.daemon import Daemon, Said, Saying, Words, answers, on
from lct.domain.bars import DAY_NS
from lct.domain.exposure import Holding, correlation, returns, spread, tail
from lct.domain.instruments import Instrument
from lct.domain.ledger import DEPOSITS, FUNDING, Ledger, deposit, funding
from lct.domain.marks import LOOK_BACK, Marks, equity
from lct.domain.money import ZERO
from lct.domain.orders import Side
from lct.domain.positions import Position
from lct.domain.trades import Trade
from lct.messages.base import Event
from lct.messages.execution import Adopted, Deposited, Filled, FundingPaid
from lct.messages.market_data import BarsClosed, last_of_each_universe, time_of
from lct.messages.portfolio import (
    AdoptionBooked,
    Balances,
    DayClosed,
    DepositBooked,
    FillBooked,
    FundingBooked,
    GetBalances,
    GetPositions,
    GetProfit,
    GetRisk,
    GetTrades,
    PositionLine,
    Positions,
    Profit,
    Risk,
    Track,
    Trades,
)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What portfolio keeps."""

    trades_kept: Annotated[int, Meta(ge=1, description="round trips kept in memory")] = 100_000
    days_kept: Annotated[int, Meta(ge=2, description="daily equities kept in memory")] = 10_000
    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8003


class Portfolio(Daemon):
    """Durable: positions, cash and profit are a fold of fills; the equity path goes on after a restart exactly."""

    name = "portfolio"
    durable = True
    rehears = (BarsClosed,)

    def __init__(self, instruments: tuple[Instrument, ...], config: Config | None = None) -> None:
        """Start with empty books for these instruments."""
        config = config or Config()
        self.instruments = {i.symbol: i for i in instruments}
        self._quotes = {i.quote for i in instruments}
        self.ledger = Ledger()
        self.trades: deque[Trade] = deque(maxlen=config.trades_kept)
        self.daily: deque[tuple[int, float]] = deque(maxlen=config.days_kept)
        self.fills = 0
        self._opened: dict[tuple[str, str], int] = {}
        self.track = Track()
        self.marks = Marks()
        self._cash = 0.0
        self._open: list[tuple[str, float]] = []
        self._md_seq = self._marked = self._exposed = 0
        self._peak = self._drawdown_max = 0.0
        self._equity: float | None = None
        self._day_ends_ns = 0
        self._window: deque[tuple[tuple[str, ...], list[float]]] = deque(maxlen=LOOK_BACK)

    # -- state --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Fold one durable event into the ledger, the trades and the path of equity."""
        if type(event) is FillBooked:
            self._apply_fill(event.fill)
            self._apply_track(event.track)
        elif type(event) is DayClosed:
            self.daily.append((event.day_ns, event.equity))
            self._apply_track(event.track)
        elif type(event) is DepositBooked:
            moved = event.deposit
            self.ledger.post(deposit(moved.asset, moved.amount))
            self._apply_track(event.track)
            self._flow(moved.amount if moved.asset in self._quotes else ZERO)
        elif type(event) is FundingBooked:
            paid = event.funding
            self.ledger.post(funding(paid.book, paid.asset, paid.amount))
            self._apply_track(event.track)
        else:
            assert type(event) is AdoptionBooked, f"portfolio cannot apply {event}"
            adopted = event.adopted
            self._opened.setdefault((adopted.book, adopted.symbol), event.track.md_seq)
            self.ledger.adopt(adopted.book, adopted.symbol, adopted.amount, adopted.price, adopted.time_ns)
            self._apply_track(event.track)
            self._flow(adopted.amount * adopted.price)
        self._refresh()

    def _flow(self, amount: Decimal) -> None:
        """Move the peak with money that comes or goes, for a deposit is no profit and a withdrawal no drawdown.

        So the drawdown is (peak + flows since it - equity) / (peak + flows since it).
        """
        if self._marked and amount:
            self._peak = max(0.0, self._peak + float(amount))

    def _apply_fill(self, fill: Filled) -> None:
        self.fills += 1
        key = (fill.book, fill.symbol)
        self._opened.setdefault(key, fill.md_seq)
        closed = self.ledger.fill(
            fill.book, fill.symbol, fill.side, fill.amount, fill.price, fill.fee, fill.fee_asset, fill.time_ns
        )
        if not self.ledger.position(*key).amount:
            del self._opened[key]
        if closed is not None:
            self.trades.append(
                Trade(
                    book=fill.book,
                    symbol=fill.symbol,
                    side="long" if closed.side is Side.BUY else "short",
                    amount=closed.amount,
                    entry_price=closed.entry_average,
                    exit_price=closed.exit_average,
                    entry_ns=closed.opened_ns,
                    exit_ns=closed.closed_ns,
                    profit=closed.profit,
                    fees=closed.fees,
                )
            )

    def _apply_track(self, track: Track) -> None:
        self.track = track
        self._md_seq, self._marked, self._exposed = track.md_seq, track.marked, track.exposed
        self._peak, self._drawdown_max = track.peak, track.drawdown_max
        self._equity, self._day_ends_ns = track.equity, track.day_ends_ns

    def _refresh(self) -> None:
        """Bring the float twins up to date that mark the equity on each bar."""
        self._cash = float(sum([self.ledger.total(quote) for quote in self._quotes], ZERO))
        held = self.ledger.holdings()
        self._open = [(symbol, float(held[symbol])) for symbol in self.instruments if symbol in held]

    def rehears_since(self, md_seq: int) -> int:
        """Need the bars since the last that its journal has marked, and the last mark of every symbol."""
        oldest = min(self._opened.values(), default=md_seq)
        return max(0, min(self.track.md_seq, md_seq - LOOK_BACK, oldest - 1))

    # -- what it hears ------------------------------------------------------------------------------------------

    @on(BarsClosed)
    def mark(self, bars: BarsClosed, now_ns: int) -> Saying:
        """Mark the equity on each bar once; say what it was when a UTC day is over."""
        self._window.append((bars.symbols, bars.close))
        self.marks.hear(bars.symbols, bars.close)
        if bars.md_seq <= self._md_seq:
            return None
        if bars.time_ns > self._day_ends_ns:
            return self._turn_day(bars)
        self._go_on(bars.md_seq)
        return None

    def silent_for(self, heard: Sequence[Words]) -> int:
        """Bars within a day are heard in silence."""
        ends_ns = self._day_ends_ns
        return len(heard) if time_of(heard[-1]) <= ends_ns else bisect_right(heard, ends_ns, key=time_of)

    def pass_by(self, heard: Sequence[Words], said: Sequence[Words]) -> None:
        """Mark the equity on each of the bars; while nothing is held it is the cash on all of them."""
        stretch = [bars for words in heard for bars in words if type(bars) is BarsClosed]
        if self._open or stretch[0].md_seq <= self._md_seq:
            for bars in stretch:
                self.mark(bars, bars.time_ns)
            return
        self._window.extend([(bars.symbols, bars.close) for bars in stretch])
        for bars in last_of_each_universe(heard):
            self.marks.hear(bars.symbols, bars.close)
        self._marked += len(stretch) - 1
        self._go_on(stretch[-1].md_seq)

    def _turn_day(self, bars: BarsClosed) -> Iterator[Said]:
        """Close the day before the first bar of the next is marked; midnight still belongs to the day before it."""
        over_ns = self._day_ends_ns - DAY_NS
        self._day_ends_ns = -(-bars.time_ns // DAY_NS) * DAY_NS
        if self._equity is not None:
            yield DayClosed(over_ns, self._equity, self._track())
        self._go_on(bars.md_seq)

    def _go_on(self, md_seq: int) -> None:
        self._md_seq = md_seq
        self._marked += 1
        worth = self._cash
        if self._open:
            self._exposed += 1
            for symbol, amount in self._open:
                close = self.marks.close(symbol)
                if close is None:
                    self._equity = None
                    return
                worth += amount * close
        self._equity = worth
        if worth > self._peak:
            self._peak = worth
        elif self._peak - worth > self._drawdown_max * self._peak:
            self._drawdown_max = (self._peak - worth) / self._peak

    @on(Filled)
    def book(self, fill: Filled, now_ns: int) -> Saying:
        """Book a fill."""
        return (FillBooked(fill, self._track()),)

    @on(Deposited)
    def book_deposit(self, deposited: Deposited, now_ns: int) -> Saying:
        """Book a deposit or a withdrawal."""
        return (DepositBooked(deposited, self._track()),)

    @on(FundingPaid)
    def book_funding(self, paid: FundingPaid, now_ns: int) -> Saying:
        """Book funding."""
        return (FundingBooked(paid, self._track()),)

    @on(Adopted)
    def book_adoption(self, adopted: Adopted, now_ns: int) -> Saying:
        """Book what a strategy took over."""
        return (AdoptionBooked(adopted, self._track()),)

    def _track(self) -> Track:
        return Track(
            self._md_seq,
            self._peak,
            self._drawdown_max,
            self._marked,
            self._exposed,
            self._equity,
            self._day_ends_ns,
        )

    # -- what it answers ----------------------------------------------------------------------------------------

    @answers(GetPositions)
    def positions(self, request: GetPositions, now_ns: int) -> Positions:
        """Tell the open positions, by symbol and strategy."""
        lines = [
            self._line(book, symbol, position)
            for (book, symbol), position in sorted(self.ledger.positions.items(), key=lambda item: item[0][::-1])
            if position.amount
        ]
        return Positions(now_ns, lines)

    def _line(self, book: str, symbol: str, position: Position) -> PositionLine:
        mark = self.marks.price(self.instruments[symbol])
        return PositionLine(
            symbol,
            position.amount,
            position.average_price,
            mark,
            None if mark is None else position.unrealized(mark),
            position.realized,
            position.fees,
            book,
            position.opened_ns,
        )

    @answers(GetBalances)
    def balances(self, request: GetBalances, now_ns: int) -> Balances:
        """Tell what is ours, and the trial balance."""
        trial = self.ledger.trial_balance()
        totals = {asset: self.ledger.total(asset) for asset in sorted(trial)}
        return Balances(
            now_ns, {asset: amount for asset, amount in totals.items() if amount}, dict(sorted(trial.items()))
        )

    @answers(GetProfit)
    def profit(self, request: GetProfit, now_ns: int) -> Profit:
        """Tell the equity and where it comes from."""
        positions = self.ledger.positions
        deposits = sum((self.ledger.balance(DEPOSITS, quote) for quote in self._quotes), ZERO)
        return Profit(
            now_ns,
            deposits,
            equity(self.ledger, self.marks, self.instruments),
            sum((p.realized for p in positions.values()), ZERO),
            self._unrealized(),
            sum((p.fees for p in positions.values()), ZERO),
            self.fills,
            self._track(),
            list(self.daily),
            -sum((self.ledger.balance(FUNDING, quote) for quote in self._quotes), ZERO),
        )

    def _unrealized(self) -> Decimal | None:
        total = ZERO
        for (_, symbol), position in self.ledger.positions.items():
            if position.amount:
                mark = self.marks.price(self.instruments[symbol])
                if mark is None:
                    return None
                total += position.unrealized(mark)
        return total

    @answers(GetRisk)
    def risk(self, request: GetRisk, now_ns: int) -> Risk:
        """Tell how much is at risk."""
        holdings: list[Holding] = []
        by_venue: dict[str, float] = {}
        for (book, symbol), position in self.ledger.positions.items():
            close = self.marks.close(symbol)
            if position.amount and close is not None:
                value = float(position.amount) * close
                holdings.append(Holding(book, symbol, value))
                venue = self.instruments[symbol].venue
                by_venue[venue] = by_venue.get(venue, 0.0) + abs(value)
        found = spread(holdings)
        held = sorted(found.by_symbol)
        moves = {symbol: returns(self._closes_of(symbol)) for symbol in held}
        pairs = [(a, b, correlation(moves[a], moves[b])) for i, a in enumerate(held) for b in held[i + 1 :]]
        now = None if self._equity is None or not self._peak else max(0.0, 1.0 - self._equity / self._peak)
        looked = tail(found.by_symbol, moves, request.confidence, request.horizon_bars)
        return Risk(now_ns, self._equity, found, by_venue, now, self._drawdown_max, looked, pairs)

    def _closes_of(self, symbol: str) -> list[float]:
        return [closes[symbols.index(symbol)] for symbols, closes in self._window if symbol in symbols]

    @answers(GetTrades)
    def round_trips(self, request: GetTrades, now_ns: int) -> Trades:
        """Tell the round trips that are over."""
        trades = list(self.trades)
        return Trades(trades if request.last is None else trades[max(0, len(trades) - request.last) :])
