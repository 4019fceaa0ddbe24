"""Bodies that are read: content codings undone within a bound, and done again. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import brotli

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_GZIP: Final = 16 + zlib.MAX_WBITS
_QUICK: Final = 1
"""What is done again is on its way already: time counts for more than size."""


def decode_body(body: bytes, coding: bytes, limit: int) -> bytes | None:
    """Undo one content coding (RFC 9110 section 8.4.1); None if it is unknown, broken or grows beyond `limit` bytes."""
    if coding in (b"", b"identity"):
        return body if len(body) <= limit else None
    decoder = _DECODERS.get(coding)
    return None if decoder is None else decoder(body, limit)


def _inflate(body: bytes, limit: int) -> bytes | None:
    for window in (_GZIP_OR_ZLIB, -zlib.MAX_WBITS):
        decoder = zlib.decompressobj(window)
        try:
            plain = decoder.decompress(body, limit)
        except zlib.error:
            continue  # "deflate" comes with and without the zlib wrapper
        return plain if decoder.eof and not decoder.unused_data else None
    return None


def _brotli(body: bytes, limit: int) -> bytes | None:
    decoder = brotli.Decompressor()
    try:
        plain: bytes = decoder.process(body, output_buffer_limit=limit + 1)
    except brotli.error:
        return None
    return plain if decoder.is_finished() and len(plain) <= limit else None


_DECODERS: Final[dict[bytes, Callable[[bytes, int], bytes | None]]] = {
    b"gzip": _inflate,
    b"x-gzip": _inflate,
    b"deflate": _inflate,
    b"br": _brotli,
}


def encode_body(plain: bytes, coding: bytes) -> bytes:
    """Do one content coding; ValueError for one that `decode_body` cannot undo."""
    if coding in (b"", b"identity"):
        return plain
    if coding == b"br":
        encoded: bytes = brotli.compress(plain, quality=_QUICK)
        return encoded
    if coding not in _DECODERS:
        raise ValueError("unknown content coding")
    encoder = zlib.compressobj(_QUICK, wbits=zlib.MAX_WBITS if coding == b"deflate" else _GZIP)
    return encoder.compress(plain) + encoder.flush()


def is_decodable(coding: bytes) -> bool:
    """Say whether `decode_body` knows a content coding."""
    return coding in _DECODERS or coding in (b"", b"identity")
