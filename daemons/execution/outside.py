"""Outside: what moves the account without an order of ours: transfers, funding, and trades made by hand."""

from collections.abc import Iterator

from daemons.execution.desk import SELF, Desk
from daemons.execution.operating import Operating
from lct.daemon import Said
from lct.domain.instruments import split_symbol
from lct.domain.money import ZERO, to_step
from lct.domain.positions import SHARE_STEP
from lct.messages.exchange import Funded, Traded, Transferred
from lct.messages.execution import Deposited, FundingPaid


class Outside:
    """Books facts of the venue by their ids, once; what came before the first look is in the opening balance."""

    def __init__(self, desk: Desk, operating: Operating) -> None:
        """Work on a desk."""
        self.desk = desk
        self.operating = operating

    def traded(self, traded: Traded, now_ns: int) -> Iterator[Said]:
        """Book a trade that is none of ours as what it did to the balances; one with our tag is a halt.

        Coins bought by hand lie unassigned until somebody adopts them.
        """
        if not self.desk.book.deposited:
            return
        key = traded.client_order_id
        if self.desk.identity.is_ours(key):
            text = f"trade {traded.trade_id} of {traded.symbol} is of our order {key}, which no journal has"
            yield from self.operating.close_gate(text, SELF, now_ns)
            return
        base, quote = split_symbol(traded.symbol)
        sign = traded.side.sign
        moved = [(base, sign * traded.amount), (quote, -sign * traded.amount * traded.price)]
        if traded.fee:
            moved.append((traded.fee_asset, -traded.fee))
        for n, (asset, amount) in enumerate(moved):
            transfer_id = f"trade:{traded.symbol}:{traded.trade_id}:{n}"
            if transfer_id not in self.desk.book.transfers_seen:
                yield Deposited(self.desk.next_seq, now_ns, asset, amount, transfer_id)

    def transferred(self, transferred: Transferred, now_ns: int) -> Iterator[Said]:
        """Book a deposit or a withdrawal."""
        book, transfer_id = self.desk.book, f"venue:{transferred.transfer_id}"
        if book.deposited and transfer_id not in book.transfers_seen:
            yield Deposited(self.desk.next_seq, now_ns, transferred.asset, transferred.amount, transfer_id)

    def funded(self, funded: Funded, now_ns: int) -> Iterator[Said]:
        """Book funding for the books that hold the symbol, by amount; the last takes what rounding left."""
        book = self.desk.book
        funding_id = f"funding:{funded.funding_id}"
        if not book.deposited or funding_id in book.transfers_seen:
            return
        held = {
            owner: abs(position.amount)
            for (owner, symbol), position in sorted(book.ledger.positions.items())
            if symbol == funded.symbol and position.amount
        }
        if not held:
            yield Deposited(self.desk.next_seq, now_ns, funded.asset, funded.amount, funding_id)
            return
        left, total = funded.amount, sum(held.values(), ZERO)
        owners = list(held)
        for owner in owners:
            share = left
            if owner != owners[-1]:
                share = to_step(funded.amount * held[owner] / total, SHARE_STEP, "ROUND_HALF_EVEN")
            left -= share
            yield FundingPaid(self.desk.next_seq, now_ns, funding_id, owner, funded.symbol, funded.asset, share)
