"""What the dashboard knows: a frozen view of the house, kept up to date by a watcher that asks and never waits long."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from lct import clock
from lct.bus.presence import Presence
from lct.domain.health import Beat, DaemonHealth, health
from lct.errors import LctError
from lct.messages.base import Event, Request
from lct.messages.execution import ExecutionStatus, GetExecutionStatus
from lct.messages.market_data import GetSymbols, Symbols
from lct.messages.portfolio import GetPositions, GetProfit, Positions, Profit
from lct.messages.strategy_engine import SIGNALS_MAX, GetSignals, Signals
from lct.messages.trading_engine import GetTradingStatus, TradingStatus
from lct.supervisor import Process
from lct.supervisor.overview import judged

LINES_MAX = 1_000
"""Log lines that are kept; older ones are in the files."""

GONE = "process gone"

ReplyT = TypeVar("ReplyT", bound=Event)


@dataclass(frozen=True)
class LogLine:
    """One line of a daemon's log, cleaned; `facts` are its own fields, as `key=value`."""

    time_ns: int
    service: str
    level: str
    message: str
    facts: str = ""


@dataclass(frozen=True)
class Member:
    """A daemon that there should be, or is: its last word of itself, and what its supervisor knows of its process.

    `lives` says whether the process that gave that word was there at the last look.
    """

    name: str
    told: Presence | None = None
    lives: bool = False
    process: Process | None = None

    def health(self, now_ns: int) -> DaemonHealth:
        """Return how it is at `now_ns` (wall clock)."""
        if self.process is not None and not self.lives:
            return judged(self.name, self.process, self.told, now_ns)
        told = self.told
        beat = None if told is None else Beat(told.beat_ns, told.pid, told.ready, tuple(told.reasons))
        return health(self.name, beat, now_ns, gone=None if self.lives or told is None else GONE)


class House(Protocol):
    """What the watcher asks; all of it is called in the watcher's thread."""

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask a daemon; raises LctError where nobody answers within a short patience, or the daemon refuses."""
        ...

    def members(self) -> tuple[Member, ...]:
        """Return every daemon that there should be, or is; raises LctError or OSError where nobody can tell."""
        ...

    def fresh_lines(self) -> Sequence[LogLine]:
        """Return the log lines that came since the last call; the first call returns the newest ones."""
        ...

    def halt(self, reason: str) -> str:
        """Pull the kill switch, in any thread, and return in words what came of it; raises LctError or OSError."""
        ...

    def close(self) -> None:
        """Let go of all that is open."""
        ...


@dataclass(frozen=True)
class Answer(Generic[ReplyT]):
    """The last reply to a question, and what became of asking since; times are of the wall clock.

    `silent_ns` is since when there is no reply, None while there is; `reason` says why.
    """

    reply: ReplyT | None = None
    heard_ns: int | None = None
    silent_ns: int | None = None
    reason: str = ""

    def heard(self, reply: ReplyT, now_ns: int) -> "Answer[ReplyT]":
        """Return the answer with a fresh reply."""
        return Answer(reply, now_ns)

    def missed(self, reason: str, now_ns: int) -> "Answer[ReplyT]":
        """Return the answer after a question without a reply: what was heard before stays, and is known to be old."""
        silent_ns = self.silent_ns if self.silent_ns is not None else (self.heard_ns or now_ns)
        return replace(self, silent_ns=silent_ns, reason=reason)


@dataclass(frozen=True)
class View:
    """All that the dashboard shows, as of the last look; a struct of its own for each look."""

    positions: Answer[Positions] = field(default_factory=Answer)
    profit: Answer[Profit] = field(default_factory=Answer)
    trading: Answer[TradingStatus] = field(default_factory=Answer)
    execution: Answer[ExecutionStatus] = field(default_factory=Answer)
    signals: Answer[Signals] = field(default_factory=Answer)
    market: Answer[Symbols] = field(default_factory=Answer)
    members: tuple[Member, ...] = ()
    lines: tuple[LogLine, ...] = ()
    trouble: str = ""
    """Why the files of the home could not be read; empty where they could."""
    looks: int = 0

    @property
    def nobody_ever_answered(self) -> bool:
        """Whether all were asked, and not one reply was heard since the dashboard began."""
        answers = (self.market, self.positions, self.profit, self.trading, self.execution, self.signals)
        return self.looks > 0 and all(answer.heard_ns is None for answer in answers)


class Watcher:
    """Looks at a house again and again, in a thread of its own; `view` is what it saw last.

    Nobody is told of a new view: who draws reads the last one, so that nothing can queue up behind a slow terminal.
    """

    def __init__(self, house: House, refresh_seconds: float = 1.0, now_ns: Callable[[], int] = clock.now_ns) -> None:
        """Take the house, and how long to rest between two looks."""
        self.refresh_seconds = refresh_seconds
        self.now_ns = now_ns
        self.view = View()
        self._house = house

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set, then close the house."""
        try:
            while not stop.is_set():
                self.look(stop)
                stop.wait(self.refresh_seconds)
        finally:
            self._house.close()

    def look(self, stop: threading.Event | None = None) -> None:
        """Look once: at the files, which answer at once, and then at one daemon after the other."""
        self._read_files()
        asks = (
            self._ask_market,
            self._ask_positions,
            self._ask_profit,
            self._ask_trading,
            self._ask_execution,
            self._ask_signals,
        )
        for ask in asks:
            if stop is not None and stop.is_set():
                return
            ask()
        self.view = replace(self.view, looks=self.view.looks + 1)

    def halt(self, reason: str) -> str:
        """Pull the kill switch, and return in words what came of it; may wait some seconds, so not for a loop."""
        try:
            return self._house.halt(reason)
        except (LctError, OSError) as error:
            return f"NOT halted: {error}. In another terminal: lct trading halt --yes"

    def _read_files(self) -> None:
        try:
            members = self._house.members()
            fresh = self._house.fresh_lines()
        except (LctError, OSError) as error:
            self.view = replace(self.view, trouble=str(error))
            return
        lines = self.view.lines
        if fresh:
            lines = tuple(sorted((*lines, *fresh), key=lambda line: line.time_ns)[-LINES_MAX:])
        self.view = replace(self.view, members=members, lines=lines, trouble="")

    def _ask_market(self) -> None:
        self.view = replace(self.view, market=self._asked(self.view.market, GetSymbols()))

    def _ask_positions(self) -> None:
        self.view = replace(self.view, positions=self._asked(self.view.positions, GetPositions()))

    def _ask_profit(self) -> None:
        self.view = replace(self.view, profit=self._asked(self.view.profit, GetProfit()))

    def _ask_trading(self) -> None:
        self.view = replace(self.view, trading=self._asked(self.view.trading, GetTradingStatus()))

    def _ask_execution(self) -> None:
        self.view = replace(self.view, execution=self._asked(self.view.execution, GetExecutionStatus()))

    def _ask_signals(self) -> None:
        self.view = replace(self.view, signals=self._asked(self.view.signals, GetSignals(limit=SIGNALS_MAX)))

    def _asked(self, before: Answer[ReplyT], request: Request[ReplyT]) -> Answer[ReplyT]:
        try:
            return before.heard(self._house.ask(request), self.now_ns())
        except LctError as error:
            return before.missed(str(error), self.now_ns())
