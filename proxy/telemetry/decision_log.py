"""The decision log: one line per request, encoded at once, written by a thread of its own.

Fields of a line, in this order (JSON; the text form shows the telling ones):

event         always "decision"
level         info | warning (the vendor could not be asked, or accepted what was predicted to fail) | error (the proxy failed)
vendor        the vendor, "none" where no mount matched         client        the internal app
mode          enforce | shadow | off                            method        the effective one
operation     the catalogue's operation id, or ""               route         its path template, or ""
decision      as in the `Scopegate-Decision` header             predicted     what the vendor was expected to do
outcome       what became of the request                        reason        why it was denied, or ""
missing       lacking scopes per alternative, shortest first    evidence      where the knowledge came from
cache         hit | miss | none                                 status        the status that was answered
answered_by   proxy | vendor                                    actual        what the vendor then really did
kind          kind of the vendor's answer                       fault         reason of a fault, or ""
policy        which of the operator's rules fell short, or ""
revision      the configuration by which was decided
ts            when the request began, ISO 8601, UTC, milliseconds
decision_id   as in the `Scopegate-Decision-Id` header          request_id    as in the `X-Request-ID` header
trace_id, span_id                      the request's place in its trace (W3C); parent_span_id: absent where the trace begins here
path          the vendor's path, never its query; cut at 256 characters (`path_cut` is then true)
request_bytes, response_bytes          sizes of the bodies
duration_ms, vendor_ms, overhead_ms    whole time, the vendor's share, the proxy's share
fingerprint   first 12 hexadecimal digits of the token's keyed hash; absent where there was no token
grants        which set of grants was known of the token (told by lines with the event "grants"); absent where nothing was known
resources     the resources that the request concerned, by keyed names; null: it did not name them; absent: it concerned none

A line holds printable ASCII only, so nothing that a caller sends can forge a line or command a terminal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import orjson

from proxy.credentials import Secret
from proxy.telemetry.exchange import Actual, Exchange, Outcome, Predicted, Repetition
from proxy.telemetry.grants_lines import FOREVER, GrantsLines

MAX_PATH: Final = 256
FINGERPRINT_DIGITS: Final = 12

_ACCEPTED: Final = Actual.ACCEPTED  # reading a member off its class is slow in Python 3.11
_DENY: Final = Predicted.DENY
_OWN: Final = (
    ',"ts":"%s","decision_id":"%s","request_id":"%s","trace_id":"%s","span_id":"%s"%s,"path":"%s","request_bytes":%d,"response_bytes":%d,'
    '"duration_ms":%.3f,"vendor_ms":%.3f,"overhead_ms":%.3f'
)
_PARENT: Final = ',"parent_span_id":"%s"'
_FINGERPRINT: Final = ',"fingerprint":"%s"}\n'
_DELETE: Final = 0x7F
_NEWLINE: Final = orjson.OPT_APPEND_NEWLINE
_THOUSANDTHS: Final = tuple(f".{number:03d}" for number in range(1000))
_MILLISECONDS: Final = tuple(f".{number:03d}Z" for number in range(1000))

_LEVELS: Final = dict.fromkeys(Outcome, "info") | {Outcome.UPSTREAM_ERROR: "warning", Outcome.INTERNAL_ERROR: "error"}

Encoder = Callable[[Exchange], bytes]
"""Turns an exchange into one line, its newline included."""


class DecisionLog:
    """The recorder: encodes an exchange and hands the line on. `grants` tells what the lines name; None: they name nothing."""

    def __init__(self, encode: Encoder, put: Callable[[bytes], None], grants: GrantsLines | None = None) -> None:
        self._encode = encode
        self._put = put
        self._grants = grants

    def record(self, exchange: Exchange) -> None:
        """Log one exchange."""
        if self._grants is not None and exchange.knowledge is not None:
            line = self._grants.due(exchange)
            if line:
                self._put(line)
        self._put(self._encode(exchange))


class JsonLog(DecisionLog):
    """A log of JSON lines, which knows most of a line already where an exchange repeats."""

    def __init__(self, lines: JsonLines, put: Callable[[bytes], None], grants: GrantsLines | None = None) -> None:
        super().__init__(lines, put, grants)
        self._lines = lines

    def repeat(self, repetition: Repetition) -> None:
        """Log one more exchange like an earlier one."""
        line = self._lines.repeated(repetition)
        if line is None:
            self.record(repetition.exchange())
        else:
            self._put(line)


class _Known:
    """What the lines of exchanges that repeat have in common: how they begin, how they end, and until when that is so."""

    def __init__(self, words: str, end: str, since: float, until: float) -> None:
        self.words = words
        self.end = end
        self.since = since
        self.until = until
        self.path = ""


def decision_log(*, text: bool, put: Callable[[bytes], None], key: Secret) -> DecisionLog:
    """Return a log of one-liners for people, or of JSON. `key` hides the names of resources; a new one for each run will do."""
    if text:
        return DecisionLog(TextLines(), put)
    grants = GrantsLines(key)
    return JsonLog(JsonLines(grants), put, grants)


class JsonLines:
    """Encodes exchanges as JSON objects.

    Most members of a line are words from a small vocabulary: they are encoded once per combination and remembered.
    """

    def __init__(self, grants: GrantsLines | None = None, max_remembered: int = 10_000) -> None:
        self._grants = grants
        self._clock = Timestamps()
        self._words: dict[tuple[object, ...], bytes] = {}
        self._max = max_remembered

    def __call__(self, exchange: Exchange) -> bytes:
        """Return one line of printable ASCII."""
        line = self._line(exchange, self._clock(exchange.started_at))
        told = "" if self._grants is None else self._grants.members(exchange)
        if exchange.memo is not None:
            self._know(exchange, exchange.memo, told)
        return b"%b%b}\n" % (line[:-2], told.encode("ascii")) if told else line

    def _know(self, exchange: Exchange, memo: dict[object, Any], told: str) -> None:
        """Remember what the lines of exchanges like this one have in common, until the set of grants must be told anew."""
        words = self._encoded_words(exchange)
        if not words.isascii() or _DELETE in words:
            return
        fingerprint = f',"fingerprint":"{exchange.fingerprint[:FINGERPRINT_DIGITS]}"' if exchange.fingerprint else ""
        since, until = (-FOREVER, FOREVER) if self._grants is None else self._grants.told_until(exchange)
        memo[self] = _Known(words.decode("ascii"), f"{fingerprint}{told}}}\n", since, until)

    def repeated(self, repetition: Repetition) -> bytes | None:
        """Return one line for an exchange like an earlier one; None where it must be written with more care."""
        known: _Known | None = repetition.memo.get(self)
        at, path = repetition.started_at, repetition.path
        if known is None or not known.since <= at < known.until:
            return None
        if path is not known.path:
            if len(path) > MAX_PATH or not path.isascii() or not path.isprintable() or '"' in path or "\\" in path:
                return None
            known.path = path
        identifier, request = repetition.decision_id, repetition.request_id
        if request is not identifier and not (request.isascii() and request.replace("-", "").isalnum()):
            return None
        duration, vendor, trace = repetition.duration, repetition.vendor_duration, repetition.trace
        parent = f',"parent_span_id":"{trace.parent_id}"' if trace.parent_id else ""
        whole = own = _milliseconds(duration)
        of_vendor = "0.000"
        if vendor:
            of_vendor, own = _milliseconds(vendor), _milliseconds(duration - vendor)
        line = (
            f'{known.words},"ts":"{self._clock(at)}","decision_id":"{identifier}","request_id":"{request}"'
            f',"trace_id":"{trace.trace_id}","span_id":"{trace.span_id}"{parent},"path":"{path}"'
            f',"request_bytes":{repetition.request_bytes},"response_bytes":{repetition.response_bytes}'
            f',"duration_ms":{whole},"vendor_ms":{of_vendor},"overhead_ms":{own}{known.end}'
        )
        return line.encode("ascii")

    def _line(self, exchange: Exchange, ts: str) -> bytes:
        if exchange.request_id.replace("-", "").isalnum() and exchange.path and len(exchange.path) <= MAX_PATH:
            line = self._fast_line(exchange, ts)
            if line.isascii() and _DELETE not in line:
                return line
        return self._careful_line(exchange, ts)

    def _fast_line(self, exchange: Exchange, ts: str) -> bytes:
        """Format a line whose own members need no escaping: an accepted path has no quote, backslash or control character."""
        path, fingerprint = exchange.path, exchange.fingerprint
        if '"' in path or "\\" in path or not path.isprintable():
            return self._careful_line(exchange, ts)
        duration, vendor, trace = exchange.duration, exchange.vendor_duration, exchange.trace
        parent = _PARENT % trace.parent_id if trace.parent_id else ""
        own = _OWN % (
            ts, exchange.decision_id, exchange.request_id, trace.trace_id, trace.span_id, parent, path, exchange.request_bytes,
            exchange.response_bytes, duration * 1e3, vendor * 1e3, (duration - vendor) * 1e3,
        )  # fmt: skip
        end = _FINGERPRINT % fingerprint[:FINGERPRINT_DIGITS] if fingerprint else "}\n"
        return b"%b%b%b" % (self._encoded_words(exchange), own.encode("utf-8", "replace"), end.encode())

    def _careful_line(self, exchange: Exchange, ts: str) -> bytes:
        try:
            line = b"%b,%b" % (self._encoded_words(exchange), orjson.dumps(own_members(exchange, ts), option=_NEWLINE)[1:])
        except orjson.JSONEncodeError:  # lone surrogates: bytes of a header that were no UTF-8
            return _ascii_json(as_members(exchange, ts))
        return line if line.isascii() and _DELETE not in line else _ascii_json(as_members(exchange, ts))

    def _encoded_words(self, exchange: Exchange) -> bytes:
        key = _words_of(exchange)
        return self._words.get(key) or self._remember(key, exchange)

    def _remember(self, key: tuple[object, ...], exchange: Exchange) -> bytes:
        if len(self._words) >= self._max:
            self._words.clear()
        members = word_members(exchange)
        try:
            encoded = orjson.dumps(members)
        except orjson.JSONEncodeError:
            encoded = _ascii_json(members).rstrip()
        words = self._words[key] = encoded[:-1]
        return words


def _milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds with three decimals; far cheaper than formatting a float."""
    micros = int(seconds * 1e6 + 0.5)
    if micros < 0:
        return f"-{_milliseconds(-seconds)}"
    return f"{micros // 1000}{_THOUSANDTHS[micros % 1000]}"


