"""`/api/v1/reports/{name}`: what the proxy has gathered, made in a thread because a search may take a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from proxy.admin.answers import Problem, bytes_response
from proxy.admin.questions import Parameters, bad_request
from proxy.reports.catalogue import CONTENT_TYPES, FORMATS, PAGE_POLICY, ReportForm, parse_since
from proxy.reports.grouping import DEFAULT_MIN_DAYS, Question

MAX_DAYS: Final = 3650
_PARAMETERS: Final = ("vendor", "client", "since", "by", "min_days", "format")


@dataclass(frozen=True, slots=True)
class LiveReport:
    """One report of the running proxy. `make` is called on another thread, with a question and the wall time."""

    form: ReportForm
    make: Callable[[Question, float], Mapping[str, Any]]


class ReportApi:
    """The handler of reports.

    `vendors` tells the configured ones, `wall` tells seconds since the epoch, `gather` is awaited before a report is made.
    """

    def __init__(
        self,
        reports: Mapping[str, LiveReport],
        vendors: Callable[[], tuple[str, ...]],
        wall: Callable[[], float],
        gather: Callable[[], Awaitable[None]],
    ) -> None:
        self._reports = reports
        self._vendors = vendors
        self._wall = wall
        self._gather = gather

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [web.get("/api/v1/reports/{name}", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """Return a report in the form that is asked for, JSON by default."""
        report = self._reports.get(request.match_info["name"])
        if report is None:
            raise Problem(404, "unknown_report", f"the reports are: {', '.join((*self._reports, 'readiness'))}")
        given, now = Parameters(request.query, _PARAMETERS), self._wall()
        question, kind = self._question(given, now), given.choice("format", FORMATS) or "json"
        await self._gather()
        body = await asyncio.to_thread(lambda: report.form.writers[kind](report.make(question, now)))
        policy = {"Content-Security-Policy": PAGE_POLICY} if kind == "html" else {}
        return bytes_response(body.encode("utf-8", "replace"), CONTENT_TYPES[kind], headers=policy)

    def _question(self, given: Parameters, now: float) -> Question:
        text = given.text("since")
        since = parse_since(text, now) if text else 0.0
        if since is None:
            raise bad_request(
                "bad_parameter", "the query parameter 'since' must be a number of days such as 30d, or a date such as 2026-11-01"
            )
        return Question(
            vendor=given.choice("vendor", self._vendors()),
            client=given.text("client"),
            since=since,
            by_subject=given.choice("by", ("client", "subject")) == "subject",
            min_days=given.number("min_days", DEFAULT_MIN_DAYS, MAX_DAYS),
        )
