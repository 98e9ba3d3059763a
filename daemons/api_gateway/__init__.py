"""API gateway: the house over HTTP on loopback, for those who have a key."""

from daemons.api_gateway.daemon import ApiGateway, Config

__all__ = ["ApiGateway", "Config"]
