"""What a house is: what it trades and where it keeps that, apart from the parts that it is made of."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lct.domain.matching import Costs
from lct.domain.money import Money, money_hook
from lct.errors import JournalError, Refused

FOLDER = r"^[a-z0-9][a-z0-9_]{0,31}\Z"
"""What may become part of a folder's name; no `-`, which joins several to one."""


class HouseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the house trades, where its bars come from, and with how much paper money."""

    mode: Annotated[Literal["paper", "live"], Meta(description="paper, or live (which this version refuses)")] = "paper"
    venue: Annotated[str, Meta(pattern=FOLDER, description="name of the venue in journals and order ids")] = "paper"
    account: Annotated[str, Meta(pattern=FOLDER, description="name of the account in journals and order ids")] = "main"
    feed: Annotated[str, Meta(description="feed plugin: synthetic or replay")] = "synthetic"
    exchange: Annotated[str, Meta(description="exchange plugin")] = "paper"
    timeframe: Annotated[str, Meta(description="bars that the house trades on")] = "1m"
    symbols: Annotated[tuple[str, ...], Meta(description="universe; none means all that the feed has")] = ()
    cash: Annotated[Money, Meta(description="paper money at the start, in quote", extra={"gt": 0})] = Decimal(10_000)
    costs: Annotated[Costs, Meta(description="what trading costs at the paper venue")] = Costs()
    feeds: Annotated[dict[str, dict[str, Any]], Meta(description="one table per feed plugin")] = {}


def journal_folder(home: Path, house: HouseConfig) -> Path:
    """Return the folder of the journals of one (mode, venue, account)."""
    return home / "journal" / f"{house.mode}-{house.venue}-{house.account}"


def kept_house(home: Path, house: HouseConfig) -> HouseConfig | None:
    """Return what the house of this (mode, venue, account) was first started with, None where it never was."""
    path = journal_folder(home, house) / "house.json"
    return read_kept(path) if path.exists() else None


def install_id(home: Path) -> str:
    """Return the random 128 bits that tell this installation's orders from all others', made on first use."""
    path = home / "install_id"
    _is_first(path, os.urandom(16).hex().encode())
    return path.read_text().strip()


def read_kept(path: Path) -> HouseConfig:
    """Return what a house was started with; JournalError where its file cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=HouseConfig, dec_hook=money_hook)
    except ValueError as error:
        raise JournalError(f"{path} cannot be read ({error}); restore a backup, or move its folder away") from None


def keep_or_compare(path: Path, house: HouseConfig) -> None:
    """Keep what the house was first started with, or refuse to go on with something else."""
    written = msgspec.json.encode(house)
    if _is_first(path, written):
        return
    kept = read_kept(path)
    house = msgspec.json.decode(written, type=HouseConfig, dec_hook=money_hook)  # a date of a feed is a text then
    differing = [name for name in HouseConfig.__struct_fields__ if getattr(kept, name) != getattr(house, name)]
    if differing:
        raise Refused(
            f"{path.parent.name} was started with another {', '.join(differing)}. Use the same, another --account, "
            "or `lct portfolio reset` to begin anew."
        )


def _is_first(path: Path, content: bytes) -> bool:
    """Write a file whole where there is none, also when several processes try at once; return whether it is ours."""
    if path.exists():
        return False
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o600)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        fresh.unlink()
