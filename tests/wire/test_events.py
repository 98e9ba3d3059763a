"""Events over real sockets: who hears what, in which order, and whom nobody hears."""

import zmq

from lct.bus.wire import announce
from lct.clock import monotonic_ns
from tests.wire.postbox import SAID, Said, SaidMore, bare, boxes, envelope, heard_by, on_a_loop, read, until


@on_a_loop
async def test_an_event_reaches_those_who_hear_its_tag_and_no_longer_tag(folder):
    with boxes(folder, "crier", "alice", "bob") as (crier, alice, bob):
        await alice.hears(crier, SAID)
        await bob.hears(crier, "")

        for message in (Said(1), SaidMore(2), Said(3)):
            assert crier.tells(message)

        assert [read((await bob.events.get())[1]) for _ in range(3)] == [Said(1), SaidMore(2), Said(3)]
        assert [(s, read(e)) for s, e in [await alice.events.get() for _ in range(2)]] == [
            ("crier", Said(1)),
            ("crier", Said(3)),
        ]
        assert alice.events.empty()


@on_a_loop
async def test_who_comes_late_is_noticed_each_one(folder):
    with boxes(folder, "crier", "alice", "bob") as (crier, alice, bob):
        await alice.hears(crier, SAID)
        crier.tells(Said(1))

        bob.post.hear("crier", [SAID])

        assert await crier.subscriptions.get() == SAID
        crier.tells(Said(2))
        assert read((await bob.events.get())[1]) == Said(2)


@on_a_loop
async def test_what_is_told_at_once_is_heard_in_order_and_complete(folder):
    with boxes(folder, "crier", "alice") as (crier, alice):
        await alice.hears(crier, "")
        said = [SaidMore(n) if n % 97 == 0 else Said(n, "x" * (n % 3_000)) for n in range(1_000)]

        for message in said:
            assert crier.tells(message)

        assert [read((await alice.events.get())[1]) for _ in said] == said
        assert alice.post.counts == crier.post.counts == {}


@on_a_loop
async def test_who_is_forgotten_in_the_midst_is_not_heard_further(folder):
    with boxes(folder, "crier", "alice") as (crier, alice):
        await alice.hears(crier, SAID)
        heard = []
        alice.post.on_event = lambda speaker, said: (heard.append(read(said).n), alice.post.forget("crier"))
        for n in range(10):
            crier.tells(Said(n))

        await until(lambda: heard)
        await alice.hears(crier, SAID)
        crier.tells(Said(10))
        await until(lambda: len(heard) > 1)

        assert heard == [0, 10]


@on_a_loop
async def test_who_is_forgotten_is_not_heard(folder):
    with boxes(folder, "crier", "other", "alice") as (crier, other, alice):
        await alice.hears(crier, SAID)
        await alice.hears(other, SAID)

        alice.post.forget("crier")
        alice.post.forget("crier")
        crier.tells(Said(1))
        other.tells(Said(2))

        assert (await alice.events.get())[0] == "other"
        await alice.hears(crier, SAID)
        crier.tells(Said(3))
        assert read((await alice.events.get())[1]) == Said(3)


@on_a_loop
async def test_a_speaker_that_is_back_is_heard_again_soon(folder):
    with boxes(folder, "alice") as (alice,):
        with boxes(folder, "crier") as (crier,):
            await alice.hears(crier, SAID)
        with boxes(folder, "crier") as (crier,):
            started = monotonic_ns()

            await crier.subscriptions.get()
            crier.tells(Said(2))
            await alice.events.get()

            assert monotonic_ns() - started < 500_000_000, "reconnecting is limited to 100 ms"


@on_a_loop
async def test_nobody_speaks_in_the_name_of_another(folder):
    with boxes(folder, "alice") as (alice,), bare(zmq.XPUB) as liar:
        liar.bind(f"ipc://{folder}/crier.tell")
        alice.post.hear("crier", [SAID])
        await heard_by(liar)

        liar.send(announce(SAID, envelope("ledger", Said(1))))
        liar.send(announce(SAID, envelope("crier", Said(2))))

        assert read((await alice.events.get())[1]) == Said(2)
        assert alice.post.counts == {"forged": 1}
