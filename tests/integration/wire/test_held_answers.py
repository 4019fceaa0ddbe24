"""Bodies whose links are rewritten are held, and arrive whole and well framed; everything else passes as it came."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import pytest

from tests.fakes.messages import Cut, Message
from tests.fakes.origin import Origin, Wire, answers
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import get, post

JSON = b"Content-Type: application/json\r\n"
NEW = b'{"uri" : "http://proxy.example/acme/a\\/b?x=%2F", "n": 1.0e2}'


def page(origin: Origin) -> bytes:
    """A body that names the origin; `NEW` is what a client gets of it."""
    return b'{"uri" : "http://127.0.0.1:%d/a\\/b?x=%%2F", "n": 1.0e2}' % origin.port


def ok(body: bytes, fields: bytes = JSON) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)


async def counted(proxy: Running, result: str) -> None:
    """Wait until one JSON answer had this result, and none another."""
    await proxy.metric_is("scopegate_link_rewrites_total", 1)
    assert await proxy.metric("scopegate_link_rewrites_total") == 1
    page = (await proxy._admin("/metrics")).decode()
    assert f'scopegate_link_rewrites_total{{result="{result}",vendor="acme"}} 1.0' in page


async def test_links_lead_back_and_the_length_is_right(proxy: Running, origin: Origin) -> None:
    origin.default = answers(ok(page(origin)))
    answer = await proxy.ask(get())
    assert (answer.status, answer.body, answer.chunked) == (200, NEW, False)
    assert int(answer.get("Content-Length")) == len(NEW) != len(page(origin))
    await counted(proxy, "rewritten")
    row = await proxy.exchange()
    assert (row["answered_by"], row["outcome"], row["fault"]) == ("vendor", "forwarded", "")


async def test_a_public_url_counts_more_than_the_host_of_the_request(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(top="public_url: https://api.proxy.example:444")
    origin.default = answers(ok(page(origin)))
    assert (await proxy.ask(get())).body == NEW.replace(b"http://proxy.example", b"https://api.proxy.example:444")


Coding = Callable[[bytes], bytes]
CODINGS: dict[str, tuple[Coding, Coding]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "x-gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "br": (brotli.compress, brotli.decompress),
    "identity": (bytes, bytes),
}


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_coded_body_stays_coded(proxy: Running, origin: Origin, coding: str) -> None:
    do, undo = CODINGS[coding]
    origin.default = answers(ok(do(page(origin)), JSON + f"Content-Encoding: {coding}\r\nVary: Accept-Encoding\r\n".encode()))
    answer = await proxy.ask(get())
    assert undo(answer.body) == NEW
    assert (answer.get("Content-Encoding"), answer.get("Vary")) == (coding, "Accept-Encoding")
    assert int(answer.get("Content-Length")) == len(answer.body)


async def test_a_chunked_body_gets_a_length(proxy: Running, origin: Origin) -> None:
    body = page(origin)
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in body)
    origin.default = answers(b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-T: 1\r\n\r\n")
    answer = await proxy.ask(get())
    assert (answer.body, answer.chunked, answer.trailers) == (NEW, False, [])


async def test_an_old_client_gets_a_length_and_may_go_on(proxy: Running, origin: Origin) -> None:
    chunk = b"%x\r\n%b\r\n" % (len(page(origin)), page(origin))
    origin.default = answers(b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
    answer = await proxy.ask(get("/x", "Connection: keep-alive", version="1.0"))
    assert (answer.body, answer.get("Connection"), answer.get("Content-Length")) == (NEW, "keep-alive", str(len(NEW)))


async def test_a_body_that_ends_with_its_connection(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\n" + page(origin))
        wire.end()

    origin.default = script
    assert (await proxy.ask(get())).body == NEW


async def test_what_no_longer_describes_the_body_goes(proxy: Running, origin: Origin) -> None:
    fields = JSON + b'ETag: "a"\r\nContent-MD5: x\r\nDigest: x\r\nAccept-Ranges: bytes\r\nLast-Modified: then\r\n'
    origin.default = answers(ok(page(origin), fields))
    answer = await proxy.ask(get())
    assert (answer.get("ETag"), answer.get("Last-Modified")) == ('W/"a"', "then")
    assert not any(answer.all(name) for name in ("Content-MD5", "Digest", "Accept-Ranges"))


async def test_a_body_without_links_passes_as_it_came(proxy: Running, origin: Origin) -> None:
    body = gzip.compress(b'{"uri": "https://elsewhere.example/"}')
    origin.default = answers(ok(body, JSON + b'Content-Encoding: gzip\r\nETag: "a"\r\nContent-MD5: x\r\n'))
    answer = await proxy.ask(get())
    assert (answer.body, answer.get("ETag"), answer.get("Content-MD5")) == (body, '"a"', "x")
    await counted(proxy, "unchanged")


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        (b"Content-Type: text/plain\r\n", ""),
        (b"", ""),
        (JSON + b"Cache-Control: private, no-transform\r\n", "no_transform"),
        (JSON + b"Content-Encoding: zstd\r\n", "unreadable"),
        (JSON + b"Content-Encoding: gzip\r\n", "unreadable"),
        (JSON + b"Content-Encoding: gzip, gzip\r\n", "unreadable"),
    ],
)
async def test_what_is_not_rewritten_passes_as_it_came(proxy: Running, origin: Origin, fields: bytes, result: str) -> None:
    origin.default = answers(ok(page(origin), fields))
    answer = await proxy.ask(get())
    assert answer.body == page(origin)
    if result:
        await counted(proxy, result)
    else:
        assert await proxy.metric("scopegate_link_rewrites_total") == 0


async def test_a_part_of_a_body_is_never_rewritten(proxy: Running, origin: Origin) -> None:
    part = b"HTTP/1.1 206 Partial Content\r\n" + JSON + b"Content-Range: bytes 0-9/99\r\nContent-Length: %d\r\n\r\n" % len(page(origin))
    origin.default = answers(part + page(origin))
    assert (await proxy.ask(get("/x", "Range: bytes=0-9"))).body == page(origin)


async def test_off_by_one_setting(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(more="rewrite_links: false")
    origin.default = answers(ok(page(origin), JSON + b"Location: /a\r\n"))
    answer = await proxy.ask(get())
    assert (answer.body, answer.get("Location")) == (page(origin), "/a")


async def test_answers_to_logins_stay(proxy: Running, origin: Origin) -> None:
    origin.default = answers(ok(page(origin)))
    assert (await proxy.ask(post("/oauth/token", b"grant_type=x"))).body == page(origin)


async def test_refusals_are_rewritten_and_learned_from_as_they_came(proxy: Running, origin: Origin) -> None:
    body = b'{"error": "insufficient_scope", "scope": "calls:read", "see": "http://127.0.0.1:%d/help"}' % origin.port
    origin.default = answers(b"HTTP/1.1 403 Forbidden\r\n" + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    first = await proxy.ask(get("/calls", "Authorization: Bearer opaque"))
    assert json.loads(first.body)["see"] == "http://proxy.example/acme/help"
    again = await proxy.ask(get("/calls", "Authorization: Bearer opaque"))
    assert (again.status, again.get("Scopegate-Answered-By")) == (403, "proxy")


# --- heads


async def test_location_and_its_like(proxy: Running, origin: Origin) -> None:
    here = b"http://127.0.0.1:%d" % origin.port
    fields = b"Location: %b/a?b\r\nContent-Location: /c\r\nLink: <%b/d?page=2>; rel=next\r\n" % (here, here)
    origin.default = answers(b"HTTP/1.1 302 Found\r\n" + fields + b"Content-Length: 0\r\n\r\n")
    answer = await proxy.ask(get())
    assert answer.get("Location") == "http://proxy.example/acme/a?b"
    assert answer.get("Content-Location") == "/acme/c"
    assert answer.get("Link") == "<http://proxy.example/acme/d?page=2>; rel=next"


async def test_head_promises_no_length_that_get_would_not_keep(proxy: Running, origin: Origin) -> None:
    origin.default = answers(b"HTTP/1.1 200 OK\r\n" + JSON + b'ETag: "a"\r\nContent-Length: 99\r\n\r\n')
    answer = await proxy.ask(get("/x", method="HEAD"), "HEAD")
    assert (answer.status, answer.get("ETag"), answer.all("Content-Length")) == (200, 'W/"a"', [])


async def test_a_304_bears_the_tag_that_the_client_has(proxy: Running, origin: Origin) -> None:
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'
    origin.default = answers(head, head)
    assert (await proxy.ask(get("/x", 'If-None-Match: W/"a"'))).get("ETag") == 'W/"a"'
    assert (await proxy.ask(get("/x", 'If-None-Match: "a"'))).get("ETag") == '"a"'


# --- bounds and ends


def long_page(origin: Origin, size: int) -> bytes:
    return page(origin)[:-1] + b" " * (size - len(page(origin))) + b"}"


@pytest.mark.parametrize("framed", [True, False], ids=["with a length", "chunked"])
async def test_a_body_over_the_bound_streams_through(start_proxy: StartProxy, origin: Origin, framed: bool) -> None:
    proxy = await start_proxy(limits="{max_rewrite_bytes: 4096}")
    body = long_page(origin, 5000)
    sent = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        if framed:
            await wire.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: 5000\r\n\r\n" % JSON + body[:4500])
        else:
            await wire.send(b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (JSON, 5000) + body[:4500])
        await sent.wait()
        await wire.send(body[4500:] + (b"" if framed else b"\r\n0\r\n\r\n"))

    origin.default = script
    client = await proxy.client()
    await client.send(get())
    await client.at_least(4500)  # the rest has not been sent: nothing waits for it
    sent.set()
    assert (await client.answer()).body == body
    await counted(proxy, "too_large")
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", 0)


async def test_a_body_that_grows_over_the_bound_when_decoded_passes_as_it_came(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_rewrite_bytes: 4096}")
    body = gzip.compress(long_page(origin, 100_000))
    origin.default = answers(ok(body, JSON + b"Content-Encoding: gzip\r\n"))
    assert (await proxy.ask(get())).body == body
    await counted(proxy, "unreadable")


async def test_all_that_waits_is_bounded(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_rewrite_total_bytes: 4096}")
    go = asyncio.Event()

    async def slow(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: 3000\r\n\r\n" % JSON + long_page(origin, 3000)[:2900])
        await go.wait()
        await wire.send(long_page(origin, 3000)[2900:])

    origin.scripts.append(slow)
    origin.default = answers(ok(long_page(origin, 3000)))
    first = await proxy.client()
    await first.send(get())
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", 2900)
    assert (await proxy.ask(get())).body == long_page(origin, 3000)
    await counted(proxy, "busy")
    go.set()
    assert (await first.answer()).body.startswith(NEW[:-1])
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", 0)


async def test_a_body_that_ends_early_is_no_answer_at_all(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: 500\r\n\r\n" % JSON + page(origin))
        wire.end()

    origin.default = script
    answer = await proxy.ask(get())
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (502, "response_truncated", "close")
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", 0)


async def test_a_body_that_stops_is_a_time_out(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(timeouts="{body_idle_s: 0.1, response_head_s: 60}")

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: 500\r\n\r\n" % JSON + page(origin))
        await wire.read_to_end()

    origin.default = script
    answer = await proxy.ask(get())
    assert (answer.status, answer.get("Scopegate-Reason")) == (504, "response_stalled")


async def test_a_client_that_leaves_frees_what_was_held(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: 500\r\n\r\n" % JSON + page(origin))
        await wire.read_to_end()

    origin.default = script
    client = await proxy.client()
    await client.send(get())
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", len(page(origin)))
    client.reset()
    await proxy.metric_is("scopegate_link_rewrites_waiting_bytes", 0)
    assert await (await origin.wire()).ended()


async def test_connections_go_on_after_rewritten_answers(proxy: Running, origin: Origin) -> None:
    origin.default = answers(ok(page(origin)), ok(b"x", b""), ok(page(origin)))
    client = await proxy.client()
    await client.send(get() * 3)
    bodies: list[Message] = [await client.answer() for _ in range(3)]
    assert [answer.body for answer in bodies] == [NEW, b"x", NEW]
    assert origin.dials == 1


async def test_an_answer_that_comes_early_is_rewritten_too(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_head()
        await wire.send(b"HTTP/1.1 413 Too Large\r\n%bContent-Length: %d\r\n\r\n" % (JSON, len(page(origin))) + page(origin))
        await wire.read_to_end()

    origin.default = script
    client = await proxy.client()
    await client.send(get("/x", "Content-Length: 10", method="POST"))
    answer = await client.answer()
    assert (answer.status, answer.body, answer.get("Connection")) == (413, NEW, "close")


async def test_a_truncated_gzip_is_no_json(proxy: Running, origin: Origin) -> None:
    body = gzip.compress(page(origin))[:-4]
    origin.default = answers(ok(body, JSON + b"Content-Encoding: gzip\r\n"))
    try:
        assert (await proxy.ask(get())).body == body
    except Cut:
        pytest.fail("it was cut")
    await counted(proxy, "unreadable")
