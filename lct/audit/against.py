"""Against a witness: what the venue itself holds, compared with what the rows say (I02, I04-I08)."""

from collections import Counter, defaultdict
from decimal import Decimal, localcontext
from typing import Any

from lct.audit.books import sign
from lct.audit.checking import Audit
from lct.audit.execution import Execution
from lct.audit.lives import AT_THE_VENUE, Identity
from lct.audit.numbers import CONTEXT, ZERO, assets, number, plain

Ledger = dict[str, Any]
MONEY = ("price", "fee", "fee_asset")
SAME = ("client_order_id", "side", "amount")


class Against:
    """One comparison. A ledger that is not `quiescent` is asked only what holds while things are under way."""

    def __init__(self, audit: Audit, ledger: Ledger) -> None:
        """Compare a folded audit with a ledger."""
        self._audit = audit
        self._execution: Execution = audit.execution
        self._ledger = ledger
        self._is_quiet = bool(ledger["quiescent"])
        identity = audit.identity or Identity(ledger["install_id"], ledger["venue"], ledger["account"])
        self._tag = identity.tag()

    def counts(self) -> dict[str, int]:
        """Compare, and count trades lost, orders duplicated, open orders orphaned, and assets that drifted."""
        with localcontext(CONTEXT):
            found = {"lost": 0, "duplicated": self._duplicated(), "orphaned": self._orphaned(), "drift": 0}
            if self._is_quiet:
                self._check_live()
                found["lost"] = self._lost()
                self._check_positions()
                found["drift"] = self._drift()
        return found

    def _add(self, invariant: str, detail: str) -> None:
        self._audit.findings.add(invariant, detail, "execution", 0)

    def _ours(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self._ledger[what] if one["client_order_id"].startswith(self._tag)]

    def _duplicated(self) -> int:
        times = Counter(order["client_order_id"] for order in self._ours("orders"))
        for order in self._ours("orders"):
            times[order["client_order_id"]] = max(times[order["client_order_id"]], order["accepted_times"])
        twice = {key: count for key, count in times.items() if count > 1}
        for key, count in sorted(twice.items()):
            self._add("I02", f"the venue took {key} {count} times")
        return len(twice)

    def _orphaned(self) -> int:
        live, over = self._execution.live, self._execution.over
        orphaned = 0
        for order in self._ours("orders"):
            key = order["client_order_id"]
            known = key in live or key in over or not over.is_whole
            is_orphan = order["status"] == "open" and key not in live
            orphaned += is_orphan
            if not known:
                self._add("I04", f"the venue has {key} with our tag, which no row intended")
            elif is_orphan and self._is_quiet:
                self._add("I04", f"the venue holds {key} for open, the rows for over")
        return orphaned

    def _check_live(self) -> None:
        there = {order["client_order_id"]: order for order in self._ours("orders")}
        for key, order in sorted(self._execution.live.items()):
            if order.state in AT_THE_VENUE and there.get(key, {}).get("status") != "open":
                self._add("I04", f"the rows hold {key} for {order.state}, the venue has no such open order")
            if key in there and number(there[key]["filled"], "filled") != order.filled:
                text = f"{key}: {plain(order.filled)} filled by the rows, {there[key]['filled']} at the venue"
                self._add("I05", text)

    def _lost(self) -> int:
        trades, lost = self._execution.trades, 0
        theirs = set()
        for trade in self._ours("trades"):
            key = (trade["symbol"], trade["trade_id"])
            theirs.add(key)
            ours = trades.get(key)
            if ours is not None:
                self._compare(trade, ours)
            elif trades.is_whole:
                lost += 1
                self._add("I05", f"trade {key[1]} of {trade['client_order_id']} is in no row")
        for symbol, trade_id in trades:
            if (symbol, trade_id) not in theirs:
                self._add("I05", f"trade {trade_id} of {symbol} is in a row, and never happened")
        return lost

    def _compare(self, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
        for invariant, names in (("I05", SAME), ("I07", MONEY)):
            for name in names:
                a, b = theirs[name], ours[name]
                if a != b and (name not in ("amount", "price", "fee") or number(a, name) != number(b, name)):
                    self._add(invariant, f"trade {theirs['trade_id']}: {name} is {a} at the venue, {b} in its row")

    def _check_positions(self) -> None:
        """Compare Σ side·qty − Σ base fees of the venue's trades, with what the rows add up to, by symbol."""
        books = self._execution.books
        theirs: defaultdict[str, Decimal] = defaultdict(Decimal)
        for trade in self._ours("trades"):
            symbol = trade["symbol"]
            theirs[symbol] += sign(trade["side"]) * number(trade["amount"], "amount")
            if trade["fee_asset"] == assets(symbol)[0]:
                theirs[symbol] -= number(trade["fee"], "fee")
        ours: defaultdict[str, Decimal] = defaultdict(Decimal)
        for (_, symbol), amount in books.positions.items():
            ours[symbol] += amount
        for symbol in sorted({*theirs, *ours}):
            held = ours[symbol] - books.adopted.get(symbol, ZERO)
            if held != theirs[symbol]:
                text = f"{symbol}: {plain(held)} by the rows, {plain(theirs[symbol])} by the venue's trades"
                self._add("I06", text)

    def _drift(self) -> int:
        balances = {asset: number(amount, asset) for asset, amount in self._ledger["balances"].items()}
        drift = 0
        for asset in sorted({*balances, *self._execution.books.sums}):
            ours, theirs = self._execution.books.total(asset), balances.get(asset, ZERO)
            if ours != theirs:
                drift += 1
                self._add("I08", f"{asset}: {plain(ours)} by the rows, {plain(theirs)} at the venue")
        return drift
