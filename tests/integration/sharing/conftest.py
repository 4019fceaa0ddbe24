from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.valkey import Valkey, valkey
from tests.integration.sharing.replicas import Vendors, open_vendors


@pytest.fixture
async def store() -> AsyncIterator[Valkey]:
    async with valkey() as server:
        yield server


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with open_vendors() as vendors:
        yield vendors
