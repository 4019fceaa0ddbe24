"""A message that could be read in two ways is refused before anything is sent; nothing complete ever reaches the vendor."""

from __future__ import annotations

import json

import pytest

from tests.fakes.origin import Origin
from tests.fakes.running import Running
from tests.integration.wire.samples import STAMPS, chunked, get, post

HOST = "Host: proxy.example"
MARK = "c4n4ry"
"""Stands in every bad request; no answer may repeat it."""
one_loop = pytest.mark.asyncio(loop_factories=["uvloop"])
"""For tables about parsing, which no loop changes."""


def raw(*lines: str, body: str = "") -> bytes:
    return "\r\n".join([*lines, "", body]).encode("latin-1")


def with_field(field: str, body: str = "") -> bytes:
    return raw("POST /acme/c4n4ry HTTP/1.1", HOST, field, body=body)


def with_line(line: str) -> bytes:
    return raw(line, HOST)


BAD_HEADS = {
    "length and coding": with_field("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    "coding and length": with_field("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
    "two lengths": with_field("Content-Length: 5\r\nContent-Length: 6", "hello!"),
    "equal lengths": with_field("Content-Length: 5\r\nContent-Length: 5", "hello"),
    "length list": with_field("Content-Length: 5, 5", "hello"),
    **{
        f"length {value!r}": with_field(f"Content-Length: {value}", "hello")
        for value in ("", "+5", "-5", "0x5", "5_0", "5 5", "5.0", "5a", "\xb2", "9" * 19, "18446744073709551621")
    },
    **{
        f"coding {value!r}": with_field(f"Transfer-Encoding: {value}", "0\r\n\r\n")
        for value in ("xchunked", "chunked, chunked", "gzip, chunked", "chunked, identity", "identity", "", '"chunked"', "chunked;q=1")
    },
    "coding behind a vertical tab": with_field("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"),
    "coding before a no-break space": with_field("Transfer-Encoding: chunked\xa0", "0\r\n\r\n"),
    "two codings": with_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    "coding before colon": with_field("Transfer-Encoding : chunked", "0\r\n\r\n"),
    "coding from HTTP/1.0": raw("POST /acme/c4n4ry HTTP/1.0", HOST, "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "folded field": with_field("X-A: c4n4ry\r\n folded"),
    "folded coding": with_field("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
    "first field indented": with_field(" X-A: c4n4ry"),
    "bare LF": b"GET /acme/c4n4ry HTTP/1.1\nHost: a\n\n",
    "LF after a field": b"GET /acme/x HTTP/1.1\r\nHost: a\nX-A: c4n4ry\r\n\r\n",
    "bare CR in a value": with_field("X-A: c4n4ry\rX-B: b"),
    "NUL in a value": with_field("X-A: c4n4ry\x00"),
    "control byte in a value": with_field("X-A: c4n4ry\x01"),
    "DEL in a value": with_field("X-A: c4n4ry\x7f"),
    "high byte in a value": with_field("X-A: c4n4ry\xff"),
    "blank before colon": with_field("X-A : c4n4ry"),
    "no colon": with_field("c4n4ry"),
    "empty name": with_field(": c4n4ry"),
    "name with a slash": with_field("X/c4n4ry: a"),
    "name with a high byte": with_field("X-\xe9: c4n4ry"),
    "HTTP/0.9 without version": b"GET /acme/c4n4ry\r\n\r\n",
    "HTTP/0.9": with_line("GET /acme/c4n4ry HTTP/0.9"),
    "HTTP/2.0": with_line("GET /acme/c4n4ry HTTP/2.0"),
    "HTTP/1.2": with_line("GET /acme/c4n4ry HTTP/1.2"),
    "HTTP/11": with_line("GET /acme/c4n4ry HTTP/11"),
    "http/1.1": with_line("GET /acme/c4n4ry http/1.1"),
    "h2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": raw("GET /acme/c4n4ry HTTP/1.1"),
    "two hosts": raw("GET /acme/c4n4ry HTTP/1.1", "Host: a", "Host: a"),
    "empty host": raw("GET /acme/c4n4ry HTTP/1.1", "Host:"),
    "host with a slash": raw("GET /acme/c4n4ry HTTP/1.1", "Host: a/c4n4ry"),
    "host with an at sign": raw("GET /acme/c4n4ry HTTP/1.1", "Host: c4n4ry@a"),
    "host list": raw("GET /acme/c4n4ry HTTP/1.1", "Host: a, b"),
    "absolute form, other host": with_line("GET http://c4n4ry.example/acme/x HTTP/1.1"),
    "absolute form, user": with_line("GET http://c4n4ry@proxy.example/acme/x HTTP/1.1"),
    "absolute form, other scheme": with_line("GET ftp://proxy.example/acme/c4n4ry HTTP/1.1"),
    "asterisk": with_line("OPTIONS * HTTP/1.1"),
    "authority": with_line("GET proxy.example:80 HTTP/1.1"),
    "CONNECT": with_line("CONNECT c4n4ry.example:443 HTTP/1.1"),
    "TRACE": with_line("TRACE /acme/c4n4ry HTTP/1.1"),
    "unknown method": with_line("C4N4RY /acme/c4n4ry HTTP/1.1"),
    "lower-case method": with_line("get /acme/c4n4ry HTTP/1.1"),
    "tab in the line": with_line("GET /acme/c4n4ry\tHTTP/1.1"),
    "NUL in the target": with_line("GET /acme/c4n4ry\x00 HTTP/1.1"),
    "network path": with_line("GET //c4n4ry.example/acme/x HTTP/1.1"),
    "fragment": with_line("GET /acme/c4n4ry#x HTTP/1.1"),
    "backslash": with_line("GET /acme\\c4n4ry HTTP/1.1"),
    "encoded line end": with_line("GET /acme/c4n4ry%0d%0aX:%20y HTTP/1.1"),
    "dot segments": with_line("GET /acme/c4n4ry/../x HTTP/1.1"),
    "upgrade": with_field("Upgrade: websocket\r\nConnection: Upgrade"),
    "upgrade to h2c": with_field("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x"),
    "upgrade alone": with_field("Upgrade: c4n4ry"),
    "unknown expectation": with_field("Expect: c4n4ry"),
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}  # fmt: skip


@one_loop
@pytest.mark.parametrize("request_bytes", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_a_bad_head_is_refused_and_nothing_sent(proxy: Running, origin: Origin, request_bytes: bytes) -> None:
    client = await proxy.client()
    await client.send(request_bytes)
    answer = await client.answer()
    assert 400 <= answer.status <= 505
    problem = json.loads(answer.body)
    assert answer.get("Content-Type") == "application/problem+json"
    assert problem["reason"] == answer.get("Scopegate-Reason")
    assert problem["status"] == answer.status
    assert all(answer.get(name) for name in STAMPS)
    assert answer.get("Scopegate-Answered-By") == "proxy"
    assert MARK not in repr(answer).lower()
    row = await proxy.exchange()
    assert (row["status"], row["fault"], row["outcome"]) == (answer.status, problem["reason"], "bad_request")
    assert origin.dials == 0


@pytest.mark.parametrize(
    "name", ["length and coding", "folded field", "HTTP/2.0", "two hosts", "CONNECT", "upgrade", "bare CR in a value", "unknown method"]
)
async def test_byte_by_byte_gives_the_same_refusal(proxy: Running, origin: Origin, name: str) -> None:
    whole = await proxy.ask(BAD_HEADS[name])
    client = await proxy.client()
    await client.send_bytewise(BAD_HEADS[name])
    piecewise = await client.answer()
    assert (piecewise.status, piecewise.get("Scopegate-Reason")) == (whole.status, whole.get("Scopegate-Reason"))
    await proxy.exchanges(2)
    assert origin.dials == 0


@pytest.mark.parametrize("name", ["length and coding", "folded field", "HTTP/2.0", "two hosts", "CONNECT", "upgrade", "no colon"])
async def test_a_connection_in_doubt_is_closed(proxy: Running, origin: Origin, name: str) -> None:
    client = await proxy.client()
    await client.send(BAD_HEADS[name] + get("/smuggled"))
    answer = await client.answer()
    assert answer.get("Connection") == "close"
    assert await client.rest() == b""
    await proxy.exchange()
    assert origin.dials == 0


@pytest.mark.parametrize("name", ["length and coding", "folded field", "HTTP/2.0", "two hosts", "CONNECT", "no colon"])
async def test_a_bad_second_request_does_not_harm_the_first(proxy: Running, origin: Origin, name: str) -> None:
    client = await proxy.client()
    await client.send(get("/good") + BAD_HEADS[name])
    assert (await client.answer()).body == b"ok"
    assert (await client.answer()).status in (400, 505)
    assert (await proxy.exchanges(2))[0]["status"] == 200
    assert b"/good" in origin.received
    assert origin.received.count(b"HTTP/1.1") == 1


BAD_CHUNKS = {
    "prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "minus": b"-3\r\nabc\r\n0\r\n\r\n",
    "underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "blank before": b" 3\r\nabc\r\n0\r\n\r\n",
    "blank after": b"3 \r\nabc\r\n0\r\n\r\n",
    "empty": b"\r\nabc\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\nabc\r\n0\r\n\r\n",
    "over 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "bare LF after size": b"3\nabc\r\n0\r\n\r\n",
    "bare CR after size": b"3\rabc\r\n0\r\n\r\n",
    "too much data": b"3\r\nabcd\r\n0\r\n\r\n",
    "bare LF after data": b"3\r\nabc\n0\r\n\r\n",
    "LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "NUL in an extension": b"3;a\x00b\r\nabc\r\n0\r\n\r\n",
    "trailer without colon": b"3\r\nabc\r\n0\r\nnocolon\r\n\r\n",
    "folded trailer": b"3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n",
    "bare LF after the last size": b"3\r\nabc\r\n0\n\r\n",
}


LAST_CHUNK = b"\r\n0\r\n\r\n"
"""With the line break before it: an id at the end of a head may end in 0, too."""


@pytest.mark.parametrize("coded", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
async def test_a_bad_chunk_aborts_the_request_to_the_vendor(proxy: Running, origin: Origin, coded: bytes) -> None:
    client = await proxy.client()
    await client.send(chunked("/up", b"5\r\nfirst\r\n"))
    wire = await origin.wire()
    await wire.until(b"first")
    await client.send(coded + get("/smuggled"))
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, "malformed_request")
    assert await client.rest() == b""
    await wire.ended()
    assert LAST_CHUNK not in wire.received
    assert b"smuggled" not in origin.received
    row = await proxy.exchange()
    assert (row["status"], row["fault"], row["answered_by"]) == (400, "malformed_request", "proxy")


@one_loop
@pytest.mark.parametrize("coded", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
async def test_a_bad_chunk_in_the_first_packet_sends_nothing_complete(proxy: Running, origin: Origin, coded: bytes) -> None:
    client = await proxy.client()
    await client.send(chunked("/up", coded + get("/smuggled")))
    assert (await client.answer()).status == 400
    assert await client.rest() == b""
    assert LAST_CHUNK not in origin.received
    assert b"smuggled" not in origin.received
    assert (await proxy.exchange())["fault"] == "malformed_request"


async def test_a_body_on_get_is_never_the_next_request(proxy: Running, origin: Origin) -> None:
    inner = get("/smuggled")
    client = await proxy.client()
    await client.send(post("/outer", inner, method="GET") + get("/next"))
    assert (await client.answer()).status == 200
    assert (await client.answer()).status == 200
    rows = await proxy.exchanges(2)
    assert [row["path"] for row in rows] == ["/outer", "/next"]


async def test_the_same_fields_again_from_http_1_0_are_read_again(proxy: Running, origin: Origin) -> None:
    """What was right for HTTP/1.1 is not right for HTTP/1.0, on the same connection either."""
    client = await proxy.client()
    await client.send(chunked("/one", b"3\r\nabc\r\n0\r\n\r\n"))
    assert (await client.answer()).status == 200
    await client.send(get("/two", "Transfer-Encoding: chunked", method="POST", version="1.0") + b"3\r\nabc\r\n0\r\n\r\n")
    assert (await client.answer()).get("Scopegate-Reason") == "ambiguous_length"
    assert b"/two" not in origin.received
    await proxy.exchanges(2)


async def test_a_nominated_method_override_is_not_sent(proxy: Running, origin: Origin) -> None:
    answer = await proxy.ask(get("/x", "Connection: X-HTTP-Method-Override", "X-HTTP-Method-Override: GET", method="POST"))
    assert answer.status in (200, 400)
    assert b"Override" not in origin.received
    assert (await proxy.exchange())["method"] == "POST"
