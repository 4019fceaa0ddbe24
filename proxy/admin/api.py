"""The admin API: one short handler per path. Everything it tells comes from the backend and the recorders."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from proxy.admin.answers import JSON, Problem, bytes_response, json_response, no_content
from proxy.admin.backend import AdminBackend, KnownToken, Readiness, ReadyCheck, Unanswerable
from proxy.admin.decisions import Decisions
from proxy.admin.questions import Parameters, bad_request, read_fingerprint, read_question
from proxy.admin.views import catalog_view, token_view, user_view
from proxy.model import Reason
from proxy.telemetry.exchange import Decision, Outcome
from proxy.telemetry.exposition import Exposition
from proxy.telemetry.labels import NO_VENDOR
from proxy.telemetry.recent import Filter

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
_GRANTS_PER_TURN: Final = 500
"""Entries of the grant store looked at before traffic gets its turn."""


class AdminApi:
    """The handlers, and the routes that lead to them."""

    def __init__(self, backend: AdminBackend, decisions: Decisions, exposition: Exposition) -> None:
        self._backend = backend
        self._decisions = decisions
        self._exposition = exposition

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
            web.get("/api/v1/decisions", self.decisions),
            web.get("/api/v1/decisions/{id}", self.decision),
            web.get("/api/v1/grants", self.grants),
            web.delete("/api/v1/grants", self.forget_all),
            web.get("/api/v1/grants/{fingerprint}", self.grant),
            web.delete("/api/v1/grants/{fingerprint}", self.forget),
            web.post("/api/v1/grants/{fingerprint}/recheck", self.recheck),
            web.get("/api/v1/catalog/{vendor}", self.catalog),
            web.get("/api/v1/users/{vendor}", self.users),
            web.post("/api/v1/explain", self.explain),
        ]

    async def livez(self, _: web.Request) -> web.Response:
        """Say that the process answers; nothing else is looked at, so that no outage elsewhere restarts it."""
        return json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Say whether traffic should be sent here: 200 (ready, or degraded), or 503 with what is missing."""
        states = {name: _ask(check) for name, check in self._backend.ready_checks().items()}
        checks = {name: _readiness_view(state) for name, state in states.items()}
        if not all(state.ok for state in states.values()):
            return json_response({"status": "not ready", "checks": checks}, status=503)
        degraded = any(state.degraded for state in states.values())
        return json_response({"status": "degraded" if degraded else "ready", "checks": checks})

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer a scrape; the page is rendered in a thread."""
        compress = "gzip" in request.headers.get("Accept-Encoding", "")
        page = await self._exposition.scrape(request.headers.get("Accept", ""), compress=compress)
        headers = {"Vary": "Accept, Accept-Encoding", **({"Content-Encoding": "gzip"} if page.compressed else {})}
        return bytes_response(page.body, page.content_type, headers=headers)

    async def decisions(self, request: web.Request) -> web.Response:
        """List recent decisions, the newest first."""
        given = Parameters(request.query, ("vendor", "client", "operation", "decision", "outcome", "reason", "limit"))
        wanted = Filter(
            vendor=given.choice("vendor", (*self._backend.vendors(), NO_VENDOR)),
            client=given.text("client"),
            operation=given.text("operation"),
            decision=given.choice("decision", Decision),
            outcome=given.choice("outcome", Outcome),
            reason=given.choice("reason", Reason),
        )
        found, remembered = await self._decisions.find(wanted, given.number("limit", DEFAULT_LIMIT, MAX_LIMIT))
        return json_response({"decisions": found, "remembered": remembered})

    async def decision(self, request: web.Request) -> web.Response:
        """Return one recent decision."""
        found = await self._decisions.get(request.match_info["id"])
        if found is None:
            raise Problem(404, "unknown_decision", "no recent decision has this id; the decision log goes further back")
        return json_response(found)

    async def grants(self, request: web.Request) -> web.Response:
        """List what is known about tokens, the most recently used first."""
        given = Parameters(request.query, ("vendor", "subject", "fingerprint", "limit"))
        vendor = given.choice("vendor", self._backend.vendors())
        subject, prefix = given.text("subject"), given.text("fingerprint")
        limit = given.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
        return json_response({"grants": await self._matching(vendor, subject, prefix, limit)})

    async def _matching(self, vendor: str, subject: str, prefix: str, limit: int) -> list[dict[str, object]]:
        """Return the views of matching entries; an empty text matches all, `prefix` is the beginning of a fingerprint."""
        now, views = self._backend.now(), list[dict[str, object]]()
        for position, token in enumerate(self._backend.grants()):
            if position % _GRANTS_PER_TURN == _GRANTS_PER_TURN - 1:
                await asyncio.sleep(0)
            knowledge = token.knowledge.at(now) if _matches(token, vendor, subject, prefix) else None
            if knowledge is not None:
                views.append(token_view(token, knowledge, now))
            if len(views) == limit:
                break
        return views

    async def grant(self, request: web.Request) -> web.Response:
        """Return what is known about one token."""
        token, now = self._backend.grant(read_fingerprint(request.match_info["fingerprint"])), self._backend.now()
        knowledge = None if token is None else token.knowledge.at(now)
        if token is None or knowledge is None:
            raise _unknown_token()
        return json_response(token_view(token, knowledge, now))

    async def forget(self, request: web.Request) -> web.Response:
        """Forget what is known about one token; its next request is decided afresh."""
        if not self._backend.forget(read_fingerprint(request.match_info["fingerprint"])):
            raise _unknown_token()
        return no_content()

    async def forget_all(self, request: web.Request) -> web.Response:
        """Forget what is known about every token of one vendor."""
        vendor = Parameters(request.query, ("vendor",)).choice("vendor", self._backend.vendors())
        if not vendor:
            raise bad_request("no_vendor", f"name the vendor: ?vendor= one of {', '.join(self._backend.vendors())}")
        return json_response({"vendor": vendor, "forgotten": self._backend.forget_all(vendor)})

    async def recheck(self, request: web.Request) -> web.Response:
        """Let the next safe requests of a token find out whether an administrator has granted what it lacks."""
        due = self._backend.recheck(read_fingerprint(request.match_info["fingerprint"]))
        if due is None:
            raise _unknown_token()
        if not due:
            raise Problem(409, "nothing_to_recheck", "this token lacks nothing that an administrator can grant while it lives")
        return json_response({"due": due})

    async def catalog(self, request: web.Request) -> web.Response:
        """Return a vendor's operations and scopes."""
        return json_response(catalog_view(self._backend.catalog(self._vendor(request))))

    async def users(self, request: web.Request) -> web.Response:
        """Return the access permissions learned of a vendor's users."""
        vendor = self._vendor(request)
        return json_response({"vendor": vendor, "users": [user_view(user) for user in self._backend.users(vendor)]})

    async def explain(self, request: web.Request) -> web.Response:
        """Decide about a request without sending it."""
        if request.content_type != JSON:  # a page in a browser cannot send this type across origins without asking first
            raise Problem(415, "not_json", "send the question as application/json")
        answer = self._backend.explain(read_question(await request.read(), self._backend.vendors()))
        if isinstance(answer, Unanswerable):
            raise Problem(422, "unanswerable", answer.detail)
        return json_response(answer)

    def _vendor(self, request: web.Request) -> str:
        vendor, vendors = request.match_info["vendor"], self._backend.vendors()
        if vendor not in vendors:
            raise Problem(404, "unknown_vendor", f"the configured vendors are: {', '.join(vendors)}")
        return vendor


def _matches(token: KnownToken, vendor: str, subject: str, prefix: str) -> bool:
    if (vendor and token.vendor != vendor) or (subject and token.knowledge.subject != subject):
        return False
    return token.fingerprint.hex().startswith(prefix)


def _unknown_token() -> Problem:
    return Problem(404, "unknown_fingerprint", "nothing is known about a token with this fingerprint; GET /api/v1/grants lists them")


def _readiness_view(state: Readiness) -> dict[str, object]:
    return {"ok": state.ok, "detail": state.detail, **({"degraded": True} if state.degraded else {})}


def _ask(check: ReadyCheck) -> Readiness:
    try:
        return check()
    except Exception:  # a check that breaks says "not ready", never "the admin listener is down"
        return Readiness(False, "the check itself failed")
