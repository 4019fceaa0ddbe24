"""The admin API of the configuration in force: its revision, since when, and how the last attempt at another one went."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from proxy.admin.answers import json_response


class ConfigApi:
    """The handler, and the route that leads to it. `members` tells what is to be told; nothing of it is secret."""

    def __init__(self, members: Callable[[], Mapping[str, object]]) -> None:
        self._members = members

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [web.get("/api/v1/config", self.config)]

    async def config(self, _: web.Request) -> web.Response:
        """Tell which configuration is in force."""
        return json_response(self._members())
