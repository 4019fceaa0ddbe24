"""Stands before every admin handler: refuses strange hosts, turns every error into problem details, and echoes nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from proxy.admin.access import Access
from proxy.admin.answers import SECURITY_HEADERS, Problem, problem_response

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_CONNECTIONS: Final = 256

_WORDS: Final = {
    404: ("not_found", "there is nothing at this path; the admin API is described in docs/reference"),
    405: ("method_not_allowed", "this path does not take this method; the Allow header names those it takes"),
    413: ("body_too_large", "send at most 64 KiB"),
    417: ("expectation_failed", "leave the Expect header out, or send '100-continue'"),
}
_MALFORMED: Final = Problem(400, "malformed_request", "this is not a well-formed HTTP/1.1 request")
_INTERNAL: Final = Problem(500, "internal_error", "the admin listener failed; its log has the traceback")
_TOO_SLOW: Final = Problem(408, "too_slow", "the request did not arrive, or could not be answered, in time")
_WRONG_HOST: Final = Problem(
    421, "wrong_host", "the admin listener is bound to loopback: ask for it as localhost, 127.0.0.1, [::1] or the address it is bound to"
)
_CROSS_ORIGIN: Final = Problem(
    403, "cross_origin", "a web page of another origin sent this; the admin listener changes things only for its own pages and for programs"
)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Wraps the application's handler. `host` is the address that the listener is bound to; `timeout` in seconds."""

    def __init__(self, handler: Handler, host: str, timeout: float, log: logging.Logger, access: Access) -> None:
        self._handler = handler
        self._access = access
        self._bound = host.strip("[]").lower()
        self._loopback_only = is_loopback(self._bound)
        self._timeout = timeout
        self._log = log

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        try:
            self._check_host(request)
            check_origin(request)
            self._access.check(request)
            async with asyncio.timeout(self._timeout):
                response = await self._handler(request)
        except Problem as problem:
            response = problem_response(problem)
        except web.HTTPException as error:
            response = problem_response(_translate(error))
        except web.RequestPayloadError:
            response = problem_response(_MALFORMED)
        except TimeoutError:
            response = problem_response(_TOO_SLOW)
        except ConnectionError:
            raise
        except Exception:
            self._log.exception("an admin request failed")
            response = problem_response(_INTERNAL)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _check_host(self, request: web.BaseRequest) -> None:
        """Refuse names that point at us without our consent: the defence against DNS rebinding."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) > 1:
            raise _MALFORMED
        if not self._loopback_only or not hosts:  # every browser sends Host, so its absence is no attack
            return
        name = host_name(hosts[0])
        if name != self._bound and not is_loopback(name):
            raise _WRONG_HOST


def check_origin(request: web.BaseRequest) -> None:
    """Refuse what a page of another origin makes a browser send: it needs no preflight for some requests that change something.

    Source: Fetch Metadata (`Sec-Fetch-Site`), and `Origin` against `Host` where a browser sends none (RFC 6454 section 7).
    """
    if request.method in _SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and _authority(origin) != request.headers.get("Host", "").lower()
    if foreign:
        raise _CROSS_ORIGIN


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _translate(error: web.HTTPException) -> Problem:
    reason, detail = _WORDS.get(error.status, ("bad_request" if error.status < 500 else "internal_error", "the request was not understood"))
    allow = error.headers.get("Allow")
    return Problem(error.status, reason, detail, {"Allow": allow} if allow else None)


def host_name(host: str) -> str:
    """Return the name or address in a `Host` field, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """Say whether a name or address is this machine's own loopback (RFC 6761 section 6.3 for the names)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class QuietRequestHandler(web.RequestHandler):  # type: ignore[type-arg, unused-ignore]
    """aiohttp's connection handler, which would print the offending bytes of a malformed request into answer and log."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - aiohttp's signature; not looking at it is the point
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer an error found before or behind the guard, and close the connection; nothing of it is repeated."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is already under way")
        response = problem_response(_MALFORMED if status < 500 else _INTERNAL)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ARG002 - they carry what was sent
        """Say that a connection failed, and nothing of what came over it."""
        self.logger.error("an admin connection failed")


class QuietServer(web.Server):
    """Makes a `QuietRequestHandler` per connection, and hangs up on more than `most` at one time."""

    def __init__(self, handler: Handler, *, most: int = MAX_CONNECTIONS, **options: Any) -> None:
        super().__init__(handler, **options)
        self._most = most
        self._options = {name: value for name, value in options.items() if name not in {"request_factory", "loop"}}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Keep the connection, unless there are too many already."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._most:
            transport.abort()

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return QuietRequestHandler(self, loop=self._loop, **self._options)
