"""Long bodies that go from socket to socket inside the kernel: whole, counted, held back, and ended like any other."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.authority import TLS, Authority
from tests.fakes.messages import Cut
from tests.fakes.origin import Origin, Script, Wire
from tests.fakes.running import Running
from tests.fakes.waiting import eventually
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import get

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="splice(2) is Linux's")

MIB = 1 << 20
BODY = random.Random(7).randbytes(8 * MIB)
SPLICED = 'scopegate_spliced_bytes_total{vendor="acme"}'


def head(size: int = len(BODY)) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def sends(data: bytes, then: str = "") -> Script:
    """Return a script that answers every request with `data`, or the first and then does something."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(data)
            if then:
                getattr(wire, then)()
                return

    return script


async def endless(wire: Wire) -> None:
    """Answer one request with a body that does not end."""
    await wire.request()
    await wire.send(head(1 << 40))
    while True:
        await wire.send(BODY[:MIB])


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def spliced(proxy: Running, least: int = MIB) -> float:
    """Wait until so many bytes went that way, and return how many did."""

    async def enough() -> bool:
        return await proxy.metric(SPLICED) >= least

    await eventually(enough)
    return await proxy.metric(SPLICED)


async def test_a_long_body_arrives_whole_and_is_counted_and_the_connection_serves_on(proxy: Running, origin: Origin) -> None:
    origin.default = sends(head() + BODY)
    client, used = await proxy.client(), []
    for number in range(1, 7):
        await client.send(get("/big"))
        assert (await client.answer()).body == BODY
        assert len(await proxy.exchanges(number)) == number
        used.append(descriptors())
    assert used[5] - used[0] < 5, "each time some descriptors stay open"
    assert await spliced(proxy) > len(BODY)
    assert {row["response_bytes"] for row in await proxy.exchanges(6)} == {len(BODY)}
    assert origin.dials == 1


async def test_requests_behind_a_long_body_are_answered_behind_it(proxy: Running, origin: Origin) -> None:
    origin.default = sends(head() + BODY)
    client = await proxy.client()
    await client.send(get("/one") + get("/two") + get("/three"))
    for _ in range(3):
        assert (await client.answer()).body == BODY
    await spliced(proxy)


async def test_a_client_that_reads_slowly_gets_all_and_holds_the_vendor_back(proxy: Running, origin: Origin) -> None:
    origin.default = sends(head(3 * len(BODY)) + BODY * 3)
    client = await proxy.client(receive_buffer=8192)
    await client.send(get("/big"))
    answer = await client.answer()
    assert answer.body == BODY * 3
    assert (await proxy.exchange())["fault"] == ""


@pytest.mark.parametrize("then", ["end", "reset"])
async def test_a_body_that_is_cut_short_never_looks_whole(proxy: Running, origin: Origin, then: str) -> None:
    before = descriptors()
    origin.default = sends(head(2 * len(BODY)) + BODY, then)
    client = await proxy.client()
    await client.send(get("/big"))
    with pytest.raises((Cut, ConnectionError, EOFError)):
        await client.answer()
    row = await proxy.exchange()
    assert (row["fault"], row["status"]) == ("response_truncated", 200)
    assert await proxy.metric(SPLICED) <= int(str(row["response_bytes"])) <= len(BODY)
    client.close()

    async def given_back() -> bool:
        return descriptors() <= before + 2

    await eventually(given_back)


async def test_a_client_that_leaves_is_told_to_the_vendor(proxy: Running, origin: Origin) -> None:
    origin.default = endless
    client = await proxy.client()
    await client.send(get("/big"))
    await client.at_least(4 * MIB)
    await spliced(proxy)
    client.reset()
    assert (await proxy.exchange())["fault"] == "client_gone"
    await (await origin.wire()).ended()


@pytest.mark.parametrize("fault", ["client_stalled", "response_stalled"])
async def test_who_stalls_is_told_apart(start_proxy: StartProxy, origin: Origin, fault: str) -> None:
    async def stalling(wire: Wire) -> None:
        await wire.request()
        await wire.send(head(1 << 40) + BODY)
        while fault == "client_stalled":
            await wire.send(BODY[:MIB])
        await wire.read_to_end()

    origin.default = stalling
    proxy = await start_proxy(timeouts="{body_idle_s: 0.3}")
    client = await proxy.client()
    await client.send(get("/big"))
    await client.at_least(4 * MIB)
    await spliced(proxy)
    if fault == "response_stalled":
        with pytest.raises((Cut, ConnectionError, EOFError)):
            await client.answer()
    assert (await proxy.exchange())["fault"] == fault


async def test_what_a_vendor_sends_behind_a_body_answers_nobody(proxy: Running, origin: Origin) -> None:
    origin.default = sends(head() + BODY + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    for number in (1, 2):
        answer = await proxy.ask(get(f"/{number}"))
        assert answer.body == BODY
    await spliced(proxy)
    assert origin.dials == 2


async def test_a_proxy_that_stops_ends_what_is_under_way(proxy: Running, origin: Origin) -> None:
    origin.default = endless
    client = await proxy.client()
    await client.send(get("/big"))
    await client.at_least(2 * MIB)
    await spliced(proxy)
    assert not await proxy.stop(0.05)
    with pytest.raises((Cut, ConnectionError, EOFError)):
        await client.answer()


@pytest.mark.parametrize("framed", [b"Transfer-Encoding: chunked", b"Connection: close"])
async def test_what_has_no_length_is_read_here(proxy: Running, origin: Origin, framed: bytes) -> None:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    origin.default = sends(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framed + (chunked if b"chunked" in framed else BODY), "half_close")
    assert (await proxy.ask(get("/big"))).body == BODY
    assert await proxy.metric(SPLICED) == 0


@pytest.mark.parametrize("side", ["client", "vendor"])
async def test_what_is_encrypted_on_one_side_is_read_here(start_proxy: StartProxy, origin: Origin, tmp_path: Path, side: str) -> None:
    authority = Authority(tmp_path)
    authority.secret()
    authority.trust()
    vendor = await Origin().start(authority.server() if side == "vendor" else None)
    vendor.default = sends(head() + BODY)
    scheme = "https" if side == "vendor" else "http"
    more, top = ("ca_file: clients.pem", "") if side == "vendor" else ("", TLS)
    proxy = await start_proxy(f"{scheme}://localhost:{vendor.port}", more=more, top=top)
    answer = await proxy.ask(get("/big"), tls=authority.client() if side == "client" else None)
    assert answer.body == BODY
    assert await proxy.metric(SPLICED) == 0
    await proxy.finish()
    await vendor.stop()


@contextmanager
def few_descriptors(more: int) -> Iterator[None]:
    """Let this process open so many descriptors more and not one beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    filling = [os.open(os.devnull, os.O_RDONLY)]
    while filling[-1] <= highest:  # as long as a lower number was free
        filling.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (filling[-1] + 1 + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in filling:
            os.close(each)


@pytest.mark.parametrize(("more", "does"), [(0, False), (1, False), (2, False), (3, False), (4, False), (5, True)])
async def test_without_descriptors_the_body_is_copied(proxy: Running, origin: Origin, more: int, does: bool) -> None:
    go = asyncio.Event()

    async def waits(wire: Wire) -> None:
        await wire.request()
        await go.wait()
        await wire.send(head() + BODY)

    origin.default = waits
    client = await proxy.client()
    await client.send(get("/big"))
    await (await origin.wire()).until(b"\r\n\r\n")
    with few_descriptors(more):
        go.set()
        body = (await client.answer()).body
    assert body == BODY
    assert (await proxy.metric(SPLICED) > 0) is does
