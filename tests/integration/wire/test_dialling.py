"""From a host name to a connection: several addresses, look-ups that fail, flap or hang, and no descriptors left."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from proxy.wire import dialling
from proxy.wire.dialling import Address, Resolver, connect_first
from tests.fakes.origin import Origin
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, get

DESCRIPTORS = Path("/proc/self/fd")


class Names:
    """A name server: answers what a test says, and counts."""

    def __init__(self, *answers: Sequence[Address] | OSError) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        answer = self.answers.pop(0)
        await self.release.wait()
        if isinstance(answer, OSError):
            raise answer
        return answer


def local(port: int, host: str = "127.0.0.1") -> Address:
    return socket.AF_INET, (host, port)


@contextmanager
def silent() -> Iterator[Address]:
    """An address where nobody accepts and nobody refuses."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield local(full.getsockname()[1])
        for one in waiting:
            one.close()


def refusing() -> Address:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return local(closed.getsockname()[1])


# --- several addresses


async def test_the_next_address_is_tried_where_one_refuses_or_is_silent(origin: Origin) -> None:
    with silent() as nobody:
        for others in ([refusing()], [nobody], [nobody, refusing()], []):
            async with asyncio.timeout(5):
                plain = await connect_first([*others, local(origin.port)])
            assert plain.getpeername() == ("127.0.0.1", origin.port)
            plain.close()


async def test_where_no_address_works_the_reason_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect_first([refusing(), refusing()])
    with pytest.raises(OSError, match="no address"):
        await connect_first([])


async def test_a_vendor_with_a_dead_address_is_served(start_proxy: StartProxy, origin: Origin) -> None:
    """`localhost` has an IPv6 address too where the system has IPv6, and nobody listens there."""
    proxy = await start_proxy(f"http://localhost:{origin.port}")
    assert (await proxy.ask(get())).body == b"ok"
    assert b"Host: localhost:%d\r\n" % origin.port in origin.received


# --- look-ups


async def test_addresses_are_asked_for_once_by_all_who_wait() -> None:
    names = Names([local(1)])
    names.release.clear()
    resolver = Resolver("vendor.test", 1, names)
    waiting = [asyncio.create_task(resolver.addresses()) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    names.release.set()
    assert [await task for task in waiting[1:]] == [(local(1),)] * 4
    assert await resolver.addresses() == (local(1),)
    assert names.asked == 1


async def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    resolver = Resolver("vendor.test", 1, Names(socket.gaierror(socket.EAI_NONAME, "no"), [local(2)]))
    with pytest.raises(socket.gaierror):
        await resolver.addresses()
    assert await resolver.addresses() == (local(2),)


async def test_known_addresses_outlive_a_name_server_that_fails_or_hangs() -> None:
    names = Names([local(1)], socket.gaierror(socket.EAI_AGAIN, "later"), [local(2)])
    resolver = Resolver("vendor.test", 1, names, fresh_s=0.0, hurry_s=0.05)
    assert await resolver.addresses() == (local(1),)
    assert await resolver.addresses() == (local(1),)
    names.release.clear()
    assert await resolver.addresses() == (local(1),)
    names.release.set()
    await asyncio.sleep(0)
    assert (await resolver.addresses(), names.asked) == ((local(2),), 3)


async def test_addresses_that_are_too_old_are_not_used() -> None:
    resolver = Resolver("vendor.test", 1, Names([local(1)], socket.gaierror(socket.EAI_AGAIN, "later")), fresh_s=0.0, stale_s=0.0)
    await resolver.addresses()
    await asyncio.sleep(0.01)
    with pytest.raises(socket.gaierror):
        await resolver.addresses()


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("1.example", False)])
def test_an_address_needs_no_look_up(host: str, expected: bool) -> None:
    assert dialling.is_address(host) is expected


# --- no descriptors left


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(entry.name) for entry in DESCRIPTORS.iterdir()) + 1, hard))
    fillers = list(_filled())
    try:
        yield
    finally:
        for number in fillers:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _filled() -> Iterator[int]:
    """Take every descriptor that is left."""
    with suppress(OSError):
        while True:
            yield os.dup(0)


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="needs /proc")
async def test_without_descriptors_connections_go_on_and_nothing_is_blamed_on_the_vendor(start_proxy: StartProxy, origin: Origin) -> None:
    proxy = await start_proxy(more="circuit_breaker: {failures: 1}")
    client = await proxy.client()
    await client.send(get("/calls", POWERLESS))
    assert (await client.answer()).status == 403
    knocking = socket.socket()
    knocking.setblocking(False)
    with no_more_descriptors():
        await asyncio.get_running_loop().sock_connect(knocking, ("127.0.0.1", proxy.app.port))
        await client.send(get())
        answer = await client.answer()
        assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Retry-After")) == (503, "no_descriptors", "1")
        await client.send(get("/calls", POWERLESS))
        assert (await client.answer()).status == 403
    knocking.close()
    await client.send(get())
    assert (await client.answer()).body == b"ok"
    assert (await proxy.ask(get())).body == b"ok"
    rows = await proxy.exchanges(5)
    assert [row["fault"] for row in rows] == ["", "no_descriptors", "", "", ""]
