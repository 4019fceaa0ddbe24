"""Exchanges as spans: one of the request, and one of the call to the vendor where there was one. Pure.

Names are those of OpenTelemetry's semantic conventions for HTTP spans (1.38), and `scopegate.*` for what only this proxy knows.
A span never holds a token, a query, a raw path or a body: what can be told apart by them is the operation and its path template.
A denial is no error, and neither is a vendor's refusal: only faults are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.telemetry.exchange import Exchange, Outcome, Repetition, ResponseKind
from proxy.telemetry.labels import Reading, Values

Value = str | int | tuple[str, ...]
Attributes = dict[str, Value]

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"))
_ANY_METHOD: Final = "_OTHER"
_FAULTS: Final = frozenset((Outcome.UPSTREAM_ERROR, Outcome.INTERNAL_ERROR))
_VENDOR_FAULTS: Final = frozenset((ResponseKind.TRANSPORT, ResponseKind.SERVER_ERROR))
REFUSED: Final = "scopegate.scope_refused"
"""Event: the vendor's refusal named a scope, and that was learned."""
_TOLD: Final = (
    "vendor",
    "client",
    "mode",
    "operation",
    "decision",
    "predicted",
    "outcome",
    "reason",
    "policy",
    "evidence",
    "actual",
    "fault",
)


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Times are nanoseconds since the epoch; `error` is "" or the type of an error; `events` happen at the end."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    start: int
    end: int
    attributes: Attributes
    is_client: bool = False
    has_remote_parent: bool = False
    error: str = ""
    events: Mapping[str, Attributes] = field(default_factory=dict)


def count_of(exchange: Exchange | Repetition) -> int:
    """Return how many spans an exchange makes."""
    return 2 if exchange.vendor_duration > 0 else 1


def spans_of(exchange: Exchange, server: Attributes, vendors: Mapping[str, Attributes]) -> tuple[Span, ...]:
    """Return the spans of an exchange. `server` and `vendors` (by name) say where the proxy and the vendors are."""
    start = round(exchange.started_at * 1e6) * 1000
    end = start + round(exchange.duration * 1e9)
    request = _request_span(exchange, server, start, end)
    if exchange.vendor_duration <= 0:
        return (request,)
    return request, _vendor_span(exchange, vendors.get(exchange.vendor, {}), end)


def _request_span(exchange: Exchange, server: Attributes, start: int, end: int) -> Span:
    trace = exchange.trace
    refused: dict[str, Attributes] = {REFUSED: {"scopegate.scope": exchange.refused_for}} if exchange.refused_for else {}
    return Span(
        name=_name(exchange),
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.span_id, 16),
        parent_id=int(trace.parent_id or "0", 16),
        start=start,
        end=end,
        attributes=_http(exchange) | server | _told(exchange),
        has_remote_parent=bool(trace.parent_id),
        error=exchange.fault or str(exchange.outcome) if exchange.outcome in _FAULTS else "",
        events=refused,
    )


def _vendor_span(exchange: Exchange, vendor: Attributes, end: int) -> Span:
    trace, failed = exchange.trace, exchange.response_kind in _VENDOR_FAULTS
    answered = exchange.answered_by == "vendor"
    return Span(
        name=_name(exchange),
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.vendor_span_id, 16),
        parent_id=int(trace.span_id, 16),
        start=end - round(exchange.vendor_duration * 1e9),
        end=end,
        attributes=_http(exchange, answered) | vendor | {"peer.service": exchange.vendor},
        is_client=True,
        error=(exchange.fault or str(exchange.status)) if failed else "",
    )


def _name(exchange: Exchange) -> str:
    method = exchange.method if exchange.method in _METHODS else "HTTP"
    return f"{method} {exchange.route}" if exchange.route else method


def _http(exchange: Exchange, answered: bool = True) -> dict[str, Value]:
    values: dict[str, Value] = {
        "http.request.method": exchange.method if exchange.method in _METHODS else _ANY_METHOD,
    }
    if exchange.route:
        values["http.route"] = exchange.route
    if answered:
        values["http.response.status_code"] = exchange.status
    return values


def _told(exchange: Exchange) -> dict[str, Value]:
    values: dict[str, Value] = {f"scopegate.{name}": str(value) for name in _TOLD if (value := getattr(exchange, name))}
    values["http.request.body.size"] = exchange.request_bytes
    values["http.response.body.size"] = exchange.response_bytes
    values["scopegate.answered_by"] = exchange.answered_by
    values["scopegate.decision_id"] = exchange.decision_id
    values["scopegate.request_id"] = exchange.request_id
    if exchange.missing:
        values["scopegate.missing"] = tuple("+".join(scopes) for scopes in exchange.missing)
    return values


def spans_reading(values: Callable[[], Values]) -> Reading:
    """Return what is told about spans on the metrics page; `values` by result: `exported`, `failed` or `dropped`."""
    text = "Spans, by what became of them on the way to the collector."
    return Reading("scopegate_trace_spans_total", text, values, ("result",), counter=True)
