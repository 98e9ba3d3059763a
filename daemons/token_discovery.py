"""Token discovery: hears of new tokens, screens them by gates, and keeps the last ones with the evidence."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lct.daemon import Daemon, Saying, answers, on
from lct.domain.screening import Thresholds, screened
from lct.domain.text import clean
from lct.messages.token_discovery import GetTokens, Tokens, TokenScreened
from lct.messages.token_source import TokenSeen

NAME_WIDTH = 24
"""What a list shows of a name; the rest could only push the verdict out of sight."""
IDENTITY = re.compile(r"[a-z0-9_-]{1,32} [0-9A-Za-z]{1,64}")
"""A chain and an address on it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where new tokens come from, and what a token must have to be traded."""

    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = 8005
    source: Annotated[str, Meta(description="token source plugin")] = "synthetic"
    sources: Annotated[dict[str, dict[str, Any]], Meta(description="one table per token source plugin")] = {}
    tokens_kept: Annotated[int, Meta(ge=1, le=100_000, description="tokens kept in memory, the last ones seen")] = 1_000
    thresholds: Annotated[Thresholds, Meta(description="what a token must have to be traded")] = Thresholds()


class TokenDiscovery(Daemon):
    """Volatile: what it keeps comes again from the source, or where that has no past, as the tokens are seen again."""

    name = "token_discovery"

    def __init__(self, config: Config | None = None) -> None:
        """Start before the first token."""
        config = config or Config()
        self.thresholds = config.thresholds
        self.screened = self.refused = 0
        self._kept_max = config.tokens_kept
        self._tokens: dict[tuple[str, str], TokenScreened] = {}

    def rehears_since(self, md_seq: int) -> int:
        """Return after which of the source's results a new life must hear it again: it needs as many as are kept."""
        return max(0, md_seq - self._kept_max)

    @on(TokenSeen)
    def screen(self, token: TokenSeen, now_ns: int) -> Saying:
        """Say what the gates say of a token; one whose address is none is refused, and leaves only a count."""
        if IDENTITY.fullmatch(f"{token.chain} {token.mint}") is None:
            self.refused += 1
            return None
        symbol, name = clean(token.symbol, NAME_WIDTH), clean(token.name, NAME_WIDTH)
        found = screened(symbol, name, token.facts, self.thresholds)
        said = TokenScreened(
            chain=token.chain,
            mint=token.mint,
            symbol=symbol,
            name=name,
            source=clean(token.source, NAME_WIDTH),
            seen_at_ns=token.seen_at_ns,
            gates=found.gates,
            score=found.score,
            tradable=found.tradable,
        )
        self._keep(said)
        return (said,)

    def _keep(self, token: TokenScreened) -> None:
        """Keep the newest word on each token, and forget the one that was seen longest ago."""
        key = (token.chain, token.mint)
        self._tokens.pop(key, None)
        self._tokens[key] = token
        self.screened += 1
        if len(self._tokens) > self._kept_max:
            del self._tokens[next(iter(self._tokens))]

    @answers(GetTokens)
    def tokens(self, request: GetTokens, now_ns: int) -> Tokens:
        """Tell the last tokens."""
        found = [token for token in self._tokens.values() if token.tradable or not request.only_tradable]
        return Tokens(found[-request.limit :], self.screened, self.refused)
