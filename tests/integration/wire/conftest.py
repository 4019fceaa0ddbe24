"""Every test of the byte path runs on both loops, against a proxy that must give everything back in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.fakes.origin import Origin
from tests.fakes.running import Running
from tests.fakes.waiting import PATIENCE_S, eventually

StartProxy = Callable[..., Awaitable[Running]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test here on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = await Origin().start()
    yield origin
    await origin.stop()


@pytest.fixture
async def start_proxy(tmp_path: Path, origin: Origin) -> AsyncIterator[StartProxy]:
    """Start proxies in front of `origin`; afterwards none may hold a connection, a place or a task."""
    started: list[Running] = []
    tasks = asyncio.all_tasks()

    async def start(upstream: str = "", **settings: str) -> Running:
        running = await Running.start(tmp_path, upstream or f"http://127.0.0.1:{origin.port}", **settings)
        started.append(running)
        return running

    yield start
    async with asyncio.timeout(2 * PATIENCE_S):
        for running in started:
            await running.finish()
        for wire in origin.wires:
            await wire.ended()

    async def only_old_tasks() -> bool:
        return not asyncio.all_tasks() - tasks - {asyncio.current_task()}

    await eventually(only_old_tasks)


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Running:
    return await start_proxy()
