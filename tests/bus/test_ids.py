"""Ids of requests: held until they expire, and never more than there is room for."""

from lct.bus.ids import Unexpired


def test_a_key_is_held_until_it_is_removed():
    held: Unexpired[str] = Unexpired(4)

    assert held.add("a", 10, 0)

    assert "a" in held
    assert held.remove("a")
    assert "a" not in held
    assert not held.remove("a")


def test_what_has_expired_makes_room_and_what_has_not_does_not():
    held: Unexpired[int] = Unexpired(3)
    for key, until_ns in enumerate((10, 20, 30)):
        assert held.add(key, until_ns, 0)

    assert not held.add(3, 40, 9)
    assert held.add(3, 40, 10)
    assert not held.add(4, 40, 19)
    assert held.add(4, 40, 25)

    assert [key in held for key in range(5)] == [False, False, True, True, True]
    assert len(held) == 3


def test_nothing_that_has_not_expired_is_ever_lost():
    held: Unexpired[int] = Unexpired(50)
    lives = {}
    for now in range(1_000):
        until_ns = now + 1 + (now * 7_919) % 60
        if held.add(now, until_ns, now):
            lives[now] = until_ns

    assert all(key in held for key, until_ns in lives.items() if until_ns > 1_000)
    assert len(held) <= 50
