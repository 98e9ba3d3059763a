"""What a house decided, read from its journals, and what one process decides on the same bars."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack

from lct.domain.money import use_money_context
from lct.messages.portfolio import GetBalances, GetProfit
from lct.run.config import journal_folder
from lct.run.house import load_settings, open_house
from lct.store.sqlite import ReadJournal
from tests.wire.processes import configure

DECIDE = ("execution", "portfolio", "trading_engine")
HOUSE = """
symbols = ["BTC/USDT", "DOGE/USDT", "ETH/USDT", "SOL/USDT"]
timeframe = "5m"
[costs]
fee_rate = 0.001
[feeds.synthetic]
days = {days}
seed = {seed}
"""
STRATEGIES = 'strategies = ["trend", "mean_reversion", "ema_cross"]\n'


def furnish(home: Path, seed: int, days: int) -> None:
    configure(home, house=HOUSE.format(seed=seed, days=days), strategy_engine=STRATEGIES)
    (home / "install_id").write_text("0" * 32)


def journals_of(home: Path) -> Path:
    return journal_folder(home, load_settings(home / "config").house)


def decided(path: Path, daemon: str) -> list[tuple[Any, ...]]:
    journal = ReadJournal(path)
    try:
        return [(row.type, row.now_ns, row.body) for row in journal.rows(daemon)]
    finally:
        journal.close()


def in_one_process(home: Path) -> dict[str, Any]:
    use_money_context()
    house = open_house(home, load_settings(home / "config"))
    house.bus.run()
    profit, balances = house.ask(GetProfit()), house.ask(GetBalances()).totals
    house.bus.checkpoint()
    house.close()
    path = journals_of(home) / "house.db"
    return {**{name: decided(path, name) for name in DECIDE}, "profit": profit, "balances": balances}


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    told = []
    for name, value in expected.items():
        other = found[name]
        if value != other and isinstance(value, list):
            at = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), -1)
            told.append(f"{name}[{at}] of {len(value)} and {len(other)}: {value[at : at + 1]} / {other[at : at + 1]}")
        elif value != other:
            told.append(f"{name}: {value} / {other}")
    return told


def expected_of(tmp_path: Path, seed: int, days: int) -> tuple[Path, dict[str, Any]]:
    """Furnish a home for processes, and return it with what one process decides."""
    for name in ("local", "wire"):
        furnish(tmp_path / name, seed, days)
    expected = in_one_process(tmp_path / "local")
    assert sum(kind == "execution.filled" for kind, *_ in expected["execution"]) > 10, "nothing to compare"
    return tmp_path / "wire", expected


# -- the account ----------------------------------------------------------------------------------------------------


def orders(folder: Path) -> tuple[set[str], set[str]]:
    """Return the client order ids that the venue knows, and those that the journal has as sent."""
    with closing(sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)) as db:
        sent = {key for (key,) in db.execute("select client_order_id from orders")}
    intended: set[str] = set()
    for kind, _, raw in decided(folder / "execution.db", "execution"):
        body = msgpack.unpackb(raw)
        if kind == "execution.order_intended" and body["order"]["state"] == "sending":
            intended.add(body["order"]["client_order_id"])
        elif kind == "execution.order_moved" and body["state"] == "sending":
            intended.add(body["client_order_id"])
    return sent, intended


def venue_account(folder: Path) -> tuple[dict[str, Decimal], int]:
    """Return what the paper venue holds by asset, zeros left out, and how many trades it has made."""
    with closing(sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)) as db:
        found = db.execute("select body from account").fetchone()
    account = msgpack.unpackb(found[0])
    held = {asset: Decimal(amount) for asset, amount in account["balances"].items()}
    return {asset: amount for asset, amount in held.items() if amount}, account["trades"]


def fills(folder: Path, daemon: str) -> list[dict[str, Any]]:
    """Return the fills in a daemon's journal: execution's own, or those that another one has taken over from it."""
    told = []
    for kind, _, raw in decided(folder / f"{daemon}.db", daemon):
        if kind in {"execution.filled", "portfolio.fill_booked", "trading_engine.fill_heard"}:
            body = msgpack.unpackb(raw)
            fill = body.get("fill", body)
            fill.pop("type", None)
            told.append(fill)
    return told


def held_after(deposits: dict[str, Decimal], booked: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Return what is held by asset after fills, zeros left out: a fold of our own, by nobody else's code."""
    held = dict(deposits)
    for fill in booked:
        base, quote = fill["symbol"].split("/")
        amount, price, sign = Decimal(fill["amount"]), Decimal(fill["price"]), 1 if fill["side"] == "buy" else -1
        held[base] = held.get(base, Decimal(0)) + sign * amount
        held[quote] = held.get(quote, Decimal(0)) - sign * amount * price
        held[fill["fee_asset"]] = held.get(fill["fee_asset"], Decimal(0)) - Decimal(fill["fee"])
    return {asset: amount for asset, amount in held.items() if amount}
