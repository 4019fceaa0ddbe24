"""Header rules for requests: what is read, what is dropped, what passes as it came. Answers: `response_headers`.

Pure. A head is always rebuilt from parsed fields. Everything that is not named here passes in its order and repetition.
Sources: RFC 9110 sections 5.5 (characters), 7.6.1 (hop-by-hop), 7.6.2 (Max-Forwards), 7.6.3 (Via), 10.1.1 (Expect);
RFC 9112 sections 3.2, 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from proxy import errors
from proxy.credentials import Fingerprint, Secret
from proxy.errors import Fault
from proxy.protocol.trace_context import FIELDS as TRACED
from proxy.protocol.trace_context import Parent, read_traced

Fields = Sequence[tuple[bytes, bytes]]
Credential = tuple[Secret, Fingerprint] | Fault | None


class _Rule(Enum):
    DROP = auto()
    HOST = auto()
    CONNECTION = auto()
    LENGTH = auto()
    CODING = auto()
    EXPECT = auto()
    UPGRADE = auto()
    CREDENTIAL = auto()
    KEY = auto()
    TRACE = auto()
    METHOD = auto()
    HOPS = auto()


HOP_BY_HOP: Final = (
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"http2-settings",
)
_INSIDE_INFORMATION = (
    b"forwarded", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip", b"x-original-forwarded-for",
    b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-server", b"x-forwarded-prefix",
    b"x-forwarded-uri", b"x-forwarded-method", b"x-forwarded-by", b"x-forwarded-scheme", b"x-forwarded-ssl", b"x-forwarded-user",
    b"x-forwarded-client-cert", b"x-original-url", b"x-rewrite-url", b"x-original-method",
)  # fmt: skip
"""Fields that gateways inside the company set: they tell about the inside and never reach a vendor."""

_REQUEST_RULES: Final[dict[bytes, _Rule]] = {
    **dict.fromkeys(HOP_BY_HOP, _Rule.DROP),
    **dict.fromkeys(_INSIDE_INFORMATION, _Rule.DROP),
    b"host": _Rule.HOST,
    b"connection": _Rule.CONNECTION,
    b"content-length": _Rule.LENGTH,
    b"transfer-encoding": _Rule.CODING,
    b"expect": _Rule.EXPECT,
    b"upgrade": _Rule.UPGRADE,
    b"authorization": _Rule.CREDENTIAL,
    b"scopegate-key": _Rule.KEY,
    b"max-forwards": _Rule.HOPS,
    **dict.fromkeys(TRACED, _Rule.TRACE),
    **dict.fromkeys((b"x-http-method-override", b"x-method-override", b"x-http-method"), _Rule.METHOD),
}
_NEVER_NOMINATED: Final = frozenset((b"authorization", b"host", b"content-length", b"cookie", b"scopegate-key", b"max-forwards"))
_HYPHEN_ONLY: Final = frozenset(
    (b"authorization", b"content-length", b"transfer-encoding", b"host", b"scopegate-key", b"x-http-method-override", b"8x8-apikey")
)
"""Fields whose underscore spelling a far side may fold into the real one."""

_VALUE: Final = bytes(range(0x20, 0x7F)) + b"\t"
_HOST: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]%"
OWN_PREFIX: Final = b"scopegate"
_COUNTS_HOPS: Final = frozenset((b"OPTIONS", b"TRACE"))
MAX_LENGTH_DIGITS: Final = 18
VIA: Final = b"Via: 1.1 scopegate\r\n"


@dataclass(slots=True)
class RequestHead:
    """The header fields of one request, read once. `block` is what goes to the vendor, without Host and what tells of the trace.

    `request_id` and `parent` are those of the last request with these fields: see `renew`.
    """

    fields: Fields
    block: bytes = b""
    host: bytes = b""
    authorization: bytes | None = None
    client_key: bytes | None = None
    request_id: str = ""
    parent: Parent | None = None
    traced: tuple[int, ...] = ()
    """Where among the fields as they came those stand that tell of the trace."""
    content_length: int | None = None
    chunked: bool = False
    expects_continue: bool = False
    names_method: bool = False
    """Whether a field names another method than the request line (`X-HTTP-Method-Override` and the like)."""
    max_forwards: bytes = b""
    """How many more proxies an OPTIONS or TRACE request may pass, unchecked; empty where nothing is said."""
    credential: tuple[object, Credential] | None = field(default=None, repr=False)
    """Scratch space for the gate: the credential it read from these fields, and for which mount."""
    repeats: bool = False
    """Whether these very fields have come before on their connection."""
    rulings: Any = field(default=None, repr=False)
    """Scratch space for the gate: its rulings on requests with these fields."""
    _named: dict[str, bytes] | None = field(default=None, repr=False)

    @property
    def named(self) -> dict[str, bytes]:
        """Fields by lower-case name; repeated ones joined with ", " (RFC 9110 section 5.3)."""
        if self._named is None:
            self._named = by_name(self.fields)
        return self._named


def by_name(fields: Fields) -> dict[str, bytes]:
    """Index fields by lower-case name; repeated ones are joined with ", " (RFC 9110 section 5.3)."""
    named: dict[str, bytes] = {}
    for name, value in fields:
        key = name.decode("latin-1").lower()
        named[key] = named[key] + b", " + value if key in named else value
    return named


def read_request(fields: Fields, version: str) -> RequestHead | Fault:
    """Read a request's header fields, or say why they are refused. `version` is "1.0" or "1.1"."""
    reader = _RequestReader(fields)
    for name, value in fields:
        fault = reader.take(name, value)
        if fault is not None:
            return fault
    return reader.finish(version)


