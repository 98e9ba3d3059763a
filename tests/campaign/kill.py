"""Kills of execution, at every named point of an order's life and of recovery, by a real `kill -9` each.

One life after another is armed to die at a point; meanwhile somebody goes in and out of symbols, and asks again until
there is an answer. A life that does not come to its point is ended at any moment. Then the house comes to rest, and the
venue's ledger and the journal are compared, by the rig and by the independent checker.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lct.bus.points import VARIABLE
from lct.client import Client
from lct.errors import LctError
from tests.campaign.forked import Forked
from tests.campaign.rig import LIMIT_UNKNOWN, Rig, round_trip

COINS = ("ADA", "ATOM", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LINK", "LTC", "SOL", "XRP")
SYMBOLS = tuple(f"{coin}/USDT" for coin in COINS)
ANY_MOMENT = "any moment"
POINTS = (
    "heard.order_intended",
    "committed.order_intended",
    "carried_out.order_intended",
    "told",
    "sending",
    "half_sent",
    "sent",
    "replied",
    "heard.order_moved",
    "committed.order_moved",
    "carried_out.order_moved",
    "traded",
    "heard.filled",
    "committed.filled",
    "carried_out.filled",
    "cancelling",
    "cancel_replied",
    "sought",
    "looked",
    "folded",
    "recovered",
    ANY_MOMENT,
)
ONCE = ("looked", "folded", "recovered")
"""Points that a life may pass a single time."""
LIES: dict[str, dict[str, Any]] = {
    "no reply to an order that was taken": {"hang": 4},
    "a line cut after an order was taken": {"cut": True},
    "an error for an order that was taken": {"status": 503, "body": "<html>"},
    "nonsense for an order that was taken": {"status": 200, "body": '{"orderId": 1}'},
    "an error for an order that was not taken": {"when": "before", "status": 503},
    "a line cut before an order was taken": {"when": "before", "cut": True},
}
LIES_SHARE = 0.1
UNKNOWN_MAX = 8
"""With more orders of unknown fate than this nobody is killed until they are known: their symbols wait for it."""
LIFE_SECONDS = 2.5
ASKS_MS = 100
KILLS_A_RIG = 50
REST_SECONDS = 60.0
LOOK_SECONDS = 0.5
WRONG = ("lost", "duplicated", "orphaned", "drift")
ZEROS = (*WRONG, "violations")


@dataclass
class Tally:
    """What a campaign did and found."""

    kills: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    fills: int = 0
    found: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    ready_seconds: list[float] = field(default_factory=list)

    def compare(self, rig: Rig) -> None:
        """Compare a rig at rest, and note what is wrong and stays so.

        A stop may just be on its way, and who follows execution needs a moment for the last facts.
        """
        until = time.perf_counter() + REST_SECONDS
        while True:
            rig.rest()
            found, violations = rig.compare(), checked(rig)
            if time.perf_counter() > until or not (violations or any(found[name] for name in WRONG)):
                break
            time.sleep(LOOK_SECONDS)
        self.orders += found["orders"]
        self.fills += found["fills"]
        for name in WRONG:
            self.found[name] += len(found[name])
            self.details += [f"{name}: {one}" for one in found[name]]
        self.found["violations"] += len(violations)
        self.details += [json.dumps(one) for one in violations]

    def add(self, other: "Tally") -> None:
        """Add what another rig did."""
        self.kills += other.kills
        self.orders += other.orders
        self.fills += other.fills
        self.found += other.found
        self.details += other.details
        self.ready_seconds += other.ready_seconds

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.found[name] for name in ZEROS)


def checked(rig: Rig) -> list[dict[str, Any]]:
    """Have the independent checker, in a process of its own, compare the journals with the venue's ledger."""
    witness = rig.ledger.with_suffix(".json")
    witness.write_text(json.dumps(rig.witness()), encoding="utf-8")
    (folder,) = (rig.home / "journal").iterdir()
    words = [sys.executable, "-m", "lct.audit", str(folder), "--json", "--witness", str(witness)]
    words += ["--max-unknown", str(LIMIT_UNKNOWN)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    found: list[dict[str, Any]] = document["violations"]
    return found


class Killing:
    """Kills one execution again and again, beside one venue."""

    def __init__(self, rig: Rig, chance: random.Random, tally: Tally) -> None:
        """Take a rig at rest."""
        self.rig = rig
        self.chance = chance
        self.tally = tally
        self._steps = dict.fromkeys(rig.symbols, 0)
        self._attempt = self._turn = 0

    def kill(self, point: str) -> None:
        """Let one life die at a point, or at any moment where it does not come to it in time."""
        rig, chance = self.rig, self.chance
        if len(rig.unsettled()) > UNKNOWN_MAX:
            self._start("")
            rig.rest()
        if point == "sought" or chance.random() < LIES_SHARE:
            rig.fault(place=[chance.choice(list(LIES.values()))])
        began = time.perf_counter()
        self._start("" if point == ANY_MOMENT else f"execution/{point}:{1 if point in ONCE else chance.randint(1, 2)}")
        until = began + (chance.uniform(0.02, LIFE_SECONDS) if point == ANY_MOMENT else LIFE_SECONDS)
        with Client(rig.home, patience_ms=ASKS_MS) as client:
            is_ready = False
            while self._lives() and time.perf_counter() < until:
                if self._ask(client) and not is_ready:
                    is_ready = True
                    self.tally.ready_seconds.append(time.perf_counter() - began)
        at = point if not self._lives() else ANY_MOMENT
        rig.house.kill("execution")
        self.tally.kills[at] += 1

    def _lives(self) -> bool:
        return self.rig.house.running["execution"].poll() is None

    def _start(self, plan: str) -> None:
        """Begin a life, ending the one that there is."""
        if self._lives():
            self.rig.house.kill("execution")
        self.rig.house.environment[VARIABLE] = plan
        self.rig.house.keep_up()

    def _ask(self, client: Client) -> bool:
        """Propose the next step of the next symbol, or the same intent again where no answer came."""
        symbol = self.rig.symbols[self._turn % len(self.rig.symbols)]
        try:
            verdict = client.ask(round_trip(self._steps[symbol], self._attempt, symbol))
        except LctError:
            return False
        self._turn += 1
        self._attempt += 1  # an intent is judged once, a stale one too
        self._steps[symbol] += not verdict.stale
        return not verdict.stale


def rig_of_kills(points: list[str], seed: str, tell: Callable[[], None] = lambda: None, lag_ms: int = 0) -> Tally:
    """Kill execution once at each of some points, in a house made for it, and compare its books.

    What the venue is asked shows `lag_ms` late.
    """
    chance, tally = random.Random(seed), Tally()
    with TemporaryDirectory(prefix="lct-kill-") as folder, Rig(Path(folder), SYMBOLS, Forked(), lag_ms=lag_ms) as rig:
        one = Killing(rig, chance, tally)
        for point in points:
            one.kill(point)
            tell()
        rig.house.environment[VARIABLE] = ""
        tally.compare(rig)
    tally.details = [f"rig {seed}: {text}" for text in tally.details]
    return tally


def plan(ways: tuple[str, ...], kills: int, seed: str, kills_a_rig: int = KILLS_A_RIG) -> list[tuple[list[str], str]]:
    """Return what each rig does, and its seed: every way as often as the others, up to one."""
    every = list(islice(cycle(ways), kills))
    return [
        (every[at : at + kills_a_rig], f"{seed}.{number}") for number, at in enumerate(range(0, kills, kills_a_rig))
    ]
