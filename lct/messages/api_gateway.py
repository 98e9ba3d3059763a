"""What api_gateway says: the requests it served, counted; what was asked and answered is nobody else's business."""

import msgspec

from lct.messages.base import Event, Request


class RequestServed(Event, frozen=True, gc=False, tag="api_gateway.request_served"):
    """An HTTP request was answered, by its route (never the path that was typed), in `took_ms`."""

    method: str
    route: str
    status: int
    took_ms: float


class RouteTraffic(msgspec.Struct, frozen=True):
    """How often a route was asked, by the status it answered with, and its longest answer."""

    method: str
    route: str
    statuses: dict[str, int]
    longest_ms: float


class Traffic(Event, frozen=True, tag="api_gateway.traffic"):
    """The requests of this life of the gateway, by route."""

    requests: int
    routes: list[RouteTraffic]


class GetTraffic(Request[Traffic], frozen=True, tag="api_gateway.get_traffic"):
    """What was asked over HTTP so far?"""
