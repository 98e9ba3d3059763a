"""The bus between two processes against bare zmq.asyncio, in the same run and interleaved.

    python3 dev.py bench bus
    python3 dev.py bench bus --rounds 5 --requests 3000 --events 200000

Round trip: one request at a time from process to process and back over ipc; lct packs and reads envelopes and keeps
ids and deadlines, bare ROUTER/DEALER carries frames of the same size. Events: one publisher to one handler; lct makes,
packs, carries, decodes and checks each, and sees that none is missing; bare PUB/SUB awaits frames of the same size and
looks into none. In both the publisher is told every so many events that they have arrived, so that nothing is lost.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
import zmq
import zmq.asyncio

from lct.bus.zeromq import Post
from lct.clock import now_ns
from lct.messages.base import Codec, Envelope, Event, Heartbeat, Request, encode, tag_of

AHEAD_MAX = 4_096
ACKNOWLEDGED_EVERY = 512
TOLD_AT_ONCE = 64


class Tick(Event, frozen=True, gc=False, tag="bench.tick"):
    """A quote as market_data tells it."""

    symbol: str
    bid: float
    ask: float
    time_ns: int
    md_seq: int


class GetTick(Request[Tick], frozen=True, tag="bench.get_tick"):
    """What is the price?"""

    symbol: str


def tick(seq: int) -> Envelope:
    body = msgspec.Raw(encode(Tick("BTC/USDT", 64_000.5, 64_001.5, 1_700_000_000_000_000_000 + seq, seq)))
    return Envelope(f"bench:1700000000:{seq}", "there", 1_700_000_000, seq, 1_700_000_000_000_000_000 + seq, body)


def question(seq: int) -> Envelope:
    now = now_ns()
    body = msgspec.Raw(encode(GetTick("BTC/USDT")))
    return Envelope(f"here:1:{seq}", "here", 1, 0, now, body, destination="there", expires_ns=now + 3_000_000_000)


# --- the other process


async def answer_post(folder: Path) -> None:
    post = Post("there", folder)
    post.on_request = lambda route, request: post.answer(route, msgspec.structs.replace(tick(1), causation=request.id))
    post.bind()
    await said_to_end()
    post.close()


async def answer_bare(folder: Path) -> None:
    socket = zmq.asyncio.Context.instance().socket(zmq.ROUTER)
    socket.bind(f"ipc://{folder}/there.ask")
    reply = bytes(len(encode(tick(1))))
    while True:
        route, _frame = await socket.recv_multipart()
        await socket.send_multipart([route, reply])


async def tell_post(folder: Path, events: int) -> None:
    post = Post("there", folder)
    arrived, subscribed = Arrived(), asyncio.Event()
    post.on_subscribe = lambda tag: subscribed.set()
    post.bind()
    await subscribed.wait()
    tag = tag_of(Tick)
    for start in range(0, events, TOLD_AT_ONCE):
        await arrived.room(start)
        for seq in range(start, start + TOLD_AT_ONCE):
            post.tell(tick(seq), tag)
    await said_to_end()
    post.close()


async def tell_bare(folder: Path, events: int) -> None:
    socket = zmq.asyncio.Context.instance().socket(zmq.XPUB)
    socket.set(zmq.SNDHWM, 2 * AHEAD_MAX)
    socket.bind(f"ipc://{folder}/there.tell")
    arrived = Arrived()
    await socket.recv()
    frame = tag_of(Tick).encode() + b" " + bytes(len(encode(tick(1))))
    for start in range(0, events, TOLD_AT_ONCE):
        await arrived.room(start)
        for _ in range(TOLD_AT_ONCE):
            await socket.send(frame)
    await said_to_end()


class Arrived:
    """How many events have arrived there, as the standard input says."""

    def __init__(self) -> None:
        self.count = 0
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, self._read)

    def _read(self) -> None:
        self.count += ACKNOWLEDGED_EVERY * len(os.read(0, 4_096))
        self._more.set()

    async def room(self, told: int) -> None:
        await asyncio.sleep(0)
        while told - self.count > AHEAD_MAX - TOLD_AT_ONCE:
            self._more.clear()
            await self._more.wait()


async def said_to_end() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(0, lambda: os.read(0, 4_096) or ended.set())
    await ended.wait()


# --- this process


class Other:
    """The other process, which ends when its standard input does."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, __file__, "--there", *map(str, words)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.descriptor = self.process.stdin.fileno()

    def end(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


async def ask_post(folder: Path, requests: int) -> list[float]:
    post = Post("here", folder)
    replied, reached = asyncio.Event(), asyncio.Event()
    post.on_reply = lambda reply: replied.set()
    post.on_reach = lambda to: reached.set()
    post.reach("there")
    await reached.wait()
    seconds = []
    for seq in range(requests):
        start = perf_counter()
        assert post.ask("there", question(seq))
        await replied.wait()
        seconds.append(perf_counter() - start)
        replied.clear()
    post.close()
    return seconds


async def ask_bare(folder: Path, requests: int) -> list[float]:
    socket = zmq.asyncio.Context.instance().socket(zmq.DEALER)
    socket.connect(f"ipc://{folder}/there.ask")
    frame = bytes(len(encode(question(1))))
    await socket.send(frame)
    await socket.recv()
    seconds = []
    for _ in range(requests):
        start = perf_counter()
        await socket.send(frame)
        await socket.recv()
        seconds.append(perf_counter() - start)
    socket.close(linger=0)
    return seconds


async def hear_post(folder: Path, events: int, descriptor: int) -> float:
    post = Post("here", folder)
    decode = Codec((Tick, Heartbeat)).decode
    done = asyncio.Event()
    times = []
    heard = 0

    def hear(speaker: str, envelope: Envelope) -> None:
        nonlocal heard
        message = decode(envelope.body)
        assert envelope.seq == heard == message.md_seq, "an event is missing"
        if not heard:
            times.append(perf_counter())
        heard += 1
        if heard % ACKNOWLEDGED_EVERY == 0:
            os.write(descriptor, b"!")
        if heard == events:
            times.append(perf_counter())
            done.set()

    post.on_event = hear
    post.hear("there", (tag_of(Tick),))
    await done.wait()
    post.close()
    return events / (times[1] - times[0])


async def hear_bare(folder: Path, events: int, descriptor: int) -> float:
    socket = zmq.asyncio.Context.instance().socket(zmq.SUB)
    socket.set(zmq.RCVHWM, 2 * AHEAD_MAX)
    socket.subscribe(tag_of(Tick).encode())
    socket.connect(f"ipc://{folder}/there.tell")
    for heard in range(1, events + 1):
        await socket.recv()
        if heard == 1:
            start = perf_counter()
        if heard % ACKNOWLEDGED_EVERY == 0:
            os.write(descriptor, b"!")
    rate = events / (perf_counter() - start)
    socket.close(linger=0)
    return rate


THERE = {"answer_post": answer_post, "answer_bare": answer_bare, "tell_post": tell_post, "tell_bare": tell_bare}


def round_trips(ask, answer: str, requests: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        other = Other(answer, folder)
        try:
            return asyncio.run(ask(Path(folder), requests))
        finally:
            other.end()


def events_per_second(hear, tell: str, events: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        other = Other(tell, folder, events)
        try:
            return asyncio.run(hear(Path(folder), events, other.descriptor))
        finally:
            other.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=102_400, help="a multiple of 512")
    parser.add_argument("--there", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.there:
        part, folder, *numbers = options.there
        asyncio.run(THERE[part](Path(folder), *map(int, numbers)))
        return
    trips: dict[str, list[float]] = {"bare": [], "lct": []}
    rates: dict[str, list[float]] = {"bare": [], "lct": []}
    for _ in range(options.rounds):
        trips["bare"] += round_trips(ask_bare, "answer_bare", options.requests)
        trips["lct"] += round_trips(ask_post, "answer_post", options.requests)
        rates["bare"].append(events_per_second(hear_bare, "tell_bare", options.events // 8 // 512 * 512))
        rates["lct"].append(events_per_second(hear_post, "tell_post", options.events))
    for name, seconds in trips.items():
        ordered = sorted(seconds)
        p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        print(f"{name:5s} round trip  p50 {p50 * 1e6:7.0f} us  p99 {p99 * 1e6:7.0f} us  of {len(ordered):,}")
    print(f"lct / bare = {median(trips['lct']) / median(trips['bare']):.2f}x (goal: at most 1.5)")
    for name, per_second in rates.items():
        print(f"{name:5s} events      median {median(per_second):9,.0f} /s of {len(per_second)}")
    ratio = median(rates["lct"]) / median(rates["bare"])
    print(f"lct / bare = {ratio:.2f}x (goal: at least 2, or 100,000 events/s)")


if __name__ == "__main__":
    main()
