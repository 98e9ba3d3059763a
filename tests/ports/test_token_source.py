"""The token source's port: each token once, when it was seen, fit to be recorded, and again for a new life."""

import math

import msgspec
import pytest

from lct.errors import LctError
from lct.messages.base import Codec, Command, encode
from lct.ports.token_source import TEXT_WIDTH, Facts, TokenPort, TokenSeen, TokenSource, sound

MINT = "So1anaMint"


def token(seen_at_ns=0, **changes):
    plain = TokenSeen("solana", MINT, "OTTER", "Turbo Otter", "listed", seen_at_ns, Facts(liquidity_usd=5.0))
    return msgspec.structs.replace(plain, **changes)


class Listed(TokenSource):
    """Tells the tokens that a test gives it."""

    name = "listed"
    summary = "A list."

    def __init__(self, tokens):
        self._tokens = tokens

    def tokens(self):
        return iter(self._tokens)


def port(*times):
    return TokenPort(Listed([token(at, mint=f"mint{n}") for n, at in enumerate(times, 1)]))


def mints(told):
    return [seen.mint for seen in told]


def test_a_token_is_due_when_it_was_seen():
    source = port(5, 5, 9)

    assert (source.role, source.owner) == ("tokens", "token_discovery")
    assert (source.due_ns(), source.results(4), source.given) == (5, [], 0)
    assert mints(source.results(5)) == ["mint1", "mint2"]
    assert (source.due_ns(), source.given) == (9, 2)
    assert mints(source.results(100)) == ["mint3"]
    assert (source.due_ns(), source.results(10**18), source.given) == (None, [], 3)


@pytest.mark.parametrize("heard", range(5))
def test_it_goes_on_after_what_was_heard_and_gives_the_same_again(heard):
    whole = port(1, 2, 3, 4).results(9)
    source = port(1, 2, 3, 4)
    source.results(3)

    source.resume(heard)

    assert source.given == heard
    assert source.heard_again(1, heard) + source.results(9) == whole
    assert source.given == 4


def test_a_part_is_heard_again_without_moving_on():
    source = port(1, 2, 3, 4)
    source.results(4)

    assert mints(source.heard_again(2, 3)) == ["mint2", "mint3"]
    assert source.heard_again(0, 3) == source.heard_again(3, 2) == []
    assert source.given == 4


def test_where_the_period_begins_with_this_life_nothing_of_it_was_heard():
    source = TokenPort(Listed([token(5, mint="mint8")]), begins_now=True)

    source.resume(7)

    assert (source.given, source.heard_again(1, 7)) == (7, [])
    assert mints(source.results(5)) == ["mint8"]
    assert source.given == 8


def test_a_source_that_does_not_keep_the_order_is_named():
    with pytest.raises(LctError, match="token source listed tells 'mint2' after a later one"):
        port(5, 4).results(5)


def test_it_takes_no_commands():
    with pytest.raises(AssertionError, match="a token source cannot do"):
        port().do(Command(), 0)


def test_whatever_a_source_tells_can_be_recorded_and_read_again():
    evil = token(
        chain="sola\ud83dna",
        mint="м\udfff" + "x" * 10_000,
        symbol="\ud83d\x1b[2J" + "W" * 10_000,
        name="\u202egnp",
        source="\x00" * 10_000,
        facts=Facts(liquidity_usd=math.nan, volume_usd=math.inf, age_seconds=-1.0, sell_works=True),
    )

    told = TokenPort(Listed([evil])).results(0)[0]

    assert Codec((TokenSeen,)).decode(encode(told)) == told
    assert told.chain == "sola?na"
    assert told.mint == "??" + "x" * (TEXT_WIDTH - 2)
    assert (told.symbol[:3], len(told.symbol), told.name, told.source) == ("[2J", TEXT_WIDTH, "gnp", "")
    assert told.facts == Facts(age_seconds=-1.0, sell_works=True)


def test_a_sound_token_is_left_as_it_is():
    assert sound(token()) == token()
