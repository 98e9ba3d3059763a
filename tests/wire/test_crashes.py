"""kill -9 of any daemon, of several, of all, and of their supervisor: the house goes on, and its books are sound."""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lct.client import Client
from lct.clock import now_ns, rfc3339
from lct.errors import NoAnswer
from lct.messages.conductor import GetReplay, Replay
from lct.messages.portfolio import GetBalances, GetPositions, GetProfit
from lct.supervisor.processes import runs
from tests.wire.deciding import (
    DECIDE,
    STRATEGIES,
    decided,
    differences,
    expected_of,
    fills,
    held_after,
    journals_of,
    orders,
    venue_account,
)
from tests.wire.processes import configure
from tests.wire.supervised import EIGHT, NINE, SUPERVISORD, House, soon

BARS_A_DAY = 288
CASH = {"USDT": Decimal(10_000)}

pytestmark = pytest.mark.timeout(300)


# --- replayed time: the same decisions as in one process


def disturb(house: House, kills: Sequence[tuple[str, ...]], at: Sequence[int], seconds: float) -> None:
    """Play a replay to its end; each group is killed at once when so many bars have been played."""
    left = list(zip(at, kills, strict=True))
    until = time.perf_counter() + seconds
    found: Replay | None = None
    with Client(house.home, patience_ms=300) as client:
        while time.perf_counter() < until:
            house.keep_up()
            try:
                found = client.ask(GetReplay(), to="conductor")
            except NoAnswer:
                continue
            if left and found.md_seq >= left[0][0]:
                house.kill(*left.pop(0)[1])
            elif found.finished:
                assert not left, "it was over before everybody was killed"
                return
            time.sleep(0.02)
    raise AssertionError(f"it did not end in {seconds} s: {found}, {house.killed}")


def told_by(house: House) -> dict[str, Any]:
    """What a house decided and what it owns; it is stopped, so that it cannot change any more."""
    soon(lambda: house.ready(("portfolio",)))
    with Client(house.home) as client:
        profit, balances = client.ask(GetProfit()), client.ask(GetBalances())
    house.supervisor.stop(20.0)
    folder = journals_of(house.home)
    assert not any(balances.trial.values())
    assert venue_account(folder)[0] == balances.totals
    told = {name: decided(folder / f"{name}.db", name) for name in DECIDE}
    return {**told, "profit": profit, "balances": balances.totals}


