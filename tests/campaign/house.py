"""Kills of every daemon of a trading house, one, several and all at once, beside the venue process.

The house lives on the wall clock, 120 times as fast: two minutes' bars a second. Its own strategies trade. When the
kills are over it stops trading, comes to rest, and everyone's books are compared with the venue's ledger.
"""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from lct.bus.points import VARIABLE
from lct.client import Client
from lct.clock import now_ns
from lct.errors import LctError
from lct.messages.trading_engine import StopTrading
from tests.campaign.forked import Forked
from tests.campaign.kill import LIES, SYMBOLS, Tally
from tests.campaign.rig import Rig

DAEMONS = ("execution", "market_data", "portfolio", "strategy_engine", "trading_engine")
RATE = 120
POINTS = ("heard", "committed", "carried_out", "told", "folded", "recovered")
ALONE, SEVERAL, ALL, STOPPED = "one", "several", "all at once", "stopped for a while"
WAYS = (ALONE, ALONE, SEVERAL, ALONE, ALL, ALONE, STOPPED)
KILLS_A_HOUSE = 50
LIES_SHARE = 0.2
PAUSE_SECONDS_MAX = 6.0
STOP_SECONDS_MAX = 2.0


def house_of_kills(ways: list[str], seed: str, tell: Callable[[], None] = lambda: None) -> Tally:
    """Let a house trade while its processes are killed in some ways, one after another, and compare all books."""
    chance, tally = random.Random(seed), Tally()
    clock = f"{RATE},{now_ns()}"
    with (
        TemporaryDirectory(prefix="lct-kill-") as folder,
        Rig(Path(folder), SYMBOLS, Forked(), names=DAEMONS, clock=clock) as rig,
    ):
        for way in ways:
            time.sleep(chance.uniform(0.0, PAUSE_SECONDS_MAX))
            if chance.random() < LIES_SHARE:
                rig.fault(place=[chance.choice(list(LIES.values()))])
            _strike(rig, way, chance)
            tally.kills[way] += 1
            rig.house.keep_up()
            tell()
        rig.house.environment[VARIABLE] = ""
        rig.soon(lambda: _stopped(rig))
        rig.rest()
        tally.compare(rig)
    tally.details = [f"house {seed}: {text}" for text in tally.details]
    return tally


def _strike(rig: Rig, way: str, chance: random.Random) -> None:
    """Kill or stop somebody."""
    count = {SEVERAL: chance.randint(2, len(DAEMONS) - 1), ALL: len(DAEMONS)}.get(way, 1)
    victims = chance.sample(DAEMONS, count)
    # the next life of some dies at a point of its own
    plan = [f"{name}/{chance.choice(POINTS)}:{chance.randint(1, 40)}" for name in victims if chance.random() < 0.5]
    rig.house.environment[VARIABLE] = ",".join(plan)
    if way == STOPPED:
        (name,) = victims
        one = rig.house.running[name]
        if one.poll() is None:
            one.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.0, STOP_SECONDS_MAX))
            one.send_signal(signal.SIGCONT)
        return
    for name in victims:
        rig.house.running[name].kill()
    for name in victims:
        rig.house.running[name].wait()


def _stopped(rig: Rig) -> bool:
    try:
        with Client(rig.home, patience_ms=1_000) as client:
            client.ask(StopTrading())
    except LctError:
        return False
    return True
