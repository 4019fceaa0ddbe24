"""A running admin listener on a free port, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from proxy.admin.api import AdminApi
from proxy.admin.decisions import OwnDecisions
from proxy.admin.server import AdminServer, start
from proxy.telemetry.exposition import Exposition
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recent import Recent
from tests.integration.admin.admin_samples import SmallBackend
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, make_metrics


@pytest.fixture
def backend() -> SmallBackend:
    return SmallBackend()


@pytest.fixture
def metrics() -> Metrics:
    return make_metrics()


@pytest.fixture
def recent() -> Recent:
    recent = Recent()
    for exchange in (FORWARDED, DENIED, BAD_REQUEST):
        recent.record(exchange)
    return recent


@pytest.fixture
def api(backend: SmallBackend, metrics: Metrics, recent: Recent) -> AdminApi:
    return AdminApi(backend, OwnDecisions(recent), Exposition(metrics))


@pytest.fixture
async def server(api: AdminApi) -> AsyncIterator[AdminServer]:
    server = await start(api.routes(), "127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def client(server: AdminServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session
