"""The client: asks and listens from outside, waits no longer than it was told, and says what is the matter."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from lct.bus import presence
from lct.bus.presence import Presence
from lct.bus.wire import DATA_BYTES_MAX, pack
from lct.client import Client, reply_kinds
from lct.clock import NS_PER_SECOND, monotonic_ns, now_ns
from lct.errors import LctError, NoAnswer, NotFound, Refused
from lct.messages.base import Event, GetHealth, Health, Heartbeat, Request, RequestRefused, Stop, Stopping
from lct.messages.portfolio import Balances, GetBalances
from tests.wire.postbox import (
    SAID,
    Answer,
    Box,
    Change,
    Question,
    Said,
    SaidMore,
    bare,
    boxes,
    envelope,
    heard_by,
    on_a_loop,
    reply,
)

OWNER = "wire_test"


def at_home(name: str, home: Path, beat_ns: int) -> None:
    """Write that a process is there."""
    presence.write(home / "run", Presence(name, 1, 1, True, beat_ns, beat_ns))


async def asks(home: Path, request: Any, to: str | None = None, patience_ms: int = 2_000) -> Any:
    """Ask from a thread, as the loop is busy with the daemons."""

    def ask() -> Any:
        with Client(home, patience_ms=patience_ms) as client:
            return client.ask(request, to)

    return await asyncio.to_thread(ask)


def replies(box: Box, make: Callable[[Any], Event]) -> None:
    """Answer every request with what is made of it."""

    def answer(route: bytes, asked: Any) -> None:
        box.post.answer(route, reply(box.name, make(asked), asked))

    box.post.on_request = answer


# --- asking


@on_a_loop
async def test_the_owner_of_a_request_is_asked_and_its_reply_is_typed(home, folder):
    with boxes(folder, OWNER) as (owner,):
        owner.answers()

        assert await asks(home, Question(7)) == Answer(7)


@on_a_loop
async def test_one_client_asks_many_times_and_many_daemons(home, folder):
    with boxes(folder, OWNER, "other") as daemons, Client(home) as client:
        for daemon in daemons:
            daemon.answers()

        for n in range(5):
            for to in (None, "other"):
                assert await asyncio.to_thread(client.ask, Question(n), to) == Answer(n)


@on_a_loop
async def test_money_comes_with_all_the_digits_that_a_daemon_gave_it(home, folder):
    with boxes(folder, "portfolio") as (portfolio,):
        balances = Balances(1, {"USDT": Decimal(1) / 3, "BTC": Decimal("1e-40")}, {})
        replies(portfolio, lambda asked: balances)

        assert await asks(home, GetBalances()) == balances


@on_a_loop
async def test_what_any_daemon_answers_is_asked_of_a_named_one(home, folder):
    beat = Heartbeat("alice", 0, 1, 1, True, 1)
    with boxes(folder, "alice") as (alice,):
        replies(alice, lambda asked: Health(beat))

        assert await asks(home, GetHealth(), to="alice") == Health(beat)
        with pytest.raises(AssertionError, match="say of which"):
            Client(home).ask(GetHealth())


def test_nobody_there_is_said_at_once(home):
    began = monotonic_ns()

    with Client(home) as client, pytest.raises(NoAnswer, match=r"wire_test is not running\. lct up"):
        client.ask(Question(1))

    assert monotonic_ns() - began < NS_PER_SECOND
    assert NoAnswer.exit_code == 3


@on_a_loop
async def test_a_daemon_that_was_killed_is_waited_for_and_asked_once_it_is_back(home, folder):
    (folder / f"{OWNER}.ask").touch()
    with pytest.raises(NoAnswer, match="is not there"):
        await asks(home, Question(1), patience_ms=100)

    asked = asyncio.create_task(asks(home, Question(2)))
    await asyncio.sleep(0.1)
    with boxes(folder, OWNER) as (owner,):
        owner.answers()

        assert await asked == Answer(2)


@on_a_loop
async def test_no_reply_is_said_after_the_patience_and_a_late_one_is_not_mistaken(home, folder):
    with boxes(folder, OWNER) as (owner,), Client(home, patience_ms=200) as client:
        began = monotonic_ns()
        with pytest.raises(NoAnswer, match="did not answer within 200 ms"):
            await asyncio.to_thread(client.ask, Question(1))
        assert 200_000_000 <= monotonic_ns() - began < NS_PER_SECOND
        late = await owner.requests.get()
        client.patience_ms = 2_000
        second = asyncio.create_task(asyncio.to_thread(client.ask, Question(2)))
        route, asked = await owner.requests.get()

        owner.post.answer(late[0], reply(OWNER, Answer(1), late[1]))
        owner.post.answer(route, reply(OWNER, Answer(1), late[1]))
        owner.post.answer(route, reply(OWNER, Answer(2), asked))

        assert await second == Answer(2)


@on_a_loop
async def test_a_refusal_is_an_error_with_its_reason(home, folder):
    with boxes(folder, OWNER) as (owner,):
        replies(owner, lambda asked: RequestRefused("the market is closed"))
        with pytest.raises(Refused, match="wire_test refused: the market is closed"):
            await asks(home, Question(1))

        replies(owner, lambda asked: RequestRefused("no symbol X", is_missing=True))
        with pytest.raises(NotFound, match=r"^no symbol X$"):
            await asks(home, Question(1))


@on_a_loop
async def test_a_request_that_was_heard_too_late_has_no_answer_for_asking_again_may_help(home, folder, monkeypatch):
    asked_long_ago = [now_ns(), now_ns() - 5 * NS_PER_SECOND]  # when the client was made, and when it asked
    monkeypatch.setattr("lct.client.now_ns", lambda: asked_long_ago.pop(0) if asked_long_ago else now_ns())
    with boxes(folder, OWNER), pytest.raises(NoAnswer, match="did not answer within 2000 ms: expired 3"):
        await asks(home, Question(1))


@on_a_loop
async def test_a_reply_of_another_type_or_of_none_is_an_error(home, folder):
    with boxes(folder, OWNER) as (owner,):
        replies(owner, lambda asked: Said(1))

        with pytest.raises(LctError, match="cannot read"):
            await asks(home, Question(1))
    with bare(zmq.ROUTER) as liar:
        liar.bind(f"ipc://{folder}/{OWNER}.ask")
        asked = asyncio.create_task(asks(home, Question(1)))
        route, frame = await heard_by(liar)
        question = msgspec.msgpack.decode(frame)
        for rubbish in ([b"\xc1"], [b"", b""], [b"x"] * 9):
            liar.send_multipart([route, *rubbish])
        liar.send_multipart([route, pack(envelope(OWNER, Answer(3), causation=question["id"]))])

        assert await asked == Answer(3)


@on_a_loop
async def test_a_large_reply_is_taken_and_a_large_request_is_not_sent(home, folder):
    with boxes(folder, OWNER) as (owner,):
        replies(owner, lambda asked: RequestRefused("x" * DATA_BYTES_MAX * 2))
        with pytest.raises(Refused, match=r"x{500000}"):
            await asks(home, Question(1))

        with pytest.raises(Refused, match="at most 65536"):
            await asks(home, Question(1, "x" * 65_536))


# --- through the conductor


@on_a_loop
async def test_what_changes_something_goes_through_a_conductor_that_lives(home, folder):
    with boxes(folder, OWNER) as (owner,), boxes(folder, "conductor", is_hub=True) as (conductor,):
        owner.answers()
        replies(owner, lambda asked: Answer(1))
        destinations = []
        replies(conductor, lambda asked: destinations.append(asked.destination) or Answer(2))

        assert await asks(home, Change()) == Answer(1)
        at_home("conductor", home, now_ns())
        assert await asks(home, Change()) == Answer(2)
        assert await asks(home, Question(1)) == Answer(1)
        at_home("conductor", home, now_ns() - 60 * NS_PER_SECOND)
        assert await asks(home, Change()) == Answer(1)

        assert destinations == [OWNER]


@on_a_loop
async def test_what_every_process_answers_by_itself_does_not_go_through_the_conductor(home, folder):
    with boxes(folder, "alice") as (alice,), boxes(folder, "conductor", is_hub=True) as (conductor,):
        at_home("conductor", home, now_ns())
        replies(alice, lambda asked: Stopping())

        assert await asks(home, Stop(), to="alice") == Stopping()
        assert conductor.requests.empty()


# --- listening


async def listens(home: Path, count: int, **what: Any) -> list[Any]:
    """Return what a client hears until so many words were said, from a thread."""

    def listen() -> list[Any]:
        with Client(home) as client:
            heard = client.listen(**what)
            found: list[Any] = []
            while len(found) - found.count(None) < count:
                found.append(next(heard))
            heard.close()
            return found

    return await asyncio.to_thread(listen)


@on_a_loop
async def test_a_listener_hears_the_types_it_named_and_nothing_else(home, folder):
    with boxes(folder, OWNER) as (owner,):
        heard = asyncio.create_task(listens(home, 2, kinds=(Said,), speakers=[OWNER]))
        assert await owner.subscriptions.get() == SAID

        for message in (SaidMore(1), Said(2), Said(3)):
            owner.tells(message)

        assert [(told.source, message) for told, message in await heard] == [(OWNER, Said(2)), (OWNER, Said(3))]


@on_a_loop
async def test_a_tap_hears_everything_as_plain_dicts(home, folder):
    at_home(OWNER, home, now_ns())
    with boxes(folder, OWNER) as (owner,):
        heard = asyncio.create_task(listens(home, 2))
        assert await owner.subscriptions.get() == ""

        owner.tells(SaidMore(1))
        owner.tells(Said(2, "two"))

        assert [message for _, message in await heard] == [
            {"tag": "wire_test.said_more", "n": 1},
            {"tag": "wire_test.said", "n": 2, "text": "two"},
        ]


@on_a_loop
async def test_who_comes_later_is_heard_and_silence_is_told(home, folder):
    heard = asyncio.create_task(listens(home, 1, kinds=(Said,), timeout_ms=200))
    await asyncio.sleep(0.3)
    with boxes(folder, OWNER) as (owner,):
        at_home(OWNER, home, now_ns())
        await owner.subscriptions.get()
        owner.tells(Said(1))

        found = await heard

    assert found[0] is None
    assert found[-1][1] == Said(1)


@on_a_loop
async def test_a_listener_leaves_out_what_it_cannot_read_and_who_speaks_for_another(home, folder):
    with bare(zmq.XPUB) as liar:
        liar.bind(f"ipc://{folder}/{OWNER}.tell")
        heard = asyncio.create_task(listens(home, 1, kinds=(Said,), speakers=[OWNER]))
        await heard_by(liar)
        topic = SAID.encode() + b" "

        liar.send(topic)
        liar.send(topic + b"\xc1")
        liar.send_multipart([topic + pack(envelope(OWNER, Said(1)))] * 2)
        liar.send(topic + pack(envelope("another", Said(2))))
        liar.send(topic + pack(envelope(OWNER, Answer(3))))
        liar.send(topic + pack(envelope(OWNER, Said(4))))

        assert [message for _, message in await heard] == [Said(4)]


@on_a_loop
async def test_a_speaker_that_libzmq_has_given_up_is_heard_again(home, folder):
    with bare(zmq.XPUB) as liar:
        liar.bind(f"ipc://{folder}/{OWNER}.tell")
        heard = asyncio.create_task(listens(home, 1, kinds=(Said,), speakers=[OWNER], timeout_ms=None))
        await heard_by(liar)
        topic = SAID.encode() + b" "
        liar.send(topic + bytes(DATA_BYTES_MAX))
        assert await heard_by(liar) == [b"\0" + topic]

        assert await heard_by(liar) == [b"\1" + topic]
        liar.send(topic + pack(envelope(OWNER, Said(4))))

        assert [message for _, message in await heard] == [Said(4)]


# --- the rest


def test_who_is_there_is_read_from_the_run_directory(home):
    with Client(home) as client:
        assert client.who() == {}
        (home / "run").mkdir(mode=0o700)
        at_home("alice", home, 5)
        (home / "run" / "bob.json").write_text("{")

        assert {name: found and found.beat_ns for name, found in client.who().items()} == {"alice": 5, "bob": None}


def test_the_types_of_a_reply_stand_in_the_brackets():
    class Either(Request[Answer | Said], frozen=True, tag="wire_test.either"):
        pass

    assert reply_kinds(Question) == (Answer,)
    assert reply_kinds(Either) == (Answer, Said)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("lct.client", ("zmq", "asyncio", "msgpack", "numpy", "pandas")),
        ("lct.bus.asking", ("asyncio", "msgpack", "numpy", "pandas")),
    ],
)
def test_asking_loads_nothing_heavy(module, without):
    code = f"import sys, {module}; print([name for name in {without} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
