"""The gateway: who may ask what, what it answers, and what it refuses without asking anybody."""

import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.api_gateway import ApiGateway
from daemons.api_gateway.daemon import ROUTES_MAX
from daemons.api_gateway.http import BODY_BYTES_MAX, OPEN, SCOPE, gateway
from daemons.api_gateway.keys import KeyStore
from lct.clock import parse_rfc3339
from lct.domain.money import parse_money
from lct.domain.risk import Standing
from lct.errors import NoAnswer, Refused
from lct.messages.api_gateway import GetTraffic, RequestServed, RouteTraffic, Traffic
from lct.messages.execution import Flatten, Halt
from lct.messages.portfolio import GetPositions
from lct.messages.trading_engine import GetTradingStatus, RunCycle, StopTrading, Trading
from tests.daemons.gateway_house import InProcess, bearer, key_for, opened

GARBAGE = {
    "nothing": {},
    "not a key": bearer("change-me"),
    "a key of nobody": bearer("lct_" + "A" * 43),
    "an empty bearer": bearer(""),
    "another scheme": {"authorization": "Basic bGN0Og=="},
    "a long key": bearer("lct_" + "A" * 5_000),
    "a token of another kind": bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9."),
    "a key as a cookie": {"cookie": "key=lct_" + "A" * 43},
}


@pytest.fixture(scope="module")
def ask() -> InProcess:
    return InProcess(bars=600)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    return KeyStore(tmp_path_factory.mktemp("home") / "keys" / "gateway.json")


@pytest.fixture(scope="module")
def trader(store: KeyStore) -> dict[str, str]:
    return bearer(key_for(store, "read", "trade"))


@pytest.fixture(scope="module")
def client(ask: InProcess, store: KeyStore) -> Any:
    with opened(ask, store) as (client, _):
        yield client


def routes() -> list[tuple[str, str, str | None]]:
    """Return method, path and needed scope of every route that the app has."""
    app: Any = gateway(lambda request: request, KeyStore(Path("none")), lambda served: None).app
    return [
        (method, route.path, handler.opt.get(SCOPE))
        for route in app.routes
        for handler in route.route_handlers
        for method in sorted(handler.http_methods)
    ]


GUARDED = [(method, path, scope) for method, path, scope in routes() if scope != OPEN and path != "/health"]


# -- who may --------------------------------------------------------------------------------------------------------


def test_only_health_is_open() -> None:
    assert {(method, path) for method, path, scope in routes() if scope == OPEN} == {
        ("GET", "/health"),
        ("HEAD", "/health"),
    }
    assert {path for _, path, _ in GUARDED} >= {
        "/api/trading/start",
        "/api/trading/stop",
        "/api/trading/cycle",
        "/api/market/ohlcv",
        "/api/portfolio/positions",
    }


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
def test_no_route_answers_who_has_no_key(client: Any, ask: InProcess, method: str, path: str, scope: str) -> None:
    before = len(ask.asked)

    found = {name: client.request(method, path, headers=headers).status_code for name, headers in GARBAGE.items()}

    assert set(found.values()) == {401}, found
    assert len(ask.asked) == before


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
@pytest.mark.parametrize("has", ["read", "trade"])
def test_a_key_without_the_scope_of_a_route_is_refused(
    client: Any, store: KeyStore, ask: InProcess, method: str, path: str, scope: str | None, has: str
) -> None:
    before = len(ask.asked)

    reply = client.request(method, path, headers=bearer(key_for(store, has)))

    assert (reply.status_code == 403) == (has != scope)
    assert (len(ask.asked) == before) or has == scope


def test_an_admin_s_key_opens_every_route(client: Any, ask: InProcess, store: KeyStore) -> None:
    key = bearer(key_for(store, "admin"))
    found = {(m, p): client.request(m, p, headers=key).status_code for m, p, scope in GUARDED if scope is not None}

    # 400: a symbol is missing; 409: it was just halted, and is not resumed over HTTP
    assert set(found.values()) <= {200, 400, 409}, found
    client.post("/api/trading/start", headers=key)
    ask.gate.standing = Standing.ACTIVE


def test_a_key_is_taken_from_its_own_header_too_but_never_from_two(client: Any, store: KeyStore) -> None:
    key = key_for(store, "read")
    path = "/api/trading/status"

    assert client.get(path, headers={"x-api-key": key}).status_code == 200
    assert client.get(path, headers={"x-api-key": key, **bearer(key)}).status_code == 401
    assert client.get(f"{path}?key={key}").status_code == 401


