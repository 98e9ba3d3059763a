"""Token discovery: each token is told with the verdict of every gate, by names that cannot harm whoever reads them."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.token_discovery import NAME_WIDTH, Config, TokenDiscovery
from lct.bus.local import LocalBus
from lct.bus.room import Room
from lct.daemon import answerers, hearers
from lct.domain.screening import Facts, Gate, Thresholds, screened
from lct.messages.base import FRAME_BYTES_MAX, Codec, encode
from lct.messages.token_discovery import TOKENS_TOLD_MAX, GetTokens, Tokens, TokenScreened
from lct.messages.token_source import TokenSeen
from lct.ports.token_source import TokenPort
from lct.store.journal import DigestJournal
from lct.store.sqlite import SqliteJournal
from plugins.token_sources.synthetic import HOSTILE, HOUR_NS, Synthetic

GOOD = Facts(
    age_seconds=600.0,
    liquidity_usd=50_000.0,
    volume_usd=80_000.0,
    top_holders=0.12,
    liquidity_locked=1.0,
    mint_authority=False,
    freeze_authority=False,
    sell_works=True,
    buy_tax_bps=0.0,
    sell_tax_bps=0.0,
)
RUG = msgspec.structs.replace(GOOD, mint_authority=True)


def seen(mint="Mint1", facts=GOOD, **changes):
    token = TokenSeen("solana", mint, "OTTER", "Turbo Otter", "synthetic", 7, facts)
    return msgspec.structs.replace(token, **changes)


def hear(daemon, *tokens):
    return [said for token in tokens for said in daemon.screen(token, 0) or ()]


def kept(daemon, limit=50, *, only_tradable=False):
    return [token.mint for token in daemon.tokens(GetTokens(limit, only_tradable), 0).tokens]


def test_it_hears_tokens_and_answers_without_durable_state():
    assert not TokenDiscovery.durable
    assert set(hearers(TokenDiscovery())) == {TokenSeen}
    assert set(answerers(TokenDiscovery())) == {GetTokens}


def test_its_port_and_what_it_keeps_are_the_usual():
    assert (Config().http_port, Config().tokens_kept, Config().source, NAME_WIDTH) == (8005, 1_000, "synthetic", 24)


@pytest.mark.parametrize("facts", [GOOD, RUG, Facts()])
def test_a_token_is_told_with_the_verdict_of_every_gate(facts):
    found = screened("OTTER", "Turbo Otter", facts)

    told = hear(TokenDiscovery(), seen(facts=facts))

    assert told == [
        TokenScreened(
            "solana", "Mint1", "OTTER", "Turbo Otter", "synthetic", 7, found.gates, found.score, found.tradable
        )
    ]
    assert told[0].tradable == (facts is GOOD)


def test_the_thresholds_are_those_of_the_config():
    strict = TokenDiscovery(Config(thresholds=Thresholds(min_liquidity_usd=60_000.0)))

    told = hear(strict, seen())[0]

    assert [gate for gate in told.gates if gate.verdict == "fail"] == [
        Gate("liquidity", "fail", "50,000 USD; at least 60,000")
    ]


def test_the_last_tokens_are_kept_and_told_oldest_first():
    daemon = TokenDiscovery(Config(tokens_kept=3))

    hear(daemon, *(seen(f"Mint{n}") for n in range(5)))

    assert kept(daemon) == ["Mint2", "Mint3", "Mint4"]
    assert kept(daemon, 2) == ["Mint3", "Mint4"]
    assert daemon.tokens(GetTokens(), 0).screened == 5


def test_a_token_seen_again_is_kept_once_with_what_is_known_now():
    daemon = TokenDiscovery(Config(tokens_kept=2))

    hear(daemon, seen("Mint1", Facts()), seen("Mint2"), seen("Mint1", GOOD), seen("Mint3"))

    assert kept(daemon) == ["Mint1", "Mint3"]
    assert kept(daemon, only_tradable=True) == ["Mint1", "Mint3"]


def test_the_same_address_on_another_chain_is_another_token():
    daemon = TokenDiscovery()

    hear(daemon, seen(), seen(chain="base"))

    assert kept(daemon) == ["Mint1", "Mint1"]


def test_only_tradable_ones_are_told_where_asked_and_the_limit_counts_these():
    daemon = TokenDiscovery()

    hear(daemon, seen("A"), seen("B"), seen("C", RUG), seen("D", Facts()), seen("E", RUG))

    assert kept(daemon, only_tradable=True) == ["A", "B"]
    assert kept(daemon, 1, only_tradable=True) == ["B"]
    assert kept(daemon, 1) == ["E"]


@pytest.mark.parametrize(
    ("chain", "mint"),
    [
        ("solana", ""),
        ("", "Mint1"),
        ("solana", "So1\u200bana"),
        ("solana", "x" * 65),
        ("solana", "a b"),
        ("solana", "a\n"),
        ("SOLANA", "Mint1"),
        ("solana", "../../x"),
        ("solana", "Мint"),
    ],
)
def test_what_is_no_address_is_refused_and_counted(chain, mint):
    daemon = TokenDiscovery()

    assert hear(daemon, seen(mint, chain=chain)) == []
    assert daemon.tokens(GetTokens(), 0) == Tokens([], screened=0, refused=1)


def is_harmless(text):
    kinds = {unicodedata.category(letter) for letter in text}
    return len(text) <= NAME_WIDTH and not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(("symbol", "name"), HOSTILE)
def test_hostile_names_are_cleaned_and_cut(symbol, name):
    told = hear(TokenDiscovery(), seen(symbol=symbol, name=name, source=name))[0]

    assert is_harmless(told.symbol)
    assert is_harmless(told.name)
    assert is_harmless(told.source)
    assert encode(told)


@given(st.text(), st.text())
def test_no_name_whatever_harms_a_reader_or_the_wire(symbol, name):
    told = hear(TokenDiscovery(), seen(symbol=symbol, name=name))[0]

    assert is_harmless(told.symbol)
    assert is_harmless(told.name)
    assert Codec((TokenScreened,)).decode(encode(told)) == told


def test_a_homoglyph_of_a_well_known_symbol_is_not_tradable():
    told = hear(TokenDiscovery(), seen(symbol="USDТ"))[0]

    assert told.gates[0] == Gate("name", "fail", "looks like USDT, which is another token")
    assert not told.tradable


def test_padding_does_not_hide_what_a_name_looks_like():
    told = hear(TokenDiscovery(), seen(symbol="USDT" + " " * 100 + "X"))[0]

    assert told.gates[0].verdict == "fail"


def test_the_longest_reply_fits_into_a_frame():
    daemon = TokenDiscovery()
    worst = Facts(*([1e15, 1e15, 1e15, 1.0, 1.0, True, True, False, 1e4, 1e4]))
    for n in range(TOKENS_TOLD_MAX):
        hear(daemon, seen(f"{n:064}", worst, chain="c" * 32, symbol="\U0001f980" * 99, name="\U0001f980" * 99))

    frame = encode(daemon.tokens(GetTokens(TOKENS_TOLD_MAX), 0))

    assert len(frame) <= FRAME_BYTES_MAX
    with pytest.raises(msgspec.ValidationError):
        Codec((GetTokens,)).decode(encode(GetTokens(TOKENS_TOLD_MAX + 1)))


@pytest.mark.parametrize(("given", "after"), [(0, 0), (4, 0), (5, 0), (6, 1), (12, 7)])
def test_a_new_life_needs_as_many_tokens_again_as_are_kept(given, after):
    assert TokenDiscovery(Config(tokens_kept=5)).rehears_since(given) == after


def test_a_new_life_has_what_the_old_one_kept(tmp_path):
    source = Synthetic(Synthetic.Config(per_hour=10), 0, 3 * HOUR_NS)
    config, journal = Config(tokens_kept=12), SqliteJournal(tmp_path / "token_discovery.db")
    first = Room(TokenDiscovery(config), [TokenPort(source)], journal)
    first.commits_results = True
    first.recover()
    first.turn([], 2 * HOUR_NS, 1)

    second = Room(TokenDiscovery(config), [TokenPort(source)], journal)
    second.recover()

    assert len(kept(first.daemon)) == 12
    assert kept(second.daemon) == kept(first.daemon)
    second.turn([], 3 * HOUR_NS, 2)
    assert kept(second.daemon) == [token.mint for token in source.tokens()][-12:]
    journal.close()


def test_on_a_bus_it_hears_its_source_at_the_time_of_each_token():
    source = Synthetic(Synthetic.Config(per_hour=5), 0, 24 * HOUR_NS)
    daemon = TokenDiscovery(Config(tokens_kept=1_000))
    bus = LocalBus([daemon], [TokenPort(source)], DigestJournal())
    times = []

    bus.recover()
    bus.run(on_time=times.append)

    tokens = list(source.tokens())
    assert times == sorted({token.seen_at_ns for token in tokens})
    assert bus.counts[TokenScreened] == len(tokens)
    assert [token.mint for token in bus.ask(GetTokens(10)).tokens] == [token.mint for token in tokens[-10:]]
