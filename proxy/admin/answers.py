"""How the admin listener answers: JSON with headers that leave a browser nothing to run, keep or embed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"  # RFC 9457
SECURITY_HEADERS: Final = {
    "Server": "scopegate",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A request that is answered with problem details. `reason` is a stable word, `detail` says what to do."""

    def __init__(self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = headers or {}


def bytes_response(body: bytes, content_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response with the security headers; `headers` outrank them."""
    return web.Response(status=status, body=body, headers={**SECURITY_HEADERS, "Content-Type": content_type, **(headers or {})})


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Return `value` as JSON."""
    return bytes_response(orjson.dumps(value), JSON, status=status)


def no_content() -> web.Response:
    """Return 204."""
    return web.Response(status=204, headers=SECURITY_HEADERS)


def problem_response(problem: Problem) -> web.Response:
    """Return problem details (RFC 9457); they never repeat what was sent."""
    members = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "reason": problem.reason,
        "detail": problem.detail,
    }
    return bytes_response(orjson.dumps(members), PROBLEM_JSON, status=problem.status, headers=problem.headers)
