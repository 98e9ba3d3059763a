"""A gateway over a real house in this process, for tests: its keys, and what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from litestar.testing import TestClient

from daemons.api_gateway.http import gateway
from daemons.api_gateway.keys import KeyStore
from daemons.strategy_engine import Config as Opinions
from lct.daemon import answerers
from lct.errors import NotFound, Refused
from lct.messages.base import RequestRefused
from lct.messages.execution import GetOrders
from lct.run.config import HouseConfig
from lct.run.house import Settings, rehearse
from lct.run.members import feed
from tests.daemons.standing_execution import NOW, StandingExecution

RANDOM = Random(7)
URL = "http://127.0.0.1:8000"
SETTINGS = Settings(
    house=HouseConfig(symbols=("BTC/USDT", "ETH/USDT")), strategy_engine=Opinions(strategies=("ema_cross", "trend"))
)


class InProcess:
    """Asks a house in this process as lct.client asks one of processes; its threads take turns.

    What would halt the house for the tests after it goes to an execution that only stands.
    """

    def __init__(self, bars: int) -> None:
        self.house, _ = rehearse(SETTINGS, feed(SETTINGS.house))
        self.house.bus.run(until_md_seq=bars)
        self.asked: list[Any] = []
        self.gate = StandingExecution()
        self._answers = {kind: answer for kind, answer in answerers(self.gate).items() if kind is not GetOrders}
        self._turn = threading.Lock()

    def __call__(self, request: Any, /) -> Any:
        with self._turn:
            self.asked.append(request)
            answer = self._answers.get(type(request))
            reply = self.house.ask(request) if answer is None else answer(request, NOW)
        if isinstance(reply, RequestRefused):
            raise (NotFound if reply.is_missing else Refused)(reply.reason)
        return reply


def key_for(store: KeyStore, *scopes: str) -> str:
    """Make a key and return its text."""
    return store.add(RANDOM.randbytes(32), scopes, 0)[1]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@contextmanager
def opened(ask: Any, store: KeyStore) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a client of a gateway, and what it told of the requests that it served."""
    told: list[Any] = []
    door = gateway(ask, store, told.append)
    try:
        with TestClient(door, base_url=URL, raise_server_exceptions=False) as client:
            yield client, told
    finally:
        door.close()
