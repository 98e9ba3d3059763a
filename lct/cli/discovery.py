"""`lct discovery`: new tokens, with the verdict and the evidence of every gate."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import print_json, print_rows
from lct.messages.token_discovery import TOKENS_TOLD_MAX

if TYPE_CHECKING:
    from lct.messages.token_discovery import Tokens, TokenScreened

app = typer.Typer(name="discovery", no_args_is_help=True, add_completion=False)

TABLE = ("seen_at", "symbol", "name", "chain", "mint", "score", "tradable", "why")
TABLE_SPARE = ("chain", "name", "seen_at", "score", "mint")


@app.callback()
def discovery() -> None:
    """New tokens, and what the gates say of them. Example: lct discovery tokens"""


@app.command()
def tokens(
    last: Annotated[int, typer.Option("--last", min=1, max=TOKENS_TOLD_MAX, help="Only the newest N.")] = 20,
    tradable: Annotated[bool, typer.Option("--tradable", help="Only those that pass every gate.")] = False,
    json: o.Json = False,
) -> None:
    """Show the tokens that were seen last, oldest first, with what speaks against each; --json has every gate.

    A token is its mint: its name is what somebody chose to write. Exit code 3 where token_discovery does not answer.

    Example: lct discovery tokens --tradable
    """
    from lct.client import Client
    from lct.config import home
    from lct.messages.token_discovery import GetTokens

    with Client(home()) as client:
        told = client.ask(GetTokens(last, tradable))
    if json:
        print_json(token_documents(told))
    else:
        none = "no token was seen yet" if not told.screened else "none of those seen is tradable"
        print_rows(token_rows(told), json=False, columns=TABLE, none=none, spare=TABLE_SPARE)


def token_documents(told: "Tokens") -> list[dict[str, Any]]:
    """Return tokens in their fixed shape."""
    return [_document(token) for token in told.tokens]


def token_rows(told: "Tokens") -> list[dict[str, Any]]:
    """Return tokens as rows of a table, with what speaks against each in place of its gates."""
    return [{**_document(token), "score": round(token.score, 2), "why": _why(token)} for token in told.tokens]


def _document(token: "TokenScreened") -> dict[str, Any]:
    from lct.clock import rfc3339

    return {
        "chain": token.chain,
        "mint": token.mint,
        "symbol": token.symbol,
        "name": token.name,
        "source": token.source,
        "seen_at": rfc3339(token.seen_at_ns),
        "gates": [{"gate": one.gate, "verdict": one.verdict, "evidence": one.evidence} for one in token.gates],
        "score": token.score,
        "tradable": token.tradable,
    }


def _why(token: "TokenScreened") -> str:
    """Return what failed, else what is unknown; empty for a token that is tradable."""
    for verdict in ("fail", "unknown"):
        found = [f"{one.gate}: {one.evidence}" for one in token.gates if one.verdict == verdict]
        if found:
            return "; ".join(found)
    return ""
