"""Header rules for vendor answers. Pure.

Vendors repeat the same field names in the same order, so what is to be done with them is worked out once per sequence of
names (`_plan`, bounded) and only the values are looked at every time. Whatever is out of the ordinary takes the slow way.
Sources: RFC 9110 sections 5.5 (characters), 7.6.1 (hop-by-hop); RFC 9112 section 6 (length).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from proxy.protocol.headers import HOP_BY_HOP, MAX_LENGTH_DIGITS, OWN_PREFIX, Fields, is_length

_DROPPED: Final = frozenset((*HOP_BY_HOP, b"upgrade", b"x-request-id", b"connection", b"content-length", b"transfer-encoding"))
_ALLOWED: Final = bytes(range(0x20, 0x7F)) + b"\t" + bytes(range(0x80, 0x100))
_OTHERS_MARKED: Final = bytes(octet if octet in _ALLOWED else octet == 0 for octet in range(256))
"""Leaves alone what consists of allowed characters, and nothing else: far cheaper than deleting them."""
_ORDINARY_CONNECTION: Final = frozenset((b"close", b"keep-alive"))
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
_SINGLE: Final = (b"content-length", b"transfer-encoding", b"connection", b"content-encoding", b"content-type", b"location")
"""Fields that should come once; repeated ones take the slow way."""
_REFERRING: Final = frozenset((b"location", b"content-location", b"link"))
_NOWHERE: Final = -1


class ResponseHead:
    """The header fields of one vendor answer, read once. `block` is what goes to the client, without framing.

    `refers`: whether a field among them refers to something by its address (`Location`, `Content-Location`, `Link`).
    """

    __slots__ = ("block", "chunked", "content_encoding", "content_length", "content_type", "refers")

    def __init__(
        self,
        block: bytes,
        content_length: int | None = None,
        chunked: bool = False,
        content_encoding: bytes = b"",
        content_type: bytes = b"",
        refers: bool = False,
    ) -> None:
        self.block = block
        self.content_length = content_length
        self.chunked = chunked
        self.content_encoding = content_encoding
        self.content_type = content_type
        self.refers = refers

    def told(self) -> tuple[bytes, int | None, bool, bytes, bytes, bool]:
        """Return all it says, in the order of its parameters."""
        return self.block, self.content_length, self.chunked, self.content_encoding, self.content_type, self.refers

    def with_block(self, block: bytes) -> ResponseHead:
        """Return the same head with other lines."""
        return self.reframed(block, self.content_length)

    def reframed(self, block: bytes, length: int | None) -> ResponseHead:
        """Return the same head with other lines, for a body of another length."""
        return ResponseHead(block, length, self.chunked, self.content_encoding, self.content_type, self.refers)


class _Plan:
    """What to do with one sequence of field names; numbers are positions in it, -1 where there is no such field."""

    def __init__(self, names: tuple[bytes, ...]) -> None:
        lower = [name.lower() for name in names]
        self.passed = [at for at, name in enumerate(lower) if name not in _DROPPED and not name.startswith(OWN_PREFIX)]
        breaks = [b"", *[b"\r\n"] * len(self.passed)]
        lines = [(start + names[at] + b": ", b"") for start, at in zip(breaks, self.passed, strict=False)]
        self.frame = [part for line in lines for part in line] + breaks[-1:]
        """The lines that pass, in pieces: every second one is a value and is still empty."""
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
    return ResponseReader().read(list(fields))


class ResponseReader:
    """Reads the header fields of answers that mostly have the same names in the same order."""

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._plan = _plan(())

    def read(self, fields: list[tuple[bytes, bytes]]) -> ResponseHead | None:
        """Read one answer's; None where its length or a value could be read in two ways (502)."""
        names = [field[0] for field in fields]
        if names != self._names:
            self._plan, self._names = _plan(tuple(names)), names
        plan = self._plan
        connection = fields[plan.connection][1] if plan.connection >= 0 else b"keep-alive"
        if not plan.ordinary or (connection != b"keep-alive" and connection.lower() not in _ORDINARY_CONNECTION):
            return _read_slowly(fields)
        return _read_planned(plan, fields)


def _read_planned(plan: _Plan, fields: list[tuple[bytes, bytes]]) -> ResponseHead | None:
    """Write what passes, and read the length; None where either is in doubt."""
    parts = plan.frame.copy()
    for place, at in enumerate(plan.passed):
        parts[2 * place + 1] = fields[at][1]
    if not plan.sound or not _are_sound(parts[1::2]):
        return None
    length, chunked = None, False
    if plan.length >= 0:
        text = fields[plan.length][1]
        if not text.isdigit() or len(text) > MAX_LENGTH_DIGITS:
            text = text.rstrip(b" \t")
            if not is_length(text):
                return None
        length = int(text)
    if plan.coding >= 0:
        if length is not None or fields[plan.coding][1].strip(b" \t").lower() != b"chunked":
            return None
        chunked = True
    encoding = fields[plan.encoding][1].strip().lower() if plan.encoding >= 0 else b""
    return ResponseHead(b"".join(parts), length, chunked, encoding, fields[plan.type][1] if plan.type >= 0 else b"", plan.refers)


def _are_sound(values: list[bytes]) -> bool:
    """Say whether names or values hold no control character but tabs (RFC 9110 section 5.5)."""
    joined = b"".join(values)
    return joined.translate(_OTHERS_MARKED) == joined


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
    head = _read_planned(_plan(tuple(name for name, _ in kept)), kept)
    encodings = sum(name.lower() == b"content-encoding" for name, _ in kept)
    if head is not None and encodings > 1:
        head.content_encoding = b"several"
    return head