def test_a_revoked_key_ends_at_once(client: Any, store: KeyStore) -> None:
    text = key_for(store, "read")
    (key,) = (key for key in store.listed() if store.find(text) == key)
    assert client.get("/api/trading/status", headers=bearer(text)).status_code == 200

    store.revoke(key.id)

    assert client.get("/api/trading/status", headers=bearer(text)).status_code == 401


def test_keys_that_cannot_be_read_open_nothing_and_do_not_tell_where_they_are(ask: InProcess, tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "gateway.json")
    text = key_for(store, "read")
    (tmp_path / "gateway.json").chmod(0o644)

    with opened(ask, store) as (client, _):
        reply = client.get("/api/trading/status", headers=bearer(text))

    assert reply.status_code == 503
    assert str(tmp_path) not in reply.text


# -- what it answers ------------------------------------------------------------------------------------------------


def test_health_answers_anybody_and_tells_nothing(client: Any) -> None:
    reply = client.get("/health")

    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    assert set(reply.headers) == {
        "cache-control", "content-length", "content-type", "connection", "x-content-type-options"
    }  # fmt: skip


def test_bars_have_their_prices_as_text_and_their_times_as_rfc_3339(client: Any, trader: dict[str, str]) -> None:
    reply = client.get("/api/market/ohlcv?symbol=BTC/USDT&timeframe=1m&limit=3", headers=trader)

    rows = reply.json()
    assert [list(row) for row in rows] == [["time", "open", "high", "low", "close", "volume"]] * 3
    times = [parse_rfc3339(row["time"]) for row in rows]
    assert [later - sooner for sooner, later in pairwise(times)] == [60_000_000_000] * 2
    assert all(parse_money(row[name]) > 0 for row in rows for name in list(row)[1:])


def test_positions_are_what_the_portfolio_holds(client: Any, ask: InProcess, trader: dict[str, str]) -> None:
    held = ask(GetPositions()).positions

    rows = client.get("/api/portfolio/positions", headers=trader).json()

    assert held
    assert [row["symbol"] for row in rows] == [line.symbol for line in held]
    assert [parse_money(row["amount"]) for row in rows] == [line.amount for line in held]
    assert list(rows[0]) == [
        "symbol", "amount", "average_price", "mark_price", "unrealized_profit", "realized_profit", "strategy"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/api/market/symbols", "/api/market/ticker?symbol=ETH/USDT", "/api/strategy/signals?strategy=trend&limit=1"],
)
def test_the_other_questions_are_answered(client: Any, trader: dict[str, str], path: str) -> None:
    reply = client.get(path, headers=trader)

    assert reply.status_code == 200
    assert reply.json()


def test_trading_is_stopped_and_started_in_the_name_of_the_key(
    client: Any, store: KeyStore, ask: InProcess, trader: dict[str, str]
) -> None:
    (key,) = (key for key in store.listed() if store.find(trader["authorization"][7:]) == key)
    client.post("/api/trading/start", headers=trader)

    stopped = client.post("/api/trading/stop", headers=trader, json={"reason": "lunch"})
    again = client.post("/api/trading/stop", headers=trader)
    status = ask(GetTradingStatus())
    started = client.post("/api/trading/start", headers=trader)

    assert StopTrading("lunch", f"gateway:{key.id}") in ask.asked
    assert stopped.json()["state"] == again.json()["state"] == "stopped"
    assert (stopped.json()["changed"], again.json()["changed"]) == (True, False)
    assert (status.state, status.reason, status.by) == (Trading.STOPPED, "lunch", f"gateway:{key.id}")
    assert (started.status_code, started.json()["state"]) == (200, "running")


def test_a_key_that_trades_may_halt_and_flatten_and_the_gate_is_told(
    client: Any, store: KeyStore, ask: InProcess, trader: dict[str, str]
) -> None:
    (key,) = (key for key in store.listed() if store.find(trader["authorization"][7:]) == key)
    by = f"gateway:{key.id}"
    ask.gate.standing = Standing.ACTIVE

    flattened = client.post("/api/trading/flatten", headers=trader, json={"reason": "why", "symbol": "BTC/USDT"})
    halted = client.post("/api/trading/halt", headers=trader, json={"reason": "too hot", "flatten": True})
    status = client.get("/api/trading/status", headers=trader).json()
    gate = client.get("/api/execution/status", headers=trader).json()
    ask.gate.standing = Standing.ACTIVE

    assert flattened.json() == {"standing": "reducing", "changed": True, "done": "2 positions are closed"}
    assert halted.json() == {"standing": "halted", "changed": True, "done": "halted"}
    assert ask.gate.asked[-2:] == [Flatten("why", by, "BTC/USDT"), Halt("too hot", by, True)]
    assert (status["standing"], status["standing_reason"], status["standing_by"]) == ("halted", "too hot", by)
    assert (gate["standing"], gate["unprotected_seconds"]) == ("halted", 2.5)


