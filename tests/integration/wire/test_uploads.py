"""Request bodies with a length, in whatever pieces they come: what is behind their end is the next request, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire.limits import DRAIN_BYTES
from tests.fakes.client import RawClient
from tests.fakes.origin import OK, Origin, Wire, answers, echo, serve
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, chunked, get, post

BODY = b"GET /acme/body HTTP/1.1\r\nHost: a\r\n\r\n"
"""A body that would do harm if somebody took it for a request."""


async def send_apart(client: RawClient, *pieces: bytes) -> None:
    """Send pieces that the proxy reads one by one."""
    for piece in pieces:
        await client.send(piece)
        for _ in range(3):  # both ends run on this loop
            await asyncio.sleep(0)


async def test_a_body_may_be_cut_anywhere(proxy: Running, origin: Origin) -> None:
    """Also exactly at the end of its head, and so that the last piece brings the next request or a part of it."""
    origin.default = echo
    both = post("/first", BODY) + post("/second", b"tail")
    client = await proxy.client()
    for at in range(1, len(both)):
        await send_apart(client, both[:at], both[at:])
        assert [(await client.answer()).body, (await client.answer()).body] == [BODY, b"tail"], at
    assert [origin.received.count(b"POST /%b HTTP/1.1" % name) for name in (b"first", b"second")] == [len(both) - 1] * 2


async def test_a_body_may_come_in_three_pieces(proxy: Running, origin: Origin) -> None:
    origin.default = echo
    first, second = post("/first", BODY), post("/second", BODY * 2)
    client = await proxy.client()
    await send_apart(client, first[:-20], first[-20:-7], first[-7:] + second[:-20], second[-20:])
    assert [(await client.answer()).body, (await client.answer()).body] == [BODY, BODY * 2]
    assert [row["request_bytes"] for row in await proxy.exchanges(2)] == [len(BODY), 2 * len(BODY)]


async def test_bodies_of_every_framing_may_come_byte_by_byte(proxy: Running, origin: Origin) -> None:
    origin.default = echo
    client = await proxy.client()
    coded = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    await client.send_bytewise(post("/1", BODY) + chunked("/2", coded) + post("/3", b"x") + get("/4") + post("/5", BODY))
    assert [(await client.answer()).body for _ in range(5)] == [BODY, BODY, b"x", b"", BODY]


async def test_the_next_request_may_have_other_fields_and_another_version(proxy: Running, origin: Origin) -> None:
    """The parser that takes over reads the version itself."""
    origin.default = echo
    client = await proxy.client()
    first = post("/first", BODY)
    await send_apart(client, first[:-5], first[-5:] + post("/second", b"old", version="1.0"))
    assert (await client.answer()).body == BODY
    answer = await client.answer()
    assert (answer.body, answer.get("Connection")) == (b"old", "close")
    assert await client.rest() == b""


@pytest.mark.parametrize("surplus", [b"x", b"garbage\r\n\r\n", BODY.replace(b"HTTP/1.1", b"HTTP/7.7")])
@pytest.mark.parametrize("apart", [False, True], ids=["in the last piece", "in a piece of its own"])
async def test_what_is_behind_the_length_is_no_body(proxy: Running, origin: Origin, surplus: bytes, apart: bool) -> None:
    origin.default = echo
    request = post("/up", BODY)
    client = await proxy.client()
    await send_apart(client, request[:-5], *([request[-5:], surplus] if apart else [request[-5:] + surplus]))
    assert (await client.answer()).body == BODY
    if surplus != b"x":
        answer = await client.answer()
        assert (answer.status, answer.get("Connection")) == (400, "close")
        assert await client.rest() == b""
    client.close()
    assert bytes(origin.received).endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize("head", [("1.1", "Connection: close"), ("1.0",)], ids=["told", "HTTP/1.0"])
@pytest.mark.parametrize("apart", [False, True], ids=["in the last piece", "in a piece of its own"])
async def test_nothing_is_read_behind_the_last_request(proxy: Running, origin: Origin, head: tuple[str, ...], apart: bool) -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)

    origin.scripts = [script]
    version, *fields = head
    request = post("/last", BODY, *fields, version=version)
    client = await proxy.client()
    await send_apart(client, request[:-5], *([request[-5:], get("/never")] if apart else [request[-5:] + get("/never")]))
    release.set()
    answer = await client.answer()
    assert (answer.body, answer.get("Connection")) == (b"ok", "close")
    assert await client.rest() == b""
    assert b"/never" not in origin.received
    assert len(await proxy.exchanges(1)) == 1


async def test_a_body_that_nobody_wants_is_dropped_up_to_its_end(proxy: Running, origin: Origin) -> None:
    """The denial is there before the body is; the next request stands in the body's last piece."""
    client = await proxy.client()
    request = post("/calls", BODY * 100, POWERLESS)
    await send_apart(client, request[:-3000], request[-3000:-1000], request[-1000:] + post("/next", b"x"))
    assert (await client.answer()).status == 403
    assert (await client.answer()).body == b"ok"
    assert b"body" not in origin.received


async def test_an_early_answer_of_the_vendor_ends_the_upload(proxy: Running, origin: Origin) -> None:
    """What comes of the body afterwards is thrown away, within a bound; the client gets the answer whole."""

    async def script(wire: Wire) -> None:
        await wire.until(b"begun")
        await wire.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")

    async def reading(wire: Wire) -> None:
        await asyncio.gather(script(wire), wire.until_head())

    origin.default = reading
    client = await proxy.client()
    await send_apart(client, get("/up", f"Content-Length: {4 * DRAIN_BYTES}", method="POST"), b"begun")
    answer = await client.answer()
    assert (answer.status, answer.body, answer.get("Connection")) == (413, b"no", "close")
    for _ in range(3):
        client.send_now(bytes(DRAIN_BYTES))
    assert await client.rest() == b""
    row = await proxy.exchange()
    assert (row["status"], row["request_bytes"], row["fault"]) == (413, len(b"begun"), "")


async def test_an_upload_that_stalls_behind_its_first_pieces_is_given_up(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{body_idle_s: 0.3}")
    origin.default = answers()
    client = await proxy.client()
    await send_apart(client, get("/up", "Content-Length: 100", method="POST"), b"some", b"more")
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (408, "request_body_timeout")
    assert await client.rest() == b""
    assert (await proxy.exchange())["request_bytes"] == 8


async def test_an_upload_that_ends_short_is_never_taken_for_whole(proxy: Running, origin: Origin) -> None:
    origin.default = serve
    client = await proxy.client()
    await send_apart(client, get("/up", "Content-Length: 100", method="POST"), b"some", b"more")
    wire = await origin.wire()
    await wire.until(b"somemore")
    client.half_close()
    assert await wire.ended() == "reset"
    assert (await proxy.exchange())["fault"] == "client_gone"


async def test_continue_and_then_the_body_in_pieces(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_head()
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert (await wire.request()).body == BODY
        await wire.send(OK)
        await serve(wire)

    origin.scripts = [script]
    client = await proxy.client()
    await client.send(get("/up", "Expect: 100-continue", f"Content-Length: {len(BODY)}", method="POST"))
    assert (await client.answer()).status == 100
    await send_apart(client, BODY[:5], BODY[5:] + get("/next"))
    assert [(await client.answer()).status, (await client.answer()).status] == [200, 200]