class _RequestReader:
    """Collects one request's fields; `finish` judges what only the whole can tell."""

    def __init__(self, fields: Fields) -> None:
        self.head = RequestHead(fields)
        self.kept: list[tuple[bytes, bytes, bytes]] = []
        self.nominated: set[bytes] = set()
        self.hosts = 0
        self.codings: list[bytes] = []
        self.traced: list[tuple[bytes, bytes]] = []

    def take(self, name: bytes, value: bytes) -> Fault | None:
        """Read one field. White space around a value is no part of it (RFC 9110 section 5.5); llhttp leaves it at the end."""
        value = value.rstrip(b" \t")
        if value.translate(None, _VALUE):
            return errors.BAD_HEADER
        lower = name.lower()
        rule = _REQUEST_RULES.get(lower)
        if rule is not None:
            return self._apply(rule, lower, name, value)
        if b"_" in lower and (lower.replace(b"_", b"-") in _HYPHEN_ONLY or lower.startswith(OWN_PREFIX)):
            return errors.UNDERSCORE
        if not lower.startswith(OWN_PREFIX):
            self.kept.append((lower, name, value))
        return None

    def _apply(self, rule: _Rule, lower: bytes, name: bytes, value: bytes) -> Fault | None:  # noqa: C901, PLR0912 - one table
        head = self.head
        match rule:
            case _Rule.DROP:
                return None
            case _Rule.HOST:
                self.hosts += 1
                head.host = value
                return errors.BAD_HOST if self.hosts > 1 or not value or value.translate(None, _HOST) else None
            case _Rule.CONNECTION:
                self.nominated.update(token.strip(b" \t").lower() for token in value.split(b","))
                return errors.BAD_NOMINATION if not _NEVER_NOMINATED.isdisjoint(self.nominated) else None
            case _Rule.LENGTH:
                if head.content_length is not None or not is_length(value):
                    return errors.AMBIGUOUS_LENGTH
                head.content_length = int(value)
            case _Rule.CODING:
                self.codings.append(value.strip(b" \t").lower())
                return None
            case _Rule.EXPECT:
                if value.strip(b" \t").lower() != b"100-continue":
                    return errors.EXPECTATION
                head.expects_continue = True
            case _Rule.UPGRADE:
                return errors.UPGRADE
            case _Rule.CREDENTIAL:
                if head.authorization is not None:
                    return errors.TWO_CREDENTIALS
                head.authorization = value
            case _Rule.KEY:
                if head.client_key is not None:
                    return errors.TWO_CREDENTIALS
                head.client_key = value
                return None
            case _Rule.METHOD:
                head.names_method = True
            case _Rule.HOPS:
                head.max_forwards = b"several" if head.max_forwards else value or b"none"
            case _:  # TRACE: written anew for every request
                self.traced.append((lower, value))
                return None
        self.kept.append((lower, name, value))
        return None

    def finish(self, version: str) -> RequestHead | Fault:
        """Judge the whole: framing, Host, nominations; build the block that is sent on."""
        head = self.head
        if self.hosts == 0 and version != "1.0":
            return errors.BAD_HOST
        if self.codings and (self.codings != [b"chunked"] or head.content_length is not None or version == "1.0"):
            return errors.AMBIGUOUS_LENGTH
        head.chunked = bool(self.codings)
        if self.traced:
            head.request_id, head.parent = read_traced([item for item in self.traced if item[0] not in self.nominated])
            head.traced = tuple(at for at, (name, _) in enumerate(head.fields) if name.lower() in TRACED - self.nominated)
        kept = self.kept
        if self.nominated - {b"close", b"keep-alive"}:
            kept = [item for item in kept if item[0] not in self.nominated]
            head.fields = [(name, value) for _, name, value in kept]  # what is not sent is not judged either
        if version == "1.0" and head.expects_continue:
            head.expects_continue = False  # RFC 9110 section 10.1.1: ignored from HTTP/1.0
            kept = [item for item in kept if item[0] != b"expect"]
        lines = [part for _, name, value in kept for part in (name, b": ", value, b"\r\n")]
        lines.append(b"Transfer-Encoding: chunked\r\n" + VIA if head.chunked else VIA)
        head.block = b"".join(lines)
        return head


