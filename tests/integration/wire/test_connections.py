"""Keep-alive, pipelining and pooling on both sides; one retry where it is safe, none where it is not."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.origin import OK, Origin, Wire, answers, answers_and_ends, echo, serve
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, chunked, get, post


async def test_both_sides_are_kept_alive(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    for number in range(5):
        await client.send(get(f"/{number}"))
        answer = await client.answer()
        assert (answer.body, answer.get("Connection")) == (b"ok", "")
    assert origin.dials == 1
    assert await proxy.metric("scopegate_connections_accepted_total") == 1
    await proxy.exchanges(5)


async def test_clients_share_pooled_connections(proxy: Running, origin: Origin) -> None:
    for _ in range(3):
        await proxy.ask(get())
    assert origin.dials == 1


async def test_requests_at_the_same_time_have_connections_of_their_own(proxy: Running, origin: Origin) -> None:
    release = asyncio.Event()

    async def together(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)

    origin.default = together
    asked = [asyncio.create_task(proxy.ask(get(f"/{number}"))) for number in range(3)]
    await origin.wire(2)
    assert await proxy.metric("scopegate_requests_in_flight") == 3
    release.set()
    assert [(await answer).status for answer in asked] == [200, 200, 200]


async def test_connection_close_is_honoured_on_both_sides(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/x", "Connection: close") + get("/late"))
    answer = await client.answer()
    assert answer.get("Connection") == "close"
    assert await client.rest() == b""
    assert b"late" not in origin.received
    await proxy.exchange()

    origin.scripts = []
    origin.wires[0].end()
    await origin.wires[0].ended()
    origin.scripts = [answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), serve]
    assert (await proxy.ask(get())).get("Connection") == ""
    await proxy.ask(get())
    assert origin.dials == 3


# --- pipelining


def pipeline() -> bytes:
    return b"".join(
        [
            post("/1", b"first body"),
            get("/calls", POWERLESS),
            chunked("/2", b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"),
            post("/calls", b"never sent", POWERLESS),
            get("/3", method="HEAD"),
            post("/4", b"x" * 3000),
        ]
    )


EXPECTED = [
    ("POST", 200, b"first body"),
    ("GET", 403, b""),
    ("POST", 200, b"abcdefg"),
    ("POST", 403, b""),
    ("HEAD", 200, b""),
    ("POST", 200, b"x" * 3000),
]


@pytest.mark.parametrize("bytewise", [False, True], ids=["one packet", "byte by byte"])
async def test_pipelined_requests_are_answered_in_order(proxy: Running, origin: Origin, bytewise: bool) -> None:
    async def script(wire: Wire) -> None:
        while True:
            message = await wire.request()
            body = b"" if message.start.startswith(b"HEAD") else message.body
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(message.body) + body)

    origin.default = script
    client = await proxy.client()
    await (client.send_bytewise if bytewise else client.send)(pipeline())
    for method, status, body in EXPECTED:
        answer = await client.answer(method)
        assert answer.status == status
        assert status == 403 or answer.body == body
    rows = await proxy.exchanges(len(EXPECTED))
    assert [(row["method"], row["status"]) for row in rows] == [(method, status) for method, status, _ in EXPECTED]
    assert [row["request_bytes"] for row in rows] == [10, 0, 7, 0, 0, 3000]
    assert b"never sent" not in origin.received
    assert origin.dials == 1


async def test_a_slow_first_answer_is_not_overtaken(proxy: Running, origin: Origin) -> None:
    release = asyncio.Event()

    async def slow_then_fast(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK.replace(b"ok", b"1!"))
        await serve(wire)

    origin.scripts = [slow_then_fast]
    client = await proxy.client()
    await client.send(get("/slow") + get("/calls", POWERLESS) + get("/fast"))
    await (await origin.wire()).until(b"/slow")
    release.set()
    assert [(await client.answer()).body[:2] for _ in range(3)] == [b"1!", b'{"', b"ok"]


async def test_a_body_that_ends_in_one_packet_with_half_a_head(proxy: Running, origin: Origin) -> None:
    """What belongs to a body is not counted as head."""
    origin.default = echo
    body, second = b"x" * 200_000, get("/second", "X-Late: 1")
    client = await proxy.client()
    await client.send(post("/first", body) + second[:20])
    assert (await client.answer()).body == body
    await client.send(second[20:])
    assert (await client.answer()).status == 200


async def test_too_many_requests_in_one_packet_are_refused_after_the_first_are_answered(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_pipelined: 4}")
    client = await proxy.client()
    await client.send(get("/x") * 6)
    assert [(await client.answer()).status for _ in range(5)] == [200, 200, 200, 200, 400]
    assert await client.rest() == b""
    assert [row["fault"] for row in await proxy.exchanges(5)] == ["", "", "", "", "too_many_pipelined"]


async def test_requests_behind_one_that_closes_the_connection_are_not_sent(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/x", "Authorization: Bearer a", "Authorization: Bearer b") + get("/behind"))
    answer = await client.answer()
    assert (answer.status, answer.get("Connection")) == (400, "close")
    assert await client.rest() == b""
    assert origin.dials == 0
    await proxy.exchange()


# --- HTTP/1.0 clients


async def test_an_old_client_is_hung_up_on(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/x", version="1.0"))
    answer = await client.answer()
    assert (answer.body, answer.get("Connection")) == (b"ok", "close")
    assert await client.rest() == b""
    assert b"GET /x HTTP/1.1\r\n" in origin.received


async def test_an_old_client_may_ask_for_more(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    for _ in range(2):
        await client.send(get("/x", "Connection: keep-alive", version="1.0"))
        answer = await client.answer()
        assert (answer.body, answer.get("Connection")) == (b"ok", "keep-alive")
    await client.send(get("/calls", "Connection: Keep-Alive", POWERLESS, version="1.0"))
    denied = await client.answer()
    assert (denied.status, denied.get("Connection")) == (403, "keep-alive")


async def test_an_old_client_needs_no_host(proxy: Running, origin: Origin) -> None:
    assert (await proxy.ask(b"GET /acme/x HTTP/1.0\r\n\r\n")).body == b"ok"


async def test_an_old_client_gets_a_chunked_answer_without_chunks(proxy: Running, origin: Origin) -> None:
    origin.default = answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n")
    answer = await proxy.ask(get("/x", "Connection: keep-alive", version="1.0"))
    assert (answer.body, answer.get("Transfer-Encoding"), answer.get("Connection")) == (b"ok!", "", "close")


async def test_an_old_client_hears_of_no_interim_answer(proxy: Running, origin: Origin) -> None:
    origin.default = answers(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)
    assert (await proxy.ask(get("/x", version="1.0"))).status == 200


# --- pooled connections that died


async def test_an_idempotent_request_is_repeated_once_when_the_pooled_connection_dies(proxy: Running, origin: Origin) -> None:
    async def once_then_dead(wire: Wire) -> None:
        await wire.request()
        await wire.send(OK)
        await wire.request()
        wire.reset()

    origin.scripts = [once_then_dead, serve]
    for path in ("/first", "/second"):
        assert (await proxy.ask(get(path))).status == 200
    assert origin.received.count(b"/second") == 2
    assert origin.dials == 2
    assert [row["fault"] for row in await proxy.exchanges(2)] == ["", ""]


async def test_it_is_repeated_only_once(proxy: Running, origin: Origin) -> None:
    async def once_then_dead(wire: Wire) -> None:
        await wire.request()
        await wire.send(OK)
        await wire.request()
        wire.reset()

    async def dead(wire: Wire) -> None:
        await wire.request()
        wire.reset()

    origin.scripts = [once_then_dead, dead, serve]
    assert (await proxy.ask(get("/first"))).status == 200
    answer = await proxy.ask(get("/second"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "connection_lost")
    assert origin.dials == 2


@pytest.mark.parametrize(
    "request_bytes",
    [post("/again", b"x"), post("/again"), get("/again", method="PATCH"), post("/again", b"x", method="PUT")],
    ids=["POST", "POST without body", "PATCH", "PUT with body"],
)
async def test_no_other_request_is_repeated(proxy: Running, origin: Origin, request_bytes: bytes) -> None:
    async def once_then_dead(wire: Wire) -> None:
        await wire.request()
        await wire.send(OK)
        await wire.request()
        wire.reset()

    origin.scripts = [once_then_dead, serve]
    assert (await proxy.ask(get("/first"))).status == 200
    answer = await proxy.ask(request_bytes)
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "connection_lost")
    assert origin.received.count(b"/again") == 1
    assert [row["outcome"] for row in await proxy.exchanges(2)] == ["forwarded", "upstream_error"]


async def test_a_first_connection_that_dies_is_not_dialled_again(proxy: Running, origin: Origin) -> None:
    async def dead(wire: Wire) -> None:
        await wire.request()
        wire.reset()

    origin.scripts = [dead]
    assert (await proxy.ask(get())).get("Scopegate-Reason") == "connection_lost"
    assert origin.dials == 1


async def test_nothing_is_repeated_once_a_byte_of_the_answer_was_seen(proxy: Running, origin: Origin) -> None:
    async def half_a_head(wire: Wire) -> None:
        await wire.request()
        await wire.send(OK)
        await wire.request()
        await wire.send(b"HTTP/1.1 200 O")
        wire.reset()

    origin.scripts = [half_a_head, serve]
    await proxy.ask(get("/first"))
    assert (await proxy.ask(get("/second"))).status == 502
    assert origin.dials == 1


async def test_even_a_post_is_safe_on_a_pool_whose_connection_ended(proxy: Running, origin: Origin) -> None:
    origin.scripts = [answers_and_ends(OK)]
    await proxy.ask(get("/first"))
    await (await origin.wire()).ended()
    assert (await proxy.ask(post("/second", b"x"))).status == 200
    assert origin.dials == 2


async def test_idle_vendor_connections_are_closed_in_time(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(limits="{max_idle_upstream: 0}")
    await proxy.ask(get())
    assert await (await origin.wire()).ended() == "end"
