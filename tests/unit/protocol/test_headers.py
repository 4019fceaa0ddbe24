"""What of a request's header fields passes, what is dropped, what is refused."""

from __future__ import annotations

import pytest

from proxy import errors
from proxy.errors import Fault
from proxy.protocol.headers import RequestHead, by_name, is_length, read_request, renew
from proxy.protocol.trace_context import MAX_REQUEST_ID

HOST = (b"Host", b"api.example:8080")


def head(*fields: tuple[bytes, bytes], version: str = "1.1") -> RequestHead:
    result = read_request([HOST, *fields], version)
    assert isinstance(result, RequestHead), result
    return result


def fault(*fields: tuple[bytes, bytes], version: str = "1.1") -> Fault:
    result = read_request([HOST, *fields], version)
    assert isinstance(result, Fault)
    return result


def test_what_is_not_named_passes_in_order_case_and_repetition() -> None:
    block = head((b"x-B", b"1"), (b"Accept", b""), (b"X-b", b"2"), (b"Content-Length", b"3"), (b"Via", b"1.0 a")).block
    assert block == b"x-B: 1\r\nAccept: \r\nX-b: 2\r\nContent-Length: 3\r\nVia: 1.0 a\r\nVia: 1.1 scopegate\r\n"


def test_what_was_read_is_told() -> None:
    fields = [(b"Authorization", b"Bearer a"), (b"Scopegate-Key", b"k"), (b"X-Request-ID", b"r-1"), (b"Content-Length", b"12")]
    read = head(*fields, (b"Expect", b"100-Continue"))
    assert (read.host, read.authorization, read.client_key, read.request_id) == (b"api.example:8080", b"Bearer a", b"k", "r-1")
    assert (read.content_length, read.chunked, read.expects_continue, read.names_method) == (12, False, True, False)
    assert b"Scopegate" not in read.block
    assert b"Authorization: Bearer a\r\n" in read.block


def test_chunks_are_announced_anew() -> None:
    read = head((b"Transfer-Encoding", b"Chunked"))
    assert read.chunked
    assert read.block == b"Transfer-Encoding: chunked\r\nVia: 1.1 scopegate\r\n"


def test_white_space_at_the_end_of_a_value_is_not_part_of_it() -> None:
    read = head((b"Content-Length", b"3 \t"), (b"X-A", b"a b \t"))
    assert read.content_length == 3
    assert b"X-A: a b\r\n" in read.block


@pytest.mark.parametrize(
    "name", [b"Keep-Alive", b"proxy-connection", b"TE", b"Trailer", b"X-Forwarded-For", b"Forwarded", b"Scopegate-Anything", b"SCOPEGATE"]
)
def test_what_ends_here(name: bytes) -> None:
    assert head((name, b"x")).block == b"Via: 1.1 scopegate\r\n"


def test_a_nominated_field_is_neither_sent_nor_judged() -> None:
    read = head((b"Connection", b"close, X-Gone"), (b"connection", b" x-TOO "), (b"X-Gone", b"1"), (b"x-too", b"2"), (b"X-Stays", b"3"))
    assert read.block == b"X-Stays: 3\r\nVia: 1.1 scopegate\r\n"
    assert read.named == {"x-stays": b"3"}


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"x-method-override", b"X-HTTP-Method"])
def test_a_field_that_names_a_method_is_noted_and_passes(name: bytes) -> None:
    assert head((name, b"GET")).names_method
    assert name in head((name, b"GET")).block


def test_http_1_0_needs_no_host_and_has_no_expectations() -> None:
    read = read_request([(b"Expect", b"100-continue"), (b"X-A", b"1")], "1.0")
    assert isinstance(read, RequestHead)
    assert (read.expects_continue, read.host, read.block) == (False, b"", b"X-A: 1\r\nVia: 1.1 scopegate\r\n")


