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
_ALLOWED: Final = bytes(range(0x20, 0x7F)) + b"\t" + bytes(range(0x80, 0x100))
_ORDINARY_CONNECTION: Final = frozenset((b"close", b"keep-alive"))
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
_SINGLE: Final = (b"content-length", b"transfer-encoding", b"connection", b"content-encoding", b"content-type", b"location")
"""Fields that should come once; repeated ones take the slow way."""
_REFERRING: Final = frozenset((b"location", b"content-location", b"link"))
_NOWHERE: Final = -1


class ResponseHead(NamedTuple):
    """The header fields of one vendor answer, read once. `block` is what goes to the client, without framing."""

    block: bytes
    content_length: int | None = None
    chunked: bool = False
    content_encoding: bytes = b""
    content_type: bytes = b""
    refers: bool = False
    """Whether a field among them refers to something by its address (`Location`, `Content-Location`, `Link`)."""


class _Plan:
    """What to do with one sequence of field names; numbers are positions in it, -1 where there is no such field."""

    def __init__(self, names: tuple[bytes, ...]) -> None:
        lower = [name.lower() for name in names]
        self.passed = [at for at, name in enumerate(lower) if name not in _DROPPED and not name.startswith(OWN_PREFIX)]
        self.starts = [names[at] + b": " for at in self.passed]
        self.length, self.coding, self.connection, self.encoding, self.type, _ = (
            lower.index(name) if name in lower else _NOWHERE for name in _SINGLE
        )
        self.refers = not _REFERRING.isdisjoint(lower)
        self.sound = _are_sound([names[at] for at in self.passed])
        self.ordinary = all(lower.count(name) <= 1 for name in _SINGLE)


@lru_cache(maxsize=512)
def _plan(names: tuple[bytes, ...]) -> _Plan:
    return _Plan(names)


def read_response(fields: Fields) -> ResponseHead | None:
    """Read a vendor answer's header fields; None where its length or a value could be read in two ways (502)."""
    if not fields:
        return ResponseHead(b"")
    names, values = zip(*fields, strict=True)
    plan = _plan(names)
    connection = values[plan.connection].lower() if plan.connection >= 0 else b"keep-alive"
    if not plan.ordinary or connection not in _ORDINARY_CONNECTION:
        return _read_slowly(fields)
    return _read_planned(plan, values)


def _read_planned(plan: _Plan, values: tuple[bytes, ...]) -> ResponseHead | None:
    """Fill the plan's template and read the length; None where either is in doubt."""
    passed = [values[at] for at in plan.passed]
    if not plan.sound or (not b"".join(passed).decode("latin-1").isprintable() and not _are_sound(passed)):
        return None
    parts: list[bytes] = []
    for start, value in zip(plan.starts, passed, strict=True):
        parts.append(start)
        parts.append(value)
        parts.append(b"\r\n")
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
        b"".join(parts),
        length,
        chunked,
        values[plan.encoding].strip().lower() if plan.encoding >= 0 else b"",
        values[plan.type] if plan.type >= 0 else b"",
        plan.refers,
    )


def _are_sound(values: list[bytes]) -> bool:
    """Say whether names or values hold no control character but tabs (RFC 9110 section 5.5); slower than asking what is printable."""
    return not b"".join(values).translate(None, _ALLOWED)


def _read_slowly(fields: Fields) -> ResponseHead | None:
    """Read fields of which one that should be single is repeated, or whose Connection names other fields.

    A nominated length would be one for us and none for the next reader, so it is refused.
    """
    nominated = {token.strip(b" \t").lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")}
    framing = [name for name, _ in fields if name.lower() in _FRAMING]
    if len(framing) > 1 or not nominated.isdisjoint(_FRAMING):
        return None
    dropped = nominated - _ORDINARY_CONNECTION
    kept = [(name, value) for name, value in fields if name.lower() not in dropped]
    head = _read_planned(_plan(tuple(name for name, _ in kept)), tuple(value for _, value in kept))
    encodings = sum(name.lower() == b"content-encoding" for name, _ in kept)
    return head if head is None or encodings < 2 else head._replace(content_encoding=b"several")
