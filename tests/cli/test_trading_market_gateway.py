"""Trading, market, signals and gateway on the command line: shapes, exit codes, and what is asked before it happens."""

import json
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from daemons.api_gateway import ApiGateway
from daemons.api_gateway.keys import KEY
from daemons.market_data import MarketData
from daemons.strategy_engine import StrategyEngine
from daemons.trading_engine import Config, TradingEngine
from lct.cli import app
from lct.domain.text import DROPPED
from lct.messages.api_gateway import RequestServed
from lct.messages.base import Event
from lct.messages.execution import Deposited
from lct.messages.feed import Rows
from lct.messages.market_data import BarsClosed
from lct.messages.strategy_engine import Scored
from lct.messages.trading_engine import Trading
from lct.ports.strategy import Strategy, StrategyConfig
from lct.run.gateway import key_store
from tests.cli.answering import answering
from tests.daemons.trading_desk import INSTRUMENTS, SYMBOLS

NOW = 1_704_067_200_000_000_000
MINUTE = 60_000_000_000
EVIL = "\x1b]8;;http://x\x07A\x1b[2J\u202e\u200b\r/USDT"
HARMFUL = set("\x1b\x07\x00\u202e\u200b\u2028\r")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for sockets."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        yield Path(folder)


def typed(text: str, *words: str) -> Any:
    """Run `lct` with a person who types."""
    return CliRunner().invoke(app, list(words), input=text)


def engine(*scores: float) -> TradingEngine:
    """Return an engine that has heard a bar, and scores where there are any."""
    made = TradingEngine(Config(), INSTRUMENTS)
    for event in made.hear_deposit(Deposited(1, 0, "USDT", Decimal(10_000)), 0) or ():
        assert isinstance(event, Event)
        made.apply(event)
    made.mark(BarsClosed(1, MINUTE, 0, "1m", SYMBOLS, *([100.0, 50.0],) * 5), MINUTE)
    for said in (made.decide(Scored("s", 1, MINUTE, SYMBOLS, list(scores)), MINUTE) if scores else None) or ():
        if isinstance(said, Event):
            made.apply(said)
    return made


def market(*symbols: str, bars: int = 3) -> MarketData:
    made = MarketData()
    for n in range(bars):
        columns = [[value + n] * len(symbols) for value in (100.5, 102.5, 99.5, 101.5, 7.25)]
        list(made.announce(Rows(n + 1, "1m", NOW + n * MINUTE, symbols, *columns), 0) or ())
    return made


# -- trading --------------------------------------------------------------------------------------------------------


def test_status_has_its_shape(document: Any, home: Path) -> None:
    with answering(home, engine(1.0, 0.0), NOW):
        found = document("trading", "status")

    assert found == {
        "state": "running",
        "reason": "",
        "by": "",
        "cycles": 1,
        "signals": 1,
        "proposals": 1,
        "withheld": {},
        "standing": None,
        "standing_reason": None,
        "standing_by": None,
        "halt_files": [],
    }


def test_stop_and_start_turn_trading_and_say_who_did_it(document: Any, home: Path) -> None:
    house = engine()
    with answering(home, house, NOW):
        stopped = document("trading", "stop", "--yes", "--reason", "lunch")
        again = document("trading", "stop", "--yes")
        status = document("trading", "status")
        started = document("trading", "start")

    assert list(stopped) == ["state", "changed", "done"]
    assert [(found["state"], found["changed"]) for found in (stopped, again, started)] == [
        ("stopped", True),
        ("stopped", False),
        ("running", True),
    ]
    assert (status["state"], status["reason"], status["by"]) == ("stopped", "lunch", "operator")


def test_pause_and_resume(document: Any, home: Path) -> None:
    with answering(home, engine(), NOW):
        states = [document("trading", *words)["state"] for words in (("pause", "--yes"), ("resume",), ("resume",))]

    assert states == ["paused", "running", "running"]


@pytest.mark.parametrize(("verb", "state"), [("stop", Trading.STOPPED), ("pause", Trading.PAUSED)])
def test_what_stops_trading_asks_for_its_own_name(home: Path, verb: str, state: Trading) -> None:
    house = engine()
    with answering(home, house, NOW):
        refused = [typed(text, "trading", verb) for text in ("", "\n", "yes\n", f"{verb.upper()}\n")]
        before = house.trading.state
        done = typed(f"{verb}\n", "trading", verb, "--json")

    assert [result.exit_code for result in refused] == [4] * 4
    assert all(result.stdout == "" and "nothing was done; --yes" in result.stderr for result in refused)
    assert before is Trading.RUNNING
    assert json.loads(done.stdout)["state"] == state.value == house.trading.state.value


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume"])
def test_a_dry_run_tells_what_would_be_and_changes_nothing(document: Any, home: Path, verb: str) -> None:
    house = engine()
    with answering(home, house, NOW):
        found = document("trading", verb, "--dry-run")

    assert found["changed"] == (verb in {"stop", "pause"})
    assert found["done"].startswith("would be " if found["changed"] else "nothing: ")
    assert house.trading.state is Trading.RUNNING


