"""Everything that comes from outside is bounded, and says so."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proxy.wire.limits import SURPLUS_CONNECTIONS
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Cut
from tests.fakes.origin import OK, Origin, Wire, serve, silence
from tests.fakes.running import Running
from tests.fakes.waiting import eventually
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import STAMPS, chunked, get, post


async def refused(proxy: Running, request: bytes, status: int, reason: str) -> None:
    client = await proxy.client()
    await client.send(request)
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (status, reason, "close")
    assert all(answer.get(name) for name in STAMPS)
    row = await proxy.exchange()
    assert (row["status"], row["fault"], row["outcome"]) == (status, reason, "bad_request")


async def test_a_long_target(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_url_bytes: 300}")
    await refused(proxy, get("/" + "x" * 300), 414, "target_too_long")
    assert origin.dials == 0


@pytest.mark.parametrize("field", ["X-Long: " + "x" * 2000, "X: y\r\n" * 30 + "X: y"], ids=["long", "many"])
async def test_a_large_head(start_proxy: StartProxy, origin: Origin, field: str) -> None:
    proxy = await start_proxy(limits="{max_header_bytes: 1024, max_headers: 20}")
    await refused(proxy, get("/x", field), 431, "headers_too_large")
    assert origin.dials == 0


@pytest.mark.parametrize(
    ("beginning", "more", "status", "reason"),
    [
        (b"GET /acme/", b"x" * 10_000, 414, "target_too_long"),
        (b"GET /acme/x HTTP/1.1\r\n", b"X-Many: y\r\n" * 1000, 431, "headers_too_large"),
        (b"GET /acme/x HTTP/1.1\r\nX-Long: ", b"x" * 10_000, 431, "headers_too_large"),
    ],
    ids=["target", "fields", "value"],
)
async def test_a_head_that_does_not_end(
    start_proxy: StartProxy, origin: Origin, beginning: bytes, more: bytes, status: int, reason: str
) -> None:
    proxy = await start_proxy(limits="{max_header_bytes: 1024, max_url_bytes: 256, header_read_s: 60}")
    client = await proxy.client()
    await client.send(beginning)
    sending = asyncio.create_task(_flood(client.send, more))
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (status, reason)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await proxy.exchange()


async def _flood(send: object, data: bytes) -> None:
    assert callable(send)
    for at in range(0, len(data), 500):
        await send(data[at : at + 500])
        await asyncio.sleep(0.002)


async def test_a_long_body_by_its_length(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_body_bytes: 1000}")
    await refused(proxy, get("/x", "Content-Length: 1001", method="POST"), 413, "body_too_large")
    assert origin.dials == 0


async def test_a_long_body_by_its_chunks(start_proxy: StartProxy, origin: Origin) -> None:
    origin.default = silence
    proxy = await start_proxy(limits="{max_body_bytes: 1000}")
    await refused(proxy, chunked("/x", b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n"), 413, "body_too_large")
    if origin.dials:
        assert await (await origin.wire()).ended() == "reset"


async def test_a_body_of_just_the_right_size(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_body_bytes: 1000}")
    assert (await proxy.ask(post("/x", b"x" * 1000))).status == 200


@pytest.mark.parametrize("coded", [b"1;" + b"x" * 60_000 + b"\r\ny\r\n", b"0\r\nX-Trailer: " + b"x" * 60_000], ids=["extension", "trailer"])
async def test_what_is_no_body_is_bounded(proxy: Running, origin: Origin, coded: bytes) -> None:
    origin.default = silence
    client = await proxy.client()
    await client.send(chunked("/x", b"2\r\nab\r\n"))
    await (await origin.wire()).until(b"ab")
    sending = asyncio.create_task(_flood(client.send, coded))
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, "malformed_request")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await (await origin.wire()).ended() == "reset"


async def test_tiny_chunks_are_fine(proxy: Running, origin: Origin) -> None:
    assert (await proxy.ask(chunked("/x", b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"))).status == 200
    assert (await proxy.exchange())["request_bytes"] == 20_000


async def test_a_vendors_endless_chunk_extension_is_cut(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        while True:
            await wire.send(b"x" * 1000)

    origin.default = script
    client = await proxy.client()
    await client.send(get())
    await client.gone()
    assert (await proxy.exchange())["fault"] == "response_truncated"


# --- how many at once


async def test_one_connection_too_many_is_told_so(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_connections: 2}")
    kept = [await proxy.client() for _ in range(2)]
    for client in kept:
        await client.send(get())
        assert (await client.answer()).status == 200
    client = await proxy.client()
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Retry-After")) == (503, "too_many_connections", "1")
    client.close()
    kept[0].close()
    await proxy.metric_is("scopegate_connections", 1)
    assert (await proxy.ask(get())).status == 200


async def connect_from(proxy: Running, address: str) -> RawClient:
    client = RawClient(*await asyncio.open_connection("127.0.0.1", proxy.app.port, local_addr=(address, 0)))
    proxy.clients.append(client)
    return client


async def test_one_connection_too_many_from_one_address_is_told_so(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_connections_per_address: 2}")
    kept = [await proxy.client() for _ in range(2)]
    for client in kept:
        await client.send(get())
        assert (await client.answer()).status == 200
    surplus = await proxy.client()
    answer = await surplus.answer()
    assert (answer.status, answer.get("Scopegate-Reason")) == (503, "too_many_connections_from_address")
    assert (answer.get("Retry-After"), answer.get("Connection")) == ("1", "close")
    other = await connect_from(proxy, "127.0.0.2")
    await other.send(get())
    assert (await other.answer()).status == 200
    surplus.close()
    kept[0].close()
    await proxy.metric_is("scopegate_connections", 2)
    assert (await proxy.ask(get())).status == 200


async def test_a_flood_of_connections_is_dropped_and_those_that_are_served_go_on(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_connections: 1}")
    kept = await proxy.client()
    await kept.send(get())
    assert (await kept.answer()).status == 200
    flood = [await proxy.client() for _ in range(SURPLUS_CONNECTIONS + 5)]
    for client in flood:
        await client.gone()

    async def dropped() -> bool:
        return await proxy.metric("scopegate_connections_dropped_total") >= 5

    await eventually(dropped)
    await kept.send(get())
    assert (await kept.answer()).status == 200


# --- how long in all


@pytest.mark.parametrize("piece", [b"x", b"1\r\nx\r\n"], ids=["length", "chunked"])
async def test_an_answer_that_drips_for_ever_is_cut(start_proxy: StartProxy, origin: Origin, piece: bytes) -> None:
    framing = b"Content-Length: 100000" if piece == b"x" else b"Transfer-Encoding: chunked"

    async def drip(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        leaving = asyncio.create_task(wire.read_to_end())
        while not leaving.done():
            await wire.send(piece)
            await asyncio.sleep(0.02)

    origin.default = drip
    proxy = await start_proxy(limits="{request_s: 0.3}")
    client = await proxy.client()
    await client.send(get())
    with pytest.raises((Cut, ConnectionError)):
        await client.answer()
    assert await (await origin.wire()).ended() == "reset"
    row = await proxy.exchange()
    assert (row["fault"], row["status"], row["outcome"]) == ("request_timeout", 200, "upstream_error")


async def test_an_upload_that_drips_for_ever_is_ended(start_proxy: StartProxy, origin: Origin) -> None:
    origin.default = silence
    proxy = await start_proxy(limits="{request_s: 0.3}")
    client = await proxy.client()
    await client.send(get("/up", "Content-Length: 100000", method="POST"))

    async def drip() -> None:
        while True:
            await client.send(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (504, "request_timeout", "close")
    assert await (await origin.wire()).ended() == "reset"
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)


async def test_a_connection_may_live_longer_than_a_request(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{request_s: 0.2}")
    client = await proxy.client()
    for _ in range(4):
        await client.send(get())
        assert (await client.answer()).status == 200
        await asyncio.sleep(0.1)


async def test_one_request_too_many_waits_and_then_is_told_so(start_proxy: StartProxy, origin: Origin) -> None:
    release = asyncio.Event()

    async def hang(wire: Wire) -> None:
        while True:
            await wire.request()
            await release.wait()
            await wire.send(OK)

    origin.default = hang
    proxy = await start_proxy(limits="{max_in_flight: 1, max_queued: 1, queue_wait_s: 0.2}")
    first = asyncio.create_task(proxy.ask(get("/first")))
    await (await origin.wire()).until(b"/first")
    waiting = asyncio.create_task(proxy.ask(get("/waiting")))
    await proxy.metric_is("scopegate_requests_waiting", 1)
    for asked in (proxy.ask(get("/surplus")), waiting):
        answer = await asked
        assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Retry-After")) == (503, "vendor_busy", "1")
    release.set()
    assert (await first).status == 200
    rows = await proxy.exchanges(3)
    assert sorted(str(row["fault"]) for row in rows) == ["", "vendor_busy", "vendor_busy"]
    assert origin.dials == 1


async def test_a_request_that_waits_gets_the_place_that_becomes_free(start_proxy: StartProxy, origin: Origin) -> None:
    release = asyncio.Event()

    async def hang(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)
        await serve(wire)

    origin.default = hang
    proxy = await start_proxy(limits="{max_in_flight: 1, queue_wait_s: 10}")
    first = asyncio.create_task(proxy.ask(get("/first")))
    await (await origin.wire()).until(b"/first")
    others = [asyncio.create_task(proxy.ask(get(f"/{number}"))) for number in range(3)]
    await proxy.metric_is("scopegate_requests_waiting", 3)
    release.set()
    assert [(await asked).status for asked in (first, *others)] == [200] * 4
    assert origin.dials == 1


async def test_a_pipelined_request_takes_over_its_predecessors_place(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_in_flight: 1, max_queued: 0}")
    client = await proxy.client()
    await client.send(get("/1") + get("/2") + get("/3"))
    assert [(await client.answer()).status for _ in range(3)] == [200] * 3


async def test_a_client_that_leaves_the_queue(start_proxy: StartProxy, origin: Origin) -> None:
    origin.default = silence
    proxy = await start_proxy(limits="{max_in_flight: 1, queue_wait_s: 30}")
    holder, waiter = await proxy.client(), await proxy.client()
    await holder.send(get("/holder"))
    await (await origin.wire()).until(b"/holder")
    await waiter.send(get("/waiter"))
    await proxy.metric_is("scopegate_requests_waiting", 1)
    waiter.reset()
    assert (await proxy.exchange())["fault"] == "client_gone"
    assert await proxy.metric("scopegate_requests_waiting") == 0
    holder.reset()
    await proxy.exchanges(2)


# --- the end


async def test_stopping_lets_what_is_under_way_finish(proxy: Running, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await release.wait()
        await wire.send(b"cde")

    origin.default = script
    idle, busy = await proxy.client(), await proxy.client()
    await idle.send(get("/calls?access_token=%20"))
    await idle.answer()
    await busy.send(get("/x"))
    await busy.at_least(10)
    stopping = asyncio.create_task(proxy.stop(5.0))
    assert await idle.rest() == b""
    with pytest.raises(ConnectionError):
        await connect(proxy.app.port)
    release.set()
    assert (await busy.answer()).body == b"abcde"
    assert await busy.rest() == b""
    assert await stopping


async def test_the_last_answer_says_that_it_is_the_last(proxy: Running, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)

    origin.default = script
    client = await proxy.client()
    await client.send(get("/x"))
    await (await origin.wire()).until(b"\r\n\r\n")
    stopping = asyncio.create_task(proxy.stop(5.0))
    await asyncio.sleep(0)
    release.set()
    answer = await client.answer()
    assert (answer.body, answer.get("Connection")) == (b"ok", "close")
    assert await stopping


async def accepted(proxy: Running) -> RawClient:
    """Return a connection on which nothing was said yet."""
    client = await proxy.client()
    await proxy.metric_is("scopegate_connections_accepted_total", 1)
    return client


@pytest.mark.parametrize("before", [0, 2, 30])
async def test_stopping_waits_a_moment_for_a_request_that_is_on_its_way(proxy: Running, before: int) -> None:
    client = await accepted(proxy)
    await client.send(get("/x")[:before])
    stopping = asyncio.create_task(proxy.stop(5.0))
    await refuses(proxy)
    await client.send(get("/x")[before:])
    answer = await client.answer()
    assert (answer.status, answer.get("Connection")) == (200, "close")
    assert await stopping


async def refuses(proxy: Running) -> None:
    """Return when the proxy has stopped accepting."""
    with contextlib.suppress(ConnectionError):
        while True:
            (await connect(proxy.app.port)).close()


async def test_stopping_answers_a_request_that_has_arrived_and_was_not_read(proxy: Running) -> None:
    client = await proxy.client()
    await client.send(get("/calls?access_token=%20"))
    await client.answer()
    client.send_now(get("/x"))
    stopping = proxy.stop(5.0)
    assert await stopping
    assert (await client.answer()).get("Connection") == "close"


async def test_stopping_does_not_wait_for_those_who_say_nothing(proxy: Running) -> None:
    client = await accepted(proxy)
    assert await proxy.stop(60.0)
    assert await client.rest() == b""


async def test_what_does_not_finish_in_time_is_cut(proxy: Running, origin: Origin) -> None:
    origin.default = silence
    client = await proxy.client()
    await client.send(get("/x"))
    wire = await origin.wire()
    await wire.until(b"\r\n\r\n")
    assert not await proxy.stop(0.1)
    await client.gone()
    assert await wire.ended() == "reset"
