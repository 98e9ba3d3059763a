"""One connection that tells bars as they change: whatever ends it ends it loudly.

ccxt wakes whoever watches and drops what comes until it is watched again, but keeps each bar in its own table; so that
table is read, and the waking only says when. That a line is open proves nothing: it is judged by the age of what it
last told. A frame that cannot be read ends ccxt's reader without a word (4.5.90); see `client.connect_stream`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from math import nan
from typing import Any

from lct.clock import NS_PER_SECOND, monotonic_ns
from lct.domain.bars import Bar
from lct.errors import NotNow
from plugins._ccxt.client import answer
from plugins._ccxt.pages import MS_NS

SILENT_SECONDS = 60.0
"""A connection of which no symbol told anything for so long is given up."""
TOGETHER_MAX = 100
"""Symbols of one subscription; Binance takes 200 in one connection."""


class Heard:
    """What one ccxt.pro client hears of some symbols, from its connection to its end."""

    def __init__(self, client: Any, symbols: Sequence[str], timeframe: str) -> None:
        """Take a client that nobody else has; nothing is connected yet."""
        self._client = client
        self._symbols = symbols
        self._timeframe = timeframe
        self._last: dict[str, Bar] = {}
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def rows(self) -> AsyncGenerator[tuple[str, list[Bar]], None]:
        """Yield the bars of a symbol that are new or have changed, oldest first.

        Raises NotNow where the connection is lost, or has told nothing new for SILENT_SECONDS.
        """
        together = TOGETHER_MAX if self._client.has.get("watchOHLCVForSymbols") else 1
        for at in range(0, len(self._symbols), together):
            task = asyncio.create_task(self._watch(self._symbols[at : at + together]))
            task.add_done_callback(lambda _: self._woken.set())
            self._tasks.append(task)
        told_ns = monotonic_ns()
        while True:
            self._woken.clear()  # before looking, so that what comes meanwhile is looked at next
            for symbol in self._symbols:
                try:
                    rows = self._fresh(symbol)
                except (LookupError, TypeError, ValueError) as error:
                    raise NotNow(f"{self._client.id}: a bar that cannot be read ({type(error).__name__})") from None
                if rows:
                    told_ns = monotonic_ns()
                    yield symbol, rows
            for task in self._tasks:
                if task.done():
                    task.result()
            left = SILENT_SECONDS - (monotonic_ns() - told_ns) / NS_PER_SECOND
            try:
                async with asyncio.timeout(max(left, 0.0)):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._woken.wait()
            except TimeoutError:
                raise NotNow(f"{self._client.id}: the stream has told nothing for {SILENT_SECONDS:g} s") from None

    async def close(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def _watch(self, symbols: Sequence[str]) -> None:
        what = f"{self._client.id}: the stream of {self._timeframe} bars"
        while True:
            if len(symbols) > 1 or self._client.has.get("watchOHLCVForSymbols"):
                request = self._client.watch_ohlcv_for_symbols([[symbol, self._timeframe] for symbol in symbols])
            else:
                request = self._client.watch_ohlcv(symbols[0], self._timeframe)
            await answer(request, what)
            self._woken.set()

    def _fresh(self, symbol: str) -> list[Bar]:
        """Return the rows of ccxt's table that were not returned like this before."""
        last = self._last.get(symbol)
        found: list[Bar] = []
        for cells in reversed(self._client.ohlcvs.get(symbol, {}).get(self._timeframe) or ()):
            row = Bar(int(cells[0]) * MS_NS, *(nan if cell is None else float(cell) for cell in cells[1:6]))
            if last is not None and row.open_ns < last.open_ns:
                break
            if row != last:
                found.append(row)
        found.reverse()
        if found:
            self._last[symbol] = found[-1]
        return found
