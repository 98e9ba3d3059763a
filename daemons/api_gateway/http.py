"""The gateway's HTTP: its routes, who may use them, and what becomes of an error; asks the house, decides nothing."""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Litestar, Response, get, post, route
from litestar.connection import ASGIConnection, Request
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler
from litestar.plugins import PluginProtocol
from litestar.types import ExceptionHandlersMap

from daemons.api_gateway import documents
from daemons.api_gateway.asking import Ask, Desk
from daemons.api_gateway.door import Door, Tell
from daemons.api_gateway.keys import Key, KeyStore
from lct import log
from lct.domain.risk import Standing
from lct.domain.text import as_json
from lct.errors import ConfigError, LctError, NoAnswer, NotFound, Refused
from lct.messages.execution import ExecutionStatus, Flatten, GetExecutionStatus, Halt
from lct.messages.market_data import GetBars, GetSymbols, GetTicker
from lct.messages.portfolio import GetPositions
from lct.messages.strategy_engine import GetSignals
from lct.messages.trading_engine import (
    GetTradingStatus,
    PauseTrading,
    Reason,
    ResumeTrading,
    RunCycle,
    StartTrading,
    StopTrading,
)

BODY_BYTES_MAX = 16_384
COUNT = re.compile(r"[0-9]{1,9}\Z")
SCOPE = "needs"
"""The option of a route that names the scope it needs; a route without it is open to nobody."""
OPEN = "nothing"

Http = Request[Key, Any, State]
Reply = Response[bytes]
AskedT = TypeVar("AskedT", bound=msgspec.Struct)
Name = Annotated[str, msgspec.Meta(max_length=64)]
CHECK_FIRST = "at the house itself: lct execution status, then lct trading resume --i-checked"


class Lean(Litestar):
    """Litestar without what it would load for pydantic and attrs: nine megabytes for types that nobody here has."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return plugins


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that changes something; it may be left out."""

    reason: Reason = ""


class WhyHalt(Why, frozen=True, forbid_unknown_fields=True):
    """Why to halt, and whether to close all positions too."""

    flatten: bool = False


class WhyFlatten(Why, frozen=True, forbid_unknown_fields=True):
    """Why to close positions, and which; without more all."""

    symbol: Name | None = None
    book: Name | None = None