def _ascii_json(members: dict[str, object]) -> bytes:
    return (json.dumps(members, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n").encode("ascii")


class TextLines:
    """Encodes exchanges as one-liners for a terminal."""

    def __init__(self) -> None:
        self._clock = Timestamps()

    def __call__(self, exchange: Exchange) -> bytes:
        """Return one line of printable ASCII."""
        parts = (self._clock(exchange.started_at)[11:23], *_headline(exchange), *_details(exchange))
        return (_printable(" ".join(parts)) + "\n").encode("ascii")


def _headline(exchange: Exchange) -> tuple[str, ...]:
    path = exchange.path if len(exchange.path) <= MAX_PATH else exchange.path[:MAX_PATH] + "..."
    return (str(exchange.status), exchange.answered_by, exchange.decision, exchange.vendor, exchange.method, path)


def _details(exchange: Exchange) -> list[str]:
    told = {
        "operation": exchange.operation,
        "reason": exchange.reason,
        "policy": exchange.policy,
        "missing": "|".join("+".join(scopes) for scopes in exchange.missing),
        "fault": exchange.fault,
        "client": exchange.client,
        "ms": f"{exchange.duration * 1e3:.1f}",
        "id": exchange.decision_id,
        "revision": exchange.revision,
    }
    return [f"{name}={value}" for name, value in told.items() if value]


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(mark if mark.isascii() and mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


class Timestamps:
    """Writes seconds since the epoch as ISO 8601 in UTC with milliseconds; remembers the last whole second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        """Return `2026-11-21T20:00:00.123Z` for a moment."""
        second = int(at)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._text + _MILLISECONDS[int((at - second) * 1e3)]


def timestamp(at: float) -> str:
    """Return a moment (seconds since the epoch) as ISO 8601 in UTC with milliseconds."""
    return Timestamps()(at)


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
_words_of: Final[Callable[[Exchange], tuple[object, ...]]] = itemgetter(*(Exchange._fields.index(name) for name in _WORDS.values()))
