"""An execution that only stands and answers: what the operator's verbs need of it, and what it was asked."""

from decimal import Decimal
from typing import Any

from lct.daemon import Daemon, answers
from lct.domain.orders import Order, OrderType, Side, State
from lct.domain.risk import Standing
from lct.messages.execution import (
    Adopt,
    CancelOrder,
    Difference,
    Done,
    ExecutionStatus,
    Explain,
    Flatten,
    GetExecutionStatus,
    GetOrders,
    Halt,
    Orders,
    Reconcile,
    Resolve,
    Resume,
)

NOW = 1_704_067_200_000_000_000


def order(number: int, type_: OrderType = OrderType.LIMIT, state: State = State.OPEN) -> Order:
    return Order(
        client_order_id=f"{number:032x}",
        intent_id=f"i{number}",
        book="trend",
        symbol="BTC/USDT",
        side=Side.BUY,
        type=type_,
        amount=Decimal("0.5"),
        price=Decimal(42_000),
        state=state,
        created_ns=NOW,
        updated_ns=NOW,
    )


class StandingExecution(Daemon):
    """Stands as it is told to; every request that would change something is kept in `asked`."""

    name = "execution"

    def __init__(self, standing: Standing = Standing.ACTIVE, reason: str = "", by: str = "") -> None:
        self.standing, self.reason, self.by = standing, reason, by
        self.differences: tuple[Difference, ...] = ()
        self.foreign: tuple[str, ...] = ()
        self.orders = [order(1), order(2, OrderType.STOP), order(3, state=State.FILLED), order(4, state=State.UNKNOWN)]
        self.frozen = {"ETH/USDT": "halted: an order is unknown"}
        self.refuses = ""
        self.compares = True
        self.reconciled_ns: int | None = NOW
        self.asked: list[Any] = []

    def _done(self, request: Any, standing: Standing | None, done: str) -> Done:
        """Do it, or as the real one say why not in a reply that changed nothing."""
        self.asked.append(request)
        if self.refuses:
            return Done(self.standing, False, self.refuses)
        changed = standing is not self.standing
        if standing is not None:
            self.standing, self.reason, self.by = standing, request.reason, request.by
        return Done(self.standing, changed, done)

    @answers(Halt)
    def halt(self, request: Halt, now_ns: int) -> Done:
        return self._done(request, Standing.HALTED, "halted")

    @answers(Flatten)
    def flatten(self, request: Flatten, now_ns: int) -> Done:
        return self._done(request, Standing.REDUCING, "2 positions are closed")

    @answers(Resume)
    def resume(self, request: Resume, now_ns: int) -> Done:
        if not self.refuses:
            self.frozen = {}
        return self._done(request, Standing.ACTIVE, "resumed")

    @answers(CancelOrder)
    def cancel(self, request: CancelOrder, now_ns: int) -> Done:
        return self._done(request, None, "cancel sent")

    @answers(Resolve)
    def resolve(self, request: Resolve, now_ns: int) -> Done:
        return self._done(request, None, "resolved")

    @answers(Explain)
    def explain(self, request: Explain, now_ns: int) -> Done:
        self.differences = ()
        return self._done(request, None, "explained")

    @answers(Adopt)
    def adopt(self, request: Adopt, now_ns: int) -> Done:
        return self._done(request, None, "adopted")

    @answers(Reconcile)
    def reconcile(self, request: Reconcile, now_ns: int) -> Done:
        if self.compares:
            self.reconciled_ns = (self.reconciled_ns or NOW) + 1_000_000_000
        return self._done(request, None, "asked the venue")

    @answers(GetOrders)
    def tell_orders(self, request: GetOrders, now_ns: int) -> Orders:
        return Orders(self.orders)

    @answers(GetExecutionStatus)
    def tell(self, request: GetExecutionStatus, now_ns: int) -> ExecutionStatus:
        return ExecutionStatus(
            now_ns,
            self.standing,
            self.reason,
            self.by,
            frozen=self.frozen,
            ready=True,
            reconciled_ns=self.reconciled_ns,
            differences=self.differences,
            unknown=(f"{4:032x}",),
            foreign=self.foreign,
            unprotected_ns=2_500_000_000,
            denials={"max_open_orders": 3},
        )
