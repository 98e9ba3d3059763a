"""The ledger: double entry over accounts and assets, and the position of each book in each symbol."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

import msgspec

from lct.domain.instruments import split_symbol
from lct.domain.money import ZERO, Money
from lct.domain.orders import Side
from lct.domain.positions import Closed, Position

DEPOSITS = "deposits"
OUTSIDE = "outside"
MARKET = "market"
FEES = "fees"
FUNDING = "funding"
COUNTERPARTIES = (OUTSIDE, MARKET, FEES, FUNDING)
"""Accounts that are not ours: where deposits come from, who takes the other side, the fees, and pays funding."""

FLAT = Position()

_split = lru_cache(maxsize=4096)(split_symbol)


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One line of an entry: `account` gains `amount` of `asset` (loses it where negative)."""

    account: str
    asset: str
    amount: Money


@lru_cache(maxsize=4096)
def book_account(book: str) -> str:
    """Return the account of a book; its quote goes below zero as it buys, for the deposits stand elsewhere."""
    return f"book:{book}"


def sums(postings: Iterable[Posting]) -> dict[str, Decimal]:
    """Return the sum of the postings per asset; all zero in a sound entry."""
    total: dict[str, Decimal] = {}
    for posting in postings:
        asset = posting.asset
        total[asset] = total[asset] + posting.amount if asset in total else posting.amount
    return total


def _balanced(postings: list[Posting]) -> bool:
    """Entries made here come in pairs that cancel, which is seen at a glance; any other is added up."""
    for gains, loses in zip(postings[::2], postings[1::2], strict=False):
        if gains.asset != loses.asset or gains.amount != -loses.amount:
            return not any(sums(postings).values())
    return len(postings) % 2 == 0 or not any(sums(postings).values())


def deposit(asset: str, amount: Decimal) -> list[Posting]:
    """Return the postings of `amount` of `asset` coming in from outside; negative for a withdrawal."""
    assert amount.is_finite(), "a deposit is a finite amount"
    return [Posting(OUTSIDE, asset, -amount), Posting(DEPOSITS, asset, amount)]


def adoption(book: str, base: str, quote: str, amount: Decimal, price: Decimal) -> list[Posting]:
    """Return the postings of a book taking `amount` of base out of the deposits, for `amount * price` of quote."""
    assert amount > ZERO, "what is adopted is positive"
    assert price > ZERO, "the price of what is adopted is positive"
    account, notional = book_account(book), amount * price
    return [
        Posting(DEPOSITS, base, -amount),
        Posting(account, base, amount),
        Posting(account, quote, -notional),
        Posting(DEPOSITS, quote, notional),
    ]


def funding(book: str, asset: str, amount: Decimal) -> list[Posting]:
    """Return the postings of funding that came to a book (was taken from it where negative)."""
    assert amount.is_finite(), "funding is a finite amount"
    return [Posting(FUNDING, asset, -amount), Posting(book_account(book), asset, amount)]


def fill_postings(
    book: str, base: str, quote: str, side: Side, amount: Decimal, price: Decimal, fee: Decimal, fee_asset: str
) -> list[Posting]:
    """Return the postings of one fill: base against quote with the market, and the fee, in whatever asset it was taken.

    `amount` (base) and `price` (quote per base) are positive; a negative fee is a rebate.
    """
    assert amount > ZERO, "a fill's amount is positive"
    assert price > ZERO, "a fill's price is positive"
    account = book_account(book)
    notional = amount * price
    if side is Side.BUY:
        got, gave = amount, -notional
    else:
        got, gave = -amount, notional
    postings = [
        Posting(account, base, got),
        Posting(MARKET, base, -got),
        Posting(account, quote, gave),
        Posting(MARKET, quote, -gave),
    ]
    if fee:
        postings += Posting(account, fee_asset, -fee), Posting(FEES, fee_asset, fee)
    return postings


class Ledger:
    """Balances by (account, asset) and positions by (book, symbol): the state of a fold over fills and deposits.

    It is changed by `post` and `fill` only, which a daemon calls from its `apply` and nowhere else.
    """

    __slots__ = ("_held", "balances", "positions")

    def __init__(self) -> None:
        self.balances: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self.positions: dict[tuple[str, str], Position] = {}
        self._held: dict[str, Decimal] = {}

    def post(self, postings: list[Posting]) -> None:
        """Add one entry; its postings must sum to zero per asset."""
        assert _balanced(postings), f"an entry that does not balance: {postings}"
        balances = self.balances
        for posting in postings:
            balances[posting.account, posting.asset] += posting.amount

    def fill(
        self,
        book: str,
        symbol: str,
        side: Side,
        amount: Decimal,
        price: Decimal,
        fee: Decimal,
        fee_asset: str,
        time_ns: int,
    ) -> Closed | None:
        """Post one fill and move the book's position; return the round trip that it closed, if it did.

        A fee in base makes the position smaller and counts at the fill's price; a fee in a third asset is posted, but
        no position's `fees` has it, for its price in quote is not known here.
        """
        base, quote = _split(symbol)
        self.post(fill_postings(book, base, quote, side, amount, price, fee, fee_asset))
        moved, cost = amount, fee
        if fee_asset == base:
            # a base fee is base that did not come, or left as well
            moved, cost = (amount - fee if side is Side.BUY else amount + fee), fee * price
        elif fee_asset != quote:
            cost = ZERO
        after, closed = self.positions.get((book, symbol), FLAT).after(side, moved, price, cost, time_ns)
        self._move(book, symbol, after)
        return closed

    def adopt(self, book: str, symbol: str, amount: Decimal, price: Decimal, time_ns: int) -> None:
        """Make `amount` (base) of the deposits the position of a book, as if it had bought them at `price`."""
        base, quote = _split(symbol)
        self.post(adoption(book, base, quote, amount, price))
        before = self.positions.get((book, symbol), FLAT)
        self._move(book, symbol, before.after(Side.BUY, amount, price, ZERO, time_ns)[0])

    def _move(self, book: str, symbol: str, after: Position) -> None:
        key = (book, symbol)
        before = self.positions.get(key, FLAT)
        self.positions[key] = after
        held = self._held.get(symbol, ZERO) + (after.amount - before.amount)
        if held:
            self._held[symbol] = held
        else:
            self._held.pop(symbol, None)

    def position(self, book: str, symbol: str) -> Position:
        """Return what a book holds of a symbol; a flat position where it never traded it."""
        return self.positions.get((book, symbol), FLAT)

    def held(self, symbol: str) -> Decimal:
        """Return the amount (base, signed) of a symbol over all books."""
        return self._held.get(symbol, ZERO)

    def holdings(self) -> dict[str, Decimal]:
        """Return the amount (base, signed) over all books of each symbol that is held at all."""
        return self._held

    def balance(self, account: str, asset: str) -> Decimal:
        """Return one account's balance of one asset."""
        return self.balances.get((account, asset), ZERO)

    def total(self, asset: str) -> Decimal:
        """Return what is ours of an asset: the deposits and all books.

        As every entry sums to zero, that is what the counterparties lack: four look-ups, however many books there are.
        """
        get = self.balances.get
        ours = get((OUTSIDE, asset), ZERO) + get((MARKET, asset), ZERO) + get((FEES, asset), ZERO)
        return -(ours + get((FUNDING, asset), ZERO))

    def trial_balance(self) -> dict[str, Decimal]:
        """Return the sum over all accounts per asset, added up anew: anything but zero is a broken ledger."""
        return sums(Posting(account, asset, amount) for (account, asset), amount in self.balances.items())
