"""The post over real sockets: requests, events, who is let in, and what is refused."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from lct.bus import sockets
from lct.bus.porter import EXPIRY_NS_MAX
from lct.bus.wire import COMMAND_BYTES_MAX, DATA_BYTES_MAX, HISTORY_BYTES_MAX, announce, pack, unpack
from lct.bus.zeromq import IN_FLIGHT_MAX, Post
from lct.clock import monotonic_ns
from lct.errors import Refused
from lct.messages.base import RequestRefused
from tests.wire.postbox import (
    SAID,
    Answer,
    Question,
    Said,
    SaidMore,
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

# --- requests


@on_a_loop
async def test_a_reply_comes_to_who_asked_and_to_nobody_else(folder):
    with boxes(folder, "oracle", "alice", "bob") as (oracle, alice, bob):
        oracle.answers()

        answers = [await asker.asks("oracle", Question(n)) for n, asker in enumerate((alice, bob, alice))]

        assert answers == [Answer(0), Answer(1), Answer(2)]
        assert alice.replies.empty()
        assert bob.replies.empty()


@on_a_loop
async def test_a_reply_may_come_later_and_in_another_order(folder):
    with boxes(folder, "oracle", "alice") as (oracle, alice):
        await alice.reaches("oracle")
        asked = [request("alice", "oracle", Question(n)) for n in (1, 2)]
        for question in asked:
            assert alice.post.ask("oracle", question)
        routes = [await oracle.requests.get() for _ in asked]

        for route, question in reversed(routes):
            oracle.post.answer(route, reply("oracle", Answer(read(question).n), question))

        assert [(await alice.replies.get()).causation for _ in asked] == [asked[1].id, asked[0].id]


@on_a_loop
async def test_a_request_to_nobody_does_not_leave_and_never_arrives_later(folder):
    with boxes(folder, "alice") as (alice,):
        assert not alice.post.ask("oracle", request("alice", "oracle", Question(1)))
        with boxes(folder, "oracle") as (oracle,):
            oracle.answers()

            assert await alice.asks("oracle", Question(2)) == Answer(2)

            assert alice.post.counts == {"unsent": 1}
            assert alice.replies.empty()


@on_a_loop
async def test_who_went_away_cannot_be_reached_until_it_is_back(folder):
    with boxes(folder, "alice") as (alice,):
        with boxes(folder, "oracle"):
            await alice.reaches("oracle")
        await until(lambda: not alice.post.reach("oracle"))
        assert not alice.post.ask("oracle", request("alice", "oracle", Question(1)))

        with boxes(folder, "oracle") as (oracle,):
            oracle.answers()
            started = monotonic_ns()

            assert await alice.asks("oracle", Question(2)) == Answer(2)
            assert monotonic_ns() - started < 1_000_000_000


@on_a_loop
async def test_an_expired_request_is_refused(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as stranger:
        late = request("alice", "oracle", Question(1), lives_ns=-5_000_000)
        stranger.send(pack(late))

        (frame,) = await heard_by(stranger)

        refusal = unpack(frame)
        assert refusal.causation == late.id
        assert read(refusal).reason.startswith("expired ")
        assert oracle.requests.empty()
        assert oracle.post.counts == {"expired": 1}


@on_a_loop
async def test_a_request_must_expire_within_the_limit(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as stranger:
        stranger.send(pack(envelope("alice", Question(1), destination="oracle")))
        stranger.send(pack(request("alice", "oracle", Question(2), lives_ns=EXPIRY_NS_MAX + 10**9)))

        (frame,) = await heard_by(stranger)

        assert "expires in more than 600 s" in read(unpack(frame)).reason
        assert oracle.requests.empty()
        assert oracle.post.counts == {"malformed": 2}
        with pytest.raises(AssertionError, match="when it expires"):
            oracle.post.ask("alice", envelope("oracle", Question(1), destination="alice"))


@on_a_loop
async def test_a_recorded_frame_is_not_carried_out_twice(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as alice, knocking(folder, "oracle") as thief:
        frame = pack(request("alice", "oracle", Question(1)))
        alice.send(frame)
        route, asked = await oracle.requests.get()
        for stranger in (thief, thief, alice):
            stranger.send(frame)
        await oracle.counted("repeated", 3)

        oracle.post.answer(route, reply("oracle", Answer(1), asked))

        assert read(unpack((await heard_by(alice))[0])) == Answer(1)
        assert oracle.requests.empty()
        assert not thief.poll(0)


@on_a_loop
async def test_a_request_for_another_is_refused_except_by_a_hub(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as stranger:
        for to in ("ledger", None):
            stranger.send(pack(request("alice", to, Question(1))))
            assert read(unpack((await heard_by(stranger))[0])) == RequestRefused(f"this is oracle, not {to}")
        assert oracle.post.counts == {"misdirected": 2}
    with boxes(folder, "hub", is_hub=True) as (hub,), knocking(folder, "hub") as stranger:
        stranger.send(pack(request("alice", "ledger", Question(2))))

        assert (await hub.requests.get())[1].destination == "ledger"


@on_a_loop
async def test_an_asker_that_vanished_is_counted(folder):
    with boxes(folder, "oracle") as (oracle,):
        with knocking(folder, "oracle") as stranger:
            stranger.send(pack(request("alice", "oracle", Question(1))))
            route, asked = await oracle.requests.get()

        await until(lambda: not oracle.post.answer(route, reply("oracle", Answer(1), asked)))

        assert oracle.post.counts == {"dropped_replies": 1}


@on_a_loop
async def test_a_reply_to_what_was_never_asked_is_dropped(folder):
    with boxes(folder, "alice") as (alice,), bare(zmq.ROUTER) as liar:
        liar.bind(f"ipc://{folder}/oracle.ask")
        await alice.reaches("oracle")
        asked = request("alice", "oracle", Question(1))
        assert alice.post.ask("oracle", asked)
        route, _ = await heard_by(liar)

        for said in (
            envelope("oracle", Answer(7)),
            envelope("oracle", Answer(8), causation="alice:1:0"),
            reply("oracle", Answer(1), asked),
            reply("oracle", Answer(9), asked),
        ):
            liar.send_multipart([route, pack(said)])
        await alice.counted("unasked_replies", 3)

        assert read(await alice.replies.get()) == Answer(1)
        assert alice.replies.empty()


@on_a_loop
async def test_requests_in_flight_are_limited(folder):
    with boxes(folder, "oracle", "alice") as (oracle, alice):
        await alice.reaches("oracle")
        sent = 0
        while sent < IN_FLIGHT_MAX:
            assert alice.post.ask("oracle", request("alice", "oracle", Question(sent)))
            sent += 1
            if sent % 256 == 0:  # not to meet the limit of the socket first
                await until(lambda: oracle.requests.qsize() >= sent)  # noqa: B023

        assert not alice.post.ask("oracle", request("alice", "oracle", Question(sent)))

        assert alice.post.counts == {"too_many_asked": 1}
        route, asked = oracle.requests.get_nowait()
        oracle.post.answer(route, reply("oracle", Answer(0), asked))
        await alice.replies.get()
        assert alice.post.ask("oracle", request("alice", "oracle", Question(sent)))


@on_a_loop
async def test_what_is_too_large_is_not_sent_and_the_asker_learns_it(folder):
    with boxes(folder, "oracle", "alice") as (oracle, alice):
        await alice.reaches("oracle")
        assert not alice.post.ask("oracle", request("alice", "oracle", Question(1, "x" * COMMAND_BYTES_MAX)))
        assert not alice.tells(Said(1, "x" * DATA_BYTES_MAX))
        assert alice.post.counts == {"oversized": 2}
        asked = request("alice", "oracle", Question(2))
        assert alice.post.ask("oracle", asked)
        route, _ = await oracle.requests.get()

        assert not oracle.post.answer(route, reply("oracle", Said(1, "x" * HISTORY_BYTES_MAX), asked))

        refusal = await alice.replies.get()
        assert refusal.causation == asked.id
        assert "too many" in read(refusal).reason


@on_a_loop
async def test_a_reply_may_hold_much_history(folder):
    with boxes(folder, "oracle", "alice") as (oracle, alice):
        await alice.reaches("oracle")
        asked = request("alice", "oracle", Question(1))
        alice.post.ask("oracle", asked)
        route, _ = await oracle.requests.get()

        assert oracle.post.answer(route, reply("oracle", Said(1, "x" * (HISTORY_BYTES_MAX - 1_000)), asked))

        assert (await alice.replies.get()).causation == asked.id


@on_a_loop
async def test_a_line_that_libzmq_gave_up_is_made_anew(folder):
    with boxes(folder, "alice") as (alice,), bare(zmq.ROUTER) as liar:
        liar.bind(f"ipc://{folder}/oracle.ask")
        for n in range(2):
            await alice.reaches("oracle")
            asked = request("alice", "oracle", Question(n))
            assert alice.post.ask("oracle", asked)
            route, _ = await heard_by(liar)
            if n == 0:  # libzmq ends the connection at this, and for good
                liar.send_multipart([route, bytes(HISTORY_BYTES_MAX + 1)])
                await alice.counted("given_up")
        liar.send_multipart([route, pack(reply("oracle", Answer(1), asked))])

        assert read(await alice.replies.get()) == Answer(1)


# --- the loop


@on_a_loop
async def test_a_busy_socket_does_not_starve_the_others(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as flood, bare(zmq.XPUB) as crier:
        order: list[str] = []
        oracle.post.on_request = lambda route, asked: order.append(asked.source)
        oracle.post.on_event = lambda speaker, said: order.append(speaker)
        crier.bind(f"ipc://{folder}/crier.tell")
        oracle.post.hear("crier", [SAID])
        await heard_by(crier)

        for n in range(1_000):
            flood.send(pack(request("flood", "oracle", Question(n))))
        time.sleep(0.05)  # noqa: ASYNC251 - the loop stands still until all of it waits
        crier.send(announce(SAID, envelope("crier", Said(1))))
        time.sleep(0.05)  # noqa: ASYNC251
        await until(lambda: len(order) == 1_001)

        assert order.index("crier") < 500, "all of the flood came first"


@on_a_loop
async def test_a_send_that_uses_up_the_signal_of_a_message_does_not_lose_it(folder):
    """The loop stands still in between, so that libzmq learns of what came from nobody but the send."""
    with boxes(folder, "oracle") as (oracle,), bare(zmq.ROUTER) as teacher, bare(zmq.SUB) as pupil:
        teacher.bind(f"ipc://{folder}/teacher.ask")
        await oracle.reaches("teacher")
        asked = request("oracle", "teacher", Question(1))
        oracle.post.ask("teacher", asked)
        route, _ = teacher.recv_multipart()
        teacher.send_multipart([route, pack(reply("teacher", Answer(1), asked))])
        time.sleep(0.05)  # noqa: ASYNC251
        oracle.post.ask("teacher", request("oracle", "teacher", Question(2)))
        assert read(await oracle.replies.get()) == Answer(1)

        with knocking(folder, "oracle") as stranger:
            stranger.send(pack(request("alice", "oracle", Question(1))))
            route, first = await oracle.requests.get()
            stranger.send(pack(request("alice", "oracle", Question(2))))
            time.sleep(0.05)  # noqa: ASYNC251
            oracle.post.answer(route, reply("oracle", Answer(1), first))
            assert read((await oracle.requests.get())[1]) == Question(2)

        pupil.connect(f"ipc://{folder}/oracle.tell")
        pupil.subscribe(SAID.encode() + b" ")
        time.sleep(0.05)  # noqa: ASYNC251
        oracle.tells(Said(1))
        oracle.tells(SaidMore(2))
        assert await oracle.subscriptions.get() == SAID


@on_a_loop
async def test_a_failing_callback_is_heard_of_and_loses_no_other_message(folder):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, complaint: complaints.append(complaint["exception"]))
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as stranger:
        seen = []

        def fail_once(route, asked):
            seen.append(read(asked).n)
            if len(seen) == 1:
                raise RuntimeError("the first")

        oracle.post.on_request = fail_once
        for n in range(5):
            stranger.send(pack(request("alice", "oracle", Question(n))))

        await until(lambda: len(seen) == 5)

        assert seen == [0, 1, 2, 3, 4]
        assert [str(complaint) for complaint in complaints] == ["the first"]


@on_a_loop
async def test_a_callback_may_close_the_post(folder):
    with boxes(folder, "oracle") as (oracle,), knocking(folder, "oracle") as stranger:
        closed = asyncio.Event()
        oracle.post.on_request = lambda route, asked: (oracle.post.close(), closed.set())
        for n in range(3):
            stranger.send(pack(request("alice", "oracle", Question(n))))

        await closed.wait()


# --- the place

HOLD = """
import asyncio, sys
from pathlib import Path
from lct.bus.zeromq import Post

