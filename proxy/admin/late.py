"""Routes whose handlers are imported for their first request: most proxies are never asked for them."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from proxy.admin.backend import AdminBackend

if TYPE_CHECKING:
    from proxy.admin.authzen_api import AuthZenApi
    from proxy.admin.plan_api import PlanApi

_Api = TypeVar("_Api")
_Handler = Callable[[web.Request], Awaitable[web.Response]]


def _late(make: Callable[[], _Api], handler: Callable[[_Api], _Handler]) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        return await handler(make())(request)

    return handle


def authzen_routes(backend: AdminBackend, clients: Callable[[], tuple[str, ...]]) -> list[web.RouteDef]:
    """Return the routes of the AuthZEN API, for `server.start`. `clients` returns the names of the configured clients."""

    @cache
    def api() -> AuthZenApi:
        from proxy.admin.authzen_api import AuthZenApi

        return AuthZenApi(backend, clients)

    return [
        web.get("/.well-known/authzen-configuration", _late(api, lambda api: api.configuration)),
        web.post("/access/v1/evaluation", _late(api, lambda api: api.evaluation)),
        web.post("/access/v1/evaluations", _late(api, lambda api: api.evaluations)),
        web.post("/access/v1/search/subject", _late(api, lambda api: api.subjects)),
        web.post("/access/v1/search/action", _late(api, lambda api: api.actions)),
        web.post("/access/v1/search/resource", _late(api, lambda api: api.resources)),
    ]


def plan_routes(backend: AdminBackend, implied_by: Callable[[str], Mapping[str, frozenset[str]]]) -> list[web.RouteDef]:
    """Return the route of plans. `implied_by` returns which scopes of a vendor count as held through another."""

    @cache
    def api() -> PlanApi:
        from proxy.admin.plan_api import PlanApi

        return PlanApi(backend, implied_by)

    return [web.post("/api/v1/plan", _late(api, lambda api: api.plan))]
