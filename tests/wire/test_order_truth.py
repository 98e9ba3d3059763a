"""Order truth with real processes: execution is killed, stopped and deceived beside a venue with books of its own.

Each test ends at rest, and compares the venue's ledger with the journal, to the last digit. `python3 dev.py campaign
kill` is the long form.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lct.bus.points import VARIABLE
from lct.client import Client
from lct.errors import LctError
from lct.messages.execution import Filled, OrderIntended, OrderMoved
from tests.campaign.kill import LIES, POINTS, rig_of_kills
from tests.campaign.policies import bots, table
from tests.campaign.rig import SYMBOLS, Rig, entry
from tests.wire.supervised import SUPERVISORD, House

TWO = ("execution", "market_data")
STAMP_SECONDS = 5
"""How old a request may be when the venue takes it (`recvWindow`)."""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as one:
        yield one


def test_orders_go_to_the_venue_and_their_fills_and_stops_are_in_the_journal(rig: Rig) -> None:
    for symbol in SYMBOLS:
        assert rig.propose(symbol).approved

    rig.soon(lambda: rig.compare()["orders"] == 4)  # a stop behind each
    found = rig.assert_true()

    assert (found["orders"], found["fills"]) == (4, 2)


@pytest.mark.timeout(180)
def test_whatever_the_venue_replies_the_truth_is_found(rig: Rig) -> None:
    for fault in LIES.values():
        rig.fault(place=[fault])
        rig.propose(random.Random(3).choice(SYMBOLS))
        rig.rest()

    rig.assert_true()


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_when_execution_is_killed_once_at_every_point() -> None:
    tally = rig_of_kills(list(POINTS), "tests")

    assert tally.is_clean, tally.details
    assert sum(tally.kills[point] > 0 for point in POINTS) > len(POINTS) * 3 // 4, tally.kills


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize(("what", "kills"), [("kill", "1000"), ("house", "70")])
def test_nothing_is_lost_or_doubled_in_a_long_campaign(what: str, kills: str) -> None:
    words = [sys.executable, "-m", "tests.campaign", what, "--points", kills, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    print(done.stdout)  # noqa: T201 - the figures of the campaign
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_campaign_finds_what_is_wrong_with_four_common_policies_and_nothing_with_ours() -> None:
    rows = {(row["policy"], row["lag_ms"]): row for row in table(44, 1)}

    for lag_ms in (0, 20):
        assert rows["row after the reply", lag_ms]["duplicated"]
        assert rows["intent first, resend", lag_ms]["duplicated"]
        assert rows["intent first, mark failed", lag_ms]["orphaned"]
        ours = rows["lct", lag_ms]
        assert ours["orders"] > 40
        assert (ours["duplicated"], ours["orphaned"]) == (0, 0)
    assert bots("ask once, else send", 60, 44, 1)["duplicated"]  # look-ups late by more than a life: each time


@pytest.mark.timeout(120)
def test_an_execution_that_was_stopped_for_longer_than_a_request_lives_goes_on_and_doubles_nothing(rig: Rig) -> None:
    execution = rig.house.running["execution"]
    rig.propose("BTC/USDT")
    os.kill(execution.pid, signal.SIGSTOP)
    try:
        time.sleep(3)
    finally:
        os.kill(execution.pid, signal.SIGCONT)

    verdict = rig.propose("ETH/USDT")
    assert verdict.approved, verdict
    # the first was sent before the stop, or is refused by its stamp after it
    rig.soon(lambda: rig.compare()["fills"] >= 1)
    rig.assert_true()


def state_of(pid: int) -> str:
    """The letter of a process: T where it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["committed.order_intended", "sending"])
def test_an_order_whose_house_stood_still_between_the_journal_and_the_wire_is_refused_by_its_stamp(
    rig: Rig, point: str
) -> None:
    rig.propose("BTC/USDT")  # so that the market is there
    rig.rest()
    rig.house.environment[VARIABLE] = f"execution/{point}:1:STOP"
    rig.house.kill("execution")
    rig.house.keep_up()
    execution = rig.house.running["execution"]
    before = rig.compare()["orders"]
    while state_of(execution.pid) != "T":
        asked(rig, "ETH/USDT")
    (meant,) = [body["order"] for kind, body in rig.journal() if kind == "execution.order_intended"][-1:]

    time.sleep(STAMP_SECONDS + 1)
    rig.house.environment[VARIABLE] = ""
    os.kill(execution.pid, signal.SIGCONT)
    rig.rest()

    moves = [body for kind, body in rig.journal() if kind == "execution.order_moved"]
    (fate,) = [body["state"] for body in moves if body["client_order_id"] == meant["client_order_id"]][-1:]
    assert meant["symbol"] == "ETH/USDT"
    assert fate in ("rejected", "absent")
    assert rig.assert_true()["orders"] == before


