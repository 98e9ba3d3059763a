"""`lct demo` plays the whole house under supervisord, checks its books and leaves nothing behind."""

import json
import os
import random
import re
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import pytest

from lct.cli.demo import settings_of
from lct.domain.money import use_money_context
from lct.messages.portfolio import GetPositions, GetProfit
from lct.run.house import open_house
from tests.cli.demos import Demo, soon

SEED = 3
BARS = 1_440
SHAPE = [
    "seed",
    "cycles",
    "signals",
    "orders",
    "fills",
    "equity",
    "profit",
    "open_positions",
    "books_balance",
    "daemons",
    "messages",
    "wall_seconds",
]
EIGHT = [
    "api_gateway",
    "execution",
    "market_data",
    "monitoring",
    "portfolio",
    "strategy_engine",
    "token_discovery",
    "trading_engine",
]
COUNTED_BY_LIFE = {"signals", "messages"}
"""Counts of trading_engine and of the conductor, who begin anew when they are killed."""
COLOR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])m")
ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
"""What a terminal is told when something begins to draw on all of it, and when it ends."""
CODES = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def empty() -> Iterator[Path]:
    """An empty folder with a short path, as /tmp is."""
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two demos of one market at once: one for a script, with long paths; one for a person with a terminal."""
    long = tmp_path_factory.mktemp("a_name_that_is_too_long_for_the_sockets_to_lie_in_the_home_of_the_demo_itself")
    words = ("--days", "1", "--seed", str(SEED))
    with tempfile.TemporaryDirectory(prefix="lct") as short:
        a, b = Path(short) / "a", Path(short) / "b"
        a.mkdir()
        b.mkdir()
        person = Demo(a, *words, on_terminal=True, NO_COLOR="1", TERM="xterm")
        with Demo(long, *words, "--json", XDG_RUNTIME_DIR=str(b)) as script, person:
            drawn = person.drawn()
            out, err = script.process.communicate()
            assert script.process.returncode == 0, err
            assert person.process.returncode == 0, drawn
            return {
                "document": json.loads(out),
                "err": err,
                "drawn": drawn,
                "left": [*script.left(), *person.left(), *map(str, b.iterdir())],
            }


# --- what it tells


def test_the_document_has_its_shape(twins: Any) -> None:
    document = twins["document"]

    assert list(document) == SHAPE
    assert (document["seed"], document["cycles"], document["books_balance"]) == (SEED, BARS, True)
    assert isinstance(document["equity"], str)
    assert isinstance(document["profit"], str)
    counted = ("signals", "orders", "fills", "open_positions", "messages")
    assert all(type(document[name]) is int and document[name] > 0 for name in counted)


def test_the_eight_daemons_are_up(twins: Any) -> None:
    daemons = twins["document"]["daemons"]

    assert [daemon["name"] for daemon in daemons] == EIGHT
    assert all(list(daemon) == ["name", "state", "restarts", "pss_bytes"] for daemon in daemons)
    assert {(daemon["state"], daemon["restarts"]) for daemon in daemons} == {("up", 0)}
    if Path("/proc/self/smaps_rollup").exists():
        assert all(1_000_000 < daemon["pss_bytes"] < 200_000_000 for daemon in daemons)


def test_nothing_is_left_behind(twins: Any) -> None:
    assert twins["left"] == []


def test_a_script_reads_one_document_and_hears_nothing_else(twins: Any) -> None:
    assert twins["err"] == ""


def test_a_person_sees_progress_and_a_summary_that_fits_80_columns_without_color(twins: Any) -> None:
    drawn = twins["drawn"]
    plain = CODES.sub("", drawn)
    summary = plain[plain.index("seed ") :]

    assert COLOR.search(drawn) is None
    assert re.search(r"starting .* \d/9", plain)
    assert re.search(r"playing .*/1440", plain)
    assert max(map(len, summary.splitlines())) <= 80
    for name in EIGHT:
        assert re.search(rf"^{name} +up +0 +\d+\s*$", summary, re.MULTILINE)


def test_two_demos_at_once_play_the_same(twins: Any) -> None:
    document, shown = twins["document"], CODES.sub("", twins["drawn"])

    for name in ("signals", "orders", "fills", "open_positions", "messages"):
        assert re.search(rf"^{name.replace('_', ' ')} +{document[name]}\s*$", shown, re.MULTILINE), name
    found = re.search(r"^equity +(\S+)\s*$", shown, re.MULTILINE)
    assert found is not None
    assert abs(Decimal(found[1]) - Decimal(document["equity"])) < Decimal("0.00001")


def test_eight_processes_earn_what_one_process_earns(twins: Any, tmp_path: Path) -> None:
    use_money_context()
    house = open_house(tmp_path, settings_of(SEED, 1))
    house.bus.run()
    profit, positions = house.ask(GetProfit()), house.ask(GetPositions()).positions
    house.close()

    document = twins["document"]

    assert (document["fills"], document["open_positions"]) == (profit.fills, len(positions))
    assert Decimal(document["equity"]) == profit.equity


def test_a_demo_whose_processes_are_killed_tells_the_same(twins: Any, empty: Path) -> None:
    """Its supervisor, and when that is back everybody who is there."""
    with Demo(empty, "--days", "1", "--seed", str(SEED), "--json") as demo:
        demo.plays(200)
        os.kill(int((demo.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)  # type: ignore[operator]
        demo.plays(600)
        for name in (*EIGHT, "conductor"):
            os.kill(demo.presence(name).pid, signal.SIGKILL)  # type: ignore[union-attr]
        out, err = demo.process.communicate(timeout=200)

        document, expected = json.loads(out), twins["document"]
        assert demo.process.returncode == 0, err
        same = [name for name in SHAPE if name not in {"daemons", "wall_seconds", *COUNTED_BY_LIFE}]
        assert {name: document[name] for name in same} == {name: expected[name] for name in same}
        assert {(daemon["state"], daemon["restarts"]) for daemon in document["daemons"]} == {("up", 2)}
        assert demo.left() == []


def test_books_that_do_not_balance_exit_with_1(empty: Path) -> None:
    """The venue's account is tampered with; execution is killed, so that the venue reads it again."""
    with Demo(empty, "--days", "1", "--json") as demo:
        demo.plays(100)
        pid = demo.presence("execution").pid  # type: ignore[union-attr]
        os.kill(pid, signal.SIGSTOP)
        (path,) = demo.home.glob("journal/*/paper.db")  # type: ignore[union-attr]
        try:
            give(path, Decimal("0.01"))
        finally:
            os.kill(pid, signal.SIGKILL)
        out, err = demo.process.communicate(timeout=150)

        document = json.loads(out)
        restarts = {daemon["name"]: daemon["restarts"] for daemon in document["daemons"]}
        assert demo.process.returncode == 1, err
        assert document["books_balance"] is False
        assert restarts == {**dict.fromkeys(EIGHT, 0), "execution": 1}
        assert demo.left() == []


