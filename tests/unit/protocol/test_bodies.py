"""Bodies that are learned from: codings undone within a bound, nothing on any doubt."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest

from proxy.protocol.bodies import decode_body

PLAIN = b'{"scope": "ReadCallLog"}' * 10


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return coder.compress(data) + coder.flush()


CODERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress),
    (b"x-gzip", gzip.compress),
    (b"deflate", zlib.compress),
    (b"deflate", raw_deflate),
    (b"br", brotli.compress),
    (b"", bytes),
    (b"identity", bytes),
]


@pytest.mark.parametrize(("coding", "encode"), CODERS)
def test_a_coding_is_undone_up_to_the_bound(coding: bytes, encode: Callable[[bytes], bytes]) -> None:
    assert decode_body(encode(PLAIN), coding, len(PLAIN)) == PLAIN
    assert decode_body(encode(PLAIN), coding, len(PLAIN) - 1) is None


@pytest.mark.parametrize(("coding", "encode"), CODERS[:5])
def test_half_a_body_is_none(coding: bytes, encode: Callable[[bytes], bytes]) -> None:
    assert decode_body(encode(PLAIN)[:-3], coding, 10_000) is None
    assert decode_body(b"", coding, 10_000) is None


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br"])
def test_a_broken_body_is_none(coding: bytes) -> None:
    assert decode_body(b"\xff\xfe no coding at all", coding, 10_000) is None


@pytest.mark.parametrize("coding", [b"zstd", b"gzip, br", b"several", b"compress"])
def test_an_unknown_coding_is_none(coding: bytes) -> None:
    assert decode_body(PLAIN, coding, 10_000) is None


def test_a_second_member_is_in_doubt() -> None:
    assert decode_body(gzip.compress(b"a") + gzip.compress(b"b"), b"gzip", 10_000) is None


def test_a_bomb_costs_no_more_than_the_bound() -> None:
    assert decode_body(gzip.compress(bytes(50_000_000)), b"gzip", 1000) is None
    assert decode_body(brotli.compress(bytes(50_000_000)), b"br", 1000) is None
