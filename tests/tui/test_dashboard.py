"""The dashboard outlives every daemon, never shows an old figure as if it were true, and draws no foreign markup."""

import gc
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from lct.bus.presence import Presence
from lct.errors import NoAnswer
from lct.messages.portfolio import GetPositions, GetProfit, Positions
from lct.messages.strategy_engine import GetSignals, Signals
from lct.messages.trading_engine import GetTradingStatus, Trading
from lct.tui.explain import Explain
from lct.tui.house import LINES_MAX, LogLine, Member
from lct.tui.widgets.log import Log
from lct.tui.widgets.panel import Panel
from tests.tui.scene import CLOSE, DAEMONS, NOW, POSITIONS, SECOND, SIGNALS, Stage, play

# --- what it shows


def test_it_shows_positions_signals_health_and_logs() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        text = stage.text()

        for words in ("BTC/USDT", "+15.34", "mean_reversion", "-0.94", "up trend", "8 of 8 up", "order.filled"):
            assert words in text
        assert "10,231.41" in text
        assert "+231.41 (+2.31 %)" in text
        assert "withheld 79: cooldown 61, max_positions 18" in text

    play(act)


def test_the_footer_shows_the_keys_at_80_columns() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        last = stage.text().splitlines()[-1]

        for words in ("1 Positions", "4 Log", "h Halt", "z Zoom", "? Explain", "q Quit", "^p palette"):
            assert words in last

    play(act, size=(80, 24))


def test_a_question_mark_explains_the_screen() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert isinstance(stage.app.screen, Explain)
        assert "What each strategy holds" in stage.text()
        stage.clock.move(1)
        stage.look()  # the dashboard below goes on

        await pilot.press("escape")
        assert not isinstance(stage.app.screen, Explain)

    play(act)


def test_z_gives_the_screen_to_one_panel_and_takes_it_back() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("2", "z")
        await pilot.pause()
        assert stage.app.query_one("#signals", Panel).size.width > 110
        assert "Positions ·" not in stage.text()

        await pilot.press("z")
        await pilot.pause()
        assert "Positions ·" in stage.text()

    play(act)


def test_numbers_and_tab_go_from_panel_to_panel() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        seen = []
        for key in ("1", "2", "3", "4", "tab"):
            await pilot.press(key)
            assert stage.app.focused is not None
            seen.append(stage.app.focused.id)

        assert seen == ["positions", "signals", "health", "log", "positions"]

    play(act)


def test_quitting_closes_the_house_and_sends_it_nothing_else() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("q")

    stage = play(act)

    assert stage.house.is_closed
    assert stage.app.return_code == 0


# --- what it outlives


