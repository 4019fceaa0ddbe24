"""Clients that vanish, stall or send too slowly: the vendor is told, and everything is given back."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.messages import Cut
from tests.fakes.origin import OK, Origin, Wire, serve, silence
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import chunked, get, post

H = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_client_that_vanishes_in_an_upload(proxy: Running, origin: Origin, how: str, framing: str) -> None:
    origin.default = silence
    client = await proxy.client()
    if framing == "length":
        await client.send(get("/up", "Content-Length: 1000", method="POST") + b"partial")
    else:
        await client.send(chunked("/up", b"7\r\npartial\r\n"))
    wire = await origin.wire()
    await wire.until(b"partial")
    client.reset() if how == "reset" else client.close()
    assert await wire.ended() == "reset", "a plain end could be taken for an orderly one"
    assert not wire.received.endswith(b"0\r\n\r\n")
    row = await proxy.exchange()
    assert (row["fault"], row["status"], row["outcome"]) == ("client_gone", 499, "forwarded")


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_client_that_vanishes_while_it_waits(proxy: Running, origin: Origin, how: str) -> None:
    origin.default = silence
    client = await proxy.client()
    await client.send(get("/slow"))
    wire = await origin.wire()
    await wire.until(b"\r\n\r\n")
    client.reset() if how == "reset" else client.close()
    assert await wire.ended() == "reset"
    assert (await proxy.exchange())["fault"] == "client_gone"


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_client_that_vanishes_in_a_download(proxy: Running, origin: Origin, how: str) -> None:
    async def endless(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await wire.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")

    origin.default = endless
    client = await proxy.client()
    await client.send(get("/down"))
    await client.at_least(100_000)
    client.reset() if how == "reset" else client.close()
    row = await proxy.exchange()
    assert (row["fault"], row["answered_by"], row["status"]) == ("client_gone", "vendor", 200)


async def test_a_client_that_only_closes_one_direction_still_gets_its_answer(proxy: Running, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)

    origin.default = script
    client = await proxy.client()
    await client.send(get("/x"))
    client.half_close()
    await origin.wire()
    release.set()
    assert (await client.answer()).body == b"ok"
    assert await client.rest() == b""
    assert (await proxy.exchange())["fault"] == ""


async def test_a_client_that_vanishes_while_others_wait_behind_it(proxy: Running, origin: Origin) -> None:
    """Each pipelined request is recorded once, whether its turn came or not."""
    origin.default = silence
    client = await proxy.client()
    await client.send(get("/first") + get("/second") + get("/third"))
    await (await origin.wire()).until(b"/first")
    client.reset()
    rows = await proxy.exchanges(3)
    assert [row["fault"] for row in rows] == ["client_gone"] * 3
    assert b"/second" not in origin.received


async def test_a_client_that_vanishes_before_it_asks(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(b"GET /acme/x HT")
    client.reset()
    await proxy.ask(get())
    await proxy.exchange()


# --- time


async def test_a_head_that_does_not_end_in_time(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{header_read_s: 2}")
    client = await proxy.client()
    await client.send(b"GET /acme/x HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (408, "header_timeout", "close")
    assert await client.rest() == b""
    assert (await proxy.exchange())["fault"] == "header_timeout"


async def test_a_silent_connection_is_closed(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(limits="{header_read_s: 0.1}")
    client = await proxy.client()
    assert await client.rest() == b""
    await proxy.exchanges(0)


async def test_blank_lines_do_not_keep_a_connection_open(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(limits="{header_read_s: 0.2}")
    client = await proxy.client()

    async def drip() -> None:
        while True:
            await client.send(b"\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    await client.gone()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)


async def test_an_idle_connection_is_closed(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{keepalive_idle_s: 0.1}")
    client = await proxy.client()
    await client.send(get())
    assert (await client.answer()).get("Connection") == ""
    assert await client.rest() == b""
    await proxy.exchange()


async def test_idle_time_begins_with_the_end_of_the_answer(start_proxy: StartProxy, origin: Origin) -> None:
    """An answer that took longer than the idle time must not cost the client its connection."""

    async def slow(wire: Wire) -> None:
        while True:
            await wire.request()
            for piece in (H, b"Content-Length: 4\r\n\r\n", b"s", b"l", b"o"):
                await wire.send(piece)
                await asyncio.sleep(0.1)
            await wire.send(b"w")

    origin.default = slow
    proxy = await start_proxy(limits="{keepalive_idle_s: 0.4}")
    client = await proxy.client()
    for _ in range(2):
        await client.send(get())
        assert (await client.answer()).body == b"slow"
        await asyncio.sleep(0.02)


async def test_a_head_is_not_late_while_we_do_not_read_it(start_proxy: StartProxy, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)
        await serve(wire)

    origin.default = script
    proxy = await start_proxy(limits="{header_read_s: 0.3}")
    client = await proxy.client()
    third = get("/third")
    await client.send(get("/first") + get("/second") + third[:10])
    await (await origin.wire()).until(b"/first")
    await client.send(third[10:])
    await asyncio.sleep(0.6)
    release.set()
    assert [(await client.answer()).status for _ in range(3)] == [200, 200, 200]


async def test_an_upload_that_stalls(start_proxy: StartProxy, origin: Origin) -> None:
    origin.default = silence
    proxy = await start_proxy(limits="{body_idle_s: 0.1}")
    client = await proxy.client()
    await client.send(get("/up", "Content-Length: 100", method="POST") + b"partial")
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (408, "request_body_timeout", "close")
    assert await (await origin.wire()).ended() == "reset"
    row = await proxy.exchange()
    assert (row["fault"], row["outcome"]) == ("request_body_timeout", "bad_request")


async def test_a_vendor_that_stops_taking_an_upload(start_proxy: StartProxy, origin: Origin) -> None:
    deaf = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.until_head()
        await deaf.wait()

    origin.default = script
    proxy = await start_proxy(timeouts="{body_idle_s: 0.3}")
    client = await proxy.client()
    sending = asyncio.create_task(client.send(get("/up", "Content-Length: 50000000", method="POST") + b"x" * 50_000_000))
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (504, "upload_timeout")
    assert (await proxy.exchange())["outcome"] == "upstream_error"
    deaf.set()
    client.reset()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["nothing", "half a head"])
async def test_a_vendor_that_does_not_answer(start_proxy: StartProxy, origin: Origin, said: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(said)

    origin.default = script
    proxy = await start_proxy(timeouts="{response_head_s: 0.1}")
    client = await proxy.client()
    await client.send(get())
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (504, "response_timeout")
    assert await (await origin.wire()).ended() == "reset"
    row = await proxy.exchange()
    assert (row["fault"], row["outcome"], row["actual"]) == ("response_timeout", "upstream_error", "failed")
    origin.default = serve
    await client.send(get())
    assert (await client.answer()).body == b"ok"


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"\r\nabc"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_an_answer_that_stalls_is_cut_visibly(start_proxy: StartProxy, origin: Origin, framing: bytes, version: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + framing)

    origin.default = script
    proxy = await start_proxy(timeouts="{body_idle_s: 0.1}")
    client = await proxy.client()
    await client.send(get("/x", version=version))
    with pytest.raises((Cut, ConnectionError)):
        await client.answer()
    assert await (await origin.wire()).ended() == "reset"
    row = await proxy.exchange()
    assert (row["fault"], row["outcome"], row["status"]) == ("response_stalled", "upstream_error", 200)


async def test_a_client_that_stops_reading(start_proxy: StartProxy, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + b"Content-Length: 50000000\r\n\r\n" + b"x" * 50_000_000)

    origin.default = script
    proxy = await start_proxy(timeouts="{body_idle_s: 0.3}")
    client = await proxy.client(receive_buffer=4096)
    await client.send(get())
    row = await proxy.exchange()
    assert (row["fault"], row["answered_by"], row["outcome"]) == ("client_stalled", "vendor", "forwarded")


async def test_a_client_that_never_takes_its_last_answer(start_proxy: StartProxy, origin: Origin) -> None:
    """What is still buffered when the connection is to be closed does not keep it open for ever.

    How much the system buffers is not known: for some of these sizes the rest waits in the proxy.
    """

    async def script(wire: Wire) -> None:
        while True:
            size = int((await wire.request()).target[1:])
            await wire.send(H + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)

    origin.default = script
    proxy = await start_proxy(limits="{body_idle_s: 0.2}", timeouts="{body_idle_s: 0.2}")
    sizes = range(500_000, 7_000_000, 200_000)
    for size in sizes:
        client = await proxy.client(receive_buffer=2304)
        await client.send(get(f"/{size}", "Connection: close"))
    await proxy.exchanges(len(sizes))
    await proxy.metric_is("scopegate_connections", 0)


async def test_a_held_upload_does_not_hold_the_next_request(start_proxy: StartProxy, origin: Origin) -> None:
    """A body that waited for a vendor that cannot be had is let go with its request."""
    release = asyncio.Event()

    async def hang(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)
        await serve(wire)

    origin.default = hang
    proxy = await start_proxy(limits="{max_in_flight: 1, queue_wait_s: 0.1}")
    first = asyncio.create_task(proxy.ask(get("/holder")))
    await (await origin.wire()).until(b"/holder")
    client = await proxy.client()
    await client.send(post("/queued", b"x" * 100_000))
    assert (await client.answer()).get("Scopegate-Reason") == "vendor_busy"
    release.set()
    assert (await first).status == 200
    await client.send(get("/next"))
    assert (await client.answer()).status == 200
