"""What a gateway tells about a request: one family, one documented place, and nothing else is looked at. Pure.

    Envoy (ext_authz, HTTP service)   the original method, and the raw target behind the prefix of this endpoint
    Traefik, Caddy (forward auth)     X-Forwarded-Method, -Uri and -Host, which they set themselves and take from nobody
    nginx (auth_request)              X-Original-Method and X-Original-URL, which the documented configuration sets

nginx passes a client's own X-Forwarded-Uri on, so an endpoint that took it from whoever sends it would let denied requests through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.protocol.headers import Fields

PREFIX: Final = b"/gateway/"
_VENDOR: Final = b"vendor/"
_FORWARDED: Final = (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host")
_ORIGINAL: Final = (b"x-original-method", b"x-original-url")
DECISION_ID: Final = b"scopegate-decision-id"
"""Names the denial whose answer nginx asks for, in its second request."""
_OF_THE_HOP: Final = frozenset(
    (b"host", b"connection", b"keep-alive", b"content-length", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect")
)
"""Fields of the gateway's own request to us: they say nothing about the client's."""


class Endpoint(NamedTuple):
    """Which endpoint was asked. `vendor` is "" where paths are as on the traffic listener. `rest` is what stands behind it."""

    family: bytes
    vendor: str
    rest: bytes
    explains: bool = False
    """Whether nginx asks for the answer of a denial."""


@dataclass(frozen=True, slots=True)
class Told:
    """The client's request, as the gateway tells it. `version` is "1.0" where the client named no host."""

    method: str
    target: bytes
    fields: Fields
    version: str
    denial: str = ""
    """The decision whose answer is asked for."""


@dataclass(frozen=True, slots=True)
class NotTold:
    """The gateway did not set, exactly once, what this endpoint reads: it is configured wrongly."""

    detail: str


def find_endpoint(raw_target: bytes) -> Endpoint | None:
    """Say which endpoint a raw target is for, or None. Only what stands before the client's part is looked at."""
    if not raw_target.startswith(PREFIX):
        return None
    rest, vendor = raw_target[len(PREFIX) :], b""
    if rest.startswith(_VENDOR):
        vendor, slash, rest = rest[len(_VENDOR) :].partition(b"/")
        if not (vendor and slash):
            return None
    return _family(rest, vendor.decode("latin-1"))


def _family(rest: bytes, vendor: str) -> Endpoint | None:
    if rest.startswith(b"envoy/"):
        return Endpoint(b"envoy", vendor, rest[len(b"envoy") :])
    path = rest.partition(b"?")[0]  # Caddy appends the client's query
    if path in {b"traefik", b"caddy", b"nginx"}:
        return Endpoint(path, vendor, b"")
    return Endpoint(b"nginx", vendor, b"", explains=True) if path == b"nginx/deny" else None


def read_told(endpoint: Endpoint, method: str, fields: Fields) -> Told | NotTold:
    """Read the client's request from what a gateway sent to `endpoint`."""
    if endpoint.family == b"envoy":
        return _told(method, endpoint.rest, _one(fields, b"host") or b"", fields)
    names = _ORIGINAL if endpoint.family == b"nginx" else _FORWARDED
    values = [_one(fields, name) for name in names]
    if not all(values):
        return NotTold(f"the gateway must set each of these exactly once: {b', '.join(names).decode()}")
    original, *where = [value or b"" for value in values]
    target, host = where if len(where) == 2 else _split(where[0])
    return _told(original.decode("latin-1"), target, host, fields, endpoint.explains)


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Return the target and the host of nginx' `$scheme://$http_host$request_uri`, as they were sent."""
    host, slash, rest = url.partition(b"://")[2].partition(b"/")
    return slash + rest, host


def _told(method: str, target: bytes, host: bytes, fields: Fields, explains: bool = False) -> Told:
    of_client: list[tuple[bytes, bytes]] = [(name, value) for name, value in fields if name.lower() not in _OF_THE_HOP]
    if host:
        of_client.insert(0, (b"Host", host))
    denial = (_one(fields, DECISION_ID) or b"").decode("latin-1") if explains else ""
    return Told(method, target, of_client, "1.1" if host else "1.0", denial)


def _one(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    values = [value.strip(b" \t") for field, value in fields if field.lower() == name]
    return values[0] if len(values) == 1 else None
