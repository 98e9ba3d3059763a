"""The checker beside a real house: silent while its members are killed, and heard when something is planted."""

import random
import time

import pytest

from lct.audit import Audit
from lct.audit.journals import identity_of
from lct.audit.watching import Watch
from tests.wire.supervised import EIGHT, House
from tests.wire.test_crashes import fills_of, journals_of, living, soon

__all__ = ["living"]


@pytest.fixture
def watch(living: House) -> Watch:
    folder = journals_of(living.home)
    identity = identity_of(folder, None, None)
    assert identity is not None, "the home says whose orders these are"
    return Watch(folder, lambda: Audit(identity, kept=1_000), folder / "HALT", folder / "audit")


@pytest.mark.timeout(100)
def test_a_watch_says_nothing_of_a_house_whose_members_are_killed(living: House, watch: Watch) -> None:
    soon(lambda: fills_of(living) > 5)
    found = watch.look()
    for name in random.Random(3).sample(EIGHT, len(EIGHT)):
        was = living.kill(name)
        ends = time.perf_counter() + 20
        while not living.ready((name,), other_than=was) and time.perf_counter() < ends:
            found += watch.look()
            time.sleep(0.02)
    had = fills_of(living)
    soon(lambda: fills_of(living) > had)
    found += watch.look()

    assert found == []
    assert watch.audit.execution.fills > had, "it has followed"
    assert set(watch.audit.chains.heads) >= {"execution", "portfolio", "trading_engine"}
