"""Strangers who send rubbish: none of it reaches a callback, and the post still answers afterwards."""

import asyncio
import random

import pytest
import zmq

from lct.bus.sockets import HANDSHAKE_MS
from lct.bus.wire import COMMAND_BYTES_MAX, DATA_BYTES_MAX, FRAMES_MAX, HISTORY_BYTES_MAX, announce, pack
from tests.wire.postbox import (
    SAID,
    Answer,
    Question,
    Said,
    bare,
    boxes,
    envelope,
    heard_by,
    knocking,
    on_a_loop,
    read,
    reply,
    request,
    until,
)

SEEDS = pytest.mark.parametrize("seed", range(3))
FRAMES = 400


def rubbish(chance: random.Random, sound: bytes) -> bytes:
    """Bytes by chance, or a sound frame cut off, or prolonged, or without one byte of its beginning."""
    match chance.randrange(4):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return sound[: chance.randrange(len(sound))]
        case 2:
            return sound + chance.randbytes(chance.randint(1, 50))
        case _:
            at = sound.index(b"\xa2id") + chance.randrange(-1, 4)
            return sound[:at] + sound[at + 1 :]


@SEEDS
@on_a_loop
async def test_rubbish_among_requests_is_counted_and_dropped(folder, seed):
    chance = random.Random(seed)
    with boxes(folder, "oracle", "alice") as (oracle, alice), knocking(folder, "oracle") as stranger:
        oracle.answers()
        for n in range(FRAMES):
            stranger.send(rubbish(chance, pack(request("alice", "oracle", Question(n)))))
        for _ in range(10):
            sound = pack(request("alice", "oracle", Question(1)))
            for count in (2, FRAMES_MAX, 500):  # one more with the address of the sender
                stranger.send_multipart([sound] * count)

        assert await alice.asks("oracle", Question(7)) == Answer(7)
        await until(lambda: sum(oracle.post.counts.values()) >= FRAMES + 30)

        assert oracle.post.counts == {"malformed": FRAMES + 10, "too_many_frames": 20}
        assert not stranger.poll(0)


@SEEDS
@on_a_loop
async def test_rubbish_among_events_is_counted_and_dropped(folder, seed):
    chance = random.Random(seed)
    with boxes(folder, "alice") as (alice,), bare(zmq.XPUB) as liar:
        liar.bind(f"ipc://{folder}/crier.tell")
        alice.post.hear("crier", [SAID, ""])
        await heard_by(liar)
        await heard_by(liar)
        sound = announce(SAID, envelope("crier", Said(1)))
        for _ in range(FRAMES):
            liar.send(rubbish(chance, sound))
        for _ in range(10):
            liar.send_multipart([sound] * 2)
            liar.send_multipart([sound] * 500)

        liar.send(announce(SAID, envelope("crier", Said(7))))

        assert read((await alice.events.get())[1]) == Said(7)
        assert alice.post.counts["too_many_frames"] == 10
        assert alice.post.counts["malformed"] == FRAMES + 10


@SEEDS
@on_a_loop
async def test_rubbish_among_replies_is_counted_and_dropped(folder, seed):
    chance = random.Random(seed)
    with boxes(folder, "alice") as (alice,), bare(zmq.ROUTER) as liar:
        liar.bind(f"ipc://{folder}/oracle.ask")
        await alice.reaches("oracle")
        asked = request("alice", "oracle", Question(1))
        assert alice.post.ask("oracle", asked)
        route, _ = await heard_by(liar)
        sound = pack(reply("oracle", Answer(1), asked))
        for _ in range(FRAMES):
            liar.send_multipart([route, rubbish(chance, sound)])
        liar.send_multipart([route, sound, sound])
        liar.send_multipart([route, *[sound] * 500])

        liar.send_multipart([route, sound])

        assert read(await alice.replies.get()) == Answer(1)
        assert alice.replies.empty()
        assert alice.post.counts == {"malformed": FRAMES + 1, "too_many_frames": 1}


@SEEDS
@on_a_loop
async def test_rubbish_among_subscriptions_is_counted_and_dropped(folder, seed):
    chance = random.Random(seed)
    with boxes(folder, "crier", "alice") as (crier, alice), knocking(folder, "crier", zmq.XSUB) as stranger:
        for _ in range(FRAMES):
            stranger.send(b"\1" + chance.randbytes(chance.randint(1, 900)) + b"\0")
            stranger.send(b"\2" + chance.randbytes(chance.randint(0, 900)))
        stranger.send_multipart([b"\1" + SAID.encode() + b" "] * 3)
        await until(lambda: crier.post.counts["malformed"] >= 2 * FRAMES)
        while not crier.subscriptions.empty():
            assert crier.subscriptions.get_nowait() == SAID  # each frame of a subscription counts as one

        await alice.hears(crier, SAID)
        crier.tells(Said(7))

        assert read((await alice.events.get())[1]) == Said(7)


@on_a_loop
async def test_what_is_too_large_ends_the_connection_and_not_the_post(folder):
    with boxes(folder, "oracle", "crier", "alice") as (oracle, crier, alice):
        oracle.answers()
        await alice.hears(crier, SAID)
        with knocking(folder, "oracle") as stranger, knocking(folder, "crier", zmq.XSUB) as hearer:
            for size in (COMMAND_BYTES_MAX + 1, DATA_BYTES_MAX, HISTORY_BYTES_MAX, 64 * 1024 * 1024):
                stranger.send(bytes(size))
            hearer.send(b"\1" + bytes(20_000))  # of a much longer one the sender itself dies

            assert await alice.asks("oracle", Question(7)) == Answer(7)
            crier.tells(Said(7))
            await alice.events.get()

        assert oracle.post.counts == {}


@on_a_loop
async def test_an_event_that_is_too_large_ends_the_connection_and_the_next_is_heard(folder):
    with boxes(folder, "alice") as (alice,), bare(zmq.XPUB) as liar:
        liar.set(zmq.XPUB_VERBOSE, 1)
        liar.bind(f"ipc://{folder}/crier.tell")
        alice.post.hear("crier", [SAID])
        await heard_by(liar)

        liar.send(SAID.encode() + b" " + bytes(DATA_BYTES_MAX))
        assert await heard_by(liar) == [b"\0" + SAID.encode() + b" "]
        assert await heard_by(liar) == [b"\1" + SAID.encode() + b" "]
        liar.send(announce(SAID, envelope("crier", Said(7))))

        assert read((await alice.events.get())[1]) == Said(7)


@on_a_loop
async def test_a_connection_that_says_nothing_is_ended(folder):
    with boxes(folder, "oracle"):
        reader, writer = await asyncio.open_unix_connection(f"{folder}/oracle.ask")

        async with asyncio.timeout(HANDSHAKE_MS / 1_000 + 1):
            while await reader.read(100):
                pass  # the greeting of libzmq

        writer.close()
