"""Statements: every movement of an account in a period, by asset, between balances that they join to the last digit."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lct.domain.instruments import split_symbol
from lct.domain.money import ZERO

if TYPE_CHECKING:
    from lct.messages.base import Event


class Line(NamedTuple):
    """One movement: `amount` of `asset` came (went where negative), and `balance` is what is ours of it afterwards.

    `kind` is deposit, withdrawal, trade, fee, funding, or the opening and closing balance; `ref` is the venue's id.
    """

    time_ns: int
    kind: str
    asset: str
    amount: Decimal
    balance: Decimal
    strategy: str
    symbol: str
    ref: str


class Move(NamedTuple):
    """What one fact does to one asset."""

    kind: str
    asset: str
    amount: Decimal
    strategy: str = ""
    symbol: str = ""
    ref: str = ""


def moves(fact: "Event") -> Iterator[Move]:
    """Return what a fact of execution does to the account; what a book takes over moves nothing in or out."""
    from lct.messages.execution import Deposited, Filled, FundingPaid

    if isinstance(fact, Deposited):
        kind = "deposit" if fact.amount >= ZERO else "withdrawal"
        yield Move(kind, fact.asset, fact.amount, ref=fact.transfer_id)
    elif isinstance(fact, FundingPaid):
        yield Move("funding", fact.asset, fact.amount, fact.book, fact.symbol, fact.funding_id)
    elif isinstance(fact, Filled):
        base, quote = split_symbol(fact.symbol)
        sign = fact.side.sign
        about = (fact.book, fact.symbol, fact.trade_id)
        yield Move("trade", base, sign * fact.amount, *about)
        yield Move("trade", quote, -sign * fact.amount * fact.price, *about)
        if fact.fee:
            yield Move("fee", fact.fee_asset, -fact.fee, *about)


def statement(facts: "Iterable[Event]", from_ns: int, to_ns: int) -> Iterator[Line]:
    """Yield the opening balances, every movement in [from_ns, to_ns), and the closing balances; facts in order."""
    balances: dict[str, Decimal] = {}
    opened = False
    for fact in facts:
        time_ns: int = fact.time_ns  # type: ignore[attr-defined] # those that move something have one
        if time_ns >= to_ns:
            continue
        if time_ns >= from_ns and not opened:
            opened = True
            yield from _balances("opening", from_ns, balances)
        for move in moves(fact):
            after = balances[move.asset] = balances.get(move.asset, ZERO) + move.amount
            if opened:
                yield Line(time_ns, move.kind, move.asset, move.amount, after, move.strategy, move.symbol, move.ref)
    if not opened:
        yield from _balances("opening", from_ns, balances)
    yield from _balances("closing", to_ns, balances)


def _balances(kind: str, time_ns: int, balances: dict[str, Decimal]) -> Iterator[Line]:
    for asset, amount in sorted(balances.items()):
        yield Line(time_ns, kind, asset, ZERO, amount, "", "", "")


def money_facts(path: Path) -> "Iterator[Event]":
    """Yield the facts of a journal that move money, one at a time, in the order in which they were journaled."""
    from lct.bus.room import recorded
    from lct.cli.records import reading
    from lct.messages.base import Codec, tag_of
    from lct.messages.execution import Deposited, Filled, FundingPaid

    kinds = (Deposited, Filled, FundingPaid)
    codec = Codec(kinds, is_ours=True)
    names = [tag_of(kind) for kind in kinds]
    sql = f"select body from journal where type in ({', '.join('?' * len(names))}) order by position"  # noqa: S608
    with reading(path) as db:
        for (body,) in db.execute(sql, names):
            yield recorded(codec, body)  # type: ignore[misc] # the codec knows events only
