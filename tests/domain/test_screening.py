"""Screening: one failed or unknown gate and a token is not traded, whatever else it has; evidence says the numbers."""

import math

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lct.domain.screening import WELL_KNOWN, Facts, Thresholds, looks_like, screened

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
    sell_tax_bps=100.0,
)
GATES = {
    "name": (),
    "age": ("age_seconds",),
    "mint_authority": ("mint_authority",),
    "freeze_authority": ("freeze_authority",),
    "liquidity": ("liquidity_usd",),
    "volume": ("volume_usd",),
    "liquidity_lock": ("liquidity_locked",),
    "holders": ("top_holders",),
    "sale": ("sell_works",),
    "buy_tax": ("buy_tax_bps",),
    "sell_tax": ("sell_tax_bps",),
}
FIELDS = Facts.__struct_fields__
NUMBERS = [name for name in FIELDS if name not in {"mint_authority", "freeze_authority", "sell_works"}]
ANY_NUMBER = st.none() | st.floats()
ANY_ANSWER = st.none() | st.booleans()
ANY_FACTS = st.builds(Facts, **{name: ANY_NUMBER if name in NUMBERS else ANY_ANSWER for name in FIELDS})
MORE_IS_BETTER = ("age_seconds", "liquidity_usd", "volume_usd", "liquidity_locked")
LESS_IS_BETTER = ("top_holders", "buy_tax_bps", "sell_tax_bps")
TOP = {"liquidity_locked": 1.0, "top_holders": 1.0, "buy_tax_bps": 10_000.0, "sell_tax_bps": 10_000.0}


def judged(symbol="OTTER", name="Turbo Otter", thresholds=None, **changes):
    facts = msgspec.structs.replace(GOOD, **changes)
    return screened(symbol, name, facts, thresholds or Thresholds())


def gate(screening, name):
    return next(gate for gate in screening.gates if gate.gate == name)


def test_a_good_token_is_tradable_and_each_gate_says_why():
    found = judged()

    assert found.tradable
    assert 0.5 < found.score < 1
    assert [(one.gate, one.verdict, one.evidence) for one in found.gates] == [
        ("name", "pass", f"looks like none of {len(WELL_KNOWN)} well-known symbols"),
        ("age", "pass", "600 s; at least 90"),
        ("mint_authority", "pass", "given up"),
        ("freeze_authority", "pass", "given up"),
        ("liquidity", "pass", "50,000 USD; at least 10,000"),
        ("volume", "pass", "80,000 USD; at least 15,000"),
        ("liquidity_lock", "pass", "100.00% of the pool burned or locked; at least 95.00%"),
        ("holders", "pass", "ten largest hold 12.00%; at most 30.00%"),
        ("sale", "pass", "a simulated sale went through"),
        ("buy_tax", "pass", "0 bps; at most 500 bps"),
        ("sell_tax", "pass", "100 bps; at most 500 bps"),
    ]


@pytest.mark.parametrize(
    ("changes", "name", "evidence"),
    [
        ({"age_seconds": 89.99}, "age", "89.99 s; at least 90"),
        ({"mint_authority": True}, "mint_authority", "somebody can make more of it"),
        ({"freeze_authority": True}, "freeze_authority", "somebody can freeze your tokens"),
        ({"liquidity_usd": 9_999.99}, "liquidity", "9,999.99 USD; at least 10,000"),
        ({"volume_usd": 14_999.0}, "volume", "14,999 USD; at least 15,000"),
        ({"liquidity_locked": 0.9499}, "liquidity_lock", "94.99% of the pool burned or locked; at least 95.00%"),
        ({"top_holders": 0.3001}, "holders", "ten largest hold 30.01%; at most 30.00%"),
        ({"sell_works": False}, "sale", "a simulated sale was refused"),
        ({"buy_tax_bps": 501.0}, "buy_tax", "501 bps; at most 500 bps"),
        ({"sell_tax_bps": 9_900.0}, "sell_tax", "9,900 bps; at most 500 bps"),
        ({"symbol": "USDT"}, "name", "looks like USDT, which is another token"),
        ({"name": "Sоl"}, "name", "looks like SOL, which is another token"),
        ({"symbol": "?!"}, "name", "its symbol has no letter or digit"),
    ],
)
def test_one_failed_gate_is_enough(changes, name, evidence):
    found = judged(**changes)

    assert [one.gate for one in found.gates if one.verdict == "fail"] == [name]
    assert gate(found, name).evidence == evidence
    assert (found.tradable, found.score) == (False, 0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age_seconds", 90.0),
        ("liquidity_usd", 10_000.0),
        ("volume_usd", 15_000.0),
        ("liquidity_locked", 0.95),
        ("top_holders", 0.3),
        ("buy_tax_bps", 500.0),
        ("sell_tax_bps", 500.0),
    ],
)
def test_what_just_meets_its_threshold_passes_with_the_least_score(field, value):
    found = judged(**{field: value})

    assert found.tradable
    assert found.score == pytest.approx(judged().score, abs=0.06)
    assert found.score < judged().score


AT_THE_THRESHOLDS = {
    "age_seconds": 90.0,
    "liquidity_usd": 10_000.0,
    "volume_usd": 15_000.0,
    "liquidity_locked": 0.95,
    "top_holders": 0.3,
    "buy_tax_bps": 500.0,
    "sell_tax_bps": 500.0,
}
HALF_INSIDE = {
    "age_seconds": 180.0,
    "liquidity_usd": 20_000.0,
    "volume_usd": 30_000.0,
    "liquidity_locked": 0.975,
    "top_holders": 0.15,
    "buy_tax_bps": 250.0,
    "sell_tax_bps": 250.0,
}


