"""What token_discovery says and answers: tokens with the verdict of each gate."""

from typing import Annotated

from msgspec import Meta

from lct.domain.screening import Gate
from lct.messages.base import Event, Request

TOKENS_TOLD_MAX = 100
"""In one reply, so that it fits into a frame."""


class TokenScreened(Event, frozen=True, tag="token_discovery.token_screened"):
    """A token and what the gates say of it; tradable only if every gate passes, `score` (0 to 1) orders those that are.

    (chain, mint) is its identity; symbol and name are decoration, cleaned and cut. `seen_at_ns` is when the source saw
    it.
    """

    chain: str
    mint: str
    symbol: str
    name: str
    source: str
    seen_at_ns: int
    gates: tuple[Gate, ...]
    score: float
    tradable: bool


class Tokens(Event, frozen=True, tag="token_discovery.tokens"):
    """Tokens by when they were last seen, oldest first; `screened` and `refused` count those of this life."""

    tokens: list[TokenScreened]
    screened: int
    refused: int


class GetTokens(Request[Tokens], frozen=True, tag="token_discovery.get_tokens"):
    """Which tokens were seen last? `limit` counts those that are told."""

    limit: Annotated[int, Meta(ge=1, le=TOKENS_TOLD_MAX)] = 50
    only_tradable: bool = False
