"""What a gateway's log or a login app has seen and the proxy has not: reported here, and learned from as if it had passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson
from aiohttp import web

from proxy.admin.answers import JSON, Problem, json_response
from proxy.admin.backend import Unanswerable
from proxy.admin.questions import bad_request, read_fingerprint
from proxy.credentials import Fingerprint, Secret

_MEMBERS: Final = (
    "vendor", "method", "path", "authorization", "fingerprint", "request_type", "request_body", "status", "content_type", "body",
)  # fmt: skip
_LONGEST: Final = 16_384


@dataclass(frozen=True, slots=True)
class Report:
    """One request and the vendor's answer to it. Bodies are None where they are not known; they may hold tokens."""

    vendor: str
    method: str
    path: str
    status: int
    authorization: Secret | None = None
    fingerprint: Fingerprint | None = None
    request_type: str = ""
    content_type: str = ""
    request_body: bytes | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)


class ReportBackend(Protocol):
    """The proxy, as this API sees it."""

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""

    def report(self, report: Report) -> Mapping[str, object] | Unanswerable:
        """Learn from a report; say as JSON members what the vendor did."""


class ReportingApi:
    """The handler, and the route that leads to it."""

    def __init__(self, backend: ReportBackend) -> None:
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for `server.start`."""
        return [web.post("/gateway/report", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """Learn from a request that went another way."""
        if request.content_type != JSON:
            raise Problem(415, "not_json", "send the report as application/json")
        told = self._backend.report(read_report(await request.read(), self._backend.vendors()))
        if isinstance(told, Unanswerable):
            raise Problem(422, "unanswerable", told.detail)
        return json_response(told)


def read_report(body: bytes, vendors: tuple[str, ...]) -> Report:
    """Read the body of `POST /gateway/report`, strictly: nothing is guessed about what teaches."""
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        members = None
    if not isinstance(members, dict):
        raise bad_request("bad_json", "the body must be a JSON object")
    if not set(members) <= set(_MEMBERS):
        raise bad_request("unknown_member", f"the body takes only these members: {', '.join(_MEMBERS)}")
    vendor, status = _text(members, "vendor"), members.get("status")
    if vendor not in vendors:
        raise bad_request("unknown_vendor", f"'vendor' must be one of the configured vendors: {', '.join(vendors)}")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise bad_request("bad_member", "'status' must be the status of the vendor's answer, 200 to 599")
    authorization, fingerprint = _text(members, "authorization"), _text(members, "fingerprint")
    if authorization and fingerprint:
        raise bad_request("two_subjects", "give 'authorization' or 'fingerprint', not both")
    method, path = _text(members, "method"), _text(members, "path")
    if not (method.isascii() and method.isalpha() and method.isupper() and path):
        raise bad_request("bad_member", "'method' must be an HTTP method in capital letters, and 'path' the vendor's path")
    return Report(
        vendor,
        method,
        path,
        status,
        Secret(authorization) if authorization else None,
        read_fingerprint(fingerprint) if fingerprint else None,
        _text(members, "request_type"),
        _text(members, "content_type") or JSON,
        _body(members, "request_body"),
        _body(members, "body"),
    )


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or (value and not (value.isascii() and value.isprintable())):
        raise bad_request("bad_member", f"'{name}' must be a string of printable ASCII characters")
    return value


def _body(members: Mapping[str, object], name: str) -> bytes | None:
    """Read a body: as text, or, where it is JSON, as the object itself."""
    value = members.get(name)
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict | list):
        raise bad_request("bad_member", f"'{name}' must be a string, or a JSON object or list")
    return orjson.dumps(value)
