"""Law of requests that are not parsed again: whatever is taken for one means to the parser what it is taken for."""

from __future__ import annotations

from dataclasses import dataclass, field

import httptools
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from proxy.protocol.headers import RequestHead
from proxy.protocol.targets import UNKNOWN_MARKED
from proxy.wire.known_request import KnownRequest, rest_of


@dataclass
class Heard:
    """What the parser tells of some bytes."""

    parser: httptools.HttpRequestParser = field(init=False, compare=False)
    begun: int = 0
    target: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    method: bytes = b""
    version: str = ""
    body: bytes = b""
    ended: int = 0
    keeps_alive: bool = False
    refused: bool = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.method, self.version = self.parser.get_method(), self.parser.get_http_version()
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.ended += 1


def heard(*data: bytes) -> Heard:
    """Return what the parser tells of the last piece, after it read the others."""
    told = Heard()
    parser = httptools.HttpRequestParser(told)
    for piece in data:
        fresh = Heard()
        told.__dict__.update(fresh.__dict__ | {"parser": parser})
        try:
            parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            told.refused = True
    return told


def is_known(told: Heard) -> bool:
    """Say whether the connection would remember it: one whole request without a body, after which the connection goes on."""
    names = {name.lower() for name, _ in told.fields}
    framed = {b"content-length", b"transfer-encoding"} & names
    return told.begun == told.ended == 1 and told.keeps_alive and told.version == "1.1" and not told.refused and not framed


METHODS = (b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS")
TARGETS = (
    b"/",
    b"/a",
    b"/a?b=c",
    b"/a?b",
    b"/a/HTTP/1.1",
    b"/ HTTP/1.1",
    b"/\x00",
    b"/\x7f",
    b"/\xff",
    b"/a#b",
    b"*",
    b"//x",
    b'/a?%20[]{}|"<>^`\\',
)
VERSIONS = (b" HTTP/1.1\r\n",) * 6 + (b" HTTP/1.0\r\n", b"\tHTTP/1.1\r\n", b"  HTTP/1.1\r\n", b" HTTP/1.1\n", b"\r\n", b" HTTP/2.0\r\n")
FIELDS = (
    b"Host: a\r\n",
    b"Accept: x\r\n",
    b"Connection: close\r\n",
    b"Content-Length: 1\r\n",
    b"X: \r\n",
    b"Transfer-Encoding: chunked\r\n",
)
ENDS = (b"\r\n",) * 6 + (b"", b"\n", b"\r\n\r\n", b"\r\nx", b"\r\nGET / HTTP/1.1\r\n\r\n")
STARTS = (b"",) * 6 + (b"\r\n", b"\n", b" ", b"x")
requests = st.builds(
    lambda start, method, space, target, version, fields, end: start + method + space + target + version + b"".join(fields) + end,
    st.sampled_from(STARTS), st.sampled_from(METHODS), st.sampled_from((b" ",) * 5 + (b"  ", b"\t", b"")), st.sampled_from(TARGETS),
    st.sampled_from(VERSIONS), st.lists(st.sampled_from(FIELDS), max_size=3), st.sampled_from(ENDS),
)  # fmt: skip


@st.composite
def altered(draw: st.DrawFn, data: bytes) -> bytes:
    """Put other bytes in the place of some: mostly where the target is."""
    begin = draw(st.integers(0, min(len(data), 12)))
    end = draw(st.integers(begin, min(len(data), begin + 6)))
    return data[:begin] + draw(st.sampled_from(TARGETS) | st.binary(max_size=4)) + data[end:]


@example((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n"))
@given(requests.flatmap(lambda first: st.tuples(st.just(first), altered(first) | requests)))
def test_what_is_taken_for_a_known_request_is_one(two: tuple[bytes, bytes]) -> None:
    first, second = two
    before = heard(first)
    assume(is_known(before))
    rest = rest_of(before.method, before.target, first)
    assume(rest)
    target = KnownRequest(before.method, rest, RequestHead([])).target(second)
    if target:
        told = heard(first, second)
        assert is_known(told)
        assert (told.method, told.target, told.fields) == (before.method, target, before.fields)


@given(requests)
def test_a_rest_begins_behind_the_target_and_tells_of_the_version(data: bytes) -> None:
    told = heard(data)
    rest = rest_of(told.method, told.target, data) if told.method else b""
    if rest:
        assert told.version == "1.1"
        assert data == told.method + b" " + told.target + rest


@pytest.mark.parametrize("octet", [octet for octet in range(256) if UNKNOWN_MARKED[octet] == octet])
def test_the_parser_takes_every_such_character_as_it_is(octet: int) -> None:
    for target in (b"/a%cb" % octet, b"/a?b%cc" % octet):
        told = heard(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
        assert (told.target, told.ended, told.refused) == (target, 1, False)


def test_an_ordinary_request_is_known_again() -> None:
    known = KnownRequest(b"GET", b" HTTP/1.1\r\nHost: a\r\n\r\n", RequestHead([]))
    assert known.target(b"GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n") == b"/x?y=1"
    assert known.target(b"PUT /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert known.target(b"GET /x?y=1 HTTP/1.1\r\nHost: b\r\n\r\n") == b""
    assert known.target(b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n") == b""
