"""Which trace a request belongs to: W3C trace context and request ids are taken over or made, and told to the vendor. Pure.

Sources: W3C Trace Context, https://www.w3.org/TR/trace-context/ (level 1), https://www.w3.org/TR/trace-context-2/ (the random flag).
A `traceparent` that is not wholly valid counts as none, and then `tracestate` counts neither (section 3.3.1.1). A `tracestate` that is
not valid is dropped alone (section 3.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
REQUEST_ID: Final = b"x-request-id"
FIELDS: Final = frozenset((TRACEPARENT, TRACESTATE, REQUEST_ID))
"""Fields that differ from request to request where all others repeat."""
MAX_REQUEST_ID: Final = 128
MAX_STATE_MEMBERS: Final = 32
SAMPLED: Final = 1
RANDOM: Final = 2
"""Flag of a trace id whose last seven bytes are random (level 2, section 3.2.2.5.2)."""

_PARENT: Final = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.DOTALL)
_LENGTH: Final = 55
_KNOWN_FLAGS: Final = {digit: number & (SAMPLED | RANDOM) for number, digit in enumerate("0123456789abcdef")}
_REST: Final = ("-00\r\nX-Request-ID: ", "-01\r\nX-Request-ID: ", "-02\r\nX-Request-ID: ", "-03\r\nX-Request-ID: ")
_MEMBER: Final = re.compile(rb"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_IDS: Final = 2048
"""Bytes of randomness that are made at a time."""


class Parent(NamedTuple):
    """The span that a valid `traceparent` names. `state`: the header line of the `tracestate` that came with it."""

    trace_id: str
    span_id: str
    flags: int
    state: bytes = b""


@dataclass(slots=True, init=False)
class Trace:
    """One request's place in its trace. Ids are lower-case hexadecimal digits; `parent_id` is "" where the trace begins here.

    `vendor_span_id` is the span that the vendor is told as its parent: the request's own one, or a child where calls are spans too.
    `state` is the header line of the `tracestate`; `told`: whether the vendor is told at all.
    """

    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    state: bytes
    vendor_span_id: str
    told: bool

    def __init__(
        self, trace_id: str, span_id: str, parent_id: str, flags: int, state: bytes, vendor_span_id: str, told: bool
    ) -> None:  # written out because one is made for every request: the generated one is never compiled
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.flags = flags
        self.state = state
        self.vendor_span_id = vendor_span_id
        self.told = told

    def lines(self, request_id: str) -> bytes:
        """Return the header lines by which the vendor is told; none where it must not be."""
        if not self.told:
            return b""
        own = f"traceparent: 00-{self.trace_id}-{self.vendor_span_id}{_REST[self.flags]}{request_id}\r\n"
        return own.encode("ascii") + self.state


NO_TRACE: Final = Trace("", "", "", 0, b"", "", told=False)


class Traces:
    """Places requests in their traces. `random_bytes(n)` returns n random bytes; ids need to be unique, not secret.

    `ratio`: the share of the traces begun here that are sampled, from 0 to 1. A trace that is taken over is sampled as it says.
    `spans`: whether calls to vendors are spans of their own. `told`: whether vendors are told.
    """

    __slots__ = ("_at", "_bound", "_ids", "_random_bytes", "_spans", "_told")

    def __init__(self, random_bytes: Callable[[int], bytes], *, ratio: float = 0.0, spans: bool = False, told: bool = True) -> None:
        self._random_bytes = random_bytes
        self._bound = f"{round(ratio * (1 << 56)):015x}"
        self._spans = spans
        self._told = told
        self._ids = ""
        self._at = 0

    def __call__(self, parent: Parent | None) -> Trace:
        """Return the place of one more request: below `parent`, or at the root of a new trace."""
        at, ids = self._at, self._ids
        if at == len(ids):
            at, ids = 0, self._random_bytes(_IDS).hex()
            self._ids = ids
        self._at = at + 64
        span_id = ids[at + 32 : at + 48]
        vendor_span_id = ids[at + 48 : at + 64] if self._spans else span_id
        if parent is not None:
            return Trace(parent.trace_id, span_id, parent.span_id, parent.flags, parent.state, vendor_span_id, self._told)
        trace_id = ids[at : at + 32]
        flags = RANDOM | SAMPLED if "0" + trace_id[18:] < self._bound else RANDOM
        return Trace(trace_id, span_id, "", flags, b"", vendor_span_id, self._told)


def read_traced(fields: Iterable[tuple[bytes, bytes]]) -> tuple[str, Parent | None]:
    """Read `FIELDS`, given by lower-case name: the request id, "" where there is no single acceptable one, and the parent."""
    given: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        given.setdefault(name, []).append(value)
    request_ids, parents = given.get(REQUEST_ID, ()), given.get(TRACEPARENT, ())
    request_id = request_ids[0] if len(request_ids) == 1 and is_request_id(request_ids[0]) else b""
    parent = read_parent(parents[0]) if len(parents) == 1 else None
    if parent is not None and TRACESTATE in given:
        parent = parent._replace(state=read_state(given[TRACESTATE]))
    return request_id.decode("ascii"), parent


def is_request_id(value: bytes) -> bool:
    """Say whether a request id is taken over: 1 to 128 visible ASCII characters."""
    return 0 < len(value) <= MAX_REQUEST_ID and not value.translate(None, _VISIBLE)


def read_parent(value: bytes) -> Parent | None:
    """Read a `traceparent` (section 3.2); of versions to come, what the specification promises (section 3.2.4)."""
    text = value.decode("latin-1")
    if _PARENT.fullmatch(text) is None:
        return None
    known = _KNOWN_FLAGS[text[54]]
    if text.startswith("00"):
        return Parent(text[3:35], text[36:52], known) if len(text) == _LENGTH else None
    return Parent(text[3:35], text[36:52], known & SAMPLED)


def read_state(values: Iterable[bytes]) -> bytes:
    """Return the header line that passes a `tracestate` on, unchanged and in its order; none where it is not valid (section 3.3)."""
    given = [value for value in values if value]
    members = [member for value in given for part in value.split(b",") if (member := part.strip(b" \t"))]
    if not members or len(members) > MAX_STATE_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return b""
    return b"tracestate: %b\r\n" % b",".join(given)
