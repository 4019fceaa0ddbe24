"""Exchanges as OCSF 1.8 events of class API Activity (6003), profiles `security_control` and `trace`. Pure.

Source of every name and number: the OCSF schema 1.8.0, class `api_activity` and the objects it uses.

What repeats (everything that comes from configuration, catalogue and closed lists) is encoded once into a template; an event
then fills in ids, times, sizes, the path and who asked. Every event ends with the object `unmapped`, where the audit log adds
its chain. An event holds printable ASCII only, and never a token, a query or a body.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from proxy import __version__
from proxy.telemetry.exchange import Actual, Decision, Exchange, Outcome, Predicted

OCSF_VERSION: Final = "1.8.0"
CLASS_UID: Final = 6003
LOG_NAME: Final = "scopegate-audit"
PRODUCT: Final = {"name": "Scopegate", "vendor_name": "Scopegate", "version": __version__}
MAX_PATH: Final = 2048
MAX_TEXT: Final = 256
MAX_HELD: Final = 200
"""Scopes of one token that an event names at most."""
MAX_TEMPLATES: Final = 10_000

_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITIES: Final = {
    "GET": _READ, "HEAD": _READ, "OPTIONS": _READ, "POST": _CREATE, "PUT": _UPDATE, "PATCH": _UPDATE, "DELETE": _DELETE,
}  # fmt: skip
_ACTIVITY_NAMES: Final = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete", _OTHER: "Other"}
_METHODS: Final = frozenset({"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"})
"""The values that OCSF allows for `http_method`."""

_ALLOWED: Final = (1, "Allowed")
_DENIED: Final = (2, "Denied")
_OBSERVED: Final = (3, "Observed")
_UNKNOWN: Final = (0, "Unknown")
_CONTROL: Final[dict[Outcome, tuple[tuple[int, str], tuple[int, str]]]] = {
    Outcome.FORWARDED: (_ALLOWED, (1, "Allowed")),
    Outcome.DENIED: (_DENIED, (26, "Unauthorized")),
    Outcome.WOULD_DENY: (_OBSERVED, (17, "Logged")),
    Outcome.BAD_REQUEST: (_DENIED, (25, "Rejected")),
    Outcome.UPSTREAM_ERROR: (_ALLOWED, (27, "Error")),
    Outcome.INTERNAL_ERROR: (_UNKNOWN, (27, "Error")),
}
"""What the proxy did with a request: action and disposition."""
_NOT_DECIDED: Final = (_OBSERVED, (16, "No Action"))
"""Mode off: the request passes, and nothing is decided."""

_INFORMATIONAL: Final = (1, "Informational")
_LOW: Final = (2, "Low")
_MEDIUM: Final = (3, "Medium")
_SEVERITIES: Final = {
    Outcome.FORWARDED: _INFORMATIONAL,
    Outcome.DENIED: _LOW,
    Outcome.WOULD_DENY: _LOW,
    Outcome.BAD_REQUEST: _LOW,
    Outcome.UPSTREAM_ERROR: _LOW,
    Outcome.INTERNAL_ERROR: _MEDIUM,
}
POLICY_REASON: Final = "policy_not_allowed"

_OWN: Final = (
    '"actor":{%s},"http_request":{%s"url":{"path":%s}},"src_endpoint":{%s},"metadata":{%s,"uid":%s,"correlation_uid":%s},'
    '"trace":{%s},"time":%d,"duration":%d,"unmapped":{%s,"request_bytes":%d,"response_bytes":%d,"vendor_ms":%.3f%s}}'
)
_Template = tuple[str, str, str, str]


class AuditLog:
    """The recorder: encodes an exchange as an event and hands it on. `subjects`: whether the token's user is named."""

    def __init__(self, put: Callable[[bytes], None], *, subjects: bool = True) -> None:
        self._put = put
        self._encode = Events(subjects=subjects)

    def record(self, exchange: Exchange) -> None:
        """Log one exchange."""
        self._put(self._encode(exchange))


class Events:
    """Encodes exchanges."""

    def __init__(self, *, subjects: bool = True) -> None:
        self._subjects = subjects
        self._templates: dict[tuple[object, ...], _Template] = {}

    def __call__(self, exchange: Exchange) -> bytes:
        """Return one event, without a newline; its last member is the object `unmapped`."""
        memo = exchange.memo
        template: _Template | None = memo.get(self) if memo is not None else None
        if template is None:
            template = self._template(exchange)
            if memo is not None:
                memo[self] = template
        fixed, request, metadata, unmapped = template
        path = exchange.path
        own = _OWN % (
            self._actor(exchange), request, quoted(path[:MAX_PATH]), _endpoint(exchange.peer), metadata, quoted(exchange.decision_id),
            quoted(exchange.request_id), _trace(exchange), int(exchange.started_at * 1e3), int(exchange.duration * 1e3),
            unmapped, exchange.request_bytes, exchange.response_bytes, exchange.vendor_duration * 1e3,
            ',"path_cut":true' if len(path) > MAX_PATH else "",
        )  # fmt: skip
        return (fixed + own).encode("ascii")

    def _actor(self, exchange: Exchange) -> str:
        app = f'"app_name":{quoted(exchange.client)}'
        if not exchange.fingerprint:
            return app
        subject = exchange.knowledge.subject if exchange.knowledge is not None and self._subjects else ""
        name = f',"name":{quoted(subject[:MAX_TEXT])}' if subject else ""
        return f'{app},"user":{{"uid":"{exchange.fingerprint}"{name}}}'

    def _template(self, exchange: Exchange) -> _Template:
        key = (*_words_of(exchange), held(exchange))
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= MAX_TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _make_template(exchange)
        return template