async def hold():
    post = Post("oracle", Path(sys.argv[1]))
    post.bind()
    print("bound", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the place of `oracle`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "bound\n"
    return process


@on_a_loop
async def test_a_place_is_taken_by_one_process_alone_and_free_once_it_is_killed(folder):
    with holder(folder) as process:
        try:
            with pytest.raises(Refused, match=f"oracle runs already, as process {process.pid}"):
                Post("oracle", folder).bind()
        finally:
            process.kill()
            process.wait()

    with boxes(folder, "oracle", "alice") as (oracle, alice):
        oracle.answers()
        assert await alice.asks("oracle", Question(1)) == Answer(1)


@on_a_loop
async def test_a_closed_post_leaves_its_place_and_no_socket(folder):
    with boxes(folder, "oracle") as (oracle,):
        assert {path.name for path in folder.iterdir()} == {"oracle.ask", "oracle.tell", "oracle.lock"}

        oracle.post.close()
        oracle.post.close()

        assert {path.name for path in folder.iterdir()} == {"oracle.lock"}
        with boxes(folder, "oracle"):
            pass


@on_a_loop
async def test_a_folder_that_others_can_reach_is_refused(folder):
    folder.chmod(0o750)

    with pytest.raises(Refused, match="chmod 700"):
        Post("oracle", folder).bind()


@on_a_loop
async def test_a_path_that_is_too_long_for_a_socket_is_refused(folder):
    with pytest.raises(Refused, match="too long a path"):
        Post("o" * 100, folder).bind()


@on_a_loop
async def test_an_old_libzmq_is_refused(folder, monkeypatch):
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 4))

    with pytest.raises(Refused, match=r"too old; 4\.3\.5"):
        Post("oracle", folder)


def test_every_socket_has_its_limits():
    context = sockets.context()
    made = [sockets.answering(context), sockets.telling(context), sockets.asking(context), sockets.hearing(context)]
    try:
        sizes = [socket.get(zmq.MAXMSGSIZE) for socket in made]
        for socket in made:
            assert socket.get(zmq.LINGER) == 0
            assert socket.get(zmq.HANDSHAKE_IVL) == 2_000
            assert 0 < socket.get(zmq.SNDHWM) == socket.get(zmq.RCVHWM)
        for socket in made[2:]:
            assert socket.get(zmq.HEARTBEAT_IVL) == 1_000
            assert socket.get(zmq.HEARTBEAT_TIMEOUT) == socket.get(zmq.HEARTBEAT_TTL) == 3_000
            assert socket.get(zmq.RECONNECT_IVL_MAX) == 100
        assert made[2].get(zmq.IMMEDIATE) == 1
        assert made[0].get(zmq.BACKLOG) == made[1].get(zmq.BACKLOG) == 128
    finally:
        context.destroy(linger=0)

    assert sizes == [65_536, 1_024, 4_194_304, 262_144]
