"""Screening: whether a new token may be traded, gate by gate, each verdict with its evidence; unknown never passes."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Verdict = Literal["pass", "fail", "unknown"]
Share = Annotated[float, Meta(ge=0, le=1)]

FULL_TAX_BPS = 10_000.0
NUMBER_MAX = 1e15
"""No age, liquidity or volume is greater."""

_SYMBOLS = """
AAVE ADA APT ARB ATOM AVAX BCH BNB BONK BTC CRO DAI DOGE DOT ETC ETH EURC FDUSD FIL FTM HBAR HYPE ICP INJ JITOSOL JLP
JTO JUP KAS LDO LEO LINK LTC MATIC MKR MSOL NEAR OKB OP ORCA PEPE POL PYTH PYUSD RAY RENDER SEI SHIB SOL STETH SUI TAO
TIA TON TRUMP TRX UNI USDC USDE USDG USDS USDT WBTC WETH WIF WSOL XAUT XLM XMR XRP ZEC
"""
WELL_KNOWN = tuple(_SYMBOLS.split())
"""Symbols that a new token cannot honestly have."""

ALIKE = str.maketrans(
    "АВЕЗІЈКМНОРСЅТУХԚԜѴΑΒΕΖΗΙΚΜΝΟΡΤΥΧᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢҒԌԀՕՍ0135L|!$₮₿Ø",
    "ABEEIJKMHOPCSTYXQWVABEZHIKMNOPTYXABCDEGHIJKIMNOPRSTUVWYZFGDOUOIESIIISTBO",
)
"""Letters that look like others: Cyrillic, Greek, small capitals, Armenian, digits and signs; L looks like I."""


class Facts(msgspec.Struct, frozen=True):
    """What a source knows of a token at the moment it tells; None is unknown, and so is a number that cannot be.

    `top_holders` is the share of the ten largest holders, pools apart; `liquidity_locked` the share of the pool's own
    tokens that is burned or locked. The authorities say whether somebody can still make more of the token, or freeze it
    in your wallet. `sell_works` is the outcome of a simulated sale, taxes are in basis points of what is traded.
    """

    age_seconds: float | None = None
    liquidity_usd: float | None = None
    volume_usd: float | None = None
    top_holders: float | None = None
    liquidity_locked: float | None = None
    mint_authority: bool | None = None
    freeze_authority: bool | None = None
    sell_works: bool | None = None
    buy_tax_bps: float | None = None
    sell_tax_bps: float | None = None


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token must have. Age, liquidity and volume are those of coinTrader2.0's sniper, the rest is ours."""

    min_age_seconds: Annotated[float, Meta(ge=0, description="since its pool opened; most rugs come sooner")] = 90.0
    min_liquidity_usd: Annotated[float, Meta(gt=0, description="in its pools")] = 10_000.0
    min_volume_usd: Annotated[float, Meta(ge=0, description="traded in 24 hours, or since its pool opened")] = 15_000.0
    max_top_holders: Annotated[Share, Meta(description="share of the ten largest holders, pools apart")] = 0.3
    min_liquidity_locked: Annotated[Share, Meta(description="share of the pool that is burned or locked")] = 0.95
    max_tax_bps: Annotated[float, Meta(ge=0, lt=FULL_TAX_BPS, description="taken from a trade, each way")] = 500.0


class Gate(msgspec.Struct, frozen=True):
    """One question about a token: the verdict, and what it rests on."""

    gate: str
    verdict: Verdict
    evidence: str


class Screening(msgspec.Struct, frozen=True):
    """All gates of a token; it is tradable only if each passes.

    The score, 0 to 1, orders what is tradable: a gate that passes counts 0.5, and up to 1 the further its fact lies
    inside the threshold; one that is unknown counts 0, and a single one that fails makes the whole score 0.
    """

    gates: tuple[Gate, ...]
    score: float
    tradable: bool


DEFAULT_THRESHOLDS = Thresholds()