def give(path: Path, amount: Decimal) -> None:
    """Put money into an account of the paper venue that nobody knows of."""
    with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as db:
        db.execute("begin immediate")
        account = msgpack.unpackb(db.execute("select body from account").fetchone()[0])
        account["balances"]["USDT"] = str(Decimal(account["balances"]["USDT"]) + amount)
        db.execute("update account set body = ?", (msgpack.packb(account),))
        db.execute("commit")


# --- how it ends


def has_begun(demo: Demo, path: str) -> bool:
    return demo.home is not None and (demo.home / path).exists()


MOMENTS = {
    "furnish": lambda demo: has_begun(demo, "."),
    "start": lambda demo: has_begun(demo, "run/supervisord.pid"),
    "recover": lambda demo: has_begun(demo, "run/execution.json"),
    "play": lambda demo: demo.bars() > 0,
    "sum up": lambda demo: demo.bars() == BARS,
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("furnish", signal.SIGTERM),
        ("start", signal.SIGINT),
        ("recover", signal.SIGTERM),
        ("play", signal.SIGHUP),
        ("sum up", signal.SIGINT),
    ],
)
def test_a_signal_cleans_up_at_any_moment(moment: str, number: signal.Signals, empty: Path) -> None:
    with Demo(empty, "--days", "1", "--json") as demo:
        soon(lambda: MOMENTS[moment](demo))
        code = demo.interrupted(number)
        out, err = demo.process.communicate()

        assert demo.left() == []
        assert (code, out, err) == (128 + number, "", "interrupted; all is cleaned up\n")


def test_the_speed_is_throttled_and_an_impatient_ctrl_c_cleans_up_too(empty: Path) -> None:
    with Demo(empty, "--speed", "600", "--quiet") as demo:
        demo.plays(1)
        began, first = time.perf_counter(), demo.bars()
        demo.plays(first + 20)
        took = time.perf_counter() - began
        code = demo.interrupted(signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT, pause=0.2)
        out, err = demo.process.communicate()

        assert took > 1.8, "600 seconds of market a second are ten bars of a minute"
        assert demo.left() == []
        assert (code, out, err) == (130, "", "")


# --- watched


def watched(folder: Path, *words: str) -> Demo:
    return Demo(folder, "--tui", "--speed", "600", *words, on_terminal=True, TERM="xterm-256color")


def test_who_quits_the_dashboard_ends_the_demo_and_reads_how_far_it_came(empty: Path) -> None:
    with watched(empty) as demo:
        demo.draws(ENTERS)
        demo.draws("market_data")
        demo.plays()
        os.write(demo.terminal, b"q")
        drawn = demo.drawn()

        assert demo.left() == []
        assert demo.process.returncode == 0, drawn
        assert re.search(r"^cycles +\d+\s*$", drawn.partition(LEAVES)[2], re.MULTILINE)
        assert "books" not in drawn.partition(LEAVES)[2], "they are only compared when the house has come to rest"


def test_a_signal_ends_the_dashboard_too(empty: Path) -> None:
    with watched(empty) as demo:
        demo.draws(ENTERS)
        demo.draws("portfolio")
        demo.process.send_signal(signal.SIGTERM)
        drawn = demo.drawn()

        assert demo.left() == []
        assert demo.process.returncode == 143
        assert "interrupted; all is cleaned up" in drawn.partition(LEAVES)[2]


def test_without_a_terminal_there_is_nothing_to_watch(lct: Any, home: Path) -> None:
    result = lct("demo", "--tui")

    assert result.exit_code == 2
    assert "--tui draws on a terminal" in result.stderr
    assert not home.exists()


def test_a_demo_that_is_killed_leaves_no_process(empty: Path) -> None:
    with Demo(empty, "--speed", "600") as demo:
        demo.plays(1)
        demo.process.kill()
        demo.process.wait()

        soon(lambda: not [line for line in demo.left() if line.startswith("process")], 30)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_signal_at_random_moments_cleans_up(tmp_path: Path) -> None:
    chance = random.Random(5)
    for n in range(24):
        number = chance.choice((signal.SIGINT, signal.SIGTERM))
        with tempfile.TemporaryDirectory(prefix="lct") as folder, Demo(Path(folder), "--days", "1") as demo:
            soon(lambda demo=demo: demo.home)
            code = demo.interrupted(number, pause=chance.uniform(0.0, 20.0))
            demo.process.communicate()

            assert demo.left() == [], n
            # a shell says 128 + number too of a process that ended by the signal itself, as one does whose work is over
            assert code in {128 + number, -number, 0}, n
