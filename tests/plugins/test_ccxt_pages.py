"""Pages, gate and lines of the ccxt plugin: an answer proves no more than it does, and what is lost is said."""

import asyncio
from typing import Any

import ccxt
import pytest

from lct.domain.bars import Bars
from lct.domain.budget import Budget, Priority
from lct.domain.spans import Span
from lct.errors import NotNow
from plugins._ccxt.client import connect, connect_stream
from plugins._ccxt.gate import Gate
from plugins._ccxt.pages import BELIEVED_NS, CLOCK_ERROR_NS, may_be_the_last, page_of, read

STEP = 60_000_000_000
BEGIN = 1_704_067_200_000_000_000


def at(minute: float) -> int:
    return BEGIN + int(minute * STEP)


def window(first: int, last: int) -> Span:
    return Span(at(first), at(last))


def bars(*minutes: float) -> Bars:
    ones = [10.0] * len(minutes)
    return Bars.of([at(minute) for minute in minutes], ones, ones, ones, ones, ones)


NEVER = at(1_000_000)
"""Long after all of it."""


def test_an_answer_proves_its_span_up_to_its_newest_bar() -> None:
    assert page_of(bars(0, 1, 5), STEP, window(0, 100), NEVER).covers == window(0, 6)
    assert page_of(bars(3, 1, 0), STEP, window(0, 100), NEVER).covers == window(0, 4)
    assert page_of(bars(200), STEP, window(0, 100), NEVER).covers == window(0, 201), "nothing before a listing"


def test_rows_that_can_be_no_bar_prove_nothing_and_are_not_left_out() -> None:
    found = bars(0, 1, 1.5, 7)
    found.high[3] = 1.0
    page = page_of(found, STEP, window(0, 100), NEVER)

    assert page.covers == window(0, 2)
    assert len(page.rows) == 4


def test_a_bar_of_a_time_that_is_still_to_come_is_an_answer_to_nothing() -> None:
    with pytest.raises(NotNow, match="still to come"):
        page_of(bars(0, 1, 50), STEP, window(0, 100), at(10))
    assert page_of(bars(0, 1), STEP, window(0, 100), at(1) - STEP - CLOCK_ERROR_NS).covers == window(0, 2)


def test_that_there_are_no_bars_is_believed_only_of_times_that_lie_back() -> None:
    believed = at(10) + BELIEVED_NS

    assert page_of(bars(), STEP, window(0, 10), believed).covers == window(0, 10)
    assert page_of(bars(), STEP, window(0, 10), believed - 4 * STEP).covers == window(0, 6)
    assert page_of(bars(), STEP, window(9, 10), at(10)).covers == window(9, 9)


def test_what_may_be_a_venues_last_bars_is_told_from_a_page() -> None:
    assert may_be_the_last(bars(95, 99), STEP, window(0, 100), at(100)) == at(95)
    assert may_be_the_last(bars(0, 99), STEP, window(0, 100), at(100)) is None, "it begins where it was asked"
    assert may_be_the_last(bars(95, 99), STEP, window(0, 100), at(200)) is None, "it ends long ago"
    assert page_of(bars(95, 99), STEP, window(0, 100), at(100), known_from_ns=at(95)).covers == window(95, 100)


@pytest.mark.parametrize("rows", [[["x", 1, 2, 3, 4, 5]], [[None, 1, 2, 3, 4, 5]], [[1]], [7]])
def test_rows_that_are_none_are_an_error(rows: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        read(rows)


def test_a_request_that_is_given_up_holds_no_other_up() -> None:
    async def body() -> None:
        gate = Gate(Budget(50.0, share=1.0, burst_seconds=0.0))
        tasks = [asyncio.create_task(gate.permit(1.0, Priority.QUERY)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks[1:4]:
            task.cancel()
            gate._move()  # noqa: SLF001 - the moment between a cancellation and its end
        async with asyncio.timeout(5):
            await tasks[4]
        assert [task.cancelled() for task in tasks] == [False, True, True, True, False]

    asyncio.run(body())


def test_a_line_that_is_lost_is_not_made_anew_without_a_word() -> None:
    async def body() -> None:
        client = connect("binance", "http://127.0.0.1:9", perpetuals=False)
        client.set_markets([])
        streaming = connect_stream(client, "ws://127.0.0.1:9/stream")
        line = streaming.client("ws://127.0.0.1:9/stream/ws/0")
        assert streaming.client("ws://127.0.0.1:9/stream/ws/0") is line
        del streaming.clients["ws://127.0.0.1:9/stream/ws/0"]  # as ccxt does when a line ends
        with pytest.raises(ccxt.NetworkError, match="the line was lost"):
            streaming.client("ws://127.0.0.1:9/stream/ws/0")
        await streaming.close()
        await client.close()

    asyncio.run(body())
