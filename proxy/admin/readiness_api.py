"""The admin API of readiness: the report, and how an operator ends the shadow of an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from proxy.admin.answers import Problem, bytes_response, no_content
from proxy.admin.questions import Parameters
from proxy.reports.catalogue import CONTENT_TYPES, FORMATS, PAGE_POLICY, READINESS

if TYPE_CHECKING:
    from proxy.analysis.readiness import Wanted


class ReadinessBackend(Protocol):
    """The proxy, as this API sees it. Every method but `refresh` answers at once, on the event loop."""

    async def refresh(self) -> None:
        """Collect what other processes have scored, within a bound."""

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""

    def report(self, wanted: Wanted) -> Mapping[str, object]:
        """Return the report of readiness as JSON members."""

    def lift(self, vendor: str, operation: str) -> bool:
        """Enforce an operation again and count it afresh; say whether it had been put back to shadow."""


class ReadinessApi:
    """The handlers, and the routes that lead to them."""

    def __init__(self, backend: ReadinessBackend) -> None:
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [
            web.get("/api/v1/reports/readiness", self.report),
            web.delete("/api/v1/readiness/{vendor}/{operation}", self.lift),
        ]

    async def report(self, request: web.Request) -> web.Response:
        """Say what is ready to be enforced, and why not."""
        from proxy.analysis.readiness import Wanted  # noqa: PLC0415 - for whoever asks for it

        given = Parameters(request.query, ("vendor", "client", "format"))
        wanted = Wanted(given.choice("vendor", self._backend.vendors()), given.text("client"))
        await self._backend.refresh()
        kind = given.choice("format", FORMATS) or "json"
        policy = {"Content-Security-Policy": PAGE_POLICY} if kind == "html" else {}
        body = READINESS.writers[kind](self._backend.report(wanted))
        return bytes_response(body.encode("utf-8", "replace"), CONTENT_TYPES[kind], headers=policy)

    async def lift(self, request: web.Request) -> web.Response:
        """Enforce an operation again that a false denial had put back to shadow."""
        vendor, operation = request.match_info["vendor"], request.match_info["operation"]
        if vendor not in self._backend.vendors():
            raise Problem(404, "unknown_vendor", f"the configured vendors are: {', '.join(self._backend.vendors())}")
        if not self._backend.lift(vendor, operation):
            raise Problem(
                404, "not_in_shadow", "no false denial has put this operation to shadow; GET /api/v1/reports/readiness lists them"
            )
        return no_content()