def screened(symbol: str, name: str, facts: Facts, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Screening:
    """Judge a token by its names, as they are shown, and by what is known of it."""
    judged = list(_judged(symbol, name, facts, thresholds))
    gates = tuple(gate for gate, _ in judged)
    failed = any(gate.verdict == "fail" for gate in gates)
    points = sum((1 + room) / 2 for gate, room in judged if gate.verdict == "pass")
    return Screening(gates, 0.0 if failed else points / len(gates), all(gate.verdict == "pass" for gate in gates))


def looks_like(text: str) -> str | None:
    """Return the well-known symbol that a name looks like, in whatever alphabet, or is; None for a name of its own."""
    return _SKELETONS.get(_skeleton(text)) or _SKELETONS.get(_skeleton(text.lstrip("$")))


def _skeleton(text: str) -> str:
    """Return what an eye remembers of a name: capitals without accents and signs, look-alikes made one."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).upper())
    return "".join(letter for letter in apart.translate(ALIKE) if letter.isalnum())


_SKELETONS = {_skeleton(symbol): symbol for symbol in WELL_KNOWN}

Judged = tuple[Gate, float]
"""A gate, and how far inside its threshold the fact lies, 0 to 1."""


def _judged(symbol: str, name: str, facts: Facts, limits: Thresholds) -> Iterator[Judged]:
    yield _name(symbol, name)
    yield _at_least("age", facts.age_seconds, limits.min_age_seconds, "s")
    yield _stated("mint_authority", facts.mint_authority, False, ("given up", "somebody can make more of it"))
    yield _stated("freeze_authority", facts.freeze_authority, False, ("given up", "somebody can freeze your tokens"))
    yield _at_least("liquidity", facts.liquidity_usd, limits.min_liquidity_usd, "USD")
    yield _at_least("volume", facts.volume_usd, limits.min_volume_usd, "USD")
    yield _locked(facts.liquidity_locked, limits.min_liquidity_locked)
    yield _at_most("holders", facts.top_holders, limits.max_top_holders, 1.0, _share, "ten largest hold {}; at most {}")
    yield _stated("sale", facts.sell_works, True, ("a simulated sale went through", "a simulated sale was refused"))
    yield _at_most("buy_tax", facts.buy_tax_bps, limits.max_tax_bps, FULL_TAX_BPS, _bps)
    yield _at_most("sell_tax", facts.sell_tax_bps, limits.max_tax_bps, FULL_TAX_BPS, _bps)


def _figure(value: float) -> str:
    return f"{value:,.2f}".removesuffix(".00")


def _bps(value: float) -> str:
    return f"{_figure(value)} bps"


def _share(value: float) -> str:
    return f"{value:.2%}"


def _decided(gate: str, passes: bool, evidence: str, room: float = 1.0) -> Judged:
    return Gate(gate, "pass" if passes else "fail", evidence), room


def _measured(gate: str, value: float | None, highest: float, judge: Callable[[float], Judged]) -> Judged:
    """Judge a number that is known and can be; all else is unknown."""
    if value is None:
        return Gate(gate, "unknown", "the source did not tell"), 0.0
    if not 0 <= value <= highest:  # false for what is no number as well
        return Gate(gate, "unknown", "the source told what cannot be"), 0.0
    return judge(value)


def _stated(gate: str, value: bool | None, wanted: bool, evidence: tuple[str, str]) -> Judged:
    """Judge a yes or no; `evidence` is what to say of the wanted answer, and of the other."""
    if value is None:
        return Gate(gate, "unknown", "the source did not tell"), 0.0
    return _decided(gate, value is wanted, evidence[value is not wanted])


def _name(symbol: str, name: str) -> Judged:
    for text in (symbol, name):
        known = looks_like(text)
        if known is not None:
            return _decided("name", passes=False, evidence=f"looks like {known}, which is another token")
    if not any(map(str.isalnum, symbol)):
        return _decided("name", passes=False, evidence="its symbol has no letter or digit")
    return _decided("name", passes=True, evidence=f"looks like none of {len(WELL_KNOWN)} well-known symbols")


def _at_least(gate: str, value: float | None, lowest: float, unit: str) -> Judged:
    def judge(known: float) -> Judged:
        room = 1 - lowest / known if known > lowest else 0.0
        return _decided(gate, known >= lowest, f"{_figure(known)} {unit}; at least {_figure(lowest)}", room)

    return _measured(gate, value, NUMBER_MAX, judge)


def _locked(share: float | None, lowest: float) -> Judged:
    def judge(known: float) -> Judged:
        room = (known - lowest) / (1 - lowest) if lowest < 1 else 1.0
        evidence = f"{_share(known)} of the pool burned or locked; at least {_share(lowest)}"
        return _decided("liquidity_lock", known >= lowest, evidence, room)

    return _measured("liquidity_lock", share, 1.0, judge)


def _at_most(
    gate: str,
    value: float | None,
    limit: float,
    highest: float,
    said: Callable[[float], str],
    words: str = "{}; at most {}",
) -> Judged:
    """Judge what may not exceed its limit; `said` writes each number for `words`."""

    def judge(known: float) -> Judged:
        room = 1 - known / limit if limit else 1.0
        return _decided(gate, known <= limit, words.format(said(known), said(limit)), room)

    return _measured(gate, value, highest, judge)