@pytest.mark.parametrize("standing", [Standing.HALTED, Standing.REDUCING])
def test_no_key_resumes_what_is_latched(
    client: Any, ask: InProcess, trader: dict[str, str], standing: Standing
) -> None:
    before = len(ask.gate.asked)
    ask.gate.standing = standing
    refused = client.post("/api/trading/resume", headers=trader)
    ask.gate.standing = Standing.ACTIVE
    resumed = client.post("/api/trading/resume", headers=trader)

    assert refused.status_code == 409
    assert "lct trading resume --i-checked" in refused.json()["error"]
    assert resumed.status_code == 200
    assert len(ask.gate.asked) == before, "execution is asked how it stands, and nothing else"


@pytest.mark.parametrize("body", [b'{"flatten": "yes"}', b'{"flatten": 1}', b'{"symbol": "BTC/USDT"}', b'{"by": "me"}'])
def test_a_halt_with_anything_else_in_it_is_refused(
    client: Any, ask: InProcess, trader: dict[str, str], body: bytes
) -> None:
    before = len(ask.asked)

    assert client.post("/api/trading/halt", headers=trader, content=body).status_code == 400
    assert len(ask.asked) == before


def test_a_cycle_tells_what_it_proposed(client: Any, ask: InProcess, trader: dict[str, str]) -> None:
    reply = client.post("/api/trading/cycle", headers=trader)

    assert isinstance(ask.asked[-1], RunCycle)
    assert list(reply.json()) == ["state", "strategies", "done", "proposed"]