def gateway(ask: Ask, keys: KeyStore, tell: Tell) -> Door:
    """Return the gateway as an ASGI app.

    `ask` asks the house and is called in threads, `tell` hears of each request that was served, in the loop.
    """
    desk = Desk(ask)
    app = Lean(
        route_handlers=ROUTES,
        guards=[guard],
        exception_handlers=ERRORS,
        state=State({"desk": desk, "store": keys}),
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return Door(app, tell, desk.close)


# -- who may --------------------------------------------------------------------------------------------------------


async def guard(connection: ASGIConnection[Any, Any, Any, State], handler: BaseRouteHandler) -> None:
    """Let a request to its route only with a key of the scope that the route needs."""
    needed = handler.opt.get(SCOPE)
    if needed == OPEN:
        return
    try:
        key = _store(connection).find(_shown_key(connection))
    except ConfigError as error:
        log.get().error("gateway.keys_unreadable", reason=str(error))
        raise ServiceUnavailableException("the gateway cannot read its keys; its log says why") from None
    if key is None:
        raise NotAuthorizedException("a key is needed: Authorization: Bearer lct_..., or X-API-Key")
    if needed is None:
        raise PermissionDeniedException("this is open to no key")
    if not key.may(needed):
        raise PermissionDeniedException(f"this key has not the scope {needed}; it has {', '.join(key.scope)}")
    connection.scope["auth"] = key


def _store(connection: ASGIConnection[Any, Any, Any, State]) -> KeyStore:
    store: KeyStore = connection.app.state.store
    return store


def _shown_key(connection: ASGIConnection[Any, Any, Any, State]) -> str:
    """Return the one key in the headers, "" where there is none, or more than one."""
    shown = connection.headers.getall("x-api-key", [])
    for value in connection.headers.getall("authorization", []):
        scheme, _, token = value.partition(" ")
        shown.append(token.strip() if scheme.lower() == "bearer" else "")
    return shown[0] if len(shown) == 1 else ""


# -- the routes -----------------------------------------------------------------------------------------------------


@route("/health", http_method=["GET", "HEAD"], opt={SCOPE: OPEN})
async def health() -> Reply:
    """Tell that the gateway answers; how the house is, `lct status` tells."""
    return _json({"status": "ok"})


@post("/api/trading/start", opt={SCOPE: "trade"}, status_code=200)
async def start(request: Http) -> Reply:
    """Trade again after a stop."""
    return _json(documents.turned(await _desk(request).ask(StartTrading(await _why(request), _by(request)))))


@post("/api/trading/stop", opt={SCOPE: "trade"}, status_code=200)
async def stop(request: Http) -> Reply:
    """Propose nothing any more."""
    return _json(documents.turned(await _desk(request).ask(StopTrading(await _why(request), _by(request)))))


@post("/api/trading/pause", opt={SCOPE: "trade"}, status_code=200)
async def pause(request: Http) -> Reply:
    """Enter nothing new."""
    return _json(documents.turned(await _desk(request).ask(PauseTrading(await _why(request), _by(request)))))


@post("/api/trading/resume", opt={SCOPE: "trade"}, status_code=200)
async def resume(request: Http) -> Reply:
    """Enter again after a pause; what is halted is resumed by a person at the house, and by no key."""
    why, gate = await _why(request), await _gate(request)
    if gate is not None and gate.standing is not Standing.ACTIVE:
        raise Refused(f"the gate is {gate.standing.value} ({gate.reason or gate.by}); it is resumed {CHECK_FIRST}")
    return _json(documents.turned(await _desk(request).ask(ResumeTrading(why, _by(request)))))


@post("/api/trading/halt", opt={SCOPE: "trade"}, status_code=200)
async def halt(request: Http) -> Reply:
    """Let no order through, and cancel the open ones, until a person resumes."""
    why = await _body(request, WhyHalt)
    return _json(documents.done(await _desk(request).ask(Halt(why.reason, _by(request), why.flatten))))


@post("/api/trading/flatten", opt={SCOPE: "trade"}, status_code=200)
async def flatten(request: Http) -> Reply:
    """Close positions at the market."""
    why = await _body(request, WhyFlatten)
    return _json(documents.done(await _desk(request).ask(Flatten(why.reason, _by(request), why.symbol, why.book))))


@post("/api/trading/cycle", opt={SCOPE: "trade"}, status_code=200)
async def cycle(request: Http) -> Reply:
    """Decide once, now, on the last scores."""
    return _json(documents.cycle(await _desk(request).ask(RunCycle(await _why(request), _by(request)))))


@get("/api/trading/status", opt={SCOPE: "read"})
async def status(request: Http) -> Reply:
    """Tell how trading goes, and what the gate lets through."""
    document = documents.trading(await _desk(request).ask(_asked(request, GetTradingStatus)))
    return _json({**document, **documents.stands(await _gate(request))})


@get("/api/execution/status", opt={SCOPE: "read"})
async def execution_status(request: Http) -> Reply:
    """Tell how execution stands: the gate, unknown orders, and the last comparison with the venue."""
    return _json(documents.gate(await _desk(request).ask(_asked(request, GetExecutionStatus))))


@get("/api/market/ohlcv", opt={SCOPE: "read"})
async def ohlcv(request: Http) -> Reply:
    """Tell the last bars of `symbol`: at most `limit`, of `timeframe`."""
    return _json(documents.bars(await _desk(request).ask(_asked(request, GetBars))))


@get("/api/market/ticker", opt={SCOPE: "read"})
async def ticker(request: Http) -> Reply:
    """Tell how `symbol` stands."""
    return _json(documents.ticker(await _desk(request).ask(_asked(request, GetTicker))))


@get("/api/market/symbols", opt={SCOPE: "read"})
async def symbols(request: Http) -> Reply:
    """Tell of what there are bars."""
    return _json(documents.symbols(await _desk(request).ask(_asked(request, GetSymbols))))


@get("/api/strategy/signals", opt={SCOPE: "read"})
async def signals(request: Http) -> Reply:
    """Tell the last scores: at most `limit`, of one `strategy` or of all."""
    return _json(documents.signals(await _desk(request).ask(_asked(request, GetSignals))))


@get("/api/portfolio/positions", opt={SCOPE: "read"})
async def positions(request: Http) -> Reply:
    """Tell the open positions."""
    return _json(documents.positions(await _desk(request).ask(_asked(request, GetPositions))))


# -- what comes in and goes out -------------------------------------------------------------------------------------


def _desk(request: Http) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _by(request: Http) -> str:
    return f"gateway:{request.auth.id}"


def _asked(request: Http, kind: type[AskedT]) -> AskedT:
    """Read the query of a request as what is asked of the house; ValidationException for anything else in it."""
    pairs = list(request.query_params.multi_items())
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValidationException("a parameter is given twice")
    if any(name == "tag" for name, _ in pairs):
        raise ValidationException("no parameter is called tag")
    values = {name: int(text) if name == "limit" and COUNT.fullmatch(text) else text for name, text in pairs}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValidationException(str(error).replace("Object", "the query").replace("`$.", "`")) from None


async def _gate(request: Http) -> ExecutionStatus | None:
    """Return how execution stands, None where it does not say."""
    try:
        return await _desk(request).ask(GetExecutionStatus())
    except LctError:
        return None


async def _why(request: Http) -> str:
    """Read the reason out of a body, "" where there is no body; ValidationException for anything else in it."""
    return (await _body(request, Why)).reason


async def _body(request: Http, kind: type[AskedT]) -> AskedT:
    """Read a body, which may be left out; ValidationException for anything else in it."""
    if request.query_params:
        raise ValidationException("nothing is taken from the query here")
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=kind) if body else kind()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationException(f"the body: {str(error)[:200]}") from None