@pytest.mark.parametrize(("facts", "points"), [(AT_THE_THRESHOLDS, 4 + 7 * 0.5), (HALF_INSIDE, 4 + 7 * 0.75)])
def test_the_score_counts_how_far_inside_its_threshold_each_fact_lies(facts, points):
    assert judged(**facts).score == pytest.approx(points / 11)
    assert judged(**{**facts, "sell_works": None}).score == pytest.approx((points - 1) / 11)


def test_where_a_threshold_leaves_no_room_to_meet_it_counts_in_full():
    strict = Thresholds(max_tax_bps=0.0, min_liquidity_locked=1.0, max_top_holders=0.0)
    facts = {**AT_THE_THRESHOLDS, "liquidity_locked": 1.0, "top_holders": 0.0, "buy_tax_bps": 0.0, "sell_tax_bps": 0.0}

    assert judged(thresholds=strict, **facts).score == pytest.approx((8 + 3 * 0.5) / 11)


@pytest.mark.parametrize("field", FIELDS)
def test_an_unknown_fact_never_passes(field):
    found = judged(**{field: None})
    unknown = [one for one in found.gates if one.verdict != "pass"]

    assert [(one.verdict, one.evidence) for one in unknown] == [("unknown", "the source did not tell")]
    assert field in GATES[unknown[0].gate]
    assert not found.tradable
    assert 0 < found.score < judged().score


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e-9, 1.1e15])
def test_a_number_that_cannot_be_is_unknown(field, value):
    found = judged(**{field: value})

    assert [(one.verdict, one.evidence) for one in found.gates if one.verdict != "pass"] == [
        ("unknown", "the source told what cannot be")
    ]


@pytest.mark.parametrize(
    ("field", "value"), [("top_holders", 1.01), ("liquidity_locked", 1.01), ("buy_tax_bps", 1e4 + 1)]
)
def test_more_than_all_cannot_be(field, value):
    assert [one.verdict for one in judged(**{field: value}).gates if one.verdict != "pass"] == ["unknown"]


def test_the_thresholds_decide():
    loose = Thresholds(min_liquidity_usd=1.0, min_liquidity_locked=0.0, max_top_holders=1.0, max_tax_bps=9_999.0)
    strict = Thresholds(max_tax_bps=0.0, min_liquidity_locked=1.0, max_top_holders=0.0)

    assert judged(
        thresholds=loose, liquidity_usd=2.0, liquidity_locked=0.0, top_holders=1.0, buy_tax_bps=9_000.0
    ).tradable
    assert not judged(thresholds=strict).tradable
    assert judged(thresholds=strict, sell_tax_bps=0.0, top_holders=0.0).tradable


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("USDT", "USDT"),
        ("usdt", "USDT"),
        ("USDТ", "USDT"),  # a Cyrillic letter
        ("ＵＳＤＴ", "USDT"),
        ("𝐔𝐒𝐃𝐓", "USDT"),
        ("ᴜꜱᴅᴛ", "USDT"),
        ("ÙŜDT", "USDT"),
        ("U S.D-T", "USDT"),
        ("US\u200bDT", "USDT"),
        ("$USDT", "USDT"),
        ("U$D₮", "USDT"),
        ("S0L", "SOL"),
        ("SОL", "SOL"),
        ("S|L", None),
        ("8TC", None),
        ("₿TC", "BTC"),
        ("ΒTC", "BTC"),  # a Greek letter
        ("ВТС", "BTC"),  # all Cyrillic
        ("IINK", "LINK"),
        ("OTTER", None),
        ("USDTX", None),
        ("", None),
    ],
)
def test_a_name_is_what_the_eye_takes_it_for(text, known):
    assert looks_like(text) == known


@given(ANY_FACTS, st.text(max_size=24), st.text(max_size=24))
def test_whatever_the_facts_only_passes_make_a_token_tradable(facts, symbol, name):
    found = screened(symbol, name, facts)
    verdicts = [one.verdict for one in found.gates]

    assert [one.gate for one in found.gates] == list(GATES)
    assert found.tradable == (set(verdicts) == {"pass"})
    assert 0 <= found.score <= 1
    assert (found.score == 0) == ("fail" in verdicts or "pass" not in verdicts)
    assert all(0 < len(one.evidence) <= 100 for one in found.gates)
    for one in found.gates:
        if any(getattr(facts, field) is None for field in GATES[one.gate]):
            assert one.verdict == "unknown"


@given(ANY_FACTS, st.sampled_from(FIELDS))
def test_to_know_less_never_makes_a_token_tradable(facts, field):
    assert not screened("OTTER", "Otter", msgspec.structs.replace(facts, **{field: None})).tradable


@given(ANY_FACTS, st.sampled_from(MORE_IS_BETTER + LESS_IS_BETTER), st.floats(0, 1e15), st.floats(0, 1e15))
def test_a_better_fact_never_makes_a_token_worse(facts, field, one, other):
    top = TOP.get(field, 1e15)
    assume(max(one, other) <= top)
    better, worse = (
        (max(one, other), min(one, other)) if field in MORE_IS_BETTER else (min(one, other), max(one, other))
    )
    good = screened("OTTER", "Otter", msgspec.structs.replace(facts, **{field: better}))
    bad = screened("OTTER", "Otter", msgspec.structs.replace(facts, **{field: worse}))

    assert good.tradable >= bad.tradable
    assert good.score >= bad.score - 1e-12