def test_a_cycle_tells_what_it_proposed(document: Any, home: Path) -> None:
    house = engine()
    with answering(home, house, NOW):
        nothing = document("trading", "cycle", "--yes")
        document("trading", "stop", "--yes")
        list(house.decide(Scored("s", 1, MINUTE, SYMBOLS, [1.0, 0.0]), MINUTE) or ())
        found = document("trading", "cycle", "--yes")
        refused = typed("", "trading", "cycle")

    assert (nothing["proposed"], nothing["done"]) == ([], "nothing: no scores have been heard yet")
    assert found["state"] == "stopped"
    assert found["proposed"] == [
        {
            "symbol": "A/USDT",
            "side": "buy",
            "amount": "25",
            "exits": False,
            "reason": "entry",
            "strategy": "s",
            "intent_id": "t1",
        }
    ]
    assert refused.exit_code == 4


def test_a_cycle_is_shown_as_facts_and_a_table(lct: Any, home: Path) -> None:
    house = engine()
    list(house.decide(Scored("s", 1, MINUTE, SYMBOLS, [1.0, 0.0]), MINUTE) or ())
    with answering(home, house, NOW):
        shown = lct("trading", "cycle", "--yes")
        again = lct("trading", "cycle", "--yes")

    assert "A/USDT" in shown.stdout
    assert "nothing was proposed" in again.stderr


# -- market and signals ---------------------------------------------------------------------------------------------


def test_market_has_its_shapes(document: Any, home: Path) -> None:
    with answering(home, market("A/USDT", "B/USDT"), NOW):
        symbols = document("market", "symbols")
        bars = document("market", "ohlcv", "A/USDT", "--timeframe", "1m", "--limit", "2")
        ticker = document("market", "ticker", "B/USDT")

    closed = "2024-01-01T00:03:00Z"
    assert symbols[0] == {"symbol": "A/USDT", "timeframe": "1m", "bars": 3, "last": "103.5", "time": closed}
    assert bars == [
        {"time": "2024-01-01T00:01:00Z", "open": "101.5", "high": "103.5", "low": "100.5", "close": "102.5",
         "volume": "8.25"},
        {"time": "2024-01-01T00:02:00Z", "open": "102.5", "high": "104.5", "low": "101.5", "close": "103.5",
         "volume": "9.25"},
    ]  # fmt: skip
    assert ticker == {
        "symbol": "B/USDT", "time": closed, "last": "103.5", "change": 103.5 / 100.5 - 1.0, "open": "100.5",
        "high": "104.5", "low": "99.5", "volume": "24.75", "bars": 3, "timeframe": "1m",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ohlcv", "AA/USDT"), 5, "did you mean 'A/USDT'"),
        (("ticker", "nothing"), 5, "no bars of 'nothing'"),
        (("ticker", "A" * 41), 5, "no symbol has 41 letters"),
        (("ticker", ""), 5, "no symbol has 0 letters"),
        (("ohlcv", "A/USDT", "--timeframe", "5m"), 5, "no 5m bars"),
        (("ohlcv", "A/USDT", "--limit", "0"), 2, "limit"),
        (("ohlcv", "A/USDT", "--limit", "1001"), 2, "limit"),
    ],
)
def test_a_name_that_is_not_there_ends_with_5_and_bad_usage_with_2(
    lct: Any, home: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    with answering(home, market("A/USDT"), NOW):
        result = lct("market", *words)

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_symbols_of_the_running_house_are_completed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LCT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "lct market ticker ZZ")
    monkeypatch.setenv("COMP_CWORD", "3")

    with answering(home, market("ZZ1/USDT", "ZZ2/USDT", "A/USDT"), NOW):
        result = CliRunner().invoke(app, [], prog_name="lct")

    assert [word for word in result.stdout.split() if "/" in word] == ["ZZ1/USDT", "ZZ2/USDT"]


class Sure(Strategy):
    """Is for the first symbol as much as its price says."""

    name = "sure"
    summary = "for tests"
    Config = StrategyConfig
    warmup = 1

    def scores(self, bars: Any) -> Any:
        return np.clip(bars.close / 100.0, -1.0, 1.0)


def opinionated(*symbols: str) -> StrategyEngine:
    made = StrategyEngine([Sure()], "1m")
    for n in range(1, 258):
        open_ns = (256_000 + n) * MINUTE
        columns = [[50.0 + 10.0 * i for i in range(len(symbols))]] * 4
        made.opine(BarsClosed(n, open_ns + MINUTE, open_ns, "1m", symbols, *columns, [1.0] * len(symbols)), 0)
    return made