def moments(chance: random.Random, count: int, bars: int) -> list[int]:
    return sorted(chance.sample(range(1, bars * 9 // 10), count))


def test_a_replay_decides_the_same_though_everybody_is_killed(home: Path, tmp_path: Path) -> None:
    chance = random.Random(4)
    _, expected = expected_of(tmp_path, seed=4, days=2)
    (tmp_path / "wire").rename(home / "h")
    names = chance.sample(NINE, len(NINE))
    kills = [names[:1], names[1:2], names[2:4], names[4:], (SUPERVISORD,), NINE]
    with House(home / "h", replayed=True) as house:
        disturb(house, [tuple(group) for group in kills], moments(chance, len(kills), 2 * BARS_A_DAY), 200)
        found = told_by(house)

    assert differences(expected, found) == [], house.killed
    assert {*house.killed} == {*NINE, SUPERVISORD}


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_a_replay_decides_the_same_through_a_storm(seed: int, home: Path, tmp_path: Path) -> None:
    """Each of them alone, twice; then several at once; then all, with their supervisor and without."""
    chance = random.Random(seed)
    _, expected = expected_of(tmp_path, seed=seed, days=6)
    (tmp_path / "wire").rename(home / "h")
    kills = [(name,) for name in (*NINE, *NINE, SUPERVISORD, SUPERVISORD)]
    kills += [tuple(chance.sample(NINE, chance.randint(2, 8))) for _ in range(10)]
    kills += [NINE, NINE, (SUPERVISORD, *NINE), (SUPERVISORD, *NINE)]
    chance.shuffle(kills)
    with House(home / "h", replayed=True) as house:
        disturb(house, kills, moments(chance, len(kills), 6 * BARS_A_DAY), 1_500)
        found = told_by(house)

    assert differences(expected, found) == [], house.killed


# --- the wall clock: the same account for everybody, each fill once


def furnish(home: Path) -> None:
    yesterday = rfc3339(now_ns() - 86_400 * 10**9)[:10]
    market = f'symbols = ["BTC/USDT", "DOGE/USDT", "ETH/USDT", "SOL/USDT"]\n[feeds.synthetic]\nstart = {yesterday}\n'
    configure(home, house=f"{market}days = 8\nseed = 9\n", strategy_engine=STRATEGIES)


@pytest.fixture(scope="module")
def living() -> Iterator[House]:
    """A house on a wall clock that runs so fast that a bar of a minute closes every fifth of a second."""
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        home = Path(folder) / "h"
        furnish(home)
        with House(home, replayed=False, LCT_CLOCK=f"300,{now_ns()}") as house:
            soon(house.ready)
            yield house


def account(house: House) -> list[str]:
    """What of the account does not agree at this moment, among venue, journals and daemons."""
    folder = journals_of(house.home)
    with Client(house.home) as client:
        balances, lines = client.ask(GetBalances()), client.ask(GetPositions()).positions
        booked = client.ask(GetProfit()).fills
    own = {name: fills(folder, name) for name in DECIDE}
    held, trades = venue_account(folder)
    sent, intended = orders(folder)
    ids = [(fill["symbol"], fill["trade_id"]) for fill in own["execution"]]
    amounts: dict[str, Decimal] = {}
    for line in lines:
        base = line.symbol.split("/")[0]
        amounts[base] = amounts.get(base, Decimal(0)) + line.amount
    claims = {
        "no fill is booked twice": len(ids) == len({*ids}),
        "no fill is lost between venue and execution": len(ids) == trades,
        "portfolio has the fills of execution": own["portfolio"] == own["execution"],
        "trading_engine has the fills of execution": own["trading_engine"] == own["execution"],
        "portfolio tells its fills": booked == len(ids),
        "what is held follows from the fills": held_after(CASH, own["execution"]) == held,
        "portfolio holds what the venue holds": balances.totals == held,
        "its positions are what it holds": amounts == {asset: n for asset, n in held.items() if asset != "USDT"},
        "the trial balance is zero": not any(balances.trial.values()),
        "the venue has what was sent, and nothing else": sent == intended,
    }
    return [claim for claim, holds in claims.items() if not holds]


def agrees(house: House) -> None:
    """See all agree at one moment: the market goes on, and a fill is on its way now and then."""
    wrong: list[str] = []

    def holds() -> bool:
        wrong[:] = account(house)
        return not wrong

    try:
        soon(holds, 20.0)
    except AssertionError:
        raise AssertionError(wrong) from None


def fills_of(house: House) -> int:
    return len(fills(journals_of(house.home), "execution"))


def test_each_is_killed_in_turn_and_the_others_go_on(living: House) -> None:
    before = living.epochs()
    for name in random.Random(1).sample(EIGHT, len(EIGHT)):
        was = living.kill(name)
        soon(lambda name=name, was=was: living.ready((name,), other_than=was))

    soon(living.ready)
    agrees(living)
    assert living.epochs() == {name: epoch + 1 for name, epoch in before.items()}


def test_all_at_once_are_back_with_every_fill_once(living: House) -> None:
    soon(lambda: fills_of(living) > 5)

    was = living.kill(*EIGHT)

    soon(lambda: living.ready(other_than=was))
    had = fills_of(living)
    soon(lambda: fills_of(living) > had)
    agrees(living)


def test_with_their_supervisor_they_end_and_with_the_next_one_they_go_on(living: House) -> None:
    soon(living.ready)
    pids = living.pids()

    living.kill(SUPERVISORD)
    began = time.perf_counter()
    soon(lambda: not any(runs(pid, name) for name, pid in pids.items()), 10.0)
    took = time.perf_counter() - began
    living.keep_up()

    soon(lambda: living.ready(other_than=pids))
    agrees(living)
    assert took < 3.0, "a second, where the machine has nothing else to do"


def test_a_supervisor_killed_while_all_begin_leaves_nobody_behind(home: Path) -> None:
    furnish(home / "h")
    with House(home / "h", replayed=False) as house:
        pids = soon(lambda: len(house.pids()) == len(EIGHT) + 2 and house.pids())
        house.kill(SUPERVISORD)

        soon(lambda: not any(runs(pid, name) for name, pid in pids.items()), 10.0)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [31, 32])
def test_a_storm_changes_no_account(seed: int, living: House) -> None:
    had, living.killed = fills_of(living), []
    chance = random.Random(seed)
    for n in range(60):
        group = chance.sample(EIGHT, chance.choice((1, 1, 1, 1, 2, 3, 8)))
        living.kill(*group, *([SUPERVISORD] if chance.random() < 0.05 else []))
        time.sleep(chance.uniform(0.0, 4.0))
        living.keep_up()
        if n % 10 == 9:
            soon(living.ready)
            agrees(living)

    assert fills_of(living) > had + 30
    assert {*living.killed} >= {*EIGHT}
