"""What of a vendor's header fields passes, what is dropped, and which answers could be read in two ways."""

from __future__ import annotations

import pytest

from proxy.protocol.headers import Fields
from proxy.protocol.response_headers import ResponseHead, read_response


def told(fields: Fields) -> tuple[object, ...] | None:
    head = read_response(fields)
    return None if head is None else head.told()


def passed(fields: Fields) -> bytes:
    head = read_response(fields)
    assert head is not None
    return head.block


def test_an_answer_without_fields_has_an_empty_head() -> None:
    assert told([]) == ResponseHead(b"").told()


def test_fields_pass_in_their_order_spelling_and_repetition() -> None:
    fields = [(b"Set-Cookie", b"a=1"), (b"X-RateLimit", b"\xfc 9"), (b"set-cookie", b"b=2"), (b"Date", b"today"), (b"X-Empty", b"")]
    assert passed(fields) == b"Set-Cookie: a=1\r\nX-RateLimit: \xfc 9\r\nset-cookie: b=2\r\nDate: today\r\nX-Empty: \r\n"


@pytest.mark.parametrize(
    "name",
    [
        "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Proxy-Authorization", "Proxy-Authenticate", "HTTP2-Settings", "Upgrade",
        "X-Request-ID", "Scopegate-Answered-By", "SCOPEGATE-DECISION", "scopegate_decision", "Scopegate-Anything",
    ],
)  # fmt: skip
def test_fields_of_one_connection_and_forged_ones_are_dropped(name: str) -> None:
    assert passed([(b"A", b"1"), (name.encode(), b"x"), (b"B", b"2")]) == b"A: 1\r\nB: 2\r\n"


def test_a_percent_sign_in_a_name_is_only_a_character() -> None:
    assert passed([(b"%b%s%", b"%d"), (b"B", b"2")]) == b"%b%s%: %d\r\nB: 2\r\n"


def test_what_is_needed_later_is_read() -> None:
    head = read_response(
        [(b"Content-Length", b"12 "), (b"Content-Encoding", b" GZip "), (b"Content-Type", b"application/json"), (b"Location", b"/x")]
    )
    assert head is not None
    assert head.told()[1:] == (12, False, b"gzip", b"application/json", True)
    assert head.block == b"Content-Encoding:  GZip \r\nContent-Type: application/json\r\nLocation: /x\r\n"


def test_chunked_is_read_in_any_case() -> None:
    assert told([(b"transfer-encoding", b" Chunked ")]) == ResponseHead(b"", chunked=True).told()


@pytest.mark.parametrize("value", [b"", b"-1", b"+5", b"5,5", b"0x5", b"5 5", b"1" * 19, "５".encode()])
def test_a_length_that_is_no_number_is_refused(value: bytes) -> None:
    assert read_response([(b"Content-Length", value)]) is None


@pytest.mark.parametrize("value", [b"", b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity"])
def test_another_coding_than_chunked_is_refused(value: bytes) -> None:
    assert read_response([(b"Transfer-Encoding", value)]) is None


LENGTH = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")


@pytest.mark.parametrize("fields", [[LENGTH, LENGTH], [LENGTH, CHUNKED], [CHUNKED, LENGTH], [CHUNKED, CHUNKED], [LENGTH, CHUNKED, LENGTH]])
def test_two_lengths_are_refused(fields: list[tuple[bytes, bytes]]) -> None:
    assert read_response(fields) is None
    assert read_response([(b"Connection", b"x"), *fields]) is None


@pytest.mark.parametrize("field", [LENGTH, CHUNKED])
def test_a_nominated_length_is_refused(field: tuple[bytes, bytes]) -> None:
    assert read_response([(b"Connection", b"close, " + field[0]), field]) is None


@pytest.mark.parametrize("octet", [b"\x00", b"\x01", b"\x0b", b"\x1f", b"\x7f", b"\n", b"\r", b"\r\nB: 2"])
@pytest.mark.parametrize("more", [[], [(b"Connection", b"x")]])
def test_control_characters_and_line_breaks_are_refused(octet: bytes, more: list[tuple[bytes, bytes]]) -> None:
    assert read_response([*more, (b"A", b"1" + octet)]) is None
    assert read_response([*more, (b"A" + octet, b"1")]) is None


def test_control_characters_in_what_is_dropped_harm_nobody() -> None:
    assert passed([(b"Scopegate-Decision", b"a\r\nb"), (b"Keep-Alive", b"\x00"), (b"A", b"1")]) == b"A: 1\r\n"


@pytest.mark.parametrize("value", [b"close", b"keep-alive", b"Close", b"Keep-Alive"])
def test_an_ordinary_connection_field_only_vanishes(value: bytes) -> None:
    assert passed([(b"Connection", value), (b"A", b"1")]) == b"A: 1\r\n"


def test_nominated_fields_are_dropped() -> None:
    fields = [(b"X-Hop", b"1"), (b"Connection", b"close, x-hop"), (b"connection", b"\tX-OTHER\t,"), (b"x-other", b"2"), (b"A", b"1")]
    assert passed(fields) == b"A: 1\r\n"


def test_nominating_everything_leaves_an_empty_head() -> None:
    assert told([(b"Connection", b"a"), (b"A", b"1")]) == ResponseHead(b"").told()


def test_a_nominated_content_type_is_not_read() -> None:
    assert told([(b"Connection", b"content-type"), (b"Content-Type", b"a/b")]) == ResponseHead(b"").told()


def test_repeated_single_fields_pass_in_their_order_and_the_first_is_read() -> None:
    head = read_response([(b"Content-Type", b"a/b"), (b"A", b"1"), (b"content-type", b"c/d"), (b"Location", b"/1"), (b"Location", b"/2")])
    assert head is not None
    assert head.block == b"Content-Type: a/b\r\nA: 1\r\ncontent-type: c/d\r\nLocation: /1\r\nLocation: /2\r\n"
    assert (head.content_type, head.refers, head.content_encoding) == (b"a/b", True, b"")


@pytest.mark.parametrize(("name", "refers"), [(b"Link", True), (b"content-LOCATION", True), (b"X-Link", False)])
def test_fields_that_refer_are_noticed(name: bytes, refers: bool) -> None:
    head = read_response([(b"A", b"1"), (name, b"/x")])
    assert head is not None
    assert head.refers is refers


def test_repeated_content_encodings_are_no_coding_that_anybody_knows() -> None:
    head = read_response([(b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"br"), LENGTH])
    assert head is not None
    assert head.told() == ResponseHead(b"Content-Encoding: gzip\r\nContent-Encoding: br\r\n", 5, content_encoding=b"several").told()
