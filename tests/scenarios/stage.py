"""A stage: the daemons of a house in rooms of their own and a conductor, in one process, to be killed one at a time."""

import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lct.bus import room as room_module
from lct.bus import turns as turns_module
from lct.bus.conductor import Conductor, Sending
from lct.bus.room import Room
from lct.bus.rounds import FromDaemon, Hello, Here, Reply, encode, from_conductor, from_daemon
from lct.bus.seat import NEVER_NS
from lct.bus.turns import ConductorLost, Turns
from lct.daemon import Daemon
from lct.run.members import TRADING, Site, build
from lct.store.journal import MemoryJournal
from lct.store.rounds import RoundLog

POINTS = ("heard", "committed", "carried_out", "before_reply")
RECOVERY = ("folded", "recovered")
"""Points of a life that has not begun to play; tests/campaign kills there."""


class Died(BaseException):
    """One process of the house ends here."""


@dataclass
class Fate:
    """Kills whoever passes the chosen point for the n-th time, then chooses anew."""

    chance: random.Random
    left: int
    every: int
    count: int = 0
    kills: list[str] = field(default_factory=list)
    who: str = ""

    def pass_by(self, point: str, _facts: object = ()) -> None:
        if not self.left or point in RECOVERY:
            return
        self.count -= 1
        if self.count <= 0:
            self.count = self.chance.randint(1, self.every)
            self.left -= 1
            self.kills.append(f"{self.who} {point}")
            raise Died(self.who)


class Stage:
    """Carries frames between conductor and daemons, in an order that a seed chooses, and lets them die and come back.

    A dead process loses its memory and what was on the way to it; its journal stays. What it sent may arrive late.
    """

    def __init__(self, site: Any, tmp: Path, seed: int = 0, kills: int = 0, every: int = 40) -> None:
        self.site = site
        self.tmp = tmp
        self.chance = random.Random(seed)
        self.fate = Fate(self.chance, kills, every, self.chance.randint(1, every))
        self.journals = {name: MemoryJournal() for name in TRADING}
        self.players: dict[str, Turns] = {}
        self.ports: dict[str, list[Any]] = {}
        self.to_conductor: deque[bytes] = deque()
        self.to_daemons: deque[tuple[str, int, bytes]] = deque()
        self.conductor: Conductor | None = None
        self.late = 0

    def run(self, steps: int = 10_000_000) -> None:
        """Play until nothing is due any more."""
        for _ in range(steps):
            if self._is_over():
                return
            self._step()
        raise AssertionError("the play does not end")

    def _is_over(self) -> bool:
        conductor = self.conductor
        if conductor is None or self.to_conductor or self.to_daemons or len(self.players) < len(TRADING):
            return False
        return conductor.is_quiet and len(conductor.members) == len(TRADING) and conductor.next_ns == NEVER_NS

    def _step(self) -> None:
        choice = self.chance.random()
        if self.conductor is None:
            log = RoundLog(self.tmp / "rounds.db", ("market_data.bars_closed", "strategy_engine.scored"))
            self.conductor = Conductor(TRADING, log)
        elif missing := sorted(set(TRADING) - set(self.players)):
            self._born(self.chance.choice(missing))
        elif self.to_conductor and (choice < 0.5 or not self.to_daemons):
            self._conduct(from_daemon.decode(self.to_conductor.popleft()))
        elif self.to_daemons:
            self._play(*self.to_daemons.popleft())
        else:
            self._quiet()
        if self.players and self.fate.left and self.chance.random() < 1 / (4 * self.fate.every):
            self._lose(self.chance.choice(sorted(self.players)))

    def _lose(self, name: str) -> None:
        """End a daemon between two frames, as when what it sent is still on its way."""
        self.fate.left -= 1
        self.fate.kills.append(f"{name} between")
        del self.players[name]
        self._close(name)

    def _born(self, name: str) -> None:
        self.fate.who = name
        self.journals[name] = self.journals[name].crash()
        try:
            daemon, ports = self._member(name)
            room = Room(daemon, ports, self.journals[name])
            room.recover()
            player = Turns(room)
        except Died:
            self._close(name)
            return
        self.players[name] = player
        self.to_conductor.append(encode(player.hello()))

    def _member(self, name: str) -> tuple[Daemon, list[Any]]:
        daemon, ports = build(name, self.site)
        self.ports[name] = ports
        return daemon, ports

    def _close(self, name: str) -> None:
        for port in self.ports.pop(name, []):
            if hasattr(port, "close"):
                port.close()

    def _play(self, name: str, epoch: int, frame: bytes) -> None:
        player = self.players[name]
        if player.room.epoch != epoch:
            return  # ROUTER knows each life by another name
        self.fate.who = name
        try:
            told = player.hear(from_conductor.decode(frame))
        except (Died, ConductorLost):
            del self.players[name]
            self._close(name)
            return
        if told is not None:
            self.to_conductor.append(encode(told))

    def _conduct(self, frame: FromDaemon) -> None:
        assert self.conductor is not None
        self.fate.who = "conductor"
        try:
            if isinstance(frame, Hello):
                self._send(self.conductor.hello(frame))
            elif isinstance(frame, Reply):
                self._send(self.conductor.reply(frame))
            else:
                self._send(self.conductor.here(frame))
            self.fate.pass_by("conducted")
        except Died:
            self._conductor_dies()

    def _quiet(self) -> None:
        """Nothing is on its way: daemons say that they live, and the time moves."""
        assert self.conductor is not None
        self.fate.who = "conductor"
        try:
            self._send(self.conductor.go_on(NEVER_NS))
            self.fate.pass_by("moved the time")
        except Died:
            self._conductor_dies()
        if not self.to_daemons:
            for player in self.players.values():
                self.to_conductor.append(encode(player.here()))

    def _conductor_dies(self) -> None:
        assert self.conductor is not None
        self.late += self.conductor.counts["late replies dropped"]
        self.conductor.log.close()
        self.conductor = None
        if self.chance.random() < 0.5:
            self.to_conductor.clear()  # what was in its sockets; else the daemons still hold it

    def _send(self, frames: list[Sending]) -> None:
        self.to_daemons += [(sending.daemon, sending.epoch, encode(sending.frame)) for sending in frames]

    def close(self) -> None:
        for name in list(self.ports):
            self._close(name)
        if self.conductor is not None:
            self.conductor.log.close()


def arm(monkeypatch: Any, fate: Fate) -> None:
    """Let every named point be a place to die."""
    monkeypatch.setattr(room_module, "reached", fate.pass_by)
    monkeypatch.setattr(turns_module, "reached", fate.pass_by)


def site_of(parts: Any) -> Site:
    """The same parts that a house in one process is put together from."""
    return Site(
        parts.settings.house,
        lambda: parts.feed,
        parts.folder,
        parts.install_id,
        config=lambda name, _kind: getattr(parts.settings, name),
        strategies=lambda _config: parts.strategies,
    )


__all__ = ["POINTS", "Died", "Fate", "Here", "Stage", "arm", "site_of"]
