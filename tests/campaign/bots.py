"""Bots of four common policies, each sending a row of orders to the venue and dying on the way, beside lct's own.

What they have in common: an SQLite file (WAL, synchronous FULL), one order after another, a client order id for each,
and a start that first deals with what the life before left behind. docs/reliability.md says who works like that.
"""

import http.client
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from lct.clock import now_ns

POLICIES = ("row after the reply", "intent first, resend", "intent first, mark failed", "ask once, else send")
TIMEOUT_SECONDS = 1.0
SCHEMA = "create table if not exists intents (n integer primary key, cid text, state text)"
SENDING, DONE, FAILED = "sending", "done", "failed"
Db = sqlite3.Connection


def place(port: int, cid: str) -> bool:
    """Send one order, once; whether the venue said that it has it."""
    form = {
        "symbol": "BTC/USDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.001",
        "newClientOrderId": cid,
        "timestamp": str(now_ns() // 1_000_000),
        "recvWindow": "5000",
    }
    status, _ = request(port, "POST", "/api/v3/order", urlencode(form))
    return status == 200


def is_there(port: int, cid: str) -> bool:
    """Ask the venue once whether it has an order."""
    return request(port, "GET", f"/api/v3/order?{urlencode({'origClientOrderId': cid})}")[0] == 200


def request(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    """Make one request on a connection of its own; (0, nothing) where no reply came."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)) as line:
        try:
            line.request(method, path, body, headers)
            reply = line.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


def live(policy: str, path: Path, port: int, tag: str, orders: int) -> None:
    """Be one life of a bot: deal with what was left behind, then go on to the last order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"pragma journal_mode = wal; pragma synchronous = full; {SCHEMA}")
        for n, cid in db.execute("select n, cid from intents where state = ?", (SENDING,)).fetchall():
            _take_up(policy, db, port, n, cid)
        while (n := db.execute("select count(*) from intents").fetchone()[0]) < orders:
            _next(policy, db, port, n, f"{tag}-{n}")


def _take_up(policy: str, db: Db, port: int, n: int, cid: str) -> None:
    """Do with an order that was being sent what the policy says."""
    if policy == "intent first, mark failed":
        _set(db, n, FAILED)
    elif policy == "ask once, else send" and is_there(port, cid):
        _set(db, n, DONE)
    else:
        _send(policy, db, port, n, cid)


def _next(policy: str, db: Db, port: int, n: int, cid: str) -> None:
    if policy == "row after the reply":
        if place(port, cid):
            db.execute("insert into intents values (?, ?, ?)", (n, cid, DONE))
        return  # no row: it is tried again
    db.execute("insert into intents values (?, ?, ?)", (n, cid, SENDING))
    _send(policy, db, port, n, cid)


def _send(policy: str, db: Db, port: int, n: int, cid: str) -> None:
    while not place(port, cid):
        if policy == "intent first, mark failed":
            _set(db, n, FAILED)
            return
        if policy == "ask once, else send" and is_there(port, cid):
            break
    _set(db, n, DONE)


def _set(db: Db, n: int, state: str) -> None:
    db.execute("update intents set state = ? where n = ?", (state, n))


def outcome(path: Path, port: int) -> dict[str, int]:
    """Compare a bot's rows with the venue's orders: intents that traded twice, and orders it does not know of."""
    with closing(sqlite3.connect(path)) as db:
        rows = dict(db.execute("select cid, state from intents").fetchall())
    status, body = request(port, "GET", "/ledger")
    assert status == 200, "the venue shows its ledger"
    cids: list[str] = json.loads(body)
    return {
        "duplicated": sum(cids.count(cid) > 1 for cid in rows),
        "orphaned": sum(rows.get(cid) != DONE for cid in set(cids)),
        "never_sent": sum(state == FAILED and cid not in cids for cid, state in rows.items()),
    }
