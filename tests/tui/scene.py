"""A house for the dashboard's tests: real structs, given by hand, that can fall silent and come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets._footer import FooterKey

from lct.bus.presence import Presence
from lct.domain.risk import Standing
from lct.errors import NoAnswer
from lct.messages.base import Request, tag_of
from lct.messages.execution import ExecutionStatus, GetExecutionStatus
from lct.messages.market_data import GetSymbols, SymbolLine, Symbols
from lct.messages.portfolio import GetPositions, GetProfit, PositionLine, Positions, Profit, Track
from lct.messages.strategy_engine import GetSignals, Signal, Signals
from lct.messages.trading_engine import GetTradingStatus, TradingStatus
from lct.tui.app import Dashboard
from lct.tui.house import LogLine, Member, Watcher

SECOND = 1_000_000_000
NOW = 1_704_283_445 * SECOND
"""2024-01-03 12:04:05 UTC."""
CLOSE = NOW - 5 * SECOND
HOME = Path("/home/ada/.local/share/lct")
DAEMONS = (
    "api_gateway",
    "execution",
    "market_data",
    "monitoring",
    "portfolio",
    "strategy_engine",
    "token_discovery",
    "trading_engine",
)
LOOKS_MAX = 500
STRATEGIES = ("ema_cross", "mean_reversion", "trend")
COINS = {
    "BTC/USDT": "42615.2",
    "ETH/USDT": "2268.41",
    "SOL/USDT": "98.77",
    "XRP/USDT": "0.6213",
    "ADA/USDT": "0.5871",
    "DOGE/USDT": "0.08123",
    "AVAX/USDT": "38.42",
    "LINK/USDT": "15.077",
    "DOT/USDT": "8.241",
    "LTC/USDT": "73.9",
    "ATOM/USDT": "10.63",
    "UNI/USDT": "7.318",
}
REGIMES = ("trending_up", "ranging", "volatile", "trending_down", "unknown")


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


def position(symbol: str, strategy: str, amount: str, entry: str, mark: str | None, booked: str = "0") -> PositionLine:
    held, cost = Decimal(amount), Decimal(entry)
    worth = None if mark is None else Decimal(mark)
    return PositionLine(
        symbol=symbol,
        amount=held,
        average_price=cost,
        mark_price=worth,
        unrealized_profit=None if worth is None else held * (worth - cost),
        realized_profit=Decimal(booked),
        fees=Decimal("1.23"),
        strategy=strategy,
        opened_ns=CLOSE - 7_320 * SECOND,
    )


POSITIONS = (
    position("BTC/USDT", "trend", "0.02417", "41980.5", "42615.2", "12.5"),
    position("ETH/USDT", "trend", "0.441", "2301.07", "2268.41"),
    position("SOL/USDT", "mean_reversion", "10.2", "97.3", "98.77", "-4.81"),
    position("DOGE/USDT", "ema_cross", "12750", "0.08123", "0.08123"),
    position("LINK/USDT", "mean_reversion", "66.2", "15.19", None),
)
PROFIT = Profit(
    time_ns=CLOSE,
    deposits=Decimal(10_000),
    equity=Decimal("10231.4071"),
    realized_profit=Decimal("254.9"),
    unrealized_profit=Decimal("15.91"),
    fees=Decimal("39.4029"),
    fills=127,
    track=Track(drawdown_max=0.0312),
    daily=[],
)
TRADING = TradingStatus(cycles=3_604, signals=412, proposals=127, withheld={"cooldown": 61, "max_positions": 18})
GATE = ExecutionStatus(
    CLOSE, Standing.ACTIVE, "", "", {}, ready=True, reconciled_ns=CLOSE, differences=(), unknown=(), foreign=()
)
SCORES = (0.83, -0.61, 0.42, 0.0, None, -0.17, 0.09, 0.55, -0.94, 0.31, -0.28)
SIGNALS = tuple(
    Signal(strategy, symbol, SCORES[(3 * at + 5 * nth) % len(SCORES)], REGIMES[at % len(REGIMES)], 3_604, CLOSE)
    for at, symbol in enumerate(COINS)
    for nth, strategy in enumerate(STRATEGIES)
)
LINES = tuple(
    LogLine(NOW - (40 - 2 * at) * SECOND, service, level, message, facts)
    for at, (service, level, message, facts) in enumerate(
        (
            ("execution", "info", "daemon.ready", "epoch=7 journal_seq=1043"),
            ("market_data", "info", "feed.opened", "feed=synthetic symbols=12 timeframe=1m"),
            ("portfolio", "info", "daemon.ready", "epoch=7 journal_seq=388"),
            ("strategy_engine", "warning", "history.short", "symbol=LINK/USDT has=210 needs=256"),
            ("trading_engine", "info", "daemon.ready", "epoch=7 journal_seq=2207"),
            ("execution", "info", "order.accepted", "symbol=BTC/USDT side=buy amount=0.02417 order_id=trend-3f9a12"),
            ("execution", "info", "order.filled", "symbol=BTC/USDT price=41980.5 fee=0.41"),
            ("token_discovery", "error", "source.failed", "source=synthetic reason=timed out after 5 s"),
            ("monitoring", "critical", "alert.raised", "alert=daemon_down detail=token_discovery"),
            ("monitoring", "info", "alert.raised", "alert=daemon_up detail=token_discovery"),
        )
    )
)


def member(name: str, at: int = 0, beat_ns: int = NOW) -> Member:
    """A daemon that has lived for an hour."""
    port = 8000 + at
    told = Presence(name, 4_200 + at, 7, True, NOW - 3_725 * SECOND, beat_ns, http_port=port)
    return Member(name, told, lives=True)


class SmallHouse:
    """Answers with what it is given; daemons in `silent` do not answer, and their heartbeats stop."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.silent: dict[str, int] = {}
        self.replies: dict[type[Request[Any]], Any] = {
            GetPositions: Positions(CLOSE, list(POSITIONS)),
            GetSymbols: Symbols("1m", [SymbolLine(symbol, 1_440, 1.0, CLOSE) for symbol in COINS]),
            GetProfit: PROFIT,
            GetTradingStatus: TRADING,
            GetExecutionStatus: GATE,
            GetSignals: Signals(list(SIGNALS)),
        }
        self.lines: list[LogLine] = list(LINES)
        self.names: tuple[str, ...] = DAEMONS
        self.is_closed = False
        self.halts: list[str] = []
        self.halt_fails = ""

    def halt(self, reason: str) -> str:
        if self.halt_fails:
            raise NoAnswer(self.halt_fails)
        self.halts.append(reason)
        return "halted; 2 orders are being cancelled"

    def kill(self, *names: str) -> None:
        self.silent |= dict.fromkeys(names, self.clock())

    def start(self, *names: str) -> None:
        for name in names:
            del self.silent[name]

    def ask(self, request: Request[Any]) -> Any:
        owner = tag_of(type(request)).partition(".")[0]
        if owner in self.silent:
            raise NoAnswer(f"{owner} is not there")
        return self.replies[type(request)]

    def members(self) -> tuple[Member, ...]:
        return tuple(member(name, at, self.silent.get(name, self.clock())) for at, name in enumerate(self.names))

    def fresh_lines(self) -> Sequence[LogLine]:
        fresh, self.lines = self.lines, []
        return fresh

    def close(self) -> None:
        self.is_closed = True


