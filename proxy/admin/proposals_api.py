"""The admin API of proposed catalogue rows. It only tells: a row is changed by a person, in the catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from proxy.admin.answers import Problem, json_response
from proxy.decision.explain import timestamp
from proxy.evidence.proposals import Proposal, Proposals


class ProposalsApi:
    """The handler, and the route that leads to it. `wall` tells seconds since the epoch; `gather` gets what other processes have found."""

    def __init__(
        self, proposals: Proposals, vendors: Callable[[], tuple[str, ...]], wall: Callable[[], float], gather: Callable[[], Awaitable[None]]
    ) -> None:
        self._proposals = proposals
        self._vendors = vendors
        self._wall = wall
        self._gather = gather

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [web.get("/api/v1/catalog/{vendor}/proposals", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        """List the rows of a vendor that its answers contradict, the strongest evidence first."""
        vendor = request.match_info["vendor"]
        if vendor not in self._vendors():
            raise Problem(404, "unknown_vendor", f"the configured vendors are: {', '.join(self._vendors())}")
        await self._gather()
        found = [proposal for proposal in self._proposals.all(self._wall()) if proposal.key.vendor == vendor]
        members = {"vendor": vendor, "proposals": [self._view(proposal) for proposal in found], "unrecorded": self._proposals.unrecorded}
        return json_response(members)

    def _view(self, proposal: Proposal) -> Mapping[str, object]:
        return {
            "operation": proposal.key.operation,
            "kind": proposal.key.kind,
            "scope": proposal.key.scope,
            "count": proposal.count,
            "first": timestamp(proposal.first),
            "last": timestamp(proposal.last),
            "clients": sorted(proposal.clients),
            "examples": [
                {"at": timestamp(example.at), "decision_id": example.decision_id, "client": example.client, "status": example.status}
                for example in reversed(proposal.examples)
            ],
            "row": self._proposals.row(proposal),
        }