def renew(head: RequestHead, known: Fields, fields: Fields) -> bool:
    """Say whether `fields` are `known`, from which `head` was read, but for what they tell of the trace; take that over then.

    They must not be longer, because what `known` was allowed is not asked again.
    """
    if len(fields) != len(known):
        return False
    others, told, room = list(fields), [], 0
    for at in head.traced:
        (name, before), (new_name, value) = known[at], fields[at]
        if name != new_name or value.translate(None, _VALUE):
            return False
        others[at] = known[at]
        told.append((name.lower(), value.rstrip(b" \t")))
        room += len(before) - len(value)
    if room < 0 or others != known:
        return False
    head.request_id, head.parent = read_traced(told)
    return True


def hop_fault(method: bytes, max_forwards: bytes) -> Fault | None:
    """Say why a request must not be forwarded any more, if so (RFC 9110 section 7.6.2). Only two methods count hops."""
    if method not in _COUNTS_HOPS:
        return None
    if not is_length(max_forwards):
        return errors.BAD_HEADER
    return None if int(max_forwards) else errors.LAST_HOP


def block_for(method: bytes, head: RequestHead) -> bytes:
    """Return the field lines to send for `method`, with one hop less where it counts them."""
    if method not in _COUNTS_HOPS:
        return head.block
    lines = head.block.split(b"\r\n")
    at = [line.partition(b":")[0].lower() for line in lines].index(b"max-forwards")
    lines[at] = b"Max-Forwards: %d" % (int(head.max_forwards) - 1)
    return b"\r\n".join(lines)


def is_length(value: bytes) -> bool:
    """Say whether a Content-Length value is 1*DIGIT within what fits (RFC 9110 section 8.6)."""
    return value.isdigit() and len(value) <= MAX_LENGTH_DIGITS
