"""How heads and chunks are written: always from parsed fields, never copied through. Pure (RFC 9112 sections 2.1, 7.1)."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

LAST_CHUNK: Final = b"0\r\n\r\n"
CLOSE: Final = b"Connection: close\r\n"
KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_REASON_CHARACTERS: Final = bytes(range(0x20, 0x7F)) + b"\t" + bytes(range(0x80, 0x100))
_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus} | {499: b"Client Closed Request"}


def request_head(method: bytes, target: bytes, host: bytes, block: bytes, trace: bytes) -> bytes:
    """Return the head of a request to a vendor: the app's fields, then the lines that tell of the trace."""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (method, target, host, block, trace)


def response_head(status: int, reason: bytes, framing: bytes, stamp: bytes, block: bytes) -> bytes:
    """Return the head of a vendor's answer on its way to the client: the vendor's fields, then ours."""
    return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (status, _sound(reason), block, framing, stamp)


_REASON_REMOVED: Final = bytes(set(range(256)) - set(_REASON_CHARACTERS))
_REASON_MARKED: Final = bytes(octet if octet in _REASON_CHARACTERS else octet == 0 for octet in range(256))
"""Leaves a sound reason phrase alone and nothing else: looking is far cheaper than removing."""


def _sound(reason: bytes) -> bytes:
    """Return a reason phrase without characters that have no place there."""
    return reason if reason.translate(_REASON_MARKED) == reason else reason.translate(None, _REASON_REMOVED)


def local_head(status: int, fields: bytes, length: int, connection: bytes, at: float) -> bytes:
    """Return the head of an answer made here `at` a moment, in seconds since the epoch."""
    phrase, date = _PHRASES.get(status, b""), http_date(int(at))
    return b"HTTP/1.1 %d %b\r\nDate: %b\r\n%bContent-Length: %d\r\n%b\r\n" % (status, phrase, date, fields, length, connection)


@lru_cache(maxsize=8)
def http_date(second: int) -> bytes:
    """Return a moment as HTTP writes it (RFC 9110 section 5.6.7); whoever makes an answer must date it (section 6.6.1)."""
    return formatdate(second, usegmt=True).encode("ascii")


def informational_head(status: int, reason: bytes, block: bytes) -> bytes:
    """Return a 1xx answer (RFC 9110 section 15.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, _sound(reason), block)


def chunk(data: bytes) -> bytes:
    """Return one chunk of the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def length_field(length: int | None) -> bytes:
    """Return a Content-Length line, or nothing where the length is not told."""
    return b"" if length is None else b"Content-Length: %d\r\n" % length


def has_no_body(method: bytes, status: int) -> bool:
    """Say whether an answer never has a body, whatever its fields say (RFC 9112 section 6.3)."""
    return method == b"HEAD" or status in (204, 304)
