"""Decision lines as JSON: what repeats from line to line is encoded once, and the rest put in between."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from proxy.telemetry.exchange import Exchange, Repetition
from proxy.telemetry.grants_lines import FOREVER, GrantsLines
from proxy.telemetry.log_members import FINGERPRINT_DIGITS, MAX_PATH, as_members, own_members, word_members, words_of
from proxy.telemetry.timestamps import Timestamps

_OWN: Final = (
    ',"ts":"%s","decision_id":"%s","request_id":"%s","trace_id":"%s","span_id":"%s"%s,"path":"%s","request_bytes":%d,"response_bytes":%d,'
    '"duration_ms":%.3f,"vendor_ms":%.3f,"overhead_ms":%.3f'
)
_PARENT: Final = ',"parent_span_id":"%s"'
_FINGERPRINT: Final = ',"fingerprint":"%s"}\n'
_DELETE: Final = 0x7F
_NEWLINE: Final = orjson.OPT_APPEND_NEWLINE
_THOUSANDTHS: Final = tuple(f".{number:03d}" for number in range(1000))


class _Known:
    """What the lines of exchanges that repeat have in common: how they begin, how they end, and until when that is so."""

    def __init__(self, words: str, end: str, since: float, until: float) -> None:
        self.words = words
        self.end = end
        self.since = since
        self.until = until
        self.path = ""


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
        key = words_of(exchange)
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
