"""Asking: questions to the house from threads, so that a daemon that keeps silent holds up nobody else."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from lct.client import Client
from lct.errors import NoAnswer
from lct.messages.base import Event, Request

THREADS = 4
WAITING_MAX = 32
"""Requests that wait for a thread or a reply; one more is told that the gateway is busy."""

ReplyT = TypeVar("ReplyT", bound=Event)


class Ask(Protocol):
    """Asks the owner of a request and returns its reply; LctError where there is none."""

    def __call__(self, request: Request[ReplyT], /) -> ReplyT:
        """Ask, and wait."""
        ...


class ClientPerThread:
    """An Ask that gives each thread a client of its own: a socket belongs to one thread."""

    def __init__(self, open_client: Callable[[], Client]) -> None:
        """`open_client` makes a client; none is made yet."""
        self._open_client = open_client
        self._own = threading.local()

    def __call__(self, request: Request[ReplyT], /) -> ReplyT:
        """Ask with the client of this thread."""
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self._open_client()
        return client.ask(request)


class Desk:
    """Carries questions to the house, a few at a time."""

    def __init__(self, ask: Ask) -> None:
        """Take what asks; it is called in threads."""
        self._ask = ask
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self._waiting = 0

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask the house; raises what the asking raises, and NoAnswer where too many wait already."""
        if self._waiting >= WAITING_MAX:
            raise NoAnswer(f"the gateway is busy: {self._waiting} requests wait for the house. Try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._ask, request))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ask nothing any more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