async def settled(pilot: Pilot[None]) -> None:
    """Wait until all that is composed bit by bit is on the screen: the footer comes after the rest."""
    for _ in range(LOOKS_MAX):
        await pilot.pause()
        keys = pilot.app.query(FooterKey)
        if keys and all(key.region for key in keys):
            return
    raise AssertionError("the footer did not come")


class Stage:
    """A dashboard on a small house, both on a clock that stands still; it looks when it is told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.house = SmallHouse(self.clock)
        self.watcher = Watcher(self.house, refresh_seconds=3_600.0, now_ns=self.clock)
        self.app = Dashboard(self.watcher, HOME, now_ns=self.clock)

    def look(self) -> None:
        """Look at the house, and draw what was seen."""
        self.watcher.look()
        self.app.draw()

    def text(self) -> str:
        """All that is on the screen, as a person reads it."""
        strips = self.app.screen._compositor.render_strips()  # noqa: SLF001 - nothing public gives it as text
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)


Play = Callable[[Stage, Pilot[None]], Awaitable[None]]


def play(act: Play, size: tuple[int, int] = (120, 40), stage: Stage | None = None) -> Stage:
    """Run a dashboard on a stage, let the act be played, and return the stage."""
    stage = stage or Stage()

    async def run() -> None:
        stage.watcher.look()
        async with stage.app.run_test(size=size, notifications=True) as pilot:
            await settled(pilot)
            await act(stage, pilot)

    asyncio.run(run())
    return stage