def asked(rig: Rig, symbol: str) -> bool:
    """Propose an entry once; whether an answer came."""
    rig.proposed += 1
    try:
        with Client(rig.home, patience_ms=500) as client:
            client.ask(entry(rig.proposed, symbol))
    except LctError:
        return False
    return True


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own, of so many bytes; the test is skipped where none may be mounted."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.timeout(180)
def test_on_a_full_disk_nothing_is_sent_and_with_room_it_goes_on(tmp_path: Path) -> None:
    with disk(tmp_path / "h" / "journal", "700k"), Rig(tmp_path) as rig:
        lives = rig.house.starts["execution"]
        rig.soon(lambda: not asked(rig, "BTC/USDT") and rig.house.starts["execution"] > lives + 1, 60)
        orders = rig.compare()["orders"]
        time.sleep(2)
        meant = {body["order"]["client_order_id"] for kind, body in rig.journal() if kind == "execution.order_intended"}
        sent = {order["client_order_id"] for order in rig.witness()["orders"]}
        told = (rig.home / "log" / "execution.log").read_text()

        subprocess.run(["mount", "-o", "remount,size=64m", tmp_path / "h" / "journal"], check=True)
        rig.rest()
        rig.assert_true()
        verdict = rig.propose("ETH/USDT")

        assert sent <= meant
        assert rig.compare()["orders"] >= orders
        assert "full" in told
        assert verdict.approved, verdict
        rig.assert_true()


@pytest.mark.timeout(180)
def test_nothing_is_lost_or_doubled_when_supervisord_is_killed_among_orders(tmp_path: Path) -> None:
    with (
        Rig(tmp_path, names=()) as rig,
        House(rig.home, replayed=False, only=TWO, LCT_TEST_VENUE=rig.venue.url, LCT_CLOCK="1,0") as house,
    ):
        rig.rest()
        for symbol in SYMBOLS:
            assert rig.propose(symbol).approved
            house.kill(SUPERVISORD)
            house.keep_up()
        rig.rest()

        assert rig.assert_true()["orders"] >= len(SYMBOLS)
        assert house.killed == [SUPERVISORD] * 2
        assert not list((rig.home / "journal").glob("*/HALT"))


@pytest.mark.timeout(120)
def test_a_second_execution_on_the_same_home_does_not_start(rig: Rig) -> None:
    words = [sys.executable, "-m", "lct.run", "execution"]
    second = subprocess.run(words, env=rig.house.environment, capture_output=True, text=True, timeout=60, check=False)

    assert second.returncode != 0
    assert rig.propose("BTC/USDT").approved
    rig.assert_true()


def flipped(path: Path) -> None:
    """Change one digit of the body of a fact, as a disk may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        position, body = db.execute("select position, body from journal where type = 'execution.filled'").fetchone()
        db.execute("update journal set body = ? where position = ?", (body.replace(b"0", b"1", 1), position))


@pytest.mark.timeout(120)
def test_a_journal_that_was_changed_is_refused_and_nothing_is_sent(rig: Rig) -> None:
    rig.propose("BTC/USDT")
    rig.soon(lambda: rig.compare()["fills"] == 1)
    rig.rest()
    before = rig.compare()["orders"]
    rig.house.running["execution"].kill()
    rig.house.running["execution"].wait()
    (path,) = (rig.home / "journal").glob("*/execution.db")
    flipped(path)

    words = [sys.executable, "-m", "lct.run", "execution"]
    result = subprocess.run(words, env=rig.house.environment, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode != 0
    log = (rig.home / "log" / "execution.log").read_text()
    assert "does not match its hash" in log
    with closing(sqlite3.connect(f"file:{rig.ledger}?mode=ro", uri=True)) as db:
        assert db.execute("select count(*) from orders").fetchone()[0] == before


def test_the_journals_names_are_those_of_the_messages() -> None:
    """The comparison reads rows by name, so that no code of the house stands between it and the disk."""
    from lct.messages.base import tag_of

    names = {tag_of(kind) for kind in (OrderIntended, OrderMoved, Filled)}
    assert names == {"execution.order_intended", "execution.order_moved", "execution.filled"}
