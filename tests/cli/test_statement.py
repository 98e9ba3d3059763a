"""Statements: the balances at both ends are joined by every movement between them, to the last digit."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lct.cli.statements import statement
from lct.domain.orders import Side, State
from lct.messages.execution import Deposited, Filled, FundingPaid

HOUR = 3_600_000_000_000


def fill(n: int, time_ns: int, side: Side, amount: str, price: str, fee: str, fee_asset: str = "USDT") -> Filled:
    numbers = (Decimal(amount), Decimal(price), Decimal(fee))
    return Filled(n, time_ns, "c", "i", f"t{n}", "s", "A/USDT", side, *numbers, fee_asset, State.FILLED, 1)


FACTS = [
    Deposited(1, 0, "USDT", Decimal(1_000)),
    fill(2, HOUR, Side.BUY, "2", "10.5", "0.0021"),
    Deposited(3, 2 * HOUR, "USDT", Decimal(-100), "venue:x1"),
    fill(4, 3 * HOUR, Side.SELL, "1", "11", "0.001", "A"),
    FundingPaid(5, 4 * HOUR, "funding:f", "s", "A/USDT", "USDT", Decimal("-0.5")),
]


@pytest.mark.parametrize(
    ("from_ns", "to_ns"), [(0, 2**62), (HOUR, 4 * HOUR), (2 * HOUR, 2 * HOUR + 1), (9 * HOUR, 10 * HOUR)]
)
def test_what_moved_joins_the_balances_at_both_ends(from_ns: int, to_ns: int) -> None:
    lines = list(statement(FACTS, from_ns, to_ns))

    opening = {line.asset: line.balance for line in lines if line.kind == "opening"}
    closing = {line.asset: line.balance for line in lines if line.kind == "closing"}
    for asset, at_the_end in closing.items():
        moved = sum((line.amount for line in lines if line.asset == asset), Decimal(0))
        assert opening.get(asset, Decimal(0)) + moved == at_the_end


def test_each_movement_has_its_kind_its_strategy_and_the_venues_id() -> None:
    lines = [line for line in statement(FACTS, 0, 2**62) if line.kind not in ("opening", "closing")]

    assert [(line.kind, line.asset, line.amount) for line in lines] == [
        ("deposit", "USDT", 1_000),
        ("trade", "A", 2),
        ("trade", "USDT", -21),
        ("fee", "USDT", Decimal("-0.0021")),
        ("withdrawal", "USDT", -100),
        ("trade", "A", -1),
        ("trade", "USDT", 11),
        ("fee", "A", Decimal("-0.001")),
        ("funding", "USDT", Decimal("-0.5")),
    ]
    assert {line.ref for line in lines} == {"", "t2", "t4", "venue:x1", "funding:f"}


def test_the_statement_of_an_account_closes_with_its_balances(lct: Any, home: Path, tmp_path: Path) -> None:
    lct("run", "--days", "1", "--cycles", "900", "--symbols", "BTC/USDT", "--strategies", "ema_cross")
    file = tmp_path / "all.csv"

    rows = json.loads(lct("portfolio", "statement", "--json", "--csv", str(file)).stdout)
    balances = json.loads(lct("portfolio", "balances", "--json").stdout)

    closing = {row["asset"]: row["balance"] for row in rows if row["kind"] == "closing" and row["balance"] != "0"}
    assert closing == {row["asset"]: row["total"] for row in balances}
    with file.open(newline="") as lines:
        written = list(csv.DictReader(lines))
    assert len(written) == len(rows) > 10
    assert written[1]["amount"] == rows[1]["amount"]
