"""Synthetic: seeded tokens of our own making, for demos and tests: good ones, rugs and honeypots, some with evil names.

Each hour is cut into as many slots as tokens are asked for, and each slot has one token, made of (seed, slot) alone: so
whatever period is asked for, its tokens are the same on every machine.
"""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from lct.ports.token_source import Facts, TokenSeen, TokenSource

Kind = Literal["good", "rug", "honeypot"]
T = TypeVar("T")

HOUR_NS = 3_600_000_000_000
MILLISECOND_NS = 1_000_000
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MINT_LENGTH = 44
CHAIN = "solana"

GOOD_ODDS, RUG_ODDS = 0.40, 0.35
"""The rest are honeypots."""
UNKNOWN_ODDS = 0.15
HOSTILE_ODDS = 0.15

FIRST = ("Turbo", "Lucky", "Quiet", "Mega", "Lunar", "Salty", "Cosmic", "Tiny", "Royal", "Sleepy", "Neon", "Brave")
SECOND = ("Otter", "Walrus", "Gecko", "Badger", "Heron", "Newt", "Yak", "Lynx", "Toad", "Quokka", "Marmot", "Ibis")

HOSTILE = (
    ("\x1b[2J\x1b[31mPWN", "\x1b]0;all is well\x07 clears your screen"),
    ("LINK\x1b]8;;file:///etc/passwd\x1b\\", "\x1b]8;;http://evil.example\x1b\\click me\x1b]8;;\x1b\\"),
    ("CLIP", "\x1b]52;c;cm0gLXJmIH4=\x07writes to your clipboard"),
    ("EVIL\u202eTDSU", "\u2066safe\u2069 \u202egnp.exe"),
    ("ZW\u200b\u200d\ufeffSP", "no\u00adthing \u200b\u200b\u200bto see"),
    ("[/]ROCK", "[@click=app.quit]FREE[/] [link=file:///x]money[/link]"),
    ("W" * 10_000, "W" * 10_000),
    ("Z" + "\u0301" * 500, "a\u0489" * 200),
    ("CR\r\nLF", 'ok\r\nlevel=info msg="all good"\u2028\u0085'),
    ("=CALL()", '=HYPERLINK("http://evil.example","claim")'),
    ("%n%s%x", "../../keys\x00.json"),
    ("PUA\ue000\U000f0000", "\ud83d half a letter"),
)
"""Symbols and names as attackers write them; they say nothing about what the token is."""
IMPOSTORS = (("USDТ", "Tether USD"), ("SОL", "Solana"), ("U\u200bSDC", "USD Coin"), ("ＢＴＣ", "Bitcoin"))
"""Names of others, in letters that look the same; only rugs have them."""


class Made(NamedTuple):
    """A token and the truth about it, which no source would tell."""

    token: TokenSeen
    kind: Kind
    unknown: str | None
    """Which fact the source does not know."""


class Synthetic(TokenSource):
    """A source of generated tokens, with the truth for tests."""

    name: ClassVar[str] = "synthetic"
    summary: ClassVar[str] = "Seeded tokens: good ones, rugs and honeypots; no network."

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Which made-up tokens to see, and how many."""

        seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Another seed, other tokens.")] = 7
        per_hour: Annotated[int, Meta(ge=1, le=60, description="How many tokens in an hour.")] = 3

    def __init__(self, config: Any = None, from_ns: int = 0, to_ns: int | None = None) -> None:
        """Take the settings (None: defaults) and the period."""
        self.config = config or self.Config()
        self._from_ns, self._to_ns = from_ns, to_ns
        self._slot_ns = HOUR_NS // self.config.per_hour

    def tokens(self) -> Iterator[TokenSeen]:
        """Yield the tokens of the period."""
        return (made.token for made in self.made())

    def made(self) -> Iterator[Made]:
        """Yield the tokens of the period with the truth about each."""
        slot = self._from_ns // self._slot_ns
        while self._to_ns is None or slot * self._slot_ns < self._to_ns:
            made = self._make(slot)
            if self._from_ns <= made.token.seen_at_ns and (self._to_ns is None or made.token.seen_at_ns < self._to_ns):
                yield made
            slot += 1

    def _make(self, slot: int) -> Made:
        draw = _Draw(f"{self.config.seed}:{slot}")
        seen_at_ns = slot * self._slot_ns + int(draw.between(0, self._slot_ns // MILLISECOND_NS)) * MILLISECOND_NS
        chance = draw.between(0, 1)
        kind: Kind = "good" if chance < GOOD_ODDS else "rug" if chance < GOOD_ODDS + RUG_ODDS else "honeypot"
        facts = _clean_facts(draw)
        symbol, name = _names(draw)
        if draw.between(0, 1) < HOSTILE_ODDS:
            symbol, name = draw.one_of(HOSTILE)
        if kind == "rug":
            facts, impostor = _rug(draw, facts)
            symbol, name = impostor or (symbol, name)
        elif kind == "honeypot":
            facts = _honeypot(draw, facts)
        unknown = draw.one_of(Facts.__struct_fields__) if draw.between(0, 1) < UNKNOWN_ODDS else None
        if unknown is not None:
            facts = msgspec.structs.replace(facts, **{unknown: None})
        mint = "".join(draw.one_of(BASE58) for _ in range(MINT_LENGTH))
        return Made(TokenSeen(CHAIN, mint, symbol, name, self.name, seen_at_ns, facts), kind, unknown)


class _Draw:
    """Chance of one token; only Random.random is used, whose numbers for a seed are promised to stay."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random.random()

    def one_of(self, things: "tuple[T, ...] | str") -> Any:
        return things[int(self._random.random() * len(things))]


def _names(draw: _Draw) -> tuple[str, str]:
    first, second = draw.one_of(FIRST), draw.one_of(SECOND)
    return f"{first[0]}{second}".upper(), f"{first} {second}"


def _clean_facts(draw: _Draw) -> Facts:
    """Return what is known of a token that nobody means to harm you with."""
    liquidity = round(draw.between(20_000, 400_000), 2)
    return Facts(
        age_seconds=round(draw.between(120, 7_200), 1),
        liquidity_usd=liquidity,
        volume_usd=round(liquidity * draw.between(1, 6), 2),
        top_holders=round(draw.between(0.05, 0.25), 4),
        liquidity_locked=round(draw.between(0.97, 1.0), 4),
        mint_authority=False,
        freeze_authority=False,
        sell_works=True,
        buy_tax_bps=0.0,
        sell_tax_bps=float(draw.one_of((0, 0, 0, 100, 300))),
    )


def _rug(draw: _Draw, facts: Facts) -> tuple[Facts, tuple[str, str] | None]:
    """Return the facts with one sign of what is coming, or an impostor's names."""
    signs: tuple[dict[str, Any], ...] = (
        {"mint_authority": True},
        {"freeze_authority": True},
        {"liquidity_locked": round(draw.between(0, 0.6), 4)},
        {"top_holders": round(draw.between(0.45, 0.98), 4)},
        {"liquidity_usd": round(draw.between(200, 6_000), 2)},
        {"age_seconds": round(draw.between(1, 60), 1)},
        {},
    )
    sign = draw.one_of(signs)
    return msgspec.structs.replace(facts, **sign), None if sign else draw.one_of(IMPOSTORS)


def _honeypot(draw: _Draw, facts: Facts) -> Facts:
    """Return the facts of a token that can be bought and not sold, or sold for next to nothing."""
    traps: tuple[dict[str, Any], ...] = ({"sell_works": False}, {"sell_tax_bps": round(draw.between(3_000, 9_900))})
    return msgspec.structs.replace(facts, **draw.one_of(traps))
