"""A proxy that is told to stop and has a load balancer in front: it says so, and serves on until the balancer has noticed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.fakes.waiting import eventually
from tests.integration.cli.conftest import SlowVendor, WriteConfiguration
from tests.integration.cli.processes import Running, serving

PATH = "/ringcentral/restapi/v1.0/account/~/call-log"
GET = b"GET %s HTTP/1.1\r\nHost: proxy\r\n\r\n" % PATH.encode()
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


async def is_ready(running: Running) -> bool:
    async with aiohttp.ClientSession() as session, session.get(running.admin_url + "/readyz") as answer:
        return answer.status == 200


@asynccontextmanager
async def connection(running: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    yield reader, writer
    writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a request whose answer is the one byte `0`; return the head of the answer."""
    writer.write(GET)
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(1) == b"0"
    return head.lower()


async def is_told(running: Running) -> None:
    """Wait until a new connection is served and told that it is closed after its answer."""

    async def so() -> bool:
        async with connection(running) as (reader, writer):
            return b"\r\nconnection: close\r\n" in await ask(reader, writer)

    await eventually(so)


@WORKERS
async def test_not_ready_at_once_but_served_with_close_until_the_delay_ends(
    configured: WriteConfiguration, vendor: SlowVendor, workers: str
) -> None:
    file = configured(vendor.url, "limits: {shutdown_delay_s: 3600}")
    async with serving(file, "--workers", workers) as running, connection(running) as (reader, writer):
        assert b"connection: close" not in await ask(reader, writer)
        assert await is_ready(running)
        running.send(signal.SIGTERM)
        assert "not ready, but still serving for 3600 s" in await running.error_line("stopping")
        assert not await is_ready(running)
        await is_told(running)
        assert b"\r\nconnection: close\r\n" in await ask(reader, writer)  # it was open before, and nobody has hung up on it
        assert await reader.read() == b""
        running.send(signal.SIGTERM)
        code, _, errors = await running.end()
    assert (code, errors.splitlines()[-1]) == (0, "scopegate: stopped; every request was finished")


@WORKERS
async def test_after_the_delay_it_ends(configured: WriteConfiguration, vendor: SlowVendor, workers: str) -> None:
    file = configured(vendor.url, "limits: {shutdown_delay_s: 0.05}")
    async with serving(file, "--workers", workers) as running, connection(running) as (reader, writer):
        await ask(reader, writer)
        running.send(signal.SIGTERM)
        code, _, errors = await running.end()
        assert await reader.read() == b""
    assert (code, errors.splitlines()[-1]) == (0, "scopegate: stopped; every request was finished")