def quoted(text: str) -> str:
    """Return a JSON string of printable ASCII, its quotes included."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return json.dumps(text).replace("\x7f", "\\u007f")


def _endpoint(peer: str) -> str:
    return f'"ip":{quoted(peer)}' if peer else '"name":"unknown"'


def _trace(exchange: Exchange) -> str:
    """Return the members of the OCSF objects `trace` and, within, `span`: this request's own one."""
    trace = exchange.trace
    if not trace.trace_id:
        return '"uid":"none"'
    parent = f',"parent_uid":"{trace.parent_id}"' if trace.parent_id else ""
    start, end = int(exchange.started_at * 1e3), int((exchange.started_at + exchange.duration) * 1e3)
    span = f'"uid":"{trace.span_id}"{parent},"start_time":{start},"end_time":{end}'
    return f'"uid":"{trace.trace_id}","span":{{{span}}}'


def held(exchange: Exchange) -> tuple[str, ...]:
    """Return the scopes that a token was known to hold when a request of it was, or would have been, denied; else none."""
    if exchange.knowledge is None or not exchange.missing:
        return ()
    grants = exchange.knowledge.grants
    return tuple(sorted({*grants.scopes, *(f"{scope}@{resource}" for scope, resource in grants.bound)}))[:MAX_HELD]


def _make_template(exchange: Exchange) -> _Template:
    """Encode everything that does not differ between exchanges of one outcome."""
    method = f'"http_method":{quoted(exchange.method)},' if exchange.method in _METHODS else ""
    return (
        "{" + _members(_fixed(exchange)) + ",",
        method,
        _members({"version": OCSF_VERSION, "product": PRODUCT, "profiles": ["security_control", "trace"], "log_name": LOG_NAME}),
        _members(_unmapped(exchange)),
    )


def _members(values: dict[str, object]) -> str:
    return json.dumps(values, separators=(",", ":")).replace("\x7f", "\\u007f")[1:-1]


def _fixed(exchange: Exchange) -> dict[str, object]:
    activity = _ACTIVITIES.get(exchange.method, _OTHER)
    action, disposition = _NOT_DECIDED if _is_off(exchange) else _CONTROL[exchange.outcome]
    severity = _severity(exchange)
    failed = exchange.status >= 400
    return {
        "class_uid": CLASS_UID,
        "class_name": "API Activity",
        "category_uid": 6,
        "activity_id": activity,
        "activity_name": _ACTIVITY_NAMES[activity],
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": 2 if failed else 1,
        "status": "Failure" if failed else "Success",
        "status_code": str(exchange.status),
        **_named("status_detail", exchange.reason or exchange.fault),
        "message": _message(exchange),
        "action_id": action[0],
        "action": action[1],
        "disposition_id": disposition[0],
        "disposition": disposition[1],
        "authorizations": _authorizations(exchange),
        "api": {
            "operation": exchange.operation or "unknown",
            "service": {"name": exchange.vendor},
            "response": {"code": int(exchange.status), **_named("error", exchange.reason or exchange.fault)},
        },
        "http_response": {"code": int(exchange.status)},
        "dst_endpoint": {"svc_name": exchange.vendor},
    }


def _is_off(exchange: Exchange) -> bool:
    return exchange.decision is Decision.OFF and exchange.outcome is Outcome.FORWARDED


def _severity(exchange: Exchange) -> tuple[int, str]:
    wrong = exchange.predicted is Predicted.DENY and exchange.actual is Actual.ACCEPTED
    return _MEDIUM if wrong or exchange.reason == POLICY_REASON else _SEVERITIES[exchange.outcome]


def _message(exchange: Exchange) -> str:
    what = exchange.operation or f"{exchange.method} of an unknown operation"
    why = exchange.reason or exchange.fault
    return f"{exchange.outcome} ({exchange.decision}): {what} at {exchange.vendor}" + (f", {why}" if why else "")


def _authorizations(exchange: Exchange) -> list[dict[str, object]]:
    """Return who decided what: the prediction of the vendor's answer, and the operator's own rule where it spoke."""
    denied, by_policy = exchange.outcome is Outcome.DENIED, exchange.reason == POLICY_REASON
    policy = {"name": exchange.operation or "unknown", "type": "prediction", "is_applied": denied and not by_policy}
    found: list[dict[str, object]] = [{"decision": str(exchange.predicted), "policy": policy}]
    if exchange.policy or by_policy:
        rule = {
            "name": f"clients.{exchange.client}",
            "type": "policy",
            "is_applied": denied and by_policy,
            **_named("desc", exchange.policy),
        }
        found.append({"decision": "deny", "policy": rule})
    return found


def _unmapped(exchange: Exchange) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(exchange, name) for name in _UNMAPPED}
    scopes = held(exchange)
    known = {name: value for name, value in values.items() if value}
    return {**known, **({"held": scopes} if scopes else {}), "configuration": exchange.revision}


def _named(name: str, value: str) -> dict[str, object]:
    return {name: value} if value else {}


_UNMAPPED: Final = (
    "decision", "predicted", "actual", "outcome", "mode", "answered_by", "route", "reason", "missing", "evidence", "fault",
    "response_kind", "policy",
)  # fmt: skip
_VARYING: Final = ("vendor", "client", "method", "operation", "status", *_UNMAPPED, "revision")
_words_of: Final[Callable[[Exchange], tuple[object, ...]]] = itemgetter(*(Exchange._fields.index(name) for name in _VARYING))
