"""The gateway daemon: counts what its port served; the port itself is daemons.api_gateway.http."""

from collections import Counter
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from lct.daemon import Daemon, Saying, answers, on
from lct.messages.api_gateway import GetTraffic, RequestServed, RouteTraffic, Traffic

ROUTES_MAX = 256
OTHER = "other"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the gateway listens; its keys are made with `lct gateway keys create`."""

    host: Annotated[str, Meta(description="address to listen on; this version refuses all but those of loopback")] = (
        "127.0.0.1"
    )
    http_port: Annotated[int, Meta(ge=0, le=65535, description="port of the gateway; 0: any free one")] = 8000


class ApiGateway(Daemon):
    """Volatile, and on the wall clock in replayed time too, for those who ask it are."""

    name: ClassVar[str] = "api_gateway"
    on_wall_clock: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        """Start before the first request."""
        self.config = config or Config()
        self._statuses: dict[tuple[str, str], Counter[str]] = {}
        self._longest_ms: dict[tuple[str, str], float] = {}

    @on(RequestServed)
    def count(self, served: RequestServed, now_ns: int) -> Saying:
        """Count a request by route and status; routes beyond the limit count as one."""
        route = (served.method, served.route)
        if route not in self._statuses and len(self._statuses) >= ROUTES_MAX:
            route = (OTHER, OTHER)
        self._statuses.setdefault(route, Counter())[str(served.status)] += 1
        self._longest_ms[route] = max(self._longest_ms.get(route, 0.0), served.took_ms)
        return None

    @answers(GetTraffic)
    def traffic(self, request: GetTraffic, now_ns: int) -> Traffic:
        """Tell what was served, by route."""
        routes = [
            RouteTraffic(*route, dict(sorted(statuses.items())), self._longest_ms[route])
            for route, statuses in sorted(self._statuses.items(), key=lambda item: item[0][::-1])
        ]
        return Traffic(sum(sum(statuses.values()) for statuses in self._statuses.values()), routes)