@pytest.mark.parametrize(
    ("value", "kept"), [(b"r" * MAX_REQUEST_ID, True), (b"r" * (MAX_REQUEST_ID + 1), False), (b"", False), (b"a b", False)]
)
def test_a_request_id_that_is_no_id_is_not_taken_over(value: bytes, kept: bool) -> None:
    assert head((b"X-Request-ID", value)).request_id == (value.decode() if kept else "")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([(b"X", b"a\x00")], errors.BAD_HEADER),
        ([(b"X", b"caf\xe9")], errors.BAD_HEADER),
        ([HOST], errors.BAD_HOST),
        ([(b"Connection", b"a, Authorization")], errors.BAD_NOMINATION),
        ([(b"Content-Length", b"1"), (b"Content-Length", b"1")], errors.AMBIGUOUS_LENGTH),
        ([(b"Content-Length", b"+1")], errors.AMBIGUOUS_LENGTH),
        ([(b"Content-Length", b"1" * 19)], errors.AMBIGUOUS_LENGTH),
        ([(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")], errors.AMBIGUOUS_LENGTH),
        ([(b"Transfer-Encoding", b"gzip")], errors.AMBIGUOUS_LENGTH),
        ([(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")], errors.AMBIGUOUS_LENGTH),
        ([(b"Expect", b"coffee")], errors.EXPECTATION),
        ([(b"Upgrade", b"h2c")], errors.UPGRADE),
        ([(b"Authorization", b"Bearer a"), (b"AUTHORIZATION", b"Bearer a")], errors.TWO_CREDENTIALS),
        ([(b"Scopegate-Key", b"a"), (b"Scopegate-Key", b"a")], errors.TWO_CREDENTIALS),
        ([(b"Scopegate_Key", b"a")], errors.UNDERSCORE),
        ([(b"Content_Length", b"1")], errors.UNDERSCORE),
        ([(b"X_HTTP_Method-Override", b"GET")], errors.UNDERSCORE),
    ],
)
def test_what_is_refused(fields: list[tuple[bytes, bytes]], expected: Fault) -> None:
    assert fault(*fields) is expected


@pytest.mark.parametrize("host", [b"", b"a/b", b"a@b", b"a b", b"a,b", b"a\\b"])
def test_hosts_that_are_none(host: bytes) -> None:
    assert read_request([(b"Host", host)], "1.1") is errors.BAD_HOST


def test_a_host_is_needed() -> None:
    assert read_request([], "1.1") is errors.BAD_HOST


def test_chunks_from_http_1_0_are_refused() -> None:
    assert fault((b"Transfer-Encoding", b"chunked"), version="1.0") is errors.AMBIGUOUS_LENGTH


def test_an_ordinary_underscore_passes() -> None:
    assert b"x_a: 1\r\n" in head((b"x_a", b"1")).block


def test_repeated_fields_are_joined_by_name() -> None:
    assert by_name([(b"A", b"1"), (b"b", b"2"), (b"a", b"3")]) == {"a": b"1, 3", "b": b"2"}


def test_names_are_indexed_once() -> None:
    read = head((b"A", b"1"))
    assert read.named is read.named


@pytest.mark.parametrize(
    ("value", "is_one"), [(b"0", True), (b"9" * 18, True), (b"9" * 19, False), (b"", False), (b"\xb2", False), (b"1 ", False)]
)
def test_lengths(value: bytes, is_one: bool) -> None:
    assert is_length(value) == is_one


def test_a_head_does_not_show_its_scratch_space() -> None:
    read = head((b"A", b"1"))
    read.credential = (object(), None)
    assert "credential" not in repr(read)


# --- what tells of the trace -----------------------------------------------------------------------------

PARENTS = [b"00-%b-%b-01" % (digit * 32, digit * 16) for digit in (b"1", b"2")]


def traced(parent: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [HOST, (b"TraceParent", parent), (b"X-A", b"1"), (b"X-Request-ID", b"id-" + parent[3:5]), *more]


def test_what_tells_of_the_trace_is_read_and_kept_out_of_the_block() -> None:
    read = head(*traced(PARENTS[0], (b"TRACESTATE", b"a=1"), (b"tracestate", b"b=2"))[1:])
    assert read.block == b"X-A: 1\r\nVia: 1.1 scopegate\r\n"
    assert read.parent == ("1" * 32, "1" * 16, 1, b"tracestate: a=1,b=2\r\n")
    assert (read.request_id, read.traced) == ("id-11", (1, 3, 4, 5))


def test_other_names_tell_of_no_trace() -> None:
    read = head((b"trace-parent", PARENTS[0]), (b"trace.parent", PARENTS[0]), (b"trace-state", b"a=1"))
    assert (read.parent, read.traced) == (None, ())
    assert b"trace-parent: 00-" in read.block


def test_what_is_nominated_is_neither_taken_over_nor_sent() -> None:
    read = head((b"Connection", b"traceparent, x-request-id"), *traced(PARENTS[0])[1:])
    assert (read.parent, read.request_id, read.traced, read.block) == (None, "", (), b"X-A: 1\r\nVia: 1.1 scopegate\r\n")


def test_only_the_trace_is_read_anew_where_all_else_repeats() -> None:
    known = traced(PARENTS[0])
    read = head(*known[1:])
    assert renew(read, known, traced(PARENTS[1]))
    assert read.parent == ("2" * 32, "2" * 16, 1, b"")
    assert read.request_id == "id-22"


@pytest.mark.parametrize(
    "fields",
    [
        traced(PARENTS[1], (b"X-B", b"1")),
        traced(PARENTS[1])[:-1],
        traced(PARENTS[1] + b"x"),
        traced(PARENTS[1].replace(b"2", b"\x00")),
        [*traced(PARENTS[1])[:2], (b"X-A", b"2"), *traced(PARENTS[1])[3:]],
        [*traced(PARENTS[1])[:3], (b"X-Request-Id", b"id-22")],
        [traced(PARENTS[1])[1], *traced(PARENTS[1])[:1], *traced(PARENTS[1])[2:]],
    ],
    ids=["one more", "one less", "longer", "no value", "another value", "another spelling", "another order"],
)
def test_whatever_else_differs_is_read_whole(fields: list[tuple[bytes, bytes]]) -> None:
    known = traced(PARENTS[0])
    read = head(*known[1:])
    assert not renew(read, known, fields)
    assert read.parent is not None
    assert read.parent.trace_id == "1" * 32
