"""Execution: a second fold of what it journaled, and what each of its rows must keep to."""

from lct.audit.books import Books, fee_of, sign
from lct.audit.findings import Body, Findings, Recent
from lct.audit.gate import JOURNAL, Gate
from lct.audit.guarding import Guarding
from lct.audit.lives import FIRST, LIVE, NEVER_THERE, OVER, Identity, Known, known_from, may_follow
from lct.audit.numbers import ZERO, assets, number, plain, positive
from lct.audit.proposals import Proposals
from lct.audit.rates import Limits, Rates


class Execution:
    """Folds execution's rows; `kept` bounds how many finished orders, trades and intents are remembered."""

    def __init__(self, findings: Findings, identity: Identity | None, kept: int | None, limits: Limits) -> None:
        """Start before the first row."""
        self.findings = findings
        self.identity = identity
        self.limits = limits
        self.rates = Rates(findings, limits)
        self.books = Books()
        self.gate = Gate(findings)
        self.guarding = Guarding(findings, self.books, self.gate)
        self.live: dict[str, Known] = {}
        self.over: Recent[Known] = Recent(kept)
        self.trades: Recent[Body | None] = Recent(kept)
        self._keeps_bodies = kept is None  # a watch has no witness to compare them with
        self.proposals = Proposals(findings, kept)
        self.fills = 0
        self._keys: Recent[None] = Recent(kept)
        self._legs: Recent[None] = Recent(kept)
        self._intents: Recent[None] = Recent(kept)
        self._denied: Recent[None] = Recent(kept)
        self._transfers: Recent[None] = Recent(kept)
        self._unknown: set[str] = set()
        self._commit: tuple[int, int] | None = None
        self._seq = 0

    def take(self, event: Body, seq: int, commit: tuple[int, int]) -> None:
        """Fold one event of the commit (epoch, round); Unsound, KeyError or TypeError where it is malformed."""
        if commit != self._commit:
            self.settle()
            self._commit = commit
        self._seq = seq
        self.gate.meet(event)
        act = getattr(self, "_" + event["tag"].partition(".")[2], None)
        if act is not None:
            act(event)

    def settle(self) -> None:
        """Look at what must hold once a commit is whole."""
        self.gate.meet(None)
        self.guarding.settle(self._seq)

    def _add(self, invariant: str, detail: str) -> None:
        self.findings.add(invariant, detail, JOURNAL, self._seq)

    # -- orders -------------------------------------------------------------------------------------------------

    def _order_intended(self, event: Body) -> None:
        order = known_from(event)
        self._check_names(order)
        self._check_decision(order)
        if order.state not in FIRST:
            self._add("I01", f"{order.key} is first journaled in state {order.state}: it was sent before")
        if number(event["order"]["filled"], "filled"):
            self._add("I05", f"{order.key} is intended with {event['order']['filled']} filled")
        if not order.reduce_only and (order.protects or not self.gate.lets_in(order.symbol)):
            self._add("I20", f"{order.key} may increase exposure in {order.symbol}, which the gate does not let in")
        self.live[order.key] = order
        self.guarding.begin(order)
        if order.reduce_only:
            self._check_reduces(order)
        else:
            self.rates.entered(int(event["order"]["created_ns"]), order.key, self._seq)

    def _check_names(self, order: Known) -> None:
        if order.key in self._keys:
            self._add("I03", f"{order.key} is the id of two orders")
        if (order.intent_id, order.leg) in self._legs:
            self._add("I02", f"intent {order.intent_id} has two orders for its leg {order.leg}")
        self._keys.put(order.key, None)
        self._legs.put((order.intent_id, order.leg), None)
        if self.identity is not None and order.key != self.identity.order_id(order.intent_id, order.leg):
            self._add("I03", f"{order.key} is not the id of leg {order.leg} of intent {order.intent_id}")

    def _check_decision(self, order: Known) -> None:
        intent = order.intent_id
        if order.protects:
            if intent not in self._intents and self._intents.is_whole:
                self._add("I11", f"{order.key} protects for intent {intent}, which nobody had")
            return
        if intent in self._denied:
            self._add("I11", f"{order.key} was intended after its intent {intent} had been denied")
        if intent in self._intents:
            self._add("I11", f"intent {intent} was decided twice")
        self._intents.put(intent, None)
        self.proposals.ordered(order, self._seq)

    def _check_reduces(self, order: Known) -> None:
        held = self.books.positions.get(order.place, ZERO)
        if held * sign(order.side) >= ZERO:
            self._add("I12", f"{order.key}, a {order.side}, does not reduce a position of {plain(held)}")

    def _proposal_denied(self, event: Body) -> None:
        intent = event["intent_id"]
        if intent in self._denied or intent in self._intents:
            self._add("I11", f"intent {intent} was decided twice")
        self._denied.put(intent, None)
        self.proposals.denied(intent)

    def _find(self, key: str) -> Known | None:
        found = self.live.get(key) or self.over.get(key)
        if found is None and self.over.is_whole:
            self._add("I01", f"{key} was at the venue before any row intended it")
        return found

    def _order_moved(self, event: Body) -> None:
        order = self._find(event["client_order_id"])
        if order is None:
            return
        before, after = order.state, event["state"]
        if not may_follow(before, after):
            self._add("I15", f"{order.key} went from {before} to {after}")
        if after in ("open", "partial", "filled") and after != order.by_fills():
            filled = f"{plain(order.filled)} of {plain(order.amount)}"
            self._add("I05", f"{order.key} is said to be {after} with {filled} filled")
        self._same(order, event, ("intent_id", "book", "symbol"))
        self._enter(order, before, after)

    def _enter(self, order: Known, before: str, after: str) -> None:
        order.state = after
        self._unknown.discard(order.key)
        if after in LIVE and order.key not in self.live and before != "proposed":
            self.over.pop(order.key)
            self.live[order.key] = order
            self.guarding.begin(order)
        if after in OVER and before not in OVER:
            self.live.pop(order.key, None)
            self.over.put(order.key, order)
            self.guarding.over(order, before)
        elif after == "open":
            self.guarding.took(order, None)
        elif after == "unknown":
            self._unknown.add(order.key)
            if len(self._unknown) > self.limits.max_unknown and not self.gate.is_halted():
                self.gate.ask_halt("I25", f"{len(self._unknown)} orders are of unknown fate", self._seq)

    def _same(self, order: Known, event: Body, names: tuple[str, ...]) -> None:
        for name in names:
            if getattr(order, name) != event[name]:
                self._add("I15", f"{name} of {order.key} is {getattr(order, name)}, this row says {event[name]}")

    # -- fills --------------------------------------------------------------------------------------------------

    def _filled(self, event: Body) -> None:
        amount, price = positive(event["amount"], "amount"), positive(event["price"], "price")
        fee_of(event)
        trade = (event["symbol"], event["trade_id"])
        if trade in self.trades:
            self._add("I18", f"trade {trade[1]} of {trade[0]} is booked twice")
        self.trades.put(trade, event if self._keeps_bodies else None)
        self.fills += 1
        self.books.fill(event)
        order = self._find(event["client_order_id"])
        if order is None:
            return
        self._same(order, event, ("intent_id", "book", "symbol", "side"))
        before = order.state
        order.filled += amount
        if order.filled > order.amount:
            self._add("I05", f"{order.key}: {plain(order.filled)} filled of {plain(order.amount)}")
        after = order.after_fill()
        if event["state"] != after:
            self._add("I15", f"{order.key} is {after} after this fill, the row says {event['state']}")
        self.guarding.took(order, price)
        self._enter(order, before, after)
        self.guarding.filled(order, price)
        if before in NEVER_THERE and not self.gate.is_halted():
            self.gate.ask_halt("I15", f"a fill came for {order.key}, which was {before}", self._seq)

    # -- money without an order ---------------------------------------------------------------------------------

    def _once(self, key: tuple[str, str]) -> None:
        if key[0] and key in self._transfers:
            self._add("I18", f"{key[0]} is booked twice")
        self._transfers.put(key, None)

    def _deposited(self, event: Body) -> None:
        self._once((event["transfer_id"], ""))
        self.books.deposit(event)

    def _funding_paid(self, event: Body) -> None:
        self._once((event["funding_id"], event["book"]))
        self.books.funding(event)

    def _adopted(self, event: Body) -> None:
        base, _ = assets(event["symbol"])
        free = self.books.unassigned(base)
        if number(event["amount"], "amount") > free:
            self._add("I06", f"{event['amount']} {base} adopted of {plain(free)} that belonged to nobody")
        self.books.adopt(event)
        self.guarding.excuse((event["book"], event["symbol"]))

    def _day_started(self, event: Body) -> None:
        equity, cash = number(event["equity"], "equity"), self.books.flat_cash()
        if cash is not None and equity != cash:
            self._add(
                "I10", f"the day starts with an equity of {plain(equity)}; all there is, is {plain(cash)} of cash"
            )

    def _mismatch_found(self, event: Body) -> None:
        self.gate.differs = bool(event["differences"])
        for one in event["differences"]:
            total = self.books.total(one["name"])
            if one["kind"] == "balance" and number(one["ours"], "ours") != total:
                name = "I07" if one["name"] in self.books.quotes else "I06"
                self._add(name, f"{one['name']}: the books have {plain(total)}, the row says {one['ours']}")
        if self.gate.differs and not self.gate.any_halted():
            self.gate.ask_halt("I08", "the accounts differ", self._seq)

    def _standing_set(self, event: Body) -> None:
        self.gate.set(event, self._seq)