@pytest.mark.parametrize("name", ["portfolio", "strategy_engine", "trading_engine"])
def test_a_daemon_that_dies_leaves_figures_that_are_called_old_until_it_is_back(name: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.kill(name)
        stage.clock.move(12)
        stage.look()
        await pilot.pause()
        text = stage.text()
        assert f"no answer from {name} since 12 s" in text
        assert "○ down" in text
        assert "BTC/USDT" in text
        assert "7 of 8 up" in text

        stage.house.start(name)
        stage.clock.move(1)
        stage.look()
        await pilot.pause()
        assert "no answer" not in stage.text()
        assert "8 of 8 up" in stage.text()

    play(act)


def test_reasons_take_room_only_while_there_are_some() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "port" in stage.text()
        stage.house.kill("portfolio")
        stage.clock.move(12)
        stage.look()
        await pilot.pause()
        assert "reasons" in stage.text()

        stage.house.start("portfolio")
        stage.look()
        await pilot.pause()
        assert "reasons" not in stage.text()
        assert "8003" in stage.text() or "8004" in stage.text()

    play(act)


def test_old_figures_are_faded() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel = stage.app.query_one("#positions", Panel)
        dim = panel.get_component_rich_style("table--dim")
        fresh = {segment.style for segment in panel.render_line(1) if segment.text.strip()}
        stage.house.kill("portfolio")
        stage.look()

        old = {segment.style for segment in panel.render_line(1) if segment.text.strip()}
        assert old == {dim}
        assert len(fresh) > 1

    play(act)


def test_figures_that_nobody_asked_for_again_are_called_old() -> None:
    """The watcher may hang in a question: what it knew ages meanwhile, and says so."""

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.watcher.refresh_seconds = 1.0
        stage.clock.move(5)
        stage.app.tick()
        await pilot.pause()

        assert "Positions · 5 s old" in stage.text()
        assert "Signals · 5 s old" in stage.text()
        assert "0 of 8 up" in stage.text()

    play(act)


def test_bars_that_are_late_are_said_though_everybody_answers() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "5 open · bars of 12:04:00 ─" in stage.text()
        stage.clock.move(300)
        stage.look()
        await pilot.pause()
        assert "5 open · bars of 12:04:00, 5 min ago: the next are late" in stage.text()

        stage.clock.move(90_000)  # of another day: replayed, or long dead
        stage.look()
        await pilot.pause()
        assert "5 open · bars of 2024-01-03 12:04:00" in stage.text()

    play(act)


def test_marks_are_called_old_when_market_data_is_silent() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.kill("market_data")
        stage.clock.move(12)
        stage.look()
        await pilot.pause()

        assert "5 open · no answer from market_data since 12 s" in stage.text()

    play(act)


def test_a_stop_of_trading_is_shown_with_who_and_why() -> None:
    stage = Stage()
    status = stage.house.replies[GetTradingStatus]
    stopped = msgspec.structs.replace(status, state=Trading.STOPPED, by="ada", reason="[b]too hot")
    stage.house.replies[GetTradingStatus] = stopped

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "trading stopped (ada, [b]too hot)" in stage.text()

        stage.house.kill("trading_engine")
        stage.look()
        await pilot.pause()
        assert "trading was stopped" in stage.text()

    play(act, size=(80, 24), stage=stage)


def test_all_daemons_may_die_and_come_back_again_and_again() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for _ in range(5):
            stage.house.kill(*DAEMONS)
            stage.clock.move(30)
            stage.look()
            await pilot.pause()
            assert "0 of 8 up" in stage.text()
            assert "house down" in stage.text()

            stage.house.start(*DAEMONS)
            stage.clock.move(2)
            stage.look()
            await pilot.pause()
            assert "house up" in stage.text()

    play(act)


def test_a_house_that_never_answered_is_told_to_be_started() -> None:
    stage = Stage()
    stage.house.kill(*DAEMONS)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        text = stage.text()
        assert "Nobody answers in /home/ada/.local/share/lct. `lct up` starts the house" in text
        assert "portfolio is not there" in text

        stage.house.start(*DAEMONS)
        stage.look()
        await pilot.pause()
        assert "Nobody answers" not in stage.text()
        assert "10,231.41" in stage.text()

    play(act, stage=stage)


def test_files_that_cannot_be_read_are_said_and_tried_again() -> None:
    stage = Stage()
    members = stage.house.members

    def forbidden() -> Any:
        raise PermissionError(13, "Permission denied", "run")

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.members = forbidden  # type: ignore[method-assign]
        stage.look()
        await pilot.pause()
        assert "Permission denied" in stage.text()

        stage.house.members = members  # type: ignore[method-assign]
        stage.look()
        await pilot.pause()
        assert "8 of 8 up" in stage.text()

    play(act, stage=stage)


def test_any_size_is_drawn() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for width, height in ((80, 24), (200, 50), (20, 8), (1, 1), (100, 30), (400, 100), (79, 10), (120, 40)):
            await pilot.resize_terminal(width, height)
            stage.look()
            await pilot.pause()
            lines = stage.text().splitlines()
            assert len(lines) == height

        assert "order.filled" in stage.text()

    play(act)


# --- foreign names

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x07",
    "\x9b2J",
    "[b",
    "[/",
    "[bold red]shout[/]",
    "[@click=app.quit]quit[/]",
    "[link=http://evil.example]link[/link]",
    "\u202egnp.exe",
    "zero\u200bwidth\u2060joined",
    "USD\u0422",
    "W" * 10_000,
    "\uff37" * 500,
    "a" + "\u0301" * 500,
    "two\nlines\r\tand a tab",
    "\ud800",
    "\U000e0041\U000e0042",
    "",
)


