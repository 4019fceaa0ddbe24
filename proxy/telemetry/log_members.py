"""What a line of the decision log says: an exchange as members with names. What they mean is told in `decision_log`."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Final

from proxy.telemetry.exchange import Actual, Exchange, Outcome, Predicted

MAX_PATH: Final = 256
FINGERPRINT_DIGITS: Final = 12

_ACCEPTED: Final = Actual.ACCEPTED  # reading a member off its class is slow in Python 3.11
_DENY: Final = Predicted.DENY
_LEVELS: Final = dict.fromkeys(Outcome, "info") | {Outcome.UPSTREAM_ERROR: "warning", Outcome.INTERNAL_ERROR: "error"}


def as_members(exchange: Exchange, ts: str) -> dict[str, object]:
    """Return an exchange as the members of a log line; the admin API shows the same ones."""
    return {**word_members(exchange), **own_members(exchange, ts)}


def word_members(exchange: Exchange) -> dict[str, object]:
    """Return the members that come from a small vocabulary: configuration, catalogue and closed lists."""
    accepted_denial = exchange.actual is _ACCEPTED and exchange.predicted is _DENY
    return {
        "event": "decision",
        "level": "warning" if accepted_denial else _LEVELS[exchange.outcome],
        **{name: getattr(exchange, field) for name, field in _WORDS.items()},
    }


def own_members(exchange: Exchange, ts: str) -> dict[str, object]:
    """Return the members that differ from line to line."""
    path, duration, vendor_duration, trace = exchange.path, exchange.duration, exchange.vendor_duration, exchange.trace
    members: dict[str, object] = {
        "ts": ts,
        "decision_id": exchange.decision_id,
        "request_id": exchange.request_id,
        "trace_id": trace.trace_id,
        "span_id": trace.span_id,
        **({"parent_span_id": trace.parent_id} if trace.parent_id else {}),
        "path": path if len(path) <= MAX_PATH else path[:MAX_PATH],
        "request_bytes": exchange.request_bytes,
        "response_bytes": exchange.response_bytes,
        "duration_ms": int(duration * 1e6) / 1e3,
        "vendor_ms": int(vendor_duration * 1e6) / 1e3,
        "overhead_ms": int((duration - vendor_duration) * 1e6) / 1e3,
    }
    if exchange.fingerprint:
        members["fingerprint"] = exchange.fingerprint[:FINGERPRINT_DIGITS]
    if len(path) > MAX_PATH:
        members["path_cut"] = True
    return members


_WORDS: Final = {
    name: {"kind": "response_kind"}.get(name, name)
    for name in (
        "vendor", "client", "mode", "method", "operation", "route", "decision", "predicted", "outcome", "reason", "missing", "evidence",
        "cache", "status", "answered_by", "actual", "kind", "fault", "policy",
        "revision",
    )
}  # fmt: skip
"""Log members from a small vocabulary, and the fields of `Exchange` they come from."""
words_of: Final[Callable[[Exchange], tuple[object, ...]]] = itemgetter(*(Exchange._fields.index(name) for name in _WORDS.values()))
