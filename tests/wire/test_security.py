"""Who gets in over TCP: the listed keys and nobody else, and no start where a stranger would."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from lct.bus.guard import Guard
from lct.bus.keys import KeyPair, load, load_public, make_keys
from lct.bus.security import DOMAIN, Curve
from lct.bus.sockets import Endpoint
from lct.bus.wire import pack
from lct.bus.zeromq import Post
from lct.errors import NotFound, Refused
from tests.wire.postbox import SAID, Answer, Box, Question, Said, bare, heard_by, on_a_loop, read, request

ANYWHERE = Endpoint("tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
NAMES = ("oracle", "alice")
KEYS = {name: KeyPair.new(name) for name in NAMES}
LIST = {name: pair.public for name, pair in KEYS.items()}
STRANGER = KeyPair.new("stranger")


@contextmanager
def on_tcp(folder: Path, own: KeyPair = KEYS["oracle"], kind: type[Curve] = Curve) -> Iterator[tuple[Box, Box]]:
    """A post `oracle` that is bound to TCP on this machine, and `alice`, who knows where it is."""
    oracle = Box("oracle", folder, security=kind(own, LIST), endpoints={"oracle": ANYWHERE})
    places: dict[str, Endpoint] = {}
    alice = Box("alice", folder, security=Curve(KEYS["alice"], LIST), endpoints=places)
    try:
        places["oracle"] = oracle.place = oracle.post.bind()
        yield oracle, alice
    finally:
        alice.post.close()
        oracle.post.close()


@on_a_loop
async def test_an_allowed_key_asks_and_hears(folder):
    with on_tcp(folder) as (oracle, alice):
        oracle.answers()

        assert await alice.asks("oracle", Question(1)) == Answer(1)
        await alice.hears(oracle, SAID)
        oracle.tells(Said(2))
        assert read((await alice.events.get())[1]) == Said(2)


@pytest.mark.parametrize("own", [STRANGER, None], ids=["a stranger's key", "no key"])
@on_a_loop
async def test_who_is_not_on_the_list_is_not_heard(folder, own):
    with on_tcp(folder) as (oracle, _), bare(zmq.DEALER) as stranger:
        if own is not None:
            stranger.curve_publickey, stranger.curve_secretkey = own.public.encode(), own.secret.encode()
            stranger.curve_serverkey = KEYS["oracle"].public.encode()
        ends = stranger.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_SUCCEEDED
        )
        stranger.connect(oracle.place.ask)
        with suppress(zmq.Again):  # refused already
            stranger.send(pack(request("alice", "oracle", Question(1))), zmq.NOBLOCK)

        event = int.from_bytes((await heard_by(ends))[0][:2], sys.byteorder)

        assert event == (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL if own is None else zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        assert oracle.requests.empty()
        stranger.disable_monitor()


@on_a_loop
async def test_a_key_speaks_in_its_own_name_only(folder):
    with on_tcp(folder) as (oracle, alice):
        await alice.reaches("oracle")

        alice.post.ask("oracle", request("oracle", "oracle", Question(1)))
        await oracle.counted("forged")
        alice.post.ask("oracle", request("alice", "oracle", Question(2)))

        assert read((await oracle.requests.get())[1]) == Question(2)
        assert oracle.requests.empty()


@on_a_loop
async def test_who_has_taken_the_place_of_a_process_is_not_asked(folder):
    with on_tcp(folder, own=replace(STRANGER, name="oracle")) as (impostor, alice):
        alice.post.reach("oracle")
        await asyncio.sleep(0.3)

        assert not alice.post.ask("oracle", request("alice", "oracle", Question(1)))
        assert impostor.requests.empty()


# --- no start with an open door


@on_a_loop
async def test_without_keys_nothing_is_bound_or_connected_outside_the_folder(folder):
    for endpoint in ("tcp://127.0.0.1:*", "tcp://0.0.0.0:8100", "inproc://oracle"):
        place = {"oracle": Endpoint(endpoint, endpoint)}
        with pytest.raises(Refused, match="without keys"):
            Post("oracle", folder, endpoints=place).bind()
        alice = Post("alice", folder, endpoints=place)
        with pytest.raises(Refused, match="without keys"):
            alice.reach("oracle")
        with pytest.raises(Refused, match="without keys"):
            alice.hear("oracle")
        alice.close()


class Absent(Curve):
    """Nobody answers libzmq, which then takes every key unless it is told not to."""

    def start(self, context, folder):
        pass

    def guard(self, socket):
        super().guard(socket)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 0)


class AbsentButAskedFor(Curve):
    """Nobody answers libzmq, and it has been told to insist."""

    def start(self, context, folder):
        pass


class Emptied(Curve):
    """The list that the guard reads is empty."""

    def start(self, context, folder):
        self._guard = Guard(context, DOMAIN, {})
        self._guard.start()


class Mortal(Curve):
    """The guard's thread may end."""

    def kill(self):
        assert self._guard is not None
        self._guard.pipe.send(b"TERMINATE")
        self._guard.thread.join()