def test_signals_have_their_shape(document: Any, lct: Any, home: Path) -> None:
    with answering(home, opinionated("A/USDT", "B/USDT"), NOW):
        rows = document("strategy", "signals", "--strategy", "sure", "--limit", "1")
        wrong = lct("strategy", "signals", "--strategy", "shure")

    assert [list(row) for row in rows] == [["strategy", "symbol", "score", "regime", "time"]]
    assert (rows[0]["symbol"], rows[0]["score"]) == ("B/USDT", 0.6)
    assert (wrong.exit_code, wrong.stdout) == (5, "")
    assert "did you mean 'sure'" in wrong.stderr


# -- gateway --------------------------------------------------------------------------------------------------------


def test_a_key_is_printed_once_and_listed_without_it(document: Any, lct: Any, home: Path) -> None:
    made = document("gateway", "keys", "create", "--scope", "trade,read")
    listed, shown = document("gateway", "keys", "list"), lct("gateway", "keys", "list")

    path = home / "keys" / "gateway.json"
    assert list(made) == ["key", "id", "scope"]
    assert KEY.fullmatch(made["key"])
    assert key_store(home).find(made["key"]) is not None
    assert [(row["id"], row["scope"]) for row in listed] == [(made["id"], ["read", "trade"])]
    assert list(listed[0]) == ["id", "scope", "created_at"]
    assert made["key"] not in json.dumps(listed) + shown.stdout + path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_keys_are_never_the_same(document: Any, home: Path) -> None:
    made = {document("gateway", "keys", "create", "--scope", "read")["key"] for _ in range(5)}

    assert len(made) == 5


def test_a_revoked_key_is_gone(document: Any, lct: Any, home: Path) -> None:
    made = document("gateway", "keys", "create", "--scope", "admin")

    gone = document("gateway", "keys", "revoke", made["id"])

    assert gone == {"id": made["id"], "revoked": True}
    assert document("gateway", "keys", "list") == []
    assert lct("gateway", "keys", "revoke", made["id"]).exit_code == 5


@pytest.mark.parametrize("scope", ["root", "read,root", ",", "READ"])
def test_a_scope_that_there_is_not_is_bad_usage(lct: Any, home: Path, scope: str) -> None:
    result = lct("gateway", "keys", "create", "--scope", scope)

    assert (result.exit_code, result.stdout) == (2, "")
    assert not (home / "keys" / "gateway.json").exists()


def test_traffic_is_told_by_route(document: Any, home: Path) -> None:
    gateway = ApiGateway()
    for status in (200, 200, 401):
        gateway.count(RequestServed("GET", "/health", status, 1.5), 0)

    with answering(home, gateway, NOW):
        rows = document("gateway", "traffic")

    assert rows == [
        {"method": "GET", "route": "/health", "requests": 3, "statuses": {"200": 2, "401": 1}, "longest_ms": 1.5}
    ]


# -- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("trading", "status"),
        ("trading", "start"),
        ("trading", "stop", "--yes"),
        ("trading", "pause", "--dry-run"),
        ("trading", "resume"),
        ("trading", "cycle", "--yes"),
        ("market", "symbols"),
        ("market", "ohlcv", "A/USDT"),
        ("market", "ticker", "A/USDT"),
        ("strategy", "signals"),
        ("gateway", "traffic"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_without_an_answer_it_ends_with_3_and_says_what_to_do(
    lct: Any, home: Path, words: tuple[str, ...], form: tuple[str, ...]
) -> None:
    result = lct(*words, *form)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: ")
    assert "lct up" in result.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_name_from_outside_reaches_a_terminal_uncleaned(lct: Any, home: Path, form: tuple[str, ...]) -> None:
    stopped = engine()
    stopped.trading = stopped.trading.__class__(Trading.STOPPED, EVIL, EVIL)
    asked = (
        ("market", "symbols"),
        ("market", "ohlcv", EVIL),
        ("market", "ticker", EVIL),
        ("market", "ticker", f"{EVIL}2"),
        ("strategy", "signals"),
        ("strategy", "signals", "--strategy", EVIL),
        ("trading", "status"),
    )

    with answering(home, market(EVIL), NOW), answering(home, opinionated(EVIL), NOW), answering(home, stopped, NOW):
        shown = [lct(*words, *form) for words in asked]

    assert [result.exit_code for result in shown] == [0, 0, 0, 5, 0, 5, 0]
    assert all(not HARMFUL & set(result.stdout + result.stderr) for result in shown)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=60, unique=True))
def test_whatever_a_symbol_is_called_only_printable_letters_are_printed(names: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="lct") as folder:
        patch.setenv("LCT_HOME", folder)
        with answering(Path(folder), market(*names, bars=1), NOW):
            shown = CliRunner().invoke(app, ["market", "symbols"])
            told = CliRunner().invoke(app, ["market", "symbols", "--json"])

    assert (shown.exit_code, told.exit_code) == (0, 0)
    assert {unicodedata.category(letter) for letter in set(shown.stdout) - {"\n"}}.isdisjoint({*DROPPED, "Zl", "Zp"})
    assert told.stdout.isascii()
    assert [row["symbol"] for row in json.loads(told.stdout)] == sorted(names)
