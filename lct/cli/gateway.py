"""`lct gateway`: makes, lists and revokes the keys of the HTTP gateway, and shows what it was asked."""

from typing import Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import manners, print_facts, print_rows, say

app = typer.Typer(name="gateway", no_args_is_help=True, add_completion=False)
keys = typer.Typer(name="keys", no_args_is_help=True, add_completion=False)
app.add_typer(keys)

KEYS = ("id", "scope", "created_at")
TRAFFIC = ("method", "route", "requests", "statuses", "longest_ms")


@app.callback()
def gateway() -> None:
    """The HTTP gateway on 127.0.0.1:8000. Example: lct gateway keys create --scope read"""


@keys.callback()
def keys_() -> None:
    """Keys of the gateway: what each may, and no more. Example: lct gateway keys list"""


def complete_scopes(incomplete: str) -> list[str]:
    """Complete a scope, also as the last of a list with commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{scope}" for scope in ("read", "trade", "admin") if scope.startswith(last)]


def complete_ids(incomplete: str) -> list[str]:
    """Complete the id of a key."""
    return [row["id"] for row in _rows() if row["id"].startswith(incomplete)]


@keys.command()
def create(
    scope: Annotated[
        Any,
        typer.Option(
            "--scope",
            parser=o.names,
            metavar="A,B",
            autocompletion=complete_scopes,
            help="read: questions; trade: what changes the house; admin: all.",
        ),
    ],
    json: o.Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept. A running gateway knows it at once.

    Example: lct gateway keys create --scope read,trade --json
    """
    from lct.cli.drive import private
    from lct.config import ensure_home, home
    from lct.run.gateway import create_key

    private()
    ensure_home(home())
    key, text = create_key(home(), scope)
    print_facts({"key": text, "id": key.id, "scope": list(key.scope)}, json=json)
    say("keep the key: it is not shown again", manners())


@keys.command("list")
def list_(json: o.Json = False) -> None:
    """List the keys, oldest first, by id, scope and when each was made.

    Example: lct gateway keys list --json
    """
    print_rows(_rows(), json=json, columns=KEYS, none="no keys; `lct gateway keys create --scope read` makes one")


@keys.command()
def revoke(
    id: Annotated[str, typer.Argument(autocompletion=complete_ids, help="See lct gateway keys list.")],
    json: o.Json = False,
) -> None:
    """Revoke a key: who shows it is refused from now on, by a running gateway too. Exit code 5 for an unknown id.

    Example: lct gateway keys revoke 0f8a13c07e25
    """
    from lct.config import home
    from lct.run.gateway import key_store

    print_facts({"id": key_store(home()).revoke(id).id, "revoked": True}, json=json)


@app.command()
def traffic(json: o.Json = False) -> None:
    """Show what the running gateway was asked, by route and status. Exit code 3 where it does not answer.

    Example: lct gateway traffic --json
    """
    from lct.cli.asking import ask
    from lct.messages.api_gateway import GetTraffic

    rows = [
        {
            "method": route.method,
            "route": route.route,
            "requests": sum(route.statuses.values()),
            "statuses": route.statuses,
            "longest_ms": route.longest_ms,
        }
        for route in ask(GetTraffic()).routes
    ]
    print_rows(rows, json=json, columns=TRAFFIC, none="nobody asked anything yet", spare=("longest_ms",))


def _rows() -> list[dict[str, Any]]:
    from lct.clock import rfc3339
    from lct.config import home
    from lct.run.gateway import key_store

    return [
        {"id": key.id, "scope": list(key.scope), "created_at": rfc3339(key.created_ns)}
        for key in key_store(home()).listed()
    ]
