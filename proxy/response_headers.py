"""Header rules for vendor answers. Pure.

Vendors repeat the same field names in the same order, so what is to be done with them is worked out once per sequence of
names (`_plan`, bounded) and only the values are looked at every time. Whatever is out of the ordinary takes the slow way.
Sources: RFC 9110 sections 5.5 (characters), 7.6.1 (hop-by-hop); RFC 9112 section 6 (length).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from proxy.headers import HOP_BY_HOP, OWN_PREFIX, Fields, is_length

_DROPPED: Final = frozenset((*HOP_BY_HOP, b"upgrade", b"x-request-id", b"connection", b"content-length", b"transfer-encoding"))
_ALLOWED: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n" + bytes(range(0x80, 0x100))
_ORDINARY_CONNECTION: Final = frozenset((b"close", b"keep-alive"))
_SINGLE: Final = (b"content-length", b"transfer-encoding", b"connection", b"content-encoding", b"content-type", b"location")
"""Fields that should come once; repeated ones take the slow way."""
_NOWHERE: Final = -1


class ResponseHead(NamedTuple):
    """The header fields of one vendor answer, read once. `block` is what goes to the client, without framing."""

    block: bytes
    content_length: int | None = None
    chunked: bool = False
    content_encoding: bytes = b""
    content_type: bytes = b""
    location: bytes | None = None


class _Plan(NamedTuple):
    """What to do with one sequence of field names; numbers are positions in it, -1 where there is no such field."""

    template: bytes
    passed: tuple[int, ...]
    length: int
    coding: int
    connection: int
    encoding: int
    type: int
    location: int
    ordinary: bool


@lru_cache(maxsize=512)
def _plan(names: tuple[bytes, ...]) -> _Plan:
    lower = [name.lower() for name in names]
    passed = tuple(at for at, name in enumerate(lower) if name not in _DROPPED and not name.startswith(OWN_PREFIX))
    template = b"".join(names[at].replace(b"%", b"%%") + b": %b\r\n" for at in passed)
    length, coding, connection, encoding, kind, location = (lower.index(name) if name in lower else _NOWHERE for name in _SINGLE)
    ordinary = all(lower.count(name) <= 1 for name in _SINGLE)
    return _Plan(template, passed, length, coding, connection, encoding, kind, location, ordinary)


def read_response(fields: Fields) -> ResponseHead | None:
    """Read a vendor answer's header fields; None where its length or a value could be read in two ways (502)."""
    if not fields:
        return ResponseHead(b"")
    names, values = zip(*fields, strict=True)
    plan = _plan(names)
    connection = values[plan.connection].lower() if plan.connection >= 0 else b"keep-alive"
    if not plan.ordinary or connection not in _ORDINARY_CONNECTION:
        return _read_slowly(fields)
    block = plan.template % tuple([values[at] for at in plan.passed])
    return None if _has_odd_characters(block, len(plan.passed)) else _framed(plan, values, block)


def _framed(plan: _Plan, values: tuple[bytes, ...], block: bytes) -> ResponseHead | None:
    length, chunked = None, False
    if plan.length >= 0:
        text = values[plan.length].rstrip(b" \t")
        if not is_length(text):
            return None
        length = int(text)
    if plan.coding >= 0:
        if length is not None or values[plan.coding].strip(b" \t").lower() != b"chunked":
            return None
        chunked = True
    return ResponseHead(
        block,
        length,
        chunked,
        values[plan.encoding].strip().lower() if plan.encoding >= 0 else b"",
        values[plan.type] if plan.type >= 0 else b"",
        values[plan.location] if plan.location >= 0 else None,
    )


def _has_odd_characters(block: bytes, lines: int) -> bool:
    """Control characters are refused; a value that holds a line break has made more lines than there are fields."""
    return bool(block.translate(None, _ALLOWED)) or block.count(b"\n") != lines or block.count(b"\r") != lines


def _read_slowly(fields: Fields) -> ResponseHead | None:
    """Read fields of which one that should be single is repeated, or whose Connection names other fields."""
    nominated = {token.strip(b" \t").lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")}
    kept = [(name, value) for name, value in fields if name.lower() not in nominated | {b"connection"}]
    lengths = {name.lower() for name, _ in fields if name.lower() in (b"content-length", b"transfer-encoding")}
    framing = [(name, value) for name, value in fields if name.lower() in lengths]
    if len(framing) > 1:
        return None
    seen: set[bytes] = set()
    unique: list[tuple[bytes, bytes]] = []
    repeated: list[tuple[bytes, bytes]] = []
    for name, value in kept:
        lower = name.lower()
        single = lower in (b"content-encoding", b"content-type", b"location")
        (repeated if single and lower in seen else unique).append((name, value))
        seen.add(lower)
    head = read_response(unique)
    return None if head is None else _with_repeated(head, repeated)


def _with_repeated(head: ResponseHead, repeated: list[tuple[bytes, bytes]]) -> ResponseHead | None:
    """Pass repeated single fields on as they came; what they say together is not relied on."""
    more = b"".join(b"%b: %b\r\n" % pair for pair in repeated)
    if _has_odd_characters(more, len(repeated)):
        return None
    block = head.block + more
    encodings = any(name.lower() == b"content-encoding" for name, _ in repeated)
    return head._replace(block=block, content_encoding=b"several" if encodings else head.content_encoding)
