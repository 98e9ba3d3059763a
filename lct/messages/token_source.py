"""What a token source tells token_discovery: a token that it saw, with the facts it has."""

from lct.domain.screening import Facts
from lct.messages.base import Event


class TokenSeen(Event, frozen=True, tag="token_source.token_seen"):
    """A token as its source found it; who it is says (chain, mint), its names are whatever somebody chose to write.

    `source` names who told, `facts` are those of `seen_at_ns`; a token may be seen again, when more is known of it.
    """

    chain: str
    mint: str
    symbol: str
    name: str
    source: str
    seen_at_ns: int
    facts: Facts
