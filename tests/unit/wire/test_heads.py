"""How heads and chunks are written."""

from __future__ import annotations

from proxy.wire import heads


def test_a_request_head() -> None:
    head = heads.request_head(b"GET", b"/x?y", b"api.example", b"A: 1\r\n", b"traceparent: t\r\n")
    assert head == b"GET /x?y HTTP/1.1\r\nHost: api.example\r\nA: 1\r\ntraceparent: t\r\n\r\n"


def test_an_answer_head_has_the_vendors_fields_first() -> None:
    head = heads.response_head(200, b"Fine", heads.length_field(3), b"Scopegate-Decision: permit\r\n", b"A: 1\r\n")
    assert head == b"HTTP/1.1 200 Fine\r\nA: 1\r\nContent-Length: 3\r\nScopegate-Decision: permit\r\n\r\n"


def test_a_reason_phrase_cannot_end_its_line() -> None:
    assert heads.response_head(200, b"a\r\nX: y\x00\x7f\xe9\t.", b"", b"", b"").startswith(b"HTTP/1.1 200 aX: y\xe9\t.\r\n")
    assert heads.informational_head(103, b"a\r\nb", b"Link: x\r\n") == b"HTTP/1.1 103 ab\r\nLink: x\r\n\r\n"


def test_a_local_head() -> None:
    head = heads.local_head(403, b"A: 1\r\n", 12, heads.CLOSE, 784111777.9)
    assert (
        head == b"HTTP/1.1 403 Forbidden\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nA: 1\r\nContent-Length: 12\r\nConnection: close\r\n\r\n"
    )
    assert heads.local_head(499, b"", 0, b"", 0.0).startswith(b"HTTP/1.1 499 Client Closed Request\r\n")
    assert heads.local_head(799, b"", 0, b"", 0.0).startswith(b"HTTP/1.1 799 \r\n")


def test_chunks() -> None:
    assert heads.chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert heads.LAST_CHUNK == b"0\r\n\r\n"


def test_lengths() -> None:
    assert heads.length_field(None) == b""
    assert heads.length_field(0) == b"Content-Length: 0\r\n"


def test_answers_without_a_body() -> None:
    assert [heads.has_no_body(b"HEAD", 200), heads.has_no_body(b"GET", 204), heads.has_no_body(b"GET", 304)] == [True] * 3
    assert not heads.has_no_body(b"GET", 200)