# -- what it does not -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("symbol=NOPE/USDT", 404),
        ("symbol=../../etc/passwd", 404),
        ("symbol=BTC/USDT&timeframe=7m", 404),
        ("", 400),
        ("symbol=", 400),
        ("symbol=BTC/USDT&limit=0", 400),
        ("symbol=BTC/USDT&limit=1001", 400),
        ("symbol=BTC/USDT&limit=true", 400),
        ("symbol=BTC/USDT&limit=1e2", 400),
        ("symbol=BTC/USDT&limit=%EF%BC%91", 400),
        ("symbol=BTC/USDT&limit=99999999999999999999", 400),
        ("symbol=BTC/USDT&symbol=ETH/USDT", 400),
        ("symbol=BTC/USDT&dry_run=false", 400),
        ("symbol=BTC/USDT&tag=market_data.get_bars", 400),
        ("symbol=" + "A" * 41, 400),
        ("symbol=" + "A" * 3_000, 414),
        ("&".join(f"a{n}=1" for n in range(1_000)), 414),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, str) else "",
)
def test_a_query_that_is_no_question_is_refused(client: Any, trader: dict[str, str], query: str, status: int) -> None:
    reply = client.get(f"/api/market/ohlcv?{query}", headers=trader)

    assert reply.status_code == status
    assert list(reply.json()) == ["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"reason": "x", "dry_run": false}', 400),
        (b'{"by": "operator"}', 400),
        (b'{"reason": 1}', 400),
        (b'{"reason": true}', 400),
        (b'{"reason": NaN}', 400),
        (b'{"reason": "' + b"x" * 201 + b'"}', 400),
        (b"[" * 16_000, 400),
        (b'{"reason":' + b"[" * 16_000, 400),
        (b'{"a":' * 3_000, 400),
        (b"\xff\xfe", 400),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 100, 400),
        (b"[" * (BODY_BYTES_MAX + 1), 413),
        (b"[" * 10_000_000, 413),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_a_body_that_is_no_reason_is_refused_and_asks_nobody(
    client: Any, ask: InProcess, trader: dict[str, str], body: bytes, status: int
) -> None:
    before = len(ask.asked)

    reply = client.post("/api/trading/stop", headers=trader, content=body)

    assert reply.status_code == status
    assert len(ask.asked) == before


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "", "127.0.0.1:80:80", "[::2]"]
)
def test_a_page_that_had_its_name_point_here_is_refused(client: Any, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:9000"])
def test_the_names_of_loopback_are_taken_with_any_port(client: Any, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:8000"])
def test_no_other_page_is_allowed_to_read(client: Any, trader: dict[str, str], method: str, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST", **trader}

    reply = client.request(method, "/api/trading/cycle", headers=asked)

    assert not [name for name in reply.headers if name.startswith("access-control-") or name == "set-cookie"]


def test_too_many_headers_are_refused(client: Any) -> None:
    assert client.get("/health", headers={f"x-{n}": "1" for n in range(100)}).status_code == 431
    assert client.get("/health", headers={"x-long": "a" * 20_000}).status_code == 431
    assert client.get("/" + "a" * 600).status_code == 414


@pytest.mark.parametrize(
    ("error", "status"), [(NoAnswer("portfolio is not there"), 503), (Refused("no"), 409), (ValueError("a bug"), 500)]
)
def test_what_the_house_does_not_answer_is_told_by_status(store: KeyStore, error: Exception, status: int) -> None:
    def fails(request: Any, /) -> Any:
        raise error

    with opened(fails, store) as (client, _):
        reply = client.get("/api/portfolio/positions", headers=bearer(key_for(store, "read")))

    assert reply.status_code == status
    assert ("a bug" in reply.text) is False
    assert reply.json()["error"]


def test_health_answers_at_once_while_the_house_keeps_silent(store: KeyStore) -> None:
    silent = threading.Event()

    def waits(request: Any, /) -> Any:
        silent.wait(5.0)
        raise NoAnswer("portfolio did not answer")

    with opened(waits, store) as (client, _):
        key = bearer(key_for(store, "read"))
        askers = [
            threading.Thread(target=client.get, args=("/api/portfolio/positions",), kwargs={"headers": key})
            for _ in range(50)
        ]
        for asker in askers:
            asker.start()
        time.sleep(0.2)
        took = []
        for _ in range(3):
            began = time.perf_counter()
            assert client.get("/health").status_code == 200
            took.append(time.perf_counter() - began)
        silent.set()
        for asker in askers:
            asker.join()

    assert min(took) < 0.2


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=st.sampled_from([path for _, path, _ in GUARDED] + ["/", "/health", "/api", "/schema", "/metrics"]),
    query=st.dictionaries(st.text(max_size=8), st.text(max_size=50), max_size=4),
    body=st.binary(max_size=300),
    with_key=st.booleans(),
)
def test_whatever_is_sent_is_answered_and_never_with_a_failure(
    client: Any, trader: dict[str, str], method: str, path: str, query: dict[str, str], body: bytes, with_key: bool
) -> None:
    reply = client.request(method, path, params=query, content=body, headers=trader if with_key else {})

    assert reply.status_code < 500
    assert reply.headers["cache-control"] == "no-store"


# -- the daemon -----------------------------------------------------------------------------------------------------


def test_requests_are_told_by_route_and_never_by_what_was_typed(ask: InProcess, store: KeyStore) -> None:
    with opened(ask, store) as (client, told):
        client.get("/health")
        client.get("/api/portfolio/positions?secret=1")
        client.get("/nothing/here")
        client.request("BREW", "/health")

    assert [(served.method, served.route, served.status) for served in told] == [
        ("GET", "/health", 200),
        ("GET", "/api/portfolio/positions", 401),
        ("GET", "other", 404),
        ("other", "other", 405),
    ]


def test_traffic_is_counted_by_route_and_status() -> None:
    daemon = ApiGateway()
    for status, took_ms in ((200, 1.0), (401, 3.0), (200, 2.0)):
        assert daemon.count(RequestServed("GET", "/health", status, took_ms), 0) is None

    assert daemon.traffic(GetTraffic(), 0) == Traffic(3, [RouteTraffic("GET", "/health", {"200": 2, "401": 1}, 3.0)])


def test_routes_beyond_the_limit_count_as_one() -> None:
    daemon = ApiGateway()
    for n in range(ROUTES_MAX + 10):
        daemon.count(RequestServed("GET", f"/{n}", 200, 1.0), 0)

    traffic = daemon.traffic(GetTraffic(), 0)

    assert traffic.requests == ROUTES_MAX + 10
    assert len(traffic.routes) == ROUTES_MAX + 1


def test_the_gateway_lives_on_the_wall_clock() -> None:
    assert ApiGateway.on_wall_clock
