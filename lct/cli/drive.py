"""Drive: runs a house of a home bar by bar, stops between rounds when asked to, and tells how it stands."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lct.cli.output import Manners, say

if TYPE_CHECKING:
    from lct.run.config import HouseConfig
    from lct.run.house import House

Came = Callable[[], int]
"""Tells which signal came first, 0 where none did."""

CHUNK_BARS = 50
CHUNK_SECONDS = 0.1


def private() -> None:
    """Close what this process writes to everyone else."""
    os.umask(0o077)


@contextmanager
def interruptions(*, breaks_off: bool = True) -> Iterator[Came]:
    """Note Ctrl-C and SIGTERM instead of breaking off; yields what tells which came, 0 for none.

    So what is imported meanwhile cannot swallow them. A second Ctrl-C breaks off; without `breaks_off` it does not, and
    the end of the terminal is noted too: for what has more to clean up than this process.
    """
    came: list[int] = []

    def note(number: int, _frame: Any) -> None:
        came.append(number)
        if breaks_off and came.count(signal.SIGINT) > 1:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if not breaks_off and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: came[0] if came else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(came: int) -> None:
    """End with the exit code of the signal that came, if one did: 130 for Ctrl-C, 143 for SIGTERM."""
    if came:
        raise typer.Exit(128 + came)


def drive(
    house: "House",
    until: int,
    on_done: Callable[[int], None],
    came: Came,
    speed: float | None = None,
    is_halted: Callable[[], bool] = lambda: False,
) -> bool:
    """Run a house to the bars number `until` and commit where it stands; False where a signal or a halt came first.

    `on_done` hears the number of the last bars now and then; `speed` is in replayed seconds a second, None for all.
    """
    chunk = CHUNK_BARS
    if speed is not None:
        chunk = max(1, int(speed * CHUNK_SECONDS * 1e9 / house.tape.step_ns))
    began, first = _seconds(), house.bus.md_seq
    while house.bus.md_seq < until and not came() and not is_halted():
        before = house.bus.md_seq
        house.bus.run(until_md_seq=min(before + chunk, until))
        if house.bus.md_seq == before:
            break  # the feed ends with timestamps that gave no bars
        on_done(house.bus.md_seq)
        if speed is not None:
            played = (house.bus.md_seq - first) * house.tape.step_ns / 1e9
            _wait(began + played / speed, came)
    if is_finished(house) and not is_halted():
        house.bus.run()  # what the last bars caused, and is due after them
    house.bus.checkpoint()
    return house.bus.md_seq >= until or is_finished(house)


def is_finished(house: "House") -> bool:
    """Whether the feed has given all it has."""
    return house.bus.ports["feed"].given >= len(house.tape)


def _seconds() -> float:
    from lct.clock import monotonic_ns

    return monotonic_ns() / 1e9


def _wait(until: float, came: Came) -> None:
    import time

    while (left := until - _seconds()) > 0 and not came():
        time.sleep(min(left, CHUNK_SECONDS))


def summary(house: "House", path: Path, first: int) -> dict[str, Any]:
    """Return how a house stands, in the shape that `lct run --json` prints; `first` is where this run began."""
    from lct.cli.records import count_by_type
    from lct.clock import rfc3339
    from lct.messages.portfolio import GetPositions, GetProfit

    profit, positions = house.ask(GetProfit()), house.ask(GetPositions()).positions
    return {
        "cycles": house.bus.md_seq - first,
        "md_seq": house.bus.md_seq,
        "time": rfc3339(house.bus.now_ns),
        "equity": profit.equity,
        "profit": None if profit.equity is None else profit.equity - profit.deposits,
        "orders": count_by_type(path).get("execution.order_intended", 0),
        "fills": profit.fills,
        "open_positions": len(positions),
        "finished": is_finished(house),
    }


def say_refused(refused: dict[str, dict[str, int]], manners: Manners) -> None:
    """Tell of the rows that could not be bars, where there were any."""
    reasons = [f"{symbol} {reason} {n:,}" for symbol, counts in refused.items() for reason, n in counts.items()]
    if reasons:
        total = sum(sum(counts.values()) for counts in refused.values())
        say(f"refused {total:,} rows: {', '.join(reasons)}", manners)


def books_balance(house: "House") -> bool:
    """Whether the ledger's trial balance is zero, and its totals are the venue's own, asset by asset."""
    from lct.messages.portfolio import GetBalances

    balances = house.ask(GetBalances())
    return not any(balances.trial.values()) and balances.totals == house.exchange.balances()


def journal_file(home: Path, house: "HouseConfig") -> Path:
    """Return the journal of a house."""
    from lct.run.config import journal_folder

    return journal_folder(home, house) / "house.db"
