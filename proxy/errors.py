"""The proxy's own faults: every reason with its status, in one table.

    fault
    ├── the request is refused (4xx)      the client can mend it; nothing was sent
    ├── the vendor failed (502, 504)      never a 403: an unreachable vendor is not a missing permission
    ├── overload (503)                    try again later
    └── the exchange was cut              nobody is left to answer; only counted

Pure. Answers are `application/problem+json` (RFC 9457); their text never repeats what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: a stable `reason`, the status it is answered with, a sentence for people, and whether to hang up."""

    reason: str
    status: int
    detail: str
    close: bool = False
    retry_after: int = 0


def _request(reason: str, status: int, detail: str, *, close: bool = False) -> Fault:
    return Fault(reason, status, detail, close)


# the request is refused
MALFORMED: Final = _request("malformed_request", 400, "The request is not valid HTTP/1.1 (RFC 9112); nothing was sent.", close=True)
AMBIGUOUS_LENGTH: Final = _request("ambiguous_length", 400, "The length of the request could be read in two ways.", close=True)
BAD_VERSION: Final = _request("http_version", 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.", close=True)
UPGRADE: Final = _request("upgrade", 400, "Upgrade, CONNECT and TRACE are not offered here.", close=True)
BAD_HOST: Final = _request("host", 400, "The request needs exactly one valid Host field (RFC 9112 section 3.2).", close=True)
BAD_HEADER: Final = _request("header_characters", 400, "A header field has characters that are not allowed (RFC 9110 5.5).", close=True)
BAD_NOMINATION: Final = _request("connection_nomination", 400, "The Connection field names a field that must not be removed.", close=True)
UNDERSCORE: Final = _request("underscore_header", 400, "A sensitive header field is spelled with underscores; write it with hyphens.")
EXPECTATION: Final = _request("expectation", 417, "The only expectation understood is 100-continue.", close=True)
TWO_CREDENTIALS: Final = _request("two_credentials", 400, "The request carries its credential more than once; send it in one place, once.")
BAD_CREDENTIAL: Final = _request("credential", 400, "The access token is not one whole RFC 6750 token: empty, over-long or odd characters.")
LAST_HOP: Final = _request("max_forwards", 501, "Max-Forwards is 0, so this proxy is meant itself; it does not serve this method.")
HEADERS_TOO_LARGE: Final = _request(
    "headers_too_large", 431, "Too many or too long header fields (limits.max_header_bytes, max_headers).", close=True
)
TARGET_TOO_LONG: Final = _request("target_too_long", 414, "The request target is too long (limits.max_url_bytes).", close=True)
BODY_TOO_LARGE: Final = _request("body_too_large", 413, "The request body is larger than limits.max_body_bytes allows.", close=True)
HEADER_TIMEOUT: Final = _request("header_timeout", 408, "The header fields did not arrive in time (limits.header_read_s).", close=True)
BODY_TIMEOUT: Final = _request("request_body_timeout", 408, "The request body stopped arriving (limits.body_idle_s).", close=True)
PLAIN_HTTP: Final = _request("plain_http", 400, "This port speaks HTTPS; the request came in plain HTTP.", close=True)
NO_MOUNT: Final = _request("no_such_mount", 404, "No vendor is mounted at this address; see the 'vendors' section of the configuration.")
TOO_MANY_PIPELINED: Final = _request("too_many_pipelined", 400, "Too many pipelined requests (limits.max_pipelined).", close=True)

# the vendor failed
UNREACHABLE: Final = Fault("upstream_unreachable", 502, "The vendor could not be reached.")
REFUSED: Final = Fault("upstream_refused", 502, "The vendor refused the connection.")
DNS: Final = Fault("upstream_dns", 502, "The vendor's host name could not be resolved.")
CERTIFICATE: Final = Fault("upstream_certificate", 502, "The vendor's certificate could not be verified.")
TLS: Final = Fault("upstream_tls", 502, "The TLS connection to the vendor could not be made.")
CONNECT_TIMEOUT: Final = Fault("connect_timeout", 504, "The vendor did not accept the connection in time (timeouts.connect_s).")
RESPONSE_TIMEOUT: Final = Fault("response_timeout", 504, "The vendor did not begin to answer in time (timeouts.response_head_s).")
UPLOAD_TIMEOUT: Final = Fault("upload_timeout", 504, "The vendor stopped taking the request body (timeouts.body_idle_s).", close=True)
BAD_RESPONSE: Final = Fault("bad_response", 502, "The vendor's answer is not valid HTTP/1.1.")
NO_RESPONSE: Final = Fault("connection_lost", 502, "The vendor closed the connection before it answered.")

# overload and own faults
REQUEST_TIMEOUT: Final = Fault("request_timeout", 504, "The request took longer than it may in all (limits.request_s).", close=True)
BUSY: Final = Fault("vendor_busy", 503, "Too many requests to this vendor are in flight (limits.max_in_flight).", retry_after=1)
NO_DESCRIPTORS: Final = Fault(
    "no_descriptors", 503, "The proxy may not open any more files or sockets (ulimit -n), so it cannot dial.", retry_after=1
)
CIRCUIT_OPEN: Final = Fault(
    "circuit_open", 503, "The vendor does not work at present, so nothing is sent to it for some seconds (circuit_breaker).", retry_after=1
)
FULL: Final = Fault(
    "too_many_connections", 503, "The proxy has all the connections it may have (limits.max_connections).", close=True, retry_after=1
)
FULL_FOR_ADDRESS: Final = Fault(
    "too_many_connections_from_address",
    503,
    "The proxy has all the connections it may have from one address (limits.max_connections_per_address).",
    close=True,
    retry_after=1,
)
GATEWAY_AGAIN: Final = Fault("decision_changed", 503, "The request was denied and would be allowed by now; send it again.", retry_after=1)
INTERNAL: Final = Fault("internal_error", 500, "The proxy failed while handling this request.", close=True)

# the exchange was cut: nobody is left to answer
CLIENT_GONE: Final = Fault("client_gone", 499, "The client went away.", close=True)
CLIENT_STALLED: Final = Fault("client_stalled", 499, "The client stopped reading.", close=True)
TRUNCATED: Final = Fault("response_truncated", 502, "The vendor's answer ended early.", close=True)
RESPONSE_STALLED: Final = Fault("response_stalled", 504, "The vendor's answer stopped arriving (timeouts.body_idle_s).", close=True)
SHUTDOWN: Final = Fault("shutdown", 503, "The proxy is shutting down.", close=True, retry_after=1)

TRANSPORT_REASONS: Final = frozenset(
    fault.reason
    for fault in (
        UNREACHABLE, REFUSED, DNS, CERTIFICATE, TLS, CONNECT_TIMEOUT, RESPONSE_TIMEOUT, UPLOAD_TIMEOUT, BAD_RESPONSE, NO_RESPONSE,
        TRUNCATED, RESPONSE_STALLED,
    )
)  # fmt: skip
"""The vendor was asked, or dialled, and failed."""

UPSTREAM_REASONS: Final = TRANSPORT_REASONS | {BUSY.reason, CIRCUIT_OPEN.reason, NO_DESCRIPTORS.reason, REQUEST_TIMEOUT.reason}

DIAL_REASONS: Final = frozenset(fault.reason for fault in (UNREACHABLE, REFUSED, DNS, CERTIFICATE, TLS, CONNECT_TIMEOUT))
"""No connection could be made, which does not depend on the request."""

ALL_REASONS: Final = frozenset(value.reason for value in list(globals().values()) if isinstance(value, Fault))
"""Every reason in this table; those of refused targets and method overrides come on top (`targets`, `vendors`)."""


def from_bad_target(reason: str, detail: str) -> Fault:
    """Return the fault for a refused request target (`targets.BadTarget`) or an ambiguous method override."""
    return Fault(reason, HTTPStatus.BAD_REQUEST, detail[:1].upper() + detail[1:] + ".")


def problem(fault: Fault) -> dict[str, object]:
    """Return the RFC 9457 problem object of a fault."""
    return {
        "type": "about:blank",
        "title": title(fault.status),
        "status": int(fault.status),
        "detail": fault.detail,
        "reason": fault.reason,
    }


def title(status: int) -> str:
    """Return the standard phrase for a status; "Client Closed Request" for the unofficial 499."""
    return "Client Closed Request" if status == 499 else HTTPStatus(status).phrase