def _json(document: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> Reply:
    body = msgspec.json.encode(as_json(document))
    return Response(body, status_code=status_code, media_type="application/json", headers=headers)


def _failed(_request: Any, error: Exception) -> Reply:
    """Say an HTTP error: Litestar's own, and those of the guard."""
    assert isinstance(error, HTTPException)
    headers = {"www-authenticate": "Bearer"} if error.status_code == 401 else None
    return _json({"error": str(error.detail)}, error.status_code, {**(error.headers or {}), **(headers or {})})


def _unanswered(_request: Any, error: Exception) -> Reply:
    """Say why the house did not do what it was asked."""
    found = next((code for kind, code in STATUSES if isinstance(error, kind)), 502)
    return _json({"error": str(error)}, found, {"retry-after": "1"} if found == 503 else None)


def _broken(request: Any, error: Exception) -> Reply:
    """Say that this is a bug, and no more of it than that."""
    log.get().error("gateway.failed", route=request.scope.get("path_template"), exc_info=error)
    return _json({"error": "the gateway failed; its log says why"}, 500)


TRADING = (start, stop, pause, resume, halt, flatten, cycle, status)
ROUTES = [health, *TRADING, execution_status, ohlcv, ticker, symbols, signals, positions]
STATUSES: tuple[tuple[type[LctError], int], ...] = ((NotFound, 404), (NoAnswer, 503), (Refused, 409))
ERRORS: ExceptionHandlersMap = {HTTPException: _failed, LctError: _unanswered, Exception: _broken}
