"""The part that wakes supervisord: once for a signal, once more for what follows, and not for ever."""

import os
import signal
from collections.abc import Iterator
from select import select
from types import SimpleNamespace

import pytest

from lct.supervisor.wakeful import HASTE_MAX, NoCalls, Wakeful, make


@pytest.fixture
def part() -> Iterator[Wakeful]:
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    made = Wakeful()
    yield made
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR1, before)
    os.close(made.ear)
    os.close(made.bell)


def wakes(part: Wakeful) -> int:
    """How often in a row there is something to read."""
    times = 0
    while select([part.fileno()], [], [], 0)[0]:
        part.handle_read_event()
        times += 1
    return times


def test_a_signal_wakes_twice_and_no_more(part: Wakeful) -> None:
    calm = wakes(part)

    os.kill(os.getpid(), signal.SIGUSR1)

    assert (calm, wakes(part), wakes(part)) == (0, 2, 0)
    assert part.readable()
    assert not part.writable()


def test_a_flood_of_ends_is_looked_at_without_haste(part: Wakeful) -> None:
    times = []
    for _ in range(HASTE_MAX + 5):
        os.kill(os.getpid(), signal.SIGUSR1)
        times.append(wakes(part))

    assert times == [2] * HASTE_MAX + [1] * 5


def test_it_ends_with_its_owner_and_not_before(part: Wakeful) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        owned, orphan = Wakeful(os.getppid()), Wakeful(os.getppid() + 1)
        for _ in range(3):
            owned.readable()
        calm = list(came)
        for _ in range(3):
            orphan.readable()
    finally:
        signal.signal(signal.SIGTERM, before)
        for made in (owned, orphan):
            os.close(made.ear)
            os.close(made.bell)

    assert (calm, came) == ([], [signal.SIGTERM])


def test_a_reload_replaces_the_part(part: Wakeful) -> None:
    places: dict[int, object] = {part.fileno(): part}
    supervisord = SimpleNamespace(options=SimpleNamespace(get_socket_map=lambda: places))

    made = make(supervisord)

    (fresh,) = places.values()
    assert isinstance(made, NoCalls)
    assert isinstance(fresh, Wakeful)
    assert fresh is not part
    os.close(fresh.fileno())
    os.close(fresh.bell)
