"""Books: money by double entry and, beside it, by the plain sums of the equations; they must agree."""

from collections import defaultdict
from decimal import Decimal

from lct.audit.findings import Body
from lct.audit.numbers import BOUND, ZERO, Unsound, assets, number, positive

OUTSIDE, MARKET, FEES, PAID = OTHERS = ("outside", "market", "fees", "funding")
UNASSIGNED, OWN = "unassigned", "book:"


def sign(side: str) -> int:
    """Return +1 for buy, -1 for sell; Unsound for anything else."""
    if side not in ("buy", "sell"):
        raise Unsound(f"side is {side!r}")
    return 1 if side == "buy" else -1


def fee_of(fill: Body) -> Decimal:
    """Read the fee of a fill, negative for a rebate."""
    fee = number(fill["fee"], "fee")
    if abs(fee) >= BOUND:
        raise Unsound(f"fee is {fee}")
    return fee


class Books:
    """Balances by account and asset, positions by book and symbol, and the sums of I06 and I07 per asset."""

    def __init__(self) -> None:
        """Start empty."""
        self.accounts: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.positions: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.quotes: set[str] = set()
        self.adopted: defaultdict[str, Decimal] = defaultdict(Decimal)

    def _move(self, asset: str, amount: Decimal, to: str, gives: str) -> None:
        self.accounts[to, asset] += amount
        self.accounts[gives, asset] -= amount

    def fill(self, fill: Body) -> None:
        """Book one fill: base against quote, and the fee in whatever asset; a fee in base makes the position less."""
        book, symbol = fill["book"], fill["symbol"]
        base, quote = assets(symbol)
        amount, price, fee = positive(fill["amount"], "amount"), positive(fill["price"], "price"), fee_of(fill)
        way, paid = sign(fill["side"]), fill["fee_asset"]
        own = OWN + book
        self._move(base, way * amount, own, MARKET)
        self._move(quote, -way * amount * price, own, MARKET)
        self._move(paid, -fee, own, FEES)
        self.sums[base] += way * amount
        self.sums[quote] -= way * amount * price
        self.sums[paid] -= fee
        self.positions[book, symbol] += way * amount - (fee if paid == base else ZERO)
        self.quotes.add(quote)

    def deposit(self, event: Body) -> None:
        """Book what came from outside, negative for what went out."""
        amount = number(event["amount"], "amount")
        self._move(event["asset"], amount, UNASSIGNED, OUTSIDE)
        self.sums[event["asset"]] += amount

    def funding(self, event: Body) -> None:
        """Book funding of one book."""
        amount = number(event["amount"], "amount")
        self._move(event["asset"], amount, OWN + event["book"], PAID)
        self.sums[event["asset"]] += amount

    def adopt(self, event: Body) -> None:
        """Give a book some base that lay unassigned, against its price in quote."""
        base, quote = assets(event["symbol"])
        amount, price = positive(event["amount"], "amount"), positive(event["price"], "price")
        own = OWN + event["book"]
        self._move(base, amount, own, UNASSIGNED)
        self._move(quote, -amount * price, own, UNASSIGNED)
        self.positions[event["book"], event["symbol"]] += amount
        self.adopted[event["symbol"]] += amount

    def unassigned(self, asset: str) -> Decimal:
        """Return what of an asset belongs to no book."""
        return self.accounts.get((UNASSIGNED, asset), ZERO)

    def total(self, asset: str) -> Decimal:
        """Return what is ours of an asset, by the plain sum: in, minus out, minus fees."""
        return self.sums.get(asset, ZERO)

    def flat_cash(self) -> Decimal | None:
        """Return the cash, where that is all there is: nothing is held, and there is one quote."""
        held = {asset for asset, amount in self.sums.items() if amount}
        if held != self.quotes or len(held) != 1 or any(self.positions.values()):
            return None
        return self.total(min(held))

    def objections(self) -> list[tuple[str, str]]:
        """Return what does not add up (I09: an asset's entries; I07: the entries against the plain sums)."""
        found = []
        trial: defaultdict[str, Decimal] = defaultdict(Decimal)
        ours: defaultdict[str, Decimal] = defaultdict(Decimal)
        for (account, asset), amount in self.accounts.items():
            trial[asset] += amount
            if account not in OTHERS:
                ours[asset] += amount
        for asset in sorted(trial):
            if trial[asset]:
                found.append(("I09", f"the entries of {asset} sum to {trial[asset]}"))
            if ours[asset] != self.total(asset):
                found.append(("I07", f"the entries say {ours[asset]} {asset}, the equation {self.total(asset)}"))
        return found