class Dead(Mortal):
    """The guard's thread has ended."""

    def start(self, context, folder):
        super().start(context, folder)
        self.kill()


class Open(Curve):
    """The guard lets everyone in."""

    def start(self, context, folder):
        self._guard = Guard(context, DOMAIN, {})
        self._guard.callback = lambda domain, key: True  # type: ignore[method-assign]
        self._guard.curve_user_id = lambda key: "anybody"  # type: ignore[method-assign]
        self._guard.start()


class Unguarded(Curve):
    """The sockets ask for no key at all."""

    def guard(self, socket):
        pass


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Absent, "a stranger's key is not refused"),
        (AbsentButAskedFor, "own key is not let in"),
        (Emptied, "own key is not let in"),
        (Dead, "own key is not let in"),
        (Open, "a stranger's key is not refused"),
        (Unguarded, "own key is not let in"),
    ],
)
@on_a_loop
async def test_a_broken_guard_is_found_before_anything_is_heard(folder, kind, why, monkeypatch):
    monkeypatch.setattr("lct.bus.guard.KNOCK_MS", 300)
    post = Post("oracle", folder, security=kind(KEYS["oracle"], LIST), endpoints={"oracle": ANYWHERE})

    with pytest.raises(Refused, match=why):
        post.bind()


@on_a_loop
async def test_a_guard_that_dies_later_is_found_and_meanwhile_nobody_gets_in(folder, monkeypatch):
    monkeypatch.setattr("lct.bus.guard.KNOCK_MS", 300)
    with on_tcp(folder, kind=Mortal) as (oracle, alice):
        oracle.post.assert_strangers_refused()
        oracle.security.kill()

        with pytest.raises(Refused, match="own key is not let in"):
            oracle.post.assert_strangers_refused()

        alice.post.reach("oracle")
        await asyncio.sleep(0.2)
        assert not alice.post.ask("oracle", request("alice", "oracle", Question(1)))


@on_a_loop
async def test_keys_guard_ipc_as_well(folder):
    oracle = Box("oracle", folder, security=Curve(KEYS["oracle"], LIST))
    alice = Box("alice", folder, security=Curve(KEYS["alice"], LIST))
    try:
        oracle.post.bind()
        oracle.answers()

        assert await alice.asks("oracle", Question(1)) == Answer(1)
    finally:
        alice.post.close()
        oracle.post.close()


# --- keys


def test_a_list_that_lets_nobody_in_or_is_unsound_is_refused():
    for allowed, why in (
        ({}, "no public key is allowed"),
        ({"alice": "short"}, "public key of alice is none"),
        ({"alice": "\N{SNOWMAN}" * 40}, "is none"),
        ({"alice": " " * 40}, "is none"),
        ({"alice": LIST["alice"], "bob": LIST["alice"]}, "same public key"),
        ({"alice": KEYS["oracle"].public}, "same public key"),
    ):
        with pytest.raises(Refused, match=why):
            Curve(KEYS["oracle"], allowed)


def test_who_has_no_known_key_is_not_called():
    with bare(zmq.DEALER) as socket, pytest.raises(Refused, match="key of bob is not known"):
        Curve(KEYS["oracle"], LIST).call(socket, "bob")


def test_keys_are_written_for_nobody_else_and_read_back(folder):
    keys = folder / "keys"
    made = {name: make_keys(keys, name) for name in NAMES}

    assert {name: load(keys, name) for name in NAMES} == made
    assert load_public(keys) == {name: pair.public for name, pair in made.items()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert made["alice"].secret not in repr(made["alice"])


def test_keys_are_not_overwritten_and_unsound_ones_are_not_used(folder):
    pair = make_keys(folder, "alice")
    path = folder / "alice.key"

    with pytest.raises(Refused, match="is there already"):
        make_keys(folder, "alice")
    with pytest.raises(NotFound, match="no keys of bob"):
        load(folder, "bob")
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        load(folder, "alice")
    path.chmod(0o600)
    for text, why in (
        ("", "not a pair"),
        (pair.public, "not a pair"),
        (f"{pair.public} {pair.secret[:-1]}", "secret key in .* is none"),
        (f"{pair.public} {KeyPair.new('x').secret}", "are not a pair"),
        ("\0" * 100_000, "is not a pair|is none"),
    ):
        path.write_text(text)
        with pytest.raises(Refused, match=why) as caught:
            load(folder, "alice")
        assert pair.secret not in str(caught.value)


def test_a_public_key_that_is_none_is_not_listed(folder):
    (folder / "alice.pub").write_bytes(os.fsencode("nonsense"))

    with pytest.raises(Refused, match=r"alice\.pub is none"):
        load_public(folder)