def _hostile(stage: Stage) -> None:
    """Put hostile words wherever a word comes from outside."""
    replies = stage.house.replies
    replies[GetPositions] = Positions(
        CLOSE, [msgspec.structs.replace(POSITIONS[0], symbol=words, strategy=words) for words in HOSTILE]
    )
    replies[GetSignals] = Signals(
        [
            msgspec.structs.replace(SIGNALS[0], symbol=words, strategy=strategy, regime=words)
            for words in HOSTILE
            for strategy in HOSTILE
        ]
    )
    replies[GetTradingStatus] = msgspec.structs.replace(replies[GetTradingStatus], withheld=dict.fromkeys(HOSTILE, 1))
    stage.house.lines = [LogLine(NOW, words, words, words, words) for words in HOSTILE]
    members = [Member(words, Presence("x", 1, 1, True, NOW, NOW - 60 * SECOND, reasons=[words])) for words in HOSTILE]
    stage.house.members = lambda: tuple(members)  # type: ignore[method-assign]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_hostile_names_reach_the_terminal_as_plain_text_in_their_cells(size: tuple[int, int]) -> None:
    stage = Stage()
    _hostile(stage)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for key in ("1", "2", "3", "4"):
            await pilot.press(key, "z", "end")
            await pilot.pause()
            _is_plain(stage, size)
            await pilot.press("z")

    play(act, size=size, stage=stage)


def _is_plain(stage: Stage, size: tuple[int, int]) -> None:
    strips = stage.app.screen._compositor.render_strips()  # noqa: SLF001 - what goes to the terminal
    assert [strip.cell_length for strip in strips] == [size[0]] * size[1]
    for strip in strips:
        for segment in strip:
            assert segment.text.isprintable() or not segment.text
            assert segment.style is None or segment.style.link is None
            assert "@click" not in (segment.style.meta if segment.style else {})


def test_a_hostile_reason_is_plain_text_too() -> None:
    def refusal(words: str) -> Callable[[Any], Any]:
        def refuse(_request: Any) -> Any:
            raise NoAnswer(words)

        return refuse

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for words in HOSTILE:
            stage.house.ask = refusal(words)  # type: ignore[method-assign]
            stage.look()
            await pilot.pause()
            _is_plain(stage, (120, 40))

    stage = Stage()
    stage.house.kill(*DAEMONS)
    play(act, stage=stage)


# --- bounds


def test_of_ten_thousand_log_lines_the_newest_are_kept() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.lines = [LogLine(NOW + at, "execution", "info", f"line {at}") for at in range(10_000)]
        stage.look()
        await pilot.pause()

        assert len(stage.watcher.view.lines) == LINES_MAX
        assert "line 9999" in stage.text()
        assert stage.app.query_one(Log).virtual_size.height == LINES_MAX + 1

    play(act)


def test_the_log_holds_still_for_a_reader_and_follows_again_at_the_end() -> None:
    def read(stage: Stage) -> list[str]:
        return re.findall(r"early \d+", stage.text())

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.house.lines = [LogLine(NOW + at, "execution", "info", f"early {at}.") for at in range(LINES_MAX)]
        stage.look()
        await pilot.press("4", "pageup", "pageup")
        await pilot.pause()
        seen = read(stage)
        assert "scrolled up" in stage.text()

        stage.house.lines = [LogLine(NOW + SECOND + at, "execution", "info", f"late {at}.") for at in range(100)]
        stage.look()
        await pilot.pause()
        assert read(stage) == seen

        await pilot.press("end")
        await pilot.pause()
        assert "late 99." in stage.text()

    play(act)


def test_memory_is_flat_while_everything_changes() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        async def live(looks: int) -> int:
            for at in range(looks):
                _change(stage, at)
                stage.look()
                await pilot.pause()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = await live(20)  # until the log and the caches of the libraries are full
            after = await live(20)
        finally:
            tracemalloc.stop()

        assert after - before < 100_000

    play(act)


def _change(stage: Stage, at: int) -> None:
    """Give every panel something new, and 300 log lines."""
    stage.clock.move(1)
    now, replies = stage.clock(), stage.house.replies
    replies[GetProfit] = msgspec.structs.replace(replies[GetProfit], fills=at, time_ns=now)
    lines = [msgspec.structs.replace(line, realized_profit=line.realized_profit + at) for line in POSITIONS]
    replies[GetPositions] = Positions(now, lines)
    replies[GetSignals] = Signals([msgspec.structs.replace(signal, score=at % 100 / 100) for signal in SIGNALS])
    stage.house.lines = [LogLine(now + n, "execution", "info", f"look {at} line {n}") for n in range(300)]


def test_nothing_is_drawn_while_nothing_changes() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.watcher.view = replace(stage.watcher.view, looks=7)
        stage.app.draw()
        await pilot.pause()
        drawn: list[object] = []
        for panel in stage.app.query(Panel):
            panel.refresh = lambda *_, **__: drawn.append(panel)  # type: ignore[assignment,method-assign]  # noqa: B023
        for _ in range(20):
            stage.app.tick()

        assert drawn == []

    play(act)
