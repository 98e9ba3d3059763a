"""Synthetic tokens: the same for a seed whatever period is asked for, and the gates find out the bad ones."""

from collections import Counter
from itertools import islice
from random import Random

import msgspec
import pytest

from lct import catalog
from lct.domain.screening import Facts, screened
from lct.domain.text import clean
from lct.errors import ConfigError
from lct.ports.token_source import TokenPort, sound
from lct.run.members import plugin
from plugins.token_sources.synthetic import HOSTILE, HOUR_NS, IMPOSTORS, Synthetic

START = 1_704_067_200_000_000_000
DAY_NS = 24 * HOUR_NS
MANY_DAYS = 30


def source(seed=7, per_hour=3, from_ns=START, to_ns=START + MANY_DAYS * DAY_NS):
    return Synthetic(Synthetic.Config(seed=seed, per_hour=per_hour), from_ns, to_ns)


def judged(made):
    token = sound(made.token)
    return screened(clean(token.symbol, 24), clean(token.name, 24), token.facts)


@pytest.fixture(scope="module")
def month():
    return list(source().made())


def test_it_is_found_by_name_and_loads_with_its_table():
    made = plugin("token_sources", "synthetic", {"per_hour": 2}, "here", from_ns=START, to_ns=START + HOUR_NS)

    assert type(made) is Synthetic is catalog.load("token_sources", "synthetic")
    assert len(list(made.tokens())) == 2
    with pytest.raises(ConfigError, match="per_hour"):
        plugin("token_sources", "synthetic", {"per_hour": 0}, "here", from_ns=0, to_ns=1)


def test_the_same_seed_makes_the_same_tokens_and_another_others(month):
    assert list(source().made()) == month
    assert not {made.token.mint for made in source(seed=8).made()} & {made.token.mint for made in month}


def test_these_very_tokens_are_made_on_every_machine():
    first = next(source().made())

    assert first.token.mint == "KYH11kZ3Jg9eVuKHEenoFxecXtZpagy35TFsgMwxh1T6"
    assert first.token.seen_at_ns - START == 1_071_642_000_000


@pytest.mark.parametrize("per_hour", [1, 3, 7])
def test_as_many_come_an_hour_as_asked_for_in_the_order_of_time(per_hour):
    times = [token.seen_at_ns for token in source(per_hour=per_hour, to_ns=START + DAY_NS).tokens()]

    assert times == sorted(times)
    assert all(START <= at < START + DAY_NS for at in times)
    assert abs(len(times) - 24 * per_hour) <= 1


def test_a_period_is_a_part_of_the_whole(month):
    chance = Random(3)
    for _ in range(20):
        low, high = sorted(START + chance.randrange(MANY_DAYS * DAY_NS) for _ in range(2))

        part = list(source(from_ns=low, to_ns=high).made())

        assert part == [made for made in month if low <= made.token.seen_at_ns < high]


def test_the_ends_of_a_period_are_inclusive_and_exclusive(month):
    at = month[5].token.seen_at_ns

    assert next(source(from_ns=at).made()) == month[5]
    assert list(source(to_ns=at).made()) == month[:5]


def test_a_source_without_an_end_goes_on(month):
    assert list(islice(source(to_ns=None).made(), len(month))) == month


def test_nothing_bad_is_tradable_and_whatever_is_good_and_known_is(month):
    for made in month:
        found = judged(made)

        assert found.tradable == (made.kind == "good" and made.unknown is None), (made, found)


def test_it_has_some_of_everything(month):
    kinds = Counter(made.kind for made in month)
    names = {made.token.symbol for made in month}
    failed = {gate.gate for made in month for gate in judged(made).gates if gate.verdict == "fail"}
    unknown = {made.unknown for made in month} - {None}

    assert len(month) == pytest.approx(72 * MANY_DAYS, abs=1)
    assert kinds["good"] / len(month) == pytest.approx(0.40, abs=0.05)
    assert kinds["rug"] / len(month) == pytest.approx(0.35, abs=0.05)
    assert {symbol for symbol, _ in HOSTILE + IMPOSTORS} <= names
    assert unknown == set(Facts.__struct_fields__)
    assert failed >= {
        "name",
        "age",
        "mint_authority",
        "freeze_authority",
        "liquidity",
        "liquidity_lock",
        "holders",
        "sale",
        "sell_tax",
    }
    assert len({made.token.mint for made in month}) == len(month)


def test_its_port_gives_what_can_be_recorded(month):
    told = TokenPort(source()).results(START + MANY_DAYS * DAY_NS)

    assert told == [sound(made.token) for made in month]
    assert all(token.symbol.isprintable() and token.name.isprintable() for token in told)
    assert msgspec.msgpack.encode(told)
